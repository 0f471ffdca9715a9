/* A dense layer of float32: the part of dense.h that int8 has not */
#ifndef AIFES_DENSE_F32_H
#define AIFES_DENSE_F32_H

/* step.own: whether weights are rows, else one input's after the other's */
typedef struct {
    aifes_step step;
    const f32 *weights, *bias;
} dense_step;

/* The check of that many dense layers, for conv, too; as that of int8. Returns the weights of each. */
static uint32_t dense_check(const aifes_memory *m, dense_step *s, const void *fields,
    const uint32_t *offsets, uint32_t groups)
{
    struct {
        uint8_t numbers[5], group;
        uint16_t interleave;
    } f;
    const uint32_t n = product(s->step.n_in, s->step.n_out);
    copy(&f, fields, 8);
    s->weights = finite_floats(m, offsets[0], product(n, groups));
    s->bias = finite_floats(m, offsets[1], s->step.n_out * groups);
    s->step.own = f.interleave == 1;
    for (int i = 0; i < 5; i++) {
        s->step.flags |= f.numbers[i];
    }
    return s->weights && s->bias && (s->step.own || (groups == 1 && f.interleave == s->step.n_out))
        && f.group == 1 && !(s->step.flags | offsets[2] | offsets[3] | offsets[4]) ? n : 0;
}

#if F32_SOFT
/* y[j] = bias[j] + sum_k x[k] * w[j][k]; rows of weights, or one input's after the other's */
AIFES_NOINLINE static void dense(const dense_step *s)
{
    const f32 *x = (const void *)s->step.x, *w = s->weights, *bias = s->bias;
    f32 *y = (void *)s->step.y;
    const uint32_t n_in = s->step.n_in, n_out = s->step.n_out, rows = s->step.own;
    for (f32 *end = y + n_out; y != end; y++) {
        *y = f32_dot(*bias++, x, w, n_in, rows ? 1 : n_out);
        w += rows ? n_in : 1;
    }
}
#else
/* The same, four outputs at a time: an FPU needs some cycles until a sum takes the next product */
AIFES_FAST static void dense(const dense_step *s)
{
    const f32 *x = (const void *)s->step.x, *w = s->weights, *bias = s->bias;
    f32 *y = (void *)s->step.y;
    const uint32_t n_in = s->step.n_in, rows = s->step.own;
    uint32_t n_out = s->step.n_out;
    const uint32_t next = rows ? n_in : 1, step = rows ? 1 : n_out;
    const f32 *end = x + n_in;
    for (; n_out >= 4; n_out -= 4, y += 4, bias += 4) {
        const f32 *w0 = w, *w1 = w0 + next, *w2 = w1 + next, *w3 = w2 + next;
        f32 a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
        if (rows) {
            for (const f32 *p = x; p != end;) {
                f32 v = *p++;
                a0 += v * *w0++;
                a1 += v * *w1++;
                a2 += v * *w2++;
                a3 += v * *w3++;
            }
        } else {
            for (const f32 *p = x; p != end; w0 += step) {
                f32 v = *p++;
                a0 += v * w0[0];
                a1 += v * w0[1];
                a2 += v * w0[2];
                a3 += v * w0[3];
            }
        }
        y[0] = a0, y[1] = a1, y[2] = a2, y[3] = a3;
        w += 4 * next;
    }
    for (; n_out; n_out--, w += next) {
        const f32 *v = w;
        f32 acc = *bias++;
        for (const f32 *p = x; p != end; v += step) {
            acc += *p++ * *v;
        }
        *y++ = acc;
    }
}
#endif

AIFES_INLINE int dense_run(const dense_step *s)
{
    if (s->step.kernel != DENSE) {
        return 0;
    }
    dense(s);
    return 1;
}

#endif

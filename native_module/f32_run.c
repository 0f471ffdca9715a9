/* The executor of float32 models: walks the op records of a checked net over the caller's arena.
 * Every engine makes the same operations in the same order: docs/format.md. */
#include "f32.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif

#include "f32_math.h"
#include "samples.h"

#define F32_ONE F32(1.0f, 0x3F800000)

/* multiply-accumulates after which a run returns for a moment: tens of milliseconds */
#ifndef F32_WORK
#define F32_WORK (F32_SOFT ? 1u << 15 : 1u << 19)
#endif

#if F32_SOFT
/* y[j] = bias[j] + sum_k x[k] * w[j][k]; rows of weights, or one input's after the other's */
__attribute__((noinline)) static void dense(const f32 *x, f32 *y, const f32 *w, const f32 *bias,
    uint32_t n_in, uint32_t n_out, int rows)
{
    for (f32 *end = y + n_out; y != end; y++) {
        *y = f32_dot(*bias++, x, w, n_in, rows ? 1 : n_out);
        w += rows ? n_in : 1;
    }
}
#else
/* The same, four outputs at a time: an FPU needs some cycles until a sum takes the next product */
AIFES_FAST static void dense(const f32 *x, f32 *y, const f32 *w, const f32 *bias, uint32_t n_in,
    uint32_t n_out, int rows)
{
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

/* exp(x), x <= 0: a polynomial of degree 6 around the nearest multiple of log 2 */
__attribute__((noinline)) static f32 exp_(f32 x)
{
    if (!f32_greater(x, F32(-86.00001f, 0xC2AC0001))) { /* the next float below -86 */
        return F32(0.0f, 0x00000000);
    }
    f32 n = f32_add(f32_mul(x, F32(1.44269504f, 0x3FB8AA3B)), F32(-0.5f, 0xBF000000)), r, p;
    /* truncated: down to an integer between 0 and -124, without a conversion */
    uint32_t bits = f32_bits(n), places = 150 - (bits >> 23 & 255), whole = 0;
    if (places <= 23) {
        bits = bits >> places << places;
        whole = ((bits & 0x7FFFFF) | 0x800000) >> places;
    } else {
        bits = 0;
    }
    n = f32_from(bits);
    r = f32_mac(x, n, F32(-0.693359375f, 0xBF318000));
    r = f32_mac(r, n, F32(2.12194440e-4f, 0x395E8083));
    p = f32_mac(F32(8.3333333e-3f, 0x3C088889), F32(1.3888889e-3f, 0x3AB60B61), r);
    p = f32_mac(F32(4.1666667e-2f, 0x3D2AAAAB), p, r);
    p = f32_mac(F32(0.16666667f, 0x3E2AAAAB), p, r);
    p = f32_mac(F32(0.5f, 0x3F000000), p, r);
    p = f32_mac(F32_ONE, p, r);
    p = f32_mac(F32_ONE, p, r);
    return f32_from(f32_bits(p) - (whole << 23));
}

static f32 activate(f32 x, uint32_t function, f32 alpha)
{
    const f32 zero = F32(0.0f, 0x00000000);
    const int positive = f32_greater(x, zero);
    f32 e, t;
    if (function <= F32_ELU) {
        if (positive) {
            return x;
        }
        if (function == F32_RELU) {
            return zero;
        }
        return f32_mul(alpha, function == F32_ELU ? f32_add(exp_(x), F32(-1.0f, 0xBF800000)) : x);
    }
    t = f32_abs(x);
    if (function == F32_SOFTSIGN) {
        return f32_div(x, f32_add(F32_ONE, t));
    }
    if (function == F32_TANH) {
        t = f32_add(t, t);
    }
    e = exp_(f32_negative(t));
    t = f32_add(F32_ONE, e);
    if (function == F32_SIGMOID) {
        return f32_div(positive ? F32_ONE : e, t);
    }
    t = f32_div(f32_add(F32_ONE, f32_negative(e)), t);
    return positive ? t : f32_negative(t);
}

/* y = exp(x - the largest x) / their sum */
__attribute__((noinline)) static void softmax(const f32 *x, f32 *y, uint32_t n)
{
    f32 top = x[0], total = F32(0.0f, 0x00000000);
    for (uint32_t i = 1; i < n; i++) {
        if (f32_greater(x[i], top)) {
            top = x[i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        y[i] = exp_(f32_add(x[i], f32_negative(top)));
        total = f32_add(total, y[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        y[i] = f32_div(y[i], total);
    }
}

int f32_place(aifes_net *net, const uint8_t *buf, int8_t *arena)
{
    if (((uintptr_t)buf | (uintptr_t)arena) & 3) {
        return 0;
    }
    for (aifes_step *s = net->steps; s < net->steps + net->header.n_ops; s++) {
        s->x = arena + s->op.x;
        s->y = arena + s->op.y;
        s->weights = buf + s->op.weights;
        s->bias = buf + s->op.bias;
        s->table = buf + s->op.table;
    }
    net->input = arena + net->header.input.offset;
    net->output = arena + net->header.output.offset;
    return 1;
}

uint32_t f32_run(const aifes_net *net, uint32_t at, uint32_t end)
{
    for (uint32_t work = 0; at < end;) {
        const aifes_step *s = net->steps + at;
        const aifes_op *op = &s->op;
        const f32 *x = (const f32 *)s->x;
        f32 *y = (f32 *)s->y;
        if (op->opcode == F32_DENSE) {
            dense(x, y, (const f32 *)s->weights, (const f32 *)s->bias, op->n_in, op->n_out,
                op->interleave == 1);
        } else if (op->opcode == F32_SOFTMAX) {
            softmax(x, y, op->n_in);
        } else {
            /* only these two have one: for others the guard did not look at where it is */
            const int has_alpha = op->flags == F32_LEAKY_RELU || op->flags == F32_ELU;
            const f32 alpha = has_alpha ? *(const f32 *)s->table : F32_ONE;
            for (uint32_t i = 0; i < op->n_in; i++) {
                y[i] = activate(x[i], op->flags, alpha);
            }
        }
        work += op->n_in * op->n_out;
        if (++at < end && work > F32_WORK) {
            return at;
        }
    }
    return 0;
}

/* A sample from the caller or to him, as if all were read first: x and y may lie in the arena.
 * finite: NaN becomes 0, an infinity the largest float */
__attribute__((noinline)) static void move(uint32_t *to, const uint32_t *from, uint32_t n, int finite)
{
    int32_t step = 1;
    if ((uintptr_t)to > (uintptr_t)from) {
        to += n - 1;
        from += n - 1;
        step = -1;
    }
    for (; n; n--, to += step, from += step) {
        uint32_t bits = *from, size = bits << 1;
        if (finite && size >= 0xFF000000) {
            bits = size == 0xFF000000 ? bits - 1 : 0;
        }
        *(volatile uint32_t *)to = bits; /* volatile: no memcpy */
    }
}

static uint32_t run_sample(const aifes_net *net, const void *x, void *y, int floats, uint32_t at)
{
    (void)floats;
    if (at == 0) {
        move((uint32_t *)net->input, x, net->n_in, 1);
    }
    at = f32_run(net, at, net->header.n_ops);
    if (at == 0) {
        move(y, (const uint32_t *)net->output, net->n_out, 0);
    }
    return at;
}

int32_t f32_run_samples(const aifes_net *net, const aifes_buffer *x, const aifes_buffer *y,
    uint32_t at)
{
    return run_samples(net, x, y, at, F32_WORK);
}

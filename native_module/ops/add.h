/* add: y = clamp(((x1 << left1) + (x2 << left2) + bias >> shift) + zero_point); float32: x1 + x2.
 * device/aifes/ops/add.py. multiply.h has the same kernel: x1 * (product * x2 + factor1)
 * + x2 * factor2 + bias is both */
#ifndef AIFES_ADD_H
#define AIFES_ADD_H

#include "../guard.h"

#define ADD 4
#define ADD_RECORD AIFES_RECORD(ADD, 0x12, 6)
#define ADD_IN_PLACE 1

typedef struct {
    uint8_t opcode, flags, ends, words;
    uint16_t tensors[4]; /* two inputs, the output, nothing */
    int8_t zero_point, low, high;
    uint8_t shift, left1, left2;
    uint16_t reserved;
    int32_t bias;
} add_record;

#if AIFES_FLOAT

typedef struct {
    aifes_step step;
    const f32 *x2, *end2; /* where x2 begins anew */
    uint32_t product;
} add_step;

/* of add and multiply */
AIFES_NOINLINE static int add_load(const aifes_memory *m, add_step *s, const add_record *r,
    const aifes_place *x)
{
    (void)m;
    s->x2 = (const void *)x[1].data;
    s->end2 = s->x2 + x[1].n;
    if (x[0].n == x[1].n) {
        AIFES_BY_ELEMENTS(s);
    }
    s->product = s->step.kernel != ADD;
    s->step.kernel = ADD; /* which runs both */
    return (s->product || (x[0].n == x[1].n && !r->bias)) && x[0].n == s->step.n_out
        && !(s->step.flags | r->zero_point | r->low | r->high | r->shift | r->left1 | r->left2
            | r->reserved);
}

AIFES_FAST static void add(const add_step *s)
{
    const f32 *a = (const f32 *)(const void *)s->step.x + AIFES_AT(s, 0), *b = s->x2 + AIFES_AT(s, 1);
    f32 *y = (void *)s->step.y;
    for (uint32_t n = AIFES_ELEMENTS(s); n; n--, a++) {
        *y++ = s->product ? f32_mul(*a, *b) : f32_add(*a, *b);
        if (++b == s->end2) {
            b = s->x2;
        }
    }
}

#else

typedef struct {
    aifes_step step;
    int8_t zero_point, low, high;
    uint8_t shift;
    int32_t product, factor1, factor2, bias;
    const int8_t *x2, *end2; /* where x2 begins anew */
} add_step;

/* of add and multiply, whose records have the same fields; left1, left2: zero1, zero2 */
AIFES_NOINLINE static int add_load(const aifes_memory *m, add_step *s, const add_record *r,
    const aifes_place *x)
{
    const uint32_t other = x[0].n - x[1].n; /* elements */
    uint32_t left1 = r->left1, left2 = r->left2;
    (void)m;
    copy(&s->zero_point, &r->zero_point, 4);
    s->x2 = x[1].data;
    s->end2 = s->x2 + x[1].n;
    if (!other) {
        AIFES_BY_ELEMENTS(s);
    }
    s->product = s->step.kernel != ADD;
    s->step.kernel = ADD; /* which runs both */
    s->factor1 = 1u << (left1 & 31);
    s->factor2 = 1u << (left2 & 31);
    s->bias = r->bias;
    left1 += other << 5;
    if (s->product) {
        s->factor1 = -(int8_t)left2;
        s->factor2 = -(int8_t)r->left1;
        s->bias = s->factor1 * s->factor2 + (int32_t)(1u << (s->shift & 31) >> 1);
        left1 = (s->shift + 3u) & ~31u; /* 0 up to a shift of 28 */
        left2 = 0;
    }
    return x[0].n == s->step.n_out && !(s->step.flags | r->reserved) && s->low <= s->high
        && s->shift < 32 && left1 <= 16 && left2 <= 16
        && !(((uint32_t)s->bias + (1u << 28)) >> 29);
}

#if AIFES_TIGHT
AIFES_NOINLINE
#else
AIFES_FAST
#endif
static void add(const add_step *s)
{
    const int8_t *a = s->step.x + AIFES_AT(s, 0), *b = s->x2 + AIFES_AT(s, 1);
    int8_t *y = s->step.y, *end = y + AIFES_ELEMENTS(s);
    const int32_t product = s->product, factor1 = s->factor1, factor2 = s->factor2;
    const int32_t zero_point = s->zero_point, low = s->low, high = s->high;
    do {
        int32_t v = *b++;
        v = ((*a++ * (product * v + factor1) + v * factor2 + s->bias) >> s->shift) + zero_point;
        *y++ = v < low ? low : v > high ? high : v;
        if (b == s->end2) {
            b = s->x2;
        }
    } while (y != end);
}

#endif

AIFES_INLINE int add_run(const add_step *s)
{
    if (s->step.kernel != ADD) {
        return 0;
    }
    add(s);
    return 1;
}

#endif

/* softmax: y = exp(x) / sum(exp(x)), for int8 by a table of exp. device/aifes/ops/softmax.py */
#ifndef AIFES_SOFTMAX_H
#define AIFES_SOFTMAX_H

#include "../guard.h"

#define SOFTMAX 3
#define SOFTMAX_RECORD AIFES_RECORD(SOFTMAX, 0x11, 3)
#define SOFTMAX_IN_PLACE 1

typedef struct {
    aifes_record record;
    uint32_t table; /* 256 uint16: exp of 0, -1, .. steps; int8 only */
} softmax_record;

typedef struct {
    aifes_step step;
    const uint8_t *table;
} softmax_step;

#if !AIFES_FLOAT

static int softmax_load(const aifes_memory *m, softmax_step *s, const softmax_record *r,
    const aifes_place *x)
{
    (void)x;
    s->table = constant(m, r->table, 512);
    return s->table && (s->table[0] | s->table[1]) && s->step.flags <= 1 && !(s->step.n_in >> 14)
        && s->step.n_in == s->step.n_out;
}

#if AIFES_DIVIDES
#define DIVIDE(n, d) ((n) / (d))
#else
#define DIVIDE divide
/* n / d, for quotients below 2^9 */
AIFES_NOINLINE static uint32_t divide(uint32_t n, uint32_t d)
{
    uint32_t q = 0;
    int bits = 9;
    while (--bits && d >> (32 - bits)) {
    }
    for (d <<= bits; bits >= 0; bits--, d >>= 1) {
        q <<= 1;
        if (n >= d) {
            n -= d;
            q++;
        }
    }
    return q;
}
#endif

/* e = table[max - x]; y = 256 * e / sum(e) - 128, floored or to nearest */
AIFES_NOINLINE static void softmax(const softmax_step *s)
{
    const int8_t *begin = s->step.x, *end = begin + s->step.n_in, *x;
    int8_t *y = s->step.y;
    uint32_t total = 0, half = 0;
    int32_t top = -128;
    for (x = begin; x != end; x++) {
        if (*x > top) {
            top = *x;
        }
    }
    const uint8_t *table = s->table + 2 * top;
    for (x = begin; x != end; x++) {
        const uint8_t *e = table - 2 * *x;
        total += e[0] | e[1] << 8;
    }
    if (s->step.flags) {
        half = total >> 1;
        total += !total; /* where a buffer was changed after its check */
    } else {
        total++;
    }
    for (x = begin; x != end; x++) {
        const uint8_t *e = table - 2 * *x;
        uint32_t q = DIVIDE(((e[0] | e[1] << 8) << 8) + half, total);
        *y++ = (q > 255 ? 255 : q) - 128;
    }
}

#else

static int softmax_load(const aifes_memory *m, softmax_step *s, const softmax_record *r,
    const aifes_place *x)
{
    (void)m, (void)x;
    return !r->table && !s->step.flags && s->step.n_in == s->step.n_out;
}

/* y = exp(x - the largest x) / their sum */
AIFES_NOINLINE static void softmax(const softmax_step *s)
{
    const f32 *x = (const void *)s->step.x;
    f32 *y = (void *)s->step.y;
    const uint32_t n = s->step.n_in;
    f32 top = x[0], total = F32(0.0f, 0x00000000);
    for (uint32_t i = 1; i < n; i++) {
        if (f32_greater(x[i], top)) {
            top = x[i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        y[i] = f32_exp(f32_add(x[i], f32_negative(top)));
        total = f32_add(total, y[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        y[i] = f32_div(y[i], total);
    }
}

#endif

AIFES_INLINE int softmax_run(const softmax_step *s)
{
    if (s->step.kernel != SOFTMAX) {
        return 0;
    }
    softmax(s);
    return 1;
}

#endif

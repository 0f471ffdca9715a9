/* reverse: y[i] = x[n - 1 - i]. device/aifes/ops/reverse.py */
#ifndef AIFES_REVERSE_H
#define AIFES_REVERSE_H

#include "../guard.h"

#define REVERSE 9
#define REVERSE_RECORD AIFES_RECORD(REVERSE, 0x11, 2)
#define REVERSE_IN_PLACE 0

typedef struct {
    uint8_t opcode, flags, ends, words;
    uint16_t tensors[2];
} reverse_record;

typedef struct {
    aifes_step step;
} reverse_step;

static int reverse_load(const aifes_memory *m, reverse_step *s, const reverse_record *r,
    const aifes_place *x)
{
    (void)m;
    (void)r;
    return x[0].n == s->step.n_out && !s->step.flags;
}

AIFES_INLINE int reverse_run(const reverse_step *s)
{
#if AIFES_FLOAT
    typedef uint32_t element;
#else
    typedef int8_t element;
#endif
    if (s->step.kernel != REVERSE) {
        return 0;
    }
    const element *x = (const element *)s->step.x + s->step.n_out;
    element *y = (element *)s->step.y;
    for (uint32_t n = s->step.n_out; n; n--) {
        *y++ = *--x;
    }
    return 1;
}

#endif

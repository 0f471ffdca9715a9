/* multiply: y = clamp(((x1 - zero1) * (x2 - zero2) + half >> shift) + zero_point); float32: x1 * x2.
 * x2 may be repeated: device/aifes/ops/multiply.py */
#ifndef AIFES_MULTIPLY_H
#define AIFES_MULTIPLY_H

#include "add.h"

#define MULTIPLY 8
#define MULTIPLY_RECORD AIFES_RECORD(MULTIPLY, 0x12, 5)
#define MULTIPLY_IN_PLACE 1

typedef add_record multiply_record; /* but the bias; left1, left2: zero1, zero2 */
typedef add_step multiply_step;

#if !AIFES_FLOAT
#define multiply_load add_load
#else
static int multiply_load(const aifes_memory *m, multiply_step *s, const multiply_record *r,
    const aifes_place *x)
{
    (void)m;
    s->x2 = (const void *)x[1].data;
    s->end2 = s->x2 + x[1].n;
    if (x[0].n == x[1].n) {
        AIFES_BY_ELEMENTS(s);
    }
    return x[0].n == s->step.n_out && !s->step.flags
        && !(r->zero_point | r->low | r->high | r->shift | r->left1 | r->left2 | r->reserved);
}
#endif

AIFES_INLINE int multiply_run(const multiply_step *s)
{
#if AIFES_FLOAT
    if (s->step.kernel != MULTIPLY) {
        return 0;
    }
    const f32 *a = (const f32 *)(const void *)s->step.x + AIFES_AT(s, 0), *b = s->x2 + AIFES_AT(s, 1);
    f32 *y = (void *)s->step.y;
    for (uint32_t n = AIFES_ELEMENTS(s); n; n--) {
        *y++ = f32_mul(*a++, *b++);
        if (b == s->end2) {
            b = s->x2;
        }
    }
    return 1;
#else
    (void)s;
    return 0;
#endif
}

#endif

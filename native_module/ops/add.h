/* add: y = clamp(((x1 << left1) + (x2 << left2) + bias >> shift) + zero_point); float32: x1 + x2.
 * device/aifes/ops/add.py */
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
    const f32 *x2;
} add_step;

static int add_load(const aifes_memory *m, add_step *s, const add_record *r, const aifes_place *x)
{
    (void)m;
    s->x2 = (const void *)x[1].data;
    AIFES_BY_ELEMENTS(s);
    return x[0].n == x[1].n && x[0].n == s->step.n_out && !s->step.flags
        && !(r->zero_point | r->low | r->high | r->shift | r->left1 | r->left2 | r->reserved
            | r->bias);
}

AIFES_FAST static void add(const add_step *s)
{
    const f32 *a = (const f32 *)(const void *)s->step.x + AIFES_AT(s, 0), *b = s->x2 + AIFES_AT(s, 1);
    f32 *y = (void *)s->step.y;
    for (uint32_t n = AIFES_ELEMENTS(s); n; n--) {
        *y++ = f32_add(*a++, *b++);
    }
}

#else

typedef struct {
    aifes_step step;
    int8_t zero_point, low, high;
    uint8_t shift, left1, left2;
    uint16_t reserved;
    int32_t bias;
    const int8_t *x2;
} add_step;

static int add_load(const aifes_memory *m, add_step *s, const add_record *r, const aifes_place *x)
{
    (void)m;
    copy(&s->zero_point, &r->zero_point, 12);
    s->x2 = x[1].data;
    AIFES_BY_ELEMENTS(s);
    return x[0].n == x[1].n && x[0].n == s->step.n_out && !(s->step.flags | s->reserved)
        && s->low <= s->high && s->shift < 32 && s->left1 <= 16 && s->left2 <= 16
        && !((s->bias < 0 ? 0u - (uint32_t)s->bias : (uint32_t)s->bias) >> 28);
}

AIFES_FAST static void add(const add_step *s)
{
    const int8_t *a = s->step.x + AIFES_AT(s, 0), *b = s->x2 + AIFES_AT(s, 1);
    int8_t *y = s->step.y, *end = y + AIFES_ELEMENTS(s);
    const int32_t scale1 = 1 << s->left1, scale2 = 1 << s->left2, bias = s->bias;
    const int32_t zero_point = s->zero_point, low = s->low, high = s->high;
    const uint32_t shift = s->shift;
    do {
        int32_t v = ((*a++ * scale1 + *b++ * scale2 + bias) >> shift) + zero_point;
        *y++ = v < low ? low : v > high ? high : v;
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

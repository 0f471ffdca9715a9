/* map: y = table[x], elementwise; float32: a function by flags. device/aifes/ops/map.py */
#ifndef AIFES_MAP_H
#define AIFES_MAP_H

#include "../guard.h"

#define MAP 2
#define MAP_RECORD AIFES_RECORD(MAP, 0x11, 3)
#define MAP_IN_PLACE 1

typedef struct {
    aifes_record record;
    uint32_t table; /* float32: alpha, of those functions that have one */
} map_record;

#if !AIFES_FLOAT

typedef struct {
    aifes_step step;
    const uint8_t *table;
} map_step;

static int map_load(const aifes_memory *m, map_step *s, const map_record *r, const aifes_place *x)
{
    (void)x;
    s->table = constant(m, r->table, 256);
    AIFES_BY_ELEMENTS(s);
    return s->table && !s->step.flags && s->step.n_in == s->step.n_out;
}

AIFES_NOINLINE static void map(const map_step *s)
{
    const uint8_t *table = s->table + 128;
    const int8_t *x = s->step.x + AIFES_AT(s, 0), *end = x + AIFES_ELEMENTS(s);
    int8_t *y = s->step.y;
    while (x != end) {
        *y++ = table[*x++];
    }
}

#else

typedef struct {
    aifes_step step;
    const f32 *alpha; /* or NULL */
} map_step;

enum { MAP_RELU, MAP_LEAKY_RELU, MAP_ELU, MAP_SIGMOID, MAP_TANH, MAP_SOFTSIGN };

static int map_load(const aifes_memory *m, map_step *s, const map_record *r, const aifes_place *x)
{
    const uint32_t function = s->step.flags;
    (void)x;
    s->alpha = NULL;
    if (function == MAP_LEAKY_RELU || function == MAP_ELU) {
        s->alpha = finite_floats(m, r->table, 1);
    }
    AIFES_BY_ELEMENTS(s);
    return !s->alpha == !r->table && s->step.n_in == s->step.n_out && function <= MAP_SOFTSIGN
        && (s->alpha || function == MAP_RELU || function > MAP_ELU);
}

static f32 activate(f32 x, uint32_t function, f32 alpha)
{
    const f32 zero = F32(0.0f, 0x00000000);
    const int positive = f32_greater(x, zero);
    f32 e, t;
    if (function <= MAP_ELU) {
        if (positive) {
            return x;
        }
        if (function == MAP_RELU) {
            return zero;
        }
        return f32_mul(alpha, function == MAP_ELU ? f32_add(f32_exp(x), F32(-1.0f, 0xBF800000)) : x);
    }
    t = f32_abs(x);
    if (function == MAP_SOFTSIGN) {
        return f32_div(x, f32_add(F32_ONE, t));
    }
    if (function == MAP_TANH) {
        t = f32_add(t, t);
    }
    e = f32_exp(f32_negative(t));
    t = f32_add(F32_ONE, e);
    if (function == MAP_SIGMOID) {
        return f32_div(positive ? F32_ONE : e, t);
    }
    t = f32_div(f32_add(F32_ONE, f32_negative(e)), t);
    return positive ? t : f32_negative(t);
}

AIFES_NOINLINE static void map(const map_step *s)
{
    const f32 *x = (const f32 *)(const void *)s->step.x + AIFES_AT(s, 0);
    f32 *y = (void *)s->step.y;
    const f32 alpha = s->alpha ? *s->alpha : F32_ONE;
    const uint32_t function = s->step.flags, n = AIFES_ELEMENTS(s);
    for (uint32_t i = 0; i < n; i++) {
        y[i] = activate(x[i], function, alpha);
    }
}

#endif

AIFES_INLINE int map_run(const map_step *s)
{
    if (s->step.kernel != MAP) {
        return 0;
    }
    map(s);
    return 1;
}

#endif

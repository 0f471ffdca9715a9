/* mean: that of all pixels of an image, for each channel, which takes row after row of it.
 * device/aifes/ops/mean.py */
#ifndef AIFES_MEAN_H
#define AIFES_MEAN_H

#include "pool.h"

#define MEAN 7
#define MEAN_RECORD AIFES_RECORD(MEAN, 0x21, 4)
#define MEAN_IN_PLACE 0

typedef struct {
    uint8_t opcode, flags, ends, words;
    uint16_t tensors[4]; /* input, output, scratch, nothing */
    int8_t zero_point, x_zero;
    uint8_t up, reserved;
} mean_record;

/* as a pool with one window; sums: of the channels, in the scratch */
typedef struct {
    pool_step pool;
    int32_t *sums;
} mean_step;

static int mean_load(const aifes_memory *m, mean_step *s, const mean_record *r,
    const aifes_place *x)
{
    aifes_rows *rows = AIFES_ROWS(s);
    (void)m;
    if (!geometry(&s->pool.step, &s->pool.zero_point, &r->zero_point, x)
        || !pool_fits(&s->pool, s->pool.rows * s->pool.columns)) {
        return 0;
    }
    rows->rows = rows->room = s->pool.rows;
    rows->row = rows->start = rows->span = 0;
    rows->stride = 1;
    s->sums = (int32_t *)(void *)(((uintptr_t)x[2].data + 3) & ~(uintptr_t)3);
    return s->pool.step.n_out == s->pool.channels && x[2].n >= 4 * s->pool.channels + 3
        && !s->pool.step.flags;
}

AIFES_NOINLINE static void mean(const mean_step *s)
{
    const aifes_rows *r = AIFES_ROWS(s);
    const uint32_t channels = s->pool.channels;
    const int8_t *x = s->pool.step.x + r->top[0] * s->pool.columns * channels;
    int32_t *sums = s->sums;
    if (!r->there) {
        fill(sums, channels, 0);
    }
    for (uint32_t c = s->pool.columns; c; c--, x += channels) {
        pool_tap(sums, x, channels, 1);
    }
    if (r->there + 1 == r->rows) {
        pool_finish(&s->pool, s->pool.step.y, sums, channels, s->pool.step.n_in);
    }
}

AIFES_INLINE int mean_run(const mean_step *s)
{
    if (s->pool.step.kernel != MEAN) {
        return 0;
    }
    mean(s);
    return 1;
}

#endif

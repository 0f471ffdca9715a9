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
    aifes_tensor t;
    uint32_t n = tensor(m, r->tensors[0], &t);
    copy(&s->pool.zero_point, &r->zero_point, 4);
    s->pool.columns = t.dims[1];
    s->pool.channels = s->pool.step.n_out;
    AIFES_ROWS(s)->rows = t.dims[0];
    AIFES_ROWS(s)->row = AIFES_ROWS(s)->span = 0;
    n = n == product(t.dims[0] * t.dims[1], s->pool.channels) && t.rank == 3 ? t.dims[0] * t.dims[1] : 0;
    s->pool.step.n_in = n;
    n = n && n <= 1 << 20 && s->pool.up <= 16 && 255 * n <= (1u << 29) >> s->pool.up
        && tensor(m, r->tensors[2], &t) >= 4 * s->pool.channels + 3 && !s->pool.step.flags
        && !s->pool.reserved;
    s->sums = (int32_t *)(void *)(((uintptr_t)m->arena.buf + t.offset + 3) & ~(uintptr_t)3);
    (void)x;
    return n;
}

AIFES_NOINLINE static void mean(const mean_step *s)
{
    const aifes_rows *r = AIFES_ROWS(s);
    const uint32_t channels = s->pool.channels;
    const int8_t *x = s->pool.step.x + r->top[0] * s->pool.columns * channels;
    int32_t *sums = s->sums;
    if (!r->there) {
        for (uint32_t k = 0; k < channels; k++) {
            ((volatile int32_t *)sums)[k] = 0; /* volatile: no memset */
        }
    }
    for (uint32_t c = s->pool.columns; c; c--, x += channels) {
        pool_tap(sums, x, channels, 1);
    }
    if (r->left == 1) {
        for (uint32_t k = 0; k < channels; k++) {
            s->pool.step.y[k] = pool_mean(&s->pool, sums[k], s->pool.step.n_in);
        }
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

/* dense: y = table[clamp((bias + x . w >> shift) + zero_point)]; float32: y = bias + x . w.
 * device/aifes/ops/dense.py. The sums of int8 are in dense_sums.h and, for chips, beside it. */
#ifndef AIFES_DENSE_H
#define AIFES_DENSE_H

#include "../guard.h"

#define DENSE 1
#define DENSE_RECORD AIFES_RECORD(DENSE, 0x11, 9)
#define DENSE_IN_PLACE 0

typedef struct {
    aifes_record record;
    int8_t zero_point;
    uint8_t weight_zero;
    int8_t low, high;
    uint8_t shift, group;
    uint16_t interleave;
    uint32_t weights, bias, shifts, table, multipliers;
} dense_record;

#if !AIFES_FLOAT

/* step.own: whether each output has a shift of its own, else it is one; table: begins at what is
 * stored for `low` */
typedef struct {
    aifes_step step;
    int8_t zero_point;
    uint8_t weight_zero;
    int8_t low, high;
    uint8_t shift, group;
    uint16_t interleave;
    const uint8_t *weights, *bias, *shifts, *table;
} dense_step;

/* Which function runs it, found when the addresses are made */
enum { DENSE_ANY = DENSE, DENSE_ROWS = DENSE | 1 << 6, DENSE_BLOCKS = DENSE | 2 << 6 };

#ifndef AIFES_COMPACT
#define AIFES_COMPACT 0 /* 1: small rather than fast; of blocks of four only those of rows */
#endif
#include "dense_sums.h"

#ifndef AIFES_SMALL
#define AIFES_SMALL 0 /* 1: without the fast kernels */
#endif

#define AIFES_BLOCK 32 /* outputs whose sums are finished together */

static uint32_t dense_kernel(const dense_step *s)
{
    const uint32_t interleave = s->interleave;
    if (AIFES_SMALL || ((uintptr_t)s->weights | (uintptr_t)s->bias) & 3) {
        return DENSE_ANY;
    }
    if (s->group == 4) {
        return AIFES_HAS_SUMS_4 && !AIFES_COMPACT && interleave == 4 ? DENSE_BLOCKS : DENSE_ANY;
    }
    if (interleave == 1) {
        return AIFES_HAS_SUMS_4 && s->step.n_out >= 4 ? DENSE_BLOCKS : DENSE_ROWS;
    }
    return AIFES_HAS_SUMS_8 && interleave == 8 ? DENSE_BLOCKS : DENSE_ANY;
}

/* The bias of output j, at any address */
AIFES_INLINE int32_t dense_bias(const dense_step *s, uint32_t j)
{
#if AIFES_TIGHT
    int32_t bias;
    copy(&bias, s->bias + 4 * j, 4);
    return bias;
#else
    return aifes_get32(s->bias + 4 * j);
#endif
}

/* The check of that many dense layers of n_in inputs and n_out outputs each, for conv, too. fields:
 * of a record from zero_point to interleave; offsets: from weights to multipliers. Returns the
 * bytes of the weights of each, 0: it is refused. */
static uint32_t dense_check(const aifes_memory *m, dense_step *s, const void *fields,
    const uint32_t *offsets, uint32_t groups)
{
    const uint32_t n_in = s->step.n_in, n_out = s->step.n_out * groups;
    const uint32_t limit = (1u << 30) - (n_in << 16); /* of a bias: no sum overflows */
    const uint8_t **to = &s->weights; /* and the three behind */
    uint32_t size = 0;
    copy(&s->zero_point, fields, 8);
    if ((n_in >> 14 | s->step.flags >> 1 | s->shift >> 5 | offsets[4]) || s->low > s->high
        || (s->group != 1 && s->group != 4) || s->interleave - 1u >= s->step.n_out) {
        return 0;
    }
    while (size < s->step.n_out) {
        size += s->interleave;
    }
    size = product(size, n_in);
    const uint32_t sizes[4] = {product(size, groups), 4 * n_out, n_out, 256};
    for (const uint32_t *p = sizes; p != sizes + 4; p++, offsets++, to++) {
        *to = constant(m, *offsets, *p);
        if (!*to && (*offsets || p < sizes + 2)) { /* the last two may be absent */
            return 0;
        }
    }
    s->step.own = s->shifts != NULL;
    if (!s->shifts) {
        s->shifts = &s->shift;
    }
    if (s->table) {
        s->table += 128 + s->low;
    }
    for (uint32_t j = 0; j < n_out; j++) {
        if ((uint32_t)dense_bias(s, j) + limit - 1 >= 2 * limit - 1
            || s->shifts[s->step.own * j] > 31) {
            return 0;
        }
    }
    s->step.kernel = dense_kernel(s);
    return size;
}

/* a + b; wraps where a buffer was changed after its check */
AIFES_INLINE int32_t plus(int32_t a, int32_t b)
{
    return (uint32_t)a + (uint32_t)b;
}

#ifndef AIFES_HAS_SHIFTED
AIFES_INLINE int32_t shifted(int32_t acc, uint8_t shift)
{
    return acc >> (shift & 31);
}
#endif

/* clamp((acc >> shift) + zero_point), counted from low.
 * offset: zero_point - low, span: high - low */
AIFES_INLINE uint32_t clamp(int32_t acc, uint8_t shift, int32_t offset,
    uint32_t span)
{
    int32_t v = plus(shifted(acc, shift), offset);
    v = v < 0 ? 0 : v;
    return (uint32_t)v < span ? (uint32_t)v : span;
}

/* The sum of one output, any order: w its block's weights, column its place in the block. */
#if !AIFES_COMPACT
AIFES_NOINLINE
#endif
static int32_t sums_1(const dense_step *s, const uint8_t *w, uint32_t column)
{
    const int8_t *x = s->step.x, *end = x + s->step.n_in;
    uint32_t group = s->group, step = s->interleave, stride = 1;
    int32_t weight_zero = s->weight_zero, acc = 0;
    if (group == 1) { /* one loop over all inputs */
        group = s->step.n_in;
        stride = step;
        w += column;
        column = 0;
    }
    while (x < end) {
        uint32_t n = (uint32_t)(end - x) < group ? (uint32_t)(end - x) : group;
        const uint8_t *v = w + column * n;
        for (const int8_t *stop = x + n; x < stop; v += stride) {
            acc += *x++ * (*v - weight_zero);
        }
        w += n * step;
    }
    return acc;
}

#if !AIFES_TIGHT
/* Any order of weights at any address: the reference of all that follows. */
AIFES_NOINLINE static void dense_any(const dense_step *s)
{
    const uint8_t *w = s->weights;
    for (uint32_t j = 0, column = 0; j < s->step.n_out; j++) {
        int32_t acc = plus(dense_bias(s, j), sums_1(s, w, column));
        uint32_t v = clamp(acc, s->shifts[s->step.own ? j : 0], s->zero_point - s->low,
            s->high - s->low);
        s->step.y[j] = s->table ? s->table[v] : v + s->low;
        if (++column == s->interleave) {
            column = 0;
            w += s->interleave * s->step.n_in;
        }
    }
}

#ifndef AIFES_HAS_DENSE_ROWS
/* Rows of weights, the bias at a multiple of 4, from the output at y on: for few of them. */
AIFES_FAST static void dense_rows(const dense_step *s, const uint8_t *w, const int32_t *bias,
    const uint8_t *shifts, int8_t *y)
{
    const uint8_t *table = s->table;
    const int8_t *x = s->step.x, *x_end = x + s->step.n_in, *end = s->step.y + s->step.n_out;
    int32_t weight_zero = s->weight_zero, low = s->low, offset = s->zero_point - low;
    uint32_t span = s->high - low, step = s->step.own;
    do {
        int32_t acc = 0;
        uint32_t v;
        do {
            acc += *x++ * (*w++ - weight_zero);
        } while (x != x_end);
        x -= s->step.n_in;
        v = clamp(plus(*bias++, acc), *shifts, offset, span);
        shifts += step;
        *y++ = table ? table[v] : v + low;
    } while (y != end);
}
#endif
#endif

/* Finish n outputs from `first` on, whose bias begins at a multiple of 4. */
#if AIFES_COMPACT
AIFES_LOOP
#else
AIFES_FAST
#endif
static void finish(const dense_step *s, const int32_t *acc, uint32_t first, uint32_t n
#if AIFES_TIGHT
    , const int32_t *bias)
{
#else
    )
{
    const int32_t *bias = (const int32_t *)(const void *)s->bias + first;
#endif
    const uint8_t *shifts = s->shifts, *table = s->table;
    int32_t low = s->low, offset = s->zero_point - low;
    uint32_t span = s->high - low, step = s->step.own;
    int8_t *y = s->step.y + first, *end = y + n;
    if (step) {
        shifts += first;
    }
    do {
        uint32_t v = clamp(plus(*bias++, *acc++), *shifts, offset, span);
        shifts += step;
        *y++ = table ? table[v] : v + low;
    } while (y != end);
}

AIFES_INLINE void finish_block(const dense_step *s, const int32_t *acc, uint32_t first, uint32_t n)
{
#if AIFES_TIGHT
    finish(s, acc, first, n, (const int32_t *)(const void *)s->bias + first);
#else
    finish(s, acc, first, n);
#endif
}

#if AIFES_TIGHT
/* Outputs one by one, in any order of weights at any address: all, or the last ones of rows */
static void dense_rest(const dense_step *s, uint32_t first)
{
    const uint8_t *w = s->weights + first * s->step.n_in;
    for (uint32_t column = 0; first < s->step.n_out; first++) {
        int32_t acc = sums_1(s, w, column), bias = dense_bias(s, first);
        finish(s, &acc, first, 1, &bias);
        if (++column == s->interleave) {
            column = 0;
            w += s->interleave * s->step.n_in;
        }
    }
}
#endif

/* Blocks of 8 or 4 outputs by the kernel of their order; rows leave a rest of up to 3.
 * AIFES_TIGHT: or all by dense_rest(). */
#if AIFES_TIGHT
AIFES_NOINLINE
#else
AIFES_FAST
#endif
static void dense_blocks(const dense_step *s)
{
#if AIFES_TIGHT
    if (AIFES_SMALL || !(s->step.kernel & DENSE_BLOCKS & ~DENSE)) {
        dense_rest(s, 0);
        return;
    }
#endif
    const uint8_t *w = s->weights;
    const int rows = (AIFES_COMPACT && !AIFES_HAS_SUMS_8) || s->interleave == 1, eight = AIFES_HAS_SUMS_8 && s->interleave == 8;
    const uint32_t n_in = s->step.n_in;
    const uint32_t n_out = rows ? s->step.n_out & ~3 : s->step.n_out;
    const int32_t start = -s->weight_zero * sum(s->step.x, n_in);
    int32_t acc[AIFES_BLOCK];
    for (uint32_t first = 0; first < n_out; first += AIFES_BLOCK, w += AIFES_BLOCK * n_in) {
        uint32_t n = n_out - first < AIFES_BLOCK ? n_out - first : AIFES_BLOCK;
        if (eight) {
            sums_8(w, s->step.x, n_in, acc, start, (n + 7) >> 3);
        } else {
            sums_4(w, s->step.x, n_in, acc, start, (n + 3) >> 2, rows);
        }
        finish_block(s, acc, first, n);
    }
#if AIFES_TIGHT
    dense_rest(s, n_out);
#else
    if (n_out < s->step.n_out) {
        dense_rows(s, s->weights + n_out * n_in, (const int32_t *)(const void *)s->bias + n_out,
            s->shifts + (s->step.own ? n_out : 0), s->step.y + n_out);
    }
#endif
}

AIFES_INLINE int dense_run(const dense_step *s)
{
#if AIFES_TIGHT
    if ((s->step.kernel & 63) != DENSE) {
        return 0;
    }
    dense_blocks(s);
#else
    if (s->step.kernel == DENSE_ROWS && !AIFES_SMALL) {
        dense_rows(s, s->weights, (const void *)s->bias, s->shifts, s->step.y);
    } else if (s->step.kernel == DENSE_BLOCKS && !AIFES_SMALL) {
        dense_blocks(s);
    } else if (s->step.kernel == DENSE_ANY) {
        dense_any(s);
    } else {
        return 0;
    }
#endif
    return 1;
}

#else
#include "dense_f32.h"
#endif

AIFES_INLINE int dense_load(const aifes_memory *m, dense_step *s, const dense_record *r,
    const aifes_place *x)
{
    (void)x;
    return dense_check(m, s, &r->zero_point, &r->weights, 1) != 0;
}

#endif

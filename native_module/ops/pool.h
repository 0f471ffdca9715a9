/* pool: the largest or the mean of each window of a channel. device/aifes/ops/pool.py */
#ifndef AIFES_POOL_H
#define AIFES_POOL_H

#include "softmax.h" /* DIVIDE */

#define POOL 6
#define POOL_RECORD AIFES_RECORD(POOL, 0x11, 6)
#define POOL_IN_PLACE 0

typedef struct {
    aifes_record record;
    int8_t zero_point, x_zero;
    uint8_t up, reserved;
    uint16_t kernel_rows, kernel_columns, top, left;
    uint8_t stride_rows, stride_columns;
    uint16_t reserved2;
} pool_record;

/* from zero_point on, 16 bytes as in the record; step.n_in: elements of a window */
typedef struct {
    aifes_step step;
    int8_t zero_point, x_zero;
    uint8_t up, reserved;
    uint16_t kernel_rows, kernel_columns, top, left;
    uint8_t stride_rows, stride_columns;
    uint16_t reserved2;
    uint32_t rows, columns, channels, y_rows, y_columns, n_out;
} pool_step;

enum { POOL_AVERAGE = 1, POOL_WHOLE = 2 }; /* flags */
#define POOL_BLOCK 32 /* channels whose values are found together */

/* Whether means of n elements at most can be found */
AIFES_NOINLINE static int pool_fits(pool_step *s, uint32_t n)
{
    s->step.n_in = n;
    return n - 1 < 1 << 20 && !s->reserved && s->channels == s->n_out
        && (AIFES_FLOAT || (s->up <= 16 && 255 * n <= (1u << 29) >> s->up));
}

static int pool_load(const aifes_memory *m, pool_step *s, const pool_record *r,
    const aifes_place *x)
{
    const uint32_t flags = s->step.flags;
    (void)m;
    if (!geometry(&s->step, &s->zero_point, &r->zero_point, x)
        || !pool_fits(s, s->kernel_rows * (uint32_t)s->kernel_columns) || !s->stride_rows
        || !s->stride_columns || s->reserved2 || flags > (POOL_AVERAGE | POOL_WHOLE)
        || flags == POOL_WHOLE
        || ((AIFES_FLOAT || !flags) && (s->zero_point | s->x_zero | s->up))) {
        return 0;
    }
    AIFES_ROWS(s)->span = s->kernel_rows - 1;
    AIFES_ROWS(s)->stride = s->stride_rows;
    return s->top < s->kernel_rows && s->left < s->kernel_columns /* no window lies outside */
        && (s->y_rows - 1) * s->stride_rows < s->rows + s->top
        && (s->y_columns - 1) * s->stride_columns < s->columns + s->left;
}

#if !AIFES_FLOAT

/* n channels of a pixel into what was found of a window: the largest, or the sum */
AIFES_FAST static void pool_tap(int32_t *found, const int8_t *x, uint32_t n, uint32_t average)
{
    const int8_t *end = x + n;
    if (average) {
        for (; x != end; found++) {
            *found = (uint32_t)*found + *x++; /* wraps where others wrote into the sums */
        }
    } else {
        for (; x != end; found++) {
            const int32_t v = *x++;
            if (v > *found) {
                *found = v;
            }
        }
    }
}

/* What was found in m channels becomes elements of y: 0: the largest ones, or means of n elements,
 * or of as many as are counted. Sums may have any value: others may lie there. */
AIFES_NOINLINE static void pool_finish(const pool_step *s, int8_t *y, const int32_t *found, uint32_t m,
    int32_t n)
{
    const int32_t counted = s->step.flags & POOL_WHOLE ? (int32_t)s->step.n_in : n;
    do {
        int32_t v = *found++;
        if (n) {
            uint32_t total = ((uint32_t)v - n * s->x_zero) * 2 << s->up;
            total += 513 * counted; /* a quotient of 256 more, so that it is not below 0 */
            v = counted << 10;
            v = (int32_t)total < 0 ? 0 : (int32_t)total < v ? (int32_t)total : v - 1;
            v = (int32_t)DIVIDE((uint32_t)v, 2u * counted) - 256 + s->zero_point;
            v = v < -128 ? -128 : v > 127 ? 127 : v;
        }
        *y++ = v;
    } while (--m);
}

/* A pixel of all channels, some at a time */
static void pool_window(const pool_step *s, int8_t *y, const int8_t *x,
    uint32_t rows, uint32_t columns)
{
    const uint32_t channels = s->channels, average = s->step.flags & POOL_AVERAGE;
    int32_t found[POOL_BLOCK];
    for (uint32_t left = channels, n; left; left -= n, x += n) {
        const int8_t *row = x;
        n = left < POOL_BLOCK ? left : POOL_BLOCK;
        fill(found, n, average ? 0 : -128);
        for (uint32_t i = rows; i; i--, row += s->columns * channels) {
            const int8_t *pixel = row;
            for (uint32_t j = columns; j; j--, pixel += channels) {
                pool_tap(found, pixel, n, average);
            }
        }
        pool_finish(s, y, found, n, average ? rows * columns : 0);
        y += n;
    }
}

#else

/* A pixel of all channels; a sum begins with the first element */
static void pool_window(const pool_step *s, f32 *y, const f32 *x, uint32_t rows,
    uint32_t columns)
{
    const uint32_t channels = s->channels;
    for (const f32 *end = x + channels; x != end; x++) {
        const f32 *p = x;
        f32 v = *x;
        uint32_t n = s->step.n_in, exponent = 150;
        for (uint32_t i = rows; i; i--, p += (s->columns - columns) * channels) {
            for (uint32_t j = columns; j; j--, p += channels) {
                if (!(s->step.flags & POOL_AVERAGE)) {
                    /* -0.0 equals 0.0 */
                    if (f32_greater(*p, v) && (f32_bits(*p) | f32_bits(v)) << 1) {
                        v = *p;
                    }
                } else if (p != x) {
                    v = f32_add(v, *p);
                }
            }
        }
        if (s->step.flags & POOL_AVERAGE) {
            if (!(s->step.flags & POOL_WHOLE)) {
                n = rows * columns;
            }
            for (; !(n >> 23); n <<= 1) {
                exponent--;
            }
            v = f32_div(v, f32_from((exponent << 23) + (n & 0x7FFFFF)));
        }
        *y++ = v;
    }
}

#endif

/* Of a window of `size` that begins at `at`, which may be before 0: where its part in 0 .. n - 1
 * begins; n becomes its length */
AIFES_INLINE uint32_t pool_part(uint32_t at, uint32_t size, uint32_t *n)
{
    uint32_t end = at + size;
    end = end < *n ? end : *n;
    at = (int32_t)at < 0 ? 0 : at;
    *n = end - at;
    return at;
}

/* A row of pixels */
AIFES_NOINLINE static void pool(const pool_step *s)
{
    const uint32_t channels = s->channels;
    uint32_t rows = *AIFES_ROWS(s)->seen, left = 0u - s->left;
    const uint32_t top = pool_part(AIFES_ROWS(s)->top[0], s->kernel_rows, &rows);
    aifes_element *y = (aifes_element *)(void *)s->step.y;
    for (uint32_t c = s->y_columns; c; c--, left += s->stride_columns, y += channels) {
        uint32_t columns = s->columns;
        const uint32_t first = pool_part(left, s->kernel_columns, &columns);
        pool_window(s, y, (const aifes_element *)(const void *)s->step.x
            + (top * s->columns + first) * channels, rows, columns);
    }
}

AIFES_INLINE int pool_run(const pool_step *s)
{
    if (s->step.kernel != POOL) {
        return 0;
    }
    pool(s);
    return 1;
}

#endif

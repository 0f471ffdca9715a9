/* conv: each window of an image is a vector, of which dense makes a pixel. device/aifes/ops/conv.py
 *
 * A window that lies in the image in one piece is read there, any other is gathered in the scratch. */
#ifndef AIFES_CONV_H
#define AIFES_CONV_H

#include "dense.h"

#define CONV 5
#define CONV_RECORD AIFES_RECORD(CONV, 0x21, 14)
#define CONV_IN_PLACE 0
#ifndef CONV_HAS_DEPTHWISE
#define CONV_HAS_DEPTHWISE 1
#endif
#ifndef CONV_HAS_WHOLE
#define CONV_HAS_WHOLE 1
#endif

typedef struct {
    uint8_t opcode, flags, ends, words;
    uint16_t tensors[4]; /* input, output, scratch, nothing */
    int8_t zero_point;
    uint8_t weight_zero;
    int8_t low, high;
    uint8_t shift, group;
    uint16_t interleave;
    uint8_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    uint8_t dilation_rows, dilation_columns, spread_rows, spread_columns;
    uint16_t top, left;
    int8_t pad;
    uint8_t reserved;
    uint16_t groups;
    uint32_t weights, bias, shifts, table, multipliers;
} conv_record;

/* dense: that of the outputs of a group from a window, y of the op; from kernel_rows on, 16 bytes as in
 * the record */
typedef struct {
    dense_step dense;
    uint8_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    uint8_t dilation_rows, dilation_columns, spread_rows, spread_columns;
    uint16_t top, left;
    int8_t pad;
    uint8_t ways; /* bits: how windows may be read */
    uint16_t groups;
    uint32_t rows, columns, channels, y_rows, y_columns, n_out;
    uint32_t per, each; /* inputs and outputs of a group */
    uint32_t size;      /* weights of a group, bytes or floats */
    const aifes_element *image;
    aifes_element *column;
} conv_step;

enum {
    CONV_MERGED = 1, /* the pixels of a row of the kernel lie side by side */
    CONV_WHOLE = 2,  /* so does all of a window that lies inside of the image */
};

/* Kernels: that of dense for a pixel, in the bits that dense has for it; or no dense at all */
enum { CONV_KERNEL = 3 << 6, CONV_DEPTHWISE = CONV | 3 << 6 };

static int conv_load(const aifes_memory *m, conv_step *s, const conv_record *r,
    const aifes_place *x)
{
    uint32_t n;
    if (!geometry(&s->dense.step, &s->kernel_rows, &r->kernel_rows, x) || s->ways) {
        return 0;
    }
    for (int i = 0; i < 8; i++) {
        if (!(&s->kernel_rows)[i]) {
            return 0;
        }
    }
    s->per = quotient(s->channels, s->groups);
    s->each = quotient(s->n_out, s->groups);
    n = product(s->kernel_rows * s->kernel_columns, s->per);
    if (!s->each || n - 1 >= 1 << 13 || x[2].n < n) {
        return 0;
    }
    s->image = (const aifes_element *)(const void *)x->data;
    s->column = (aifes_element *)(void *)x[2].data;
    AIFES_ROWS(s)->span = (s->kernel_rows - 1) * s->dilation_rows;
    AIFES_ROWS(s)->stride = s->stride_rows;
    AIFES_ROWS(s)->spread = s->spread_rows;
    s->dense.step.n_in = n;
    s->dense.step.n_out = s->each;
    s->size = dense_check(m, &s->dense, &r->zero_point, &r->weights, s->groups);
    if (!s->size) {
        return 0;
    }
#if AIFES_FLOAT
    s->dense.step.kernel = CONV;
    if (r->pad || r->interleave != 1) {
        return 0;
    }
#else
    /* the blocks of all groups begin at a multiple of 4 if the first one does */
    s->dense.step.kernel += CONV - DENSE;
#endif
    if (s->spread_rows == 1 && s->spread_columns == 1) {
        if (s->groups == 1 && (s->kernel_columns == 1 || s->dilation_columns == 1)) {
            s->ways = CONV_MERGED;
            if (CONV_HAS_WHOLE && (s->kernel_rows == 1
                || (s->dilation_rows == 1 && s->kernel_columns == s->columns))) {
                s->ways |= CONV_WHOLE;
            }
        }
#if !AIFES_FLOAT
        if (CONV_HAS_DEPTHWISE && s->per == 1 && s->each == 1 && s->dense.step.kernel != CONV) {
            s->dense.step.kernel = CONV_DEPTHWISE;
        }
#endif
    }
    return 1;
}

/* Which of n pixels lies at `at` of a spread row; some number >= n: none does. at: modulo 2^32, where
 * no two places of a padded row are the same. */
#if defined(__arm__)
AIFES_NOINLINE
#endif
static uint32_t conv_place(uint32_t at, uint32_t spread, uint32_t n)
{
    if (spread == 1) {
        return at;
    }
    if (at >= n * spread) {
        return n;
    }
#if AIFES_DIVIDES
    return at % spread ? n : at / spread;
#else
    uint32_t q = 0;
    for (int bits = 24; bits >= 0; bits--) {
        if (at >> bits >= spread) {
            at -= spread << bits;
            q |= 1u << bits;
        }
    }
    return at ? n : q;
#endif
}

#if !AIFES_FLOAT && AIFES_COMPACT
#define CONV_TURN 2
#else
#define CONV_TURN 4
#endif

/* n elements, one after another or (step 0) always the same; returns where they end */
AIFES_FAST static aifes_element *conv_put(aifes_element *to, const aifes_element *from, uint32_t n,
    uint32_t step)
{
    volatile aifes_element *y = to; /* volatile: else compilers call memcpy, which is not there */
    if (step) {
        for (; n >= CONV_TURN; n -= CONV_TURN, y += CONV_TURN, from += CONV_TURN) {
            y[0] = from[0];
            y[1] = from[1];
#if CONV_TURN == 4
            y[2] = from[2];
            y[3] = from[3];
#endif
        }
    }
    for (; n; n--, from += step) {
        *y++ = *from;
    }
    return (aifes_element *)(void *)y;
}

/* The window of a group whose first pixel would lie at (top, left): where it lies in x, or in the
 * scratch. x: the group's first channel */
#if defined(__clang__) || defined(__XTENSA__)
AIFES_NOINLINE /* smaller so; it is larger elsewhere */
#endif
static const aifes_element *conv_window(const conv_step *s, const aifes_element *x,
    uint32_t top, uint32_t left, uint32_t rows)
{
    const uint32_t columns = s->columns, channels = s->channels, per = s->per;
    const uint32_t kernel_rows = s->kernel_rows, kernel_columns = s->kernel_columns;
    const aifes_element pad = AIFES_FLOAT ? 0 : s->pad;
    aifes_element *to = s->column;
    if (CONV_HAS_WHOLE && s->ways & CONV_WHOLE && top < rows && kernel_rows <= rows - top && left < columns
        && kernel_columns <= columns - left) {
        return x + (top * columns + left) * channels;
    }
    for (uint32_t i = 0; i < kernel_rows; i++, top += s->dilation_rows) {
        const uint32_t row = conv_place(top, s->spread_rows, rows);
        uint32_t at = left, n;
        for (uint32_t j = 0; j < kernel_columns; j += n, at += n * s->dilation_columns) {
            const uint32_t column = conv_place(at, s->spread_columns, columns);
            const int inside = row < rows && column < columns;
            n = 1;
            if (s->ways & CONV_MERGED) {
                n = column < columns ? columns - column : 0u - at;
                if (n > kernel_columns - j) {
                    n = kernel_columns - j;
                }
            }
            to = conv_put(to, inside ? x + (row * columns + column) * channels : &pad, n * per,
                inside);
        }
    }
    return s->column;
}

#if !AIFES_FLOAT
/* acc[k] += x[k] * w[k * next], of n channels, for each of 1 to 3 pixels x, whose weights follow one another */
AIFES_FAST static void conv_taps(int32_t *acc, const int8_t *const *pixels, uint32_t n,
    const uint8_t *w, uint32_t next, int32_t weight_zero, uint32_t count)
{
    const int8_t *x0 = pixels[0], *end = x0 + n;
    if (count == 3) {
        const int8_t *x1 = pixels[1], *x2 = pixels[2];
        for (; x0 != end; w += next) {
            *acc++ += *x0++ * (w[0] - weight_zero) + *x1++ * (w[1] - weight_zero)
                + *x2++ * (w[2] - weight_zero);
        }
        return;
    }
    for (;;) {
        for (; x0 != end; w += next) {
            *acc++ += *x0++ * (*w - weight_zero);
        }
        if (!--count) {
            return;
        }
        acc -= n;
        w -= n * next - 1;
        x0 = pixels[1];
        end = x0 + n;
    }
}

/* A pixel of d, whose channels are groups of their own, weights in rows: no columns, but sums of
 * some channels, one pixel of the window after another. pads: as many that lie outside */
#ifdef __clang__
AIFES_NOINLINE /* smaller so */
#endif
static void conv_depthwise(const conv_step *s, const dense_step *d, uint32_t top,
    uint32_t left, uint32_t rows, const int8_t *pads)
{
    const uint32_t channels = s->channels, n = s->dense.step.n_in;
    int32_t acc[AIFES_BLOCK];
    for (uint32_t first = 0; first < channels; first += AIFES_BLOCK) {
        const uint32_t m = channels - first < AIFES_BLOCK ? channels - first : AIFES_BLOCK;
        const uint8_t *w = d->weights + first * n, *end = w + n;
        uint32_t row = top;
        fill(acc, m, 0);
        for (; w != end; row += s->dilation_rows) {
            uint32_t at = left;
            for (uint32_t j = s->kernel_columns; j;) {
                const int8_t *x[3];
                uint32_t k = 0;
                for (; j && k < 3; j--, at += s->dilation_columns) {
                    x[k++] = row < rows && at < s->columns
                        ? s->image + (row * s->columns + at) * channels + first : pads;
                }
                conv_taps(acc, x, m, w, n, d->weight_zero, k);
                w += k;
            }
        }
        finish_block(d, acc, first, m);
    }
}
#endif

/* A pixel of a group */
AIFES_INLINE void conv_pixel(const dense_step *d, uint32_t kernel)
{
#if AIFES_FLOAT
    (void)kernel;
    dense(d);
#else
    (void)kernel;
#if AIFES_TIGHT
    dense_blocks(d);
#else
    if (AIFES_SMALL || !(kernel & CONV_KERNEL)) {
        dense_any(d);
    } else {
        dense_blocks(d);
    }
#endif
#endif
}

/* A row of pixels, group after group; dense is where it was afterwards */
AIFES_NOINLINE static void conv(conv_step *s)
{
    const aifes_rows *r = AIFES_ROWS(s);
    const uint32_t each = s->each, kernel = s->dense.step.kernel;
    const uint32_t top = r->top[0], rows = *r->seen;
    dense_step *d = &s->dense;
    const aifes_element *x = s->image;
    int8_t *const y = d->step.y;
    uint32_t left, c, g = s->groups;
#if !AIFES_FLOAT
    const uint8_t *const weights = d->weights, *const bias = d->bias, *const shifts = d->shifts;
    int8_t pads[AIFES_BLOCK];
    const int depthwise = CONV_HAS_DEPTHWISE && kernel == CONV_DEPTHWISE && !AIFES_SMALL;
    if (depthwise) {
        conv_put(pads, &s->pad, AIFES_BLOCK, 0);
        g = 1; /* all of them at once */
    }
#else
    const f32 *const weights = d->weights, *const bias = d->bias;
#endif
    for (;;) {
        left = 0u - s->left;
        for (c = s->y_columns; c; c--, left += s->stride_columns) {
#if !AIFES_FLOAT
            if (depthwise) {
                conv_depthwise(s, d, top, left, rows, pads);
            } else
#endif
            {
                d->step.x = (int8_t *)conv_window(s, x, top, left, rows);
                conv_pixel(d, kernel);
            }
            d->step.y += s->n_out * AIFES_ITEM;
        }
        if (!--g) {
            break;
        }
        x += s->per;
        d->step.y -= (s->y_columns * s->n_out - each) * AIFES_ITEM;
        d->weights += s->size;
        d->bias += AIFES_FLOAT ? each : 4 * each;
#if !AIFES_FLOAT
        d->shifts += d->step.own * each;
#endif
    }
    d->step.y = y;
    d->weights = weights;
    d->bias = bias;
#if !AIFES_FLOAT
    d->shifts = shifts;
#endif
}

AIFES_INLINE int conv_run(conv_step *s)
{
    if ((s->dense.step.kernel & ~CONV_KERNEL) != CONV) {
        return 0;
    }
    conv(s);
    return 1;
}

#endif

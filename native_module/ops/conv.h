/* conv: each window of an image is a vector, of which dense makes a pixel. device/aifes/ops/conv.py
 *
 * A window that lies in the image in one piece is read there, any other is gathered in the scratch. */
#ifndef AIFES_CONV_H
#define AIFES_CONV_H

#include "dense.h"

#define CONV 5
#define CONV_RECORD AIFES_RECORD(CONV, 0x21, 14)
#define CONV_IN_PLACE 0

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

/* dense: that of all outputs from a window, with x and y of the op and n_out of all of its pixels;
 * from kernel_rows on, 16 bytes as in the record */
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
    aifes_element *column;
    uint32_t row; /* where to go on */
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
    dense_record d;
    aifes_tensor t;
    uint32_t n, n_column, padded = 0;
    const uint32_t n_y = s->dense.step.n_out;
    copy(&s->kernel_rows, &r->kernel_rows, 16);
    copy(&d.zero_point, &r->zero_point, 8);
    copy(&d.weights, &r->weights, 20);
    for (int i = 0; i < 8; i++) {
        if (!(&s->kernel_rows)[i]) {
            return 0;
        }
    }
    if (s->ways || !image(m, r->tensors[0], x->n, &s->rows)
        || !image(m, r->tensors[1], n_y, &s->y_rows)) {
        return 0;
    }
    s->per = quotient(s->channels, s->groups);
    s->each = quotient(s->n_out, s->groups);
    n = product(s->kernel_rows * s->kernel_columns, s->per);
    n_column = tensor(m, r->tensors[2], &t);
    if (!s->each || n - 1 >= 1 << 13 || n_column < n) {
        return 0;
    }
    s->column = (aifes_element *)((int8_t *)m->arena.buf + t.offset);
    if (s->column < (aifes_element *)x->data + x->n
        && (aifes_element *)x->data < s->column + n_column) {
        return 0;
    }
    s->dense.step.n_in = n;
    s->dense.step.n_out = s->n_out;
    if (!dense_load(m, &s->dense, &d, NULL)) {
        return 0;
    }
#if AIFES_FLOAT
    (void)padded;
    s->size = n * s->each;
    s->dense.step.kernel = CONV;
    if (r->pad || r->interleave != 1) {
        return 0;
    }
#else
    while (padded < s->each) {
        padded += s->dense.interleave;
    }
    s->size = product(padded, n);
    if (s->dense.interleave > s->each || !constant(m, r->weights, product(s->size, s->groups))) {
        return 0;
    }
    s->dense.step.n_out = s->each;
    s->dense.step.kernel = CONV | (dense_kernel(&s->dense) & CONV_KERNEL);
    if (s->groups > 1 && s->dense.interleave > 1 && s->size & 3) {
        s->dense.step.kernel = CONV; /* not all weights begin at a multiple of 4 */
    }
#endif
    if (s->spread_rows == 1 && s->spread_columns == 1) {
        if (s->groups == 1 && (s->kernel_columns == 1 || s->dilation_columns == 1)) {
            s->ways = CONV_MERGED;
            if (s->kernel_rows == 1
                || (s->dilation_rows == 1 && s->kernel_columns == s->columns)) {
                s->ways |= CONV_WHOLE;
            }
        }
#if !AIFES_FLOAT
        if (s->per == 1 && s->dense.interleave == 1 && s->groups > 1 && !AIFES_SMALL) {
            s->dense.step.kernel = CONV_DEPTHWISE;
        }
#endif
    }
    s->dense.step.n_out = n_y;
    return 1;
}

/* Which of n pixels lies at `at` of a spread row; some number >= n: none does. at: modulo 2^32, where
 * no two places of a padded row are the same. */
static uint32_t conv_place(uint32_t at, uint32_t spread, uint32_t n)
{
    uint32_t q = 0;
    if (spread == 1) {
        return at;
    }
    if (at >= n * spread) {
        return n;
    }
    for (int bits = 24; bits >= 0; bits--) {
        if (at >> bits >= spread) {
            at -= spread << bits;
            q |= 1u << bits;
        }
    }
    return at ? n : q;
}

/* n elements, one after another or (step 0) always the same; returns where they end */
AIFES_FAST static aifes_element *conv_put(aifes_element *to, const aifes_element *from, uint32_t n,
    uint32_t step)
{
    volatile aifes_element *y = to; /* volatile: else compilers call memcpy, which is not there */
    if (step) {
        for (; n >= 4; n -= 4, y += 4, from += 4) {
            y[0] = from[0];
            y[1] = from[1];
            y[2] = from[2];
            y[3] = from[3];
        }
    }
    for (; n; n--, from += step) {
        *y++ = *from;
    }
    return (aifes_element *)y;
}

/* The window of a group whose first pixel would lie at (top, left): where it lies in x, or in the
 * scratch. x: the group's first channel */
AIFES_FAST static const aifes_element *conv_window(const conv_step *s, const aifes_element *x,
    uint32_t top, uint32_t left)
{
    const uint32_t rows = s->rows, columns = s->columns, channels = s->channels, per = s->per;
    const uint32_t kernel_rows = s->kernel_rows, kernel_columns = s->kernel_columns;
    const aifes_element pad = AIFES_FLOAT ? 0 : s->pad;
    aifes_element *to = s->column;
    if (s->ways & CONV_WHOLE && top < rows && kernel_rows <= rows - top && left < columns
        && kernel_columns <= columns - left) {
        return x + (top * columns + left) * channels;
    }
    for (uint32_t i = 0; i < kernel_rows; i++, top += s->dilation_rows) {
        const uint32_t row = conv_place(top, s->spread_rows, rows);
        const aifes_element *p;
        uint32_t at = left, n;
        if (row >= rows) {
            to = conv_put(to, &pad, kernel_columns * per, 0);
            continue;
        }
        p = x + row * columns * channels;
        for (uint32_t j = 0; j < kernel_columns; j += n, at += n * s->dilation_columns) {
            const uint32_t column = conv_place(at, s->spread_columns, columns);
            const int inside = column < columns;
            n = 1;
            if (s->ways & CONV_MERGED) {
                n = inside ? columns - column : 0u - at;
                if (n > kernel_columns - j) {
                    n = kernel_columns - j;
                }
            }
            to = conv_put(to, inside ? p + column * channels : &pad, n * per, inside);
        }
    }
    return s->column;
}

#if !AIFES_FLOAT
/* The pixels [*first, *end) of n, `dilation` apart from `at` on, that lie in the image of `size` */
static void conv_inside(uint32_t at, uint32_t n, uint32_t dilation, uint32_t size, uint32_t *first,
    uint32_t *end)
{
    uint32_t k = 0;
    for (; k < n && at >= size; k++) {
        at += dilation;
    }
    *first = k;
    for (; k < n && at < size; k++) {
        at += dilation;
    }
    *end = k;
}

/* A pixel of channels that are groups of their own, of one or more outputs each; weights in rows */
AIFES_FAST static void conv_depthwise(const conv_step *s, uint32_t top, uint32_t left, int8_t *y)
{
    const uint32_t channels = s->channels, kernel_columns = s->kernel_columns, each = s->each;
    const uint8_t *w = s->dense.weights, *shifts = s->dense.shifts, *table = s->dense.table;
    const int32_t *bias = (const int32_t *)s->dense.bias;
    const int32_t low = s->dense.low, offset = s->dense.zero_point - low, pad = s->pad;
    const int32_t weight_zero = s->dense.weight_zero;
    const uint32_t span = s->dense.high - low, own = s->dense.step.own;
    const uint32_t step = s->dilation_columns * channels;
    const uint32_t next = s->dilation_rows * s->columns * channels;
    uint32_t first_row, end_row, first, end;
    conv_inside(top, s->kernel_rows, s->dilation_rows, s->rows, &first_row, &end_row);
    conv_inside(left, kernel_columns, s->dilation_columns, s->columns, &first, &end);
    const int8_t *x = s->dense.step.x;
    if (first_row == end_row || first == end) {
        first_row = end_row = 0;
    } else {
        x += ((top + first_row * s->dilation_rows) * s->columns + left
                 + first * s->dilation_columns) * channels;
    }
    const int three = kernel_columns == 3 && end - first == 3;
    for (const int8_t *x_end = x + channels; x != x_end; x++) {
        for (uint32_t k = each; k; k--) {
            const int8_t *p = x;
            int32_t acc = 0, outside = 0;
            uint32_t i = 0, n = 0, v;
            for (; i < first_row; i++) {
                for (uint32_t j = kernel_columns; j; j--) {
                    outside += *w++;
                    n++;
                }
            }
            for (; i < end_row; i++) {
                const int8_t *q = p;
                uint32_t j = 0;
                if (three) {
                    acc += q[0] * (w[0] - weight_zero);
                    acc += q[step] * (w[1] - weight_zero);
                    acc += q[2 * step] * (w[2] - weight_zero);
                    w += 3;
                    p += next;
                    continue;
                }
                for (; j < first; j++, n++) {
                    outside += *w++;
                }
                for (; j < end; j++, q += step) {
                    acc += *q * (*w++ - weight_zero);
                }
                for (; j < kernel_columns; j++, n++) {
                    outside += *w++;
                }
                p += next;
            }
            for (; i < s->kernel_rows; i++) {
                for (uint32_t j = kernel_columns; j; j--) {
                    outside += *w++;
                    n++;
                }
            }
            acc += pad * (outside - (int32_t)n * weight_zero);
            v = clamp(plus(*bias++, acc), *shifts, offset, span);
            shifts += own;
            *y++ = table ? table[v] : v + low;
        }
    }
}
#endif

/* Rows of pixels, until all are done or for a while */
AIFES_FAST static void conv(conv_step *s)
{
    const uint32_t groups = s->groups, each = s->each, pixel = s->n_out;
    const uint32_t products = product(s->dense.step.n_in, s->y_columns * pixel);
    uint32_t row = s->dense.step.again ? s->row : 0, top = row * s->stride_rows - s->top;
    int32_t work = AIFES_WORK;
    aifes_element *y = (aifes_element *)s->dense.step.y + row * s->y_columns * pixel;
    dense_step d;
    copy(&d, &s->dense, sizeof d);
    d.step.kernel -= CONV - DENSE;
    d.step.n_out = each;
    do {
        uint32_t left = 0u - s->left;
        for (uint32_t c = s->y_columns; c; c--, left += s->stride_columns) {
#if !AIFES_FLOAT
            if (!AIFES_SMALL && s->dense.step.kernel == CONV_DEPTHWISE) {
                conv_depthwise(s, top, left, y);
                y += pixel;
                continue;
            }
#endif
            const aifes_element *x = (const aifes_element *)s->dense.step.x;
            for (uint32_t g = 0; g < groups; g++, x += s->per, y += each) {
                d.step.x = (int8_t *)conv_window(s, x, top, left);
                d.step.y = (int8_t *)y;
                dense_run(&d);
                d.weights += s->size;
#if AIFES_FLOAT
                d.bias += each;
#else
                d.bias += 4 * each;
                d.shifts += d.step.own ? each : 0;
#endif
            }
            d.weights = s->dense.weights;
            d.bias = s->dense.bias;
#if !AIFES_FLOAT
            d.shifts = s->dense.shifts;
#endif
        }
        row++;
        top += s->stride_rows;
        work -= products;
    } while (row < s->y_rows && work > 0);
    s->row = row;
    s->dense.step.again = row < s->y_rows;
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

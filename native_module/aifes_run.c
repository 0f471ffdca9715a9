/* The executor: walks the op records of a checked net over the caller's arena. */
#include "aifes.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif

#include "kernels.h"

#ifndef AIFES_SMALL
#define AIFES_SMALL 0 /* 1: without the fast kernels */
#endif

#define AIFES_BLOCK 16 /* outputs whose sums are finished together */

/* clamp((acc >> shift) + zero_point), counted from low */
static inline uint32_t clamp(int32_t acc, uint8_t shift, int32_t offset, uint32_t span)
{
    int32_t v = (acc >> (shift & 31)) + offset;
    return (uint32_t)v <= span ? (uint32_t)v : v < 0 ? 0 : span;
}

/* a + b; wraps where a buffer was changed after its check */
static inline int32_t add(int32_t a, int32_t b)
{
    return (uint32_t)a + (uint32_t)b;
}

/* The sum of one output, any order: w its block's weights, column its place in the block. */
static int32_t sums_1(const aifes_step *s, const uint8_t *w, uint32_t column)
{
    const int8_t *x = s->x, *end = x + s->n_in;
    uint32_t group = s->group, step = s->interleave, stride = group == 1 ? step : 1;
    int32_t weight_zero = s->weight_zero, acc = 0;
    while (x < end) {
        uint32_t n = (uint32_t)(end - x) < group ? (uint32_t)(end - x) : group;
        const uint8_t *v = w + column * n;
        if (group == 1) {
            n = end - x; /* one loop over all inputs */
        }
        for (const int8_t *stop = x + n; x < stop; v += stride) {
            acc += *x++ * (*v - weight_zero);
        }
        w += n * step;
    }
    return acc;
}

/* Any order of weights at any address: the reference of all that follows. */
static void dense_any(const aifes_step *s)
{
    const uint8_t *w = s->weights;
    for (uint32_t j = 0, column = 0; j < s->n_out; j++) {
        int32_t acc = add(aifes_get32(s->bias + 4 * j), sums_1(s, w, column));
        acc = clamp(acc, s->shifts[j * s->shift_step], s->offset, s->span);
        s->y[j] = s->table ? s->table[acc] : acc + s->low;
        if (++column == s->interleave) {
            column = 0;
            w += s->interleave * s->n_in;
        }
    }
}

/* Rows of weights at a multiple of 4, from output `first` on: for few of them. */
AIFES_FAST static void dense_rows(const aifes_step *s, uint32_t first)
{
    const uint8_t *w = s->weights + first * s->n_in, *shifts = s->shifts;
    const int32_t *bias = (const int32_t *)s->bias + first;
    const int8_t *x_end = s->x + s->n_in;
    int8_t *y = s->y + first, *end = s->y + s->n_out;
    int32_t weight_zero = s->weight_zero;
    shifts += s->shift_step ? first : 0;
    while (y < end) {
        const int8_t *x = s->x;
        int32_t acc = *bias++;
        do {
            acc += *x++ * (*w++ - weight_zero);
        } while (x < x_end);
        acc = clamp(acc, *shifts, s->offset, s->span);
        shifts += s->shift_step;
        *y++ = s->table ? s->table[acc] : acc + s->low;
    }
}

/* Finish n outputs from `first` on. bias at a multiple of 4. */
AIFES_FAST static void finish(const aifes_step *s, const int32_t *acc,
    uint32_t first, uint32_t n)
{
    const int32_t *bias = (const int32_t *)s->bias + first;
    const uint8_t *shifts = s->shifts + (s->shift_step ? first : 0);
    const uint8_t *table = s->table;
    int8_t *y = s->y + first, *end = y + n;
    uint32_t step = s->shift_step, span = s->span;
    int32_t offset = s->offset, low = s->low;
    if (table) {
        do {
            *y++ = table[clamp(add(*bias++, *acc++), *shifts, offset, span)];
            shifts += step;
        } while (y < end);
        return;
    }
    do {
        *y++ = clamp(add(*bias++, *acc++), *shifts, offset, span) + low;
        shifts += step;
    } while (y < end);
}

/* A kernel computes the sums of 8 or 4 outputs; the outputs that it leaves are done by rows. */
__attribute__((noinline)) static void dense_blocks(const aifes_step *s)
{
    const uint8_t *w = s->weights;
    const uint32_t n_in = s->n_in, width = AIFES_HAS_SUMS_8 && s->kernel == AIFES_EIGHT ? 8 : 4;
    const uint32_t n_out = s->kernel == AIFES_ROWS ? s->n_out & ~3 : s->n_out;
    const int32_t start = -s->weight_zero * sum(s->x, n_in);
    int32_t acc[AIFES_BLOCK];
    for (uint32_t first = 0; first < n_out;) {
        uint32_t n = 0, left = n_out - first;
        do {
            if (width == 8) {
                sums_8(w, s->x, n_in, acc + n, start);
            } else if (s->kernel == AIFES_ROWS) {
                sums_rows(w, s->x, n_in, acc + n, start);
            } else {
                sums_grouped(w, s->x, n_in, acc + n, start);
            }
            w += width * n_in;
            n += width;
        } while (n < AIFES_BLOCK && n < left);
        finish(s, acc, first, n < left ? n : left);
        first += n;
    }
    if (n_out < s->n_out) {
        dense_rows(s, n_out);
    }
}

static void dense(const aifes_step *s)
{
    if (AIFES_SMALL || s->kernel == AIFES_ANY) {
        dense_any(s);
    } else if (s->kernel == AIFES_ROWS && s->n_out < 4) {
        dense_rows(s, 0);
    } else {
        dense_blocks(s);
    }
}

static void map(const aifes_step *s)
{
    const uint8_t *table = s->table + 128;
    const int8_t *x = s->x;
    int8_t *y = s->y;
    for (uint32_t n = s->n_in; n; n--) {
        *y++ = table[*x++];
    }
}

static uint32_t divide(uint32_t n, uint32_t d)
{
#if defined(__ARM_FEATURE_IDIV) || defined(__riscv_div) || defined(__x86_64__)
    return n / d;
#else
    return aifes_divide(n, d, 9);
#endif
}

/* e = table[max - x]; y = 256 * e / sum(e) - 128, floored or to nearest */
static void softmax(const aifes_step *s)
{
    const uint8_t *table = s->table;
    const int8_t *x = s->x;
    int8_t *y = s->y;
    uint32_t n = s->n_in, total = 0, half = 0;
    int32_t top = -128;
    for (uint32_t i = 0; i < n; i++) {
        if (x[i] > top) {
            top = x[i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *e = table + 2 * (top - x[i]);
        total += e[0] | e[1] << 8;
    }
    if (s->nearest) {
        half = total >> 1;
        total += !total; /* where a buffer was changed after its check */
    } else {
        total++;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *e = table + 2 * (top - x[i]);
        uint32_t q = divide(((e[0] | e[1] << 8) << 8) + half, total);
        y[i] = (q > 255 ? 255 : q) - 128;
    }
}

/* The scale of element i of n: docs/format.md, "tensor" */
static int32_t scale_of(const aifes_tensor *t, const uint8_t *buf, uint32_t n, uint32_t i,
    int32_t *zero_point)
{
    const uint8_t *p = buf + t->features;
    if (!t->features) {
        *zero_point = t->zero_point;
        return t->shift;
    }
    *zero_point = (int16_t)(p[n + 2 * i] | p[n + 2 * i + 1] << 8);
    return (int8_t)p[i];
}

/* float32 to int8 on its bits, as floats.quantize */
static void quantize(const aifes_net *net, const uint8_t *x)
{
    const aifes_tensor *t = &net->header.input;
    uint32_t n = net->n_in;
    int8_t *y = net->arena + t->offset;
    for (uint32_t i = 0; i < n; i++, x += 4) {
        uint32_t bits = aifes_get32(x);
        uint32_t mantissa = (bits & 0x7FFFFF) | 0x800000;
        int32_t q, zero_point, exponent = bits >> 23 & 255;
        int32_t down = 150 - exponent - scale_of(t, net->buf, n, i, &zero_point);
        if (down > 24 || (exponent == 255 && mantissa > 0x800000)) {
            q = 0;
        } else if (down < 1) {
            q = 1 << 23; /* beyond any zero point: saturates */
        } else {
            q = (mantissa + (1u << (down - 1))) >> down;
        }
        q = (bits >> 31 ? -q : q) + zero_point;
        y[i] = q > 127 ? 127 : q < -128 ? -128 : q;
    }
}

/* int8 to float32, as floats.dequantize */
static void dequantize(const aifes_net *net, uint8_t *y)
{
    const aifes_tensor *t = &net->header.output;
    uint32_t n = net->n_out;
    const int8_t *x = net->arena + t->offset;
    for (uint32_t i = 0; i < n; i++, y += 4) {
        int32_t zero_point, exponent = 150 - scale_of(t, net->buf, n, i, &zero_point);
        int32_t d = x[i] - zero_point;
        uint32_t bits = 0;
        if (d) {
            uint32_t mantissa = d < 0 ? -d : d;
            while (!(mantissa & 0x800000)) {
                mantissa <<= 1;
                exponent--;
            }
            bits = (d < 0 ? 0x80000000 : 0) | (uint32_t)exponent << 23 | (mantissa & 0x7FFFFF);
        }
        y[0] = bits;
        y[1] = bits >> 8;
        y[2] = bits >> 16;
        y[3] = bits >> 24;
    }
}

static void move(int8_t *to, const int8_t *from, uint32_t n)
{
    /* volatile: else compilers call memcpy, which is not there */
    if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0) {
        for (; n >= 4; n -= 4, to += 4, from += 4) {
            *(volatile uint32_t *)to = *(const uint32_t *)from;
        }
    }
    while (n--) {
        *(volatile int8_t *)to++ = *from++;
    }
}

static void read_input(const aifes_net *net, const aifes_buffer *x, uint32_t sample)
{
    uint32_t first = sample * net->n_in;
    if (x->is_float) {
        quantize(net, (const uint8_t *)x->data + 4 * first);
    } else if (x->data) {
        move(net->arena + net->header.input.offset, (const int8_t *)x->data + first, net->n_in);
    }
}

static void write_output(const aifes_net *net, const aifes_buffer *y, uint32_t sample)
{
    uint32_t first = sample * net->n_out;
    if (y->is_float) {
        dequantize(net, (uint8_t *)y->data + 4 * first);
    } else if (y->data) {
        move((int8_t *)y->data + first, net->arena + net->header.output.offset, net->n_out);
    }
}

/* Make the addresses of the steps, or move them: a caller's buffer may have moved. */
__attribute__((noinline)) static void place(aifes_net *net, const uint8_t *buf, int8_t *arena)
{
    uintptr_t by = (uintptr_t)buf - (uintptr_t)net->buf;
    uintptr_t arena_by = (uintptr_t)arena - (uintptr_t)net->arena;
    for (aifes_step *s = net->steps; s < net->steps + net->header.n_ops; s++) {
        s->x = (int8_t *)((uintptr_t)s->x + arena_by);
        s->y = (int8_t *)((uintptr_t)s->y + arena_by);
        s->weights = (const uint8_t *)((uintptr_t)s->weights + by);
        s->bias = (const uint8_t *)((uintptr_t)s->bias + by);
        s->shifts = s->shift_step ? (const uint8_t *)((uintptr_t)s->shifts + by) : &s->shift;
        s->table = s->table ? (const uint8_t *)((uintptr_t)s->table + by) : NULL;
        s->kernel = AIFES_SMALL || ((uintptr_t)s->weights | (uintptr_t)buf) & 3 ? AIFES_ANY
            : s->interleave == 1 && s->group == 1                     ? AIFES_ROWS
            : s->interleave == 4 && s->group == 4                     ? AIFES_GROUPED
            : AIFES_HAS_SUMS_8 && s->interleave == 8 && s->group == 1 ? AIFES_EIGHT
                                                                      : AIFES_ANY;
    }
    net->buf = buf;
    net->arena = arena;
}

/* The number of samples in x and y, 0 if their sizes do not fit the net. */
static uint32_t count_samples(const aifes_net *net, const aifes_buffer *x, const aifes_buffer *y)
{
    uint32_t n = 1, n_x = net->n_in, n_y = net->n_out;
    if (!x->data && !y->data) {
        return 1;
    }
    for (; n_x < x->n && n_y < y->n; n++) {
        n_x += net->n_in;
        n_y += net->n_out;
    }
    return n_x == x->n && n_y == y->n ? n : 0;
}

int32_t aifes_run(aifes_net *net, const uint8_t *buf, int8_t *arena, const aifes_buffer *x,
    const aifes_buffer *y, uint32_t at)
{
    uint32_t work = 0, sample = 0, samples = count_samples(net, x, y);
    if (!samples) {
        return -1;
    }
    if (net->buf != buf || net->arena != arena) {
        place(net, buf, arena);
    }
    for (; at >= net->header.n_ops && sample < samples; at -= net->header.n_ops) {
        sample++;
    }
    for (; sample < samples; sample++, at = 0) {
        const aifes_step *s = &net->steps[at], *end = &net->steps[net->header.n_ops];
        if (at == 0) {
            read_input(net, x, sample);
        }
        for (; s < end; s++) {
            if (work > AIFES_WORK) {
                return sample * net->header.n_ops + (s - net->steps);
            }
            work += s->n_out;
            if (s->opcode == AIFES_DENSE) {
                dense(s);
                work += s->n_in * s->n_out;
            } else if (s->opcode == AIFES_MAP) {
                map(s);
            } else {
                softmax(s);
            }
        }
        write_output(net, y, sample);
    }
    return 0;
}

/* The executor: walks the op records of a checked net over the caller's arena. */
#include "aifes.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif

#include "kernels.h"
#include "samples.h"

#ifndef AIFES_SMALL
#define AIFES_SMALL 0 /* 1: without the fast kernels */
#endif

#define AIFES_BLOCK 32 /* outputs whose sums are finished together */

/* a + b; wraps where a buffer was changed after its check */
__attribute__((always_inline)) static inline int32_t add(int32_t a, int32_t b)
{
    return (uint32_t)a + (uint32_t)b;
}

/* clamp((acc >> shift) + zero_point), counted from low.
 * offset: zero_point - low, span: high - low */
__attribute__((always_inline)) static inline uint32_t clamp(int32_t acc, uint8_t shift,
    int32_t offset, uint32_t span)
{
    int32_t v = add(acc >> (shift & 31), offset);
    v = v < 0 ? 0 : v;
    return (uint32_t)v < span ? (uint32_t)v : span;
}

/* The sum of one output, any order: w its block's weights, column its place in the block. */
__attribute__((noinline)) static int32_t sums_1(const aifes_step *s, const uint8_t *w,
    uint32_t column)
{
    const int8_t *x = s->x, *end = x + s->op.n_in;
    uint32_t group = s->op.group, step = s->op.interleave, stride = group == 1 ? step : 1;
    int32_t weight_zero = s->op.weight_zero, acc = 0;
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
__attribute__((noinline)) static void dense_any(const aifes_step *s)
{
    const aifes_op *op = &s->op;
    const uint8_t *w = s->weights;
    for (uint32_t j = 0, column = 0; j < op->n_out; j++) {
        int32_t acc = add(aifes_get32(s->bias + 4 * j), sums_1(s, w, column));
        uint32_t v = clamp(acc, s->shifts[op->shifts ? j : 0], op->zero_point - op->low,
            op->high - op->low);
        s->y[j] = s->table ? s->table[v] : v + op->low;
        if (++column == op->interleave) {
            column = 0;
            w += op->interleave * op->n_in;
        }
    }
}

#ifndef AIFES_HAS_DENSE_ROWS
/* Rows of weights, the bias at a multiple of 4, from the output at y on: for few of them. */
AIFES_FAST static void dense_rows(const aifes_step *s, const uint8_t *w, const int32_t *bias,
    const uint8_t *shifts, int8_t *y)
{
    const aifes_op *op = &s->op;
    const uint8_t *table = s->table;
    const int8_t *x = s->x, *x_end = x + op->n_in, *end = s->y + op->n_out;
    int32_t weight_zero = op->weight_zero, low = op->low, offset = op->zero_point - low;
    uint32_t span = op->high - low, step = op->shifts != 0;
    do {
        int32_t acc = 0;
        uint32_t v;
        do {
            acc += *x++ * (*w++ - weight_zero);
        } while (x != x_end);
        x -= op->n_in;
        v = clamp(add(*bias++, acc), *shifts, offset, span);
        shifts += step;
        *y++ = table ? table[v] : v + low;
    } while (y != end);
}
#endif

/* Finish n outputs from `first` on. bias at a multiple of 4. */
AIFES_FAST static void finish(const aifes_step *s, const int32_t *acc, uint32_t first, uint32_t n)
{
    const int32_t *bias = (const int32_t *)s->bias + first;
    const uint8_t *shifts = s->shifts, *table = s->table;
    int32_t low = s->op.low, offset = s->op.zero_point - low;
    uint32_t span = s->op.high - low, step = s->op.shifts != 0;
    int8_t *y = s->y + first, *end = y + n;
    if (step) {
        shifts += first;
    }
    do {
        uint32_t v = clamp(add(*bias++, *acc++), *shifts, offset, span);
        shifts += step;
        *y++ = table ? table[v] : v + low;
    } while (y != end);
}

/* Blocks of 8 or 4 outputs by the kernel of their order; rows leave a rest of up to 3. */
AIFES_FAST static void dense_blocks(const aifes_step *s)
{
    const uint8_t *w = s->weights;
    const int rows = s->op.interleave == 1, eight = AIFES_HAS_SUMS_8 && s->op.interleave == 8;
    const uint32_t n_in = s->op.n_in;
    const uint32_t n_out = rows ? s->op.n_out & ~3 : s->op.n_out;
    const int32_t start = -s->op.weight_zero * sum(s->x, n_in);
    int32_t acc[AIFES_BLOCK];
    for (uint32_t first = 0; first < n_out; first += AIFES_BLOCK, w += AIFES_BLOCK * n_in) {
        uint32_t n = n_out - first < AIFES_BLOCK ? n_out - first : AIFES_BLOCK;
        if (eight) {
            sums_8(w, s->x, n_in, acc, start, (n + 7) >> 3);
        } else {
            sums_4(w, s->x, n_in, acc, start, (n + 3) >> 2, rows);
        }
        finish(s, acc, first, n);
    }
    if (n_out < s->op.n_out) {
        dense_rows(s, s->weights + n_out * n_in, (const int32_t *)s->bias + n_out,
            s->shifts + (s->op.shifts ? n_out : 0), s->y + n_out);
    }
}

__attribute__((noinline)) static void map(const aifes_step *s)
{
    const uint8_t *table = s->table + 128;
    const int8_t *x = s->x, *end = x + s->op.n_in;
    int8_t *y = s->y;
    while (x != end) {
        *y++ = table[*x++];
    }
}

static uint32_t divide(uint32_t n, uint32_t d)
{
#if defined(__ARM_FEATURE_IDIV) || defined(__riscv_div) || defined(__x86_64__)                     \
    || defined(__XTENSA_WINDOWED_ABI__) /* ESP32 and newer */
    return n / d;
#else
    return aifes_divide(n, d, 9);
#endif
}

/* e = table[max - x]; y = 256 * e / sum(e) - 128, floored or to nearest */
__attribute__((noinline)) static void softmax(const aifes_step *s)
{
    const int8_t *x = s->x, *end = x + s->op.n_in;
    int8_t *y = s->y;
    uint32_t total = 0, half = 0;
    int32_t top = -128;
    for (; x != end; x++) {
        if (*x > top) {
            top = *x;
        }
    }
    const uint8_t *table = s->table + 2 * top;
    for (x = s->x; x != end; x++) {
        const uint8_t *e = table - 2 * *x;
        total += e[0] | e[1] << 8;
    }
    if (s->op.flags) {
        half = total >> 1;
        total += !total; /* where a buffer was changed after its check */
    } else {
        total++;
    }
    for (x = s->x; x != end; x++) {
        const uint8_t *e = table - 2 * *x;
        uint32_t q = divide(((e[0] | e[1] << 8) << 8) + half, total);
        *y++ = (q > 255 ? 255 : q) - 128;
    }
}

/* Which function runs an op, found when the addresses are made: an opcode, or one of these. */
enum { ANY = AIFES_DENSE, ROWS = 4, BLOCKS };

static uint32_t kernel_of(const aifes_step *s)
{
    uint32_t interleave = s->op.interleave;
    if (AIFES_SMALL || s->op.opcode != AIFES_DENSE
        || ((uintptr_t)s->weights | (uintptr_t)s->bias) & 3) {
        return s->op.opcode;
    }
    if (s->op.group == 4) {
        return interleave == 4 ? BLOCKS : ANY;
    }
    if (interleave == 1) {
        return s->op.n_out < 4 ? ROWS : BLOCKS;
    }
    return AIFES_HAS_SUMS_8 && interleave == 8 ? BLOCKS : ANY;
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
__attribute__((noinline)) static void quantize(const aifes_net *net, const uint32_t *x)
{
    const aifes_tensor *t = &net->header.input;
    uint32_t n = net->n_in;
    int8_t *y = net->input;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = *x++, mantissa = (bits & 0x7FFFFF) | 0x800000;
        int32_t q = 0, zero_point, exponent = bits >> 23 & 255;
        int32_t down = 150 - exponent - scale_of(t, net->buf, n, i, &zero_point);
        if (down < 1) {
            q = 1 << 23; /* beyond any zero point: saturates */
        } else if (down <= 24) {
            q = (mantissa + (1u << (down - 1))) >> down;
        }
        if (bits << 1 > 0xFF000000) {
            q = 0; /* NaN */
        }
        q = (bits >> 31 ? -q : q) + zero_point;
        y[i] = q > 127 ? 127 : q < -128 ? -128 : q;
    }
}

/* int8 to float32, as floats.dequantize */
__attribute__((noinline)) static void dequantize(const aifes_net *net, uint32_t *y)
{
    const aifes_tensor *t = &net->header.output;
    uint32_t n = net->n_out;
    const int8_t *x = net->output;
    for (uint32_t i = 0; i < n; i++) {
        int32_t zero_point, exponent = 150 - scale_of(t, net->buf, n, i, &zero_point);
        int32_t d = x[i] - zero_point;
        uint32_t bits = 0;
        if (d) {
            uint32_t mantissa = d < 0 ? -d : d;
            for (; !(mantissa & 0x800000); exponent--) {
                mantissa <<= 1;
            }
            bits = (d < 0 ? 0x80000000 : 0) | (uint32_t)exponent << 23 | (mantissa & 0x7FFFFF);
        }
        *y++ = bits;
    }
}

/* x and y may lie in the arena in any way: as if all were read first */
__attribute__((noinline)) static void move(int8_t *to, const int8_t *from, uint32_t n)
{
    /* volatile: else compilers call memcpy, which is not there */
    if ((uintptr_t)from - (uintptr_t)to < n) { /* the end of `to` is the beginning of `from` */
        for (; n && to != from; n--) {
            *(volatile int8_t *)to++ = *from++;
        }
    } else if (n < 4 || ((uintptr_t)to | (uintptr_t)from) & 3) {
        do {
            n--;
            *(volatile int8_t *)(to + n) = from[n];
        } while (n);
    } else {
        while (n & 3) {
            n--;
            *(volatile int8_t *)(to + n) = from[n];
        }
        do {
            n -= 4;
            *(volatile uint32_t *)(to + n) = *(const uint32_t *)(from + n);
        } while (n);
    }
}

void aifes_place(aifes_net *net, const uint8_t *buf, int8_t *arena)
{
    if (net->buf == buf && net->arena == arena) {
        return;
    }
    for (aifes_step *s = net->steps; s < net->steps + net->header.n_ops; s++) {
        const aifes_op *op = &s->op;
        s->x = arena + op->x;
        s->y = arena + op->y;
        s->weights = buf + op->weights;
        s->bias = buf + op->bias;
        s->shifts = op->shifts ? buf + op->shifts : &op->shift;
        s->table = !op->table ? NULL
            : buf + op->table + (op->opcode == AIFES_DENSE ? 128 + op->low : 0);
        s->kernel = kernel_of(s);
    }
    net->buf = buf;
    net->arena = arena;
    net->input = arena + net->header.input.offset;
    net->output = arena + net->header.output.offset;
}

AIFES_FAST uint32_t aifes_run(const aifes_net *net, const void *x, void *y, int floats, uint32_t at)
{
    const aifes_step *s = net->steps + at;
    uint32_t work = 0;
    if (at == 0) {
        if (floats & AIFES_X_FLOAT) {
            quantize(net, x);
        } else if (x) {
            move(net->input, x, net->n_in);
        }
    }
    for (;; s++) {
        if (s->kernel == ROWS && !AIFES_SMALL) {
            dense_rows(s, s->weights, (const int32_t *)s->bias, s->shifts, s->y);
        } else if (s->kernel == BLOCKS && !AIFES_SMALL) {
            dense_blocks(s);
        } else if (s->kernel == ANY) {
            dense_any(s);
        } else if (s->kernel == AIFES_MAP) {
            map(s);
        } else {
            softmax(s);
        }
        if (++at == net->header.n_ops) {
            break;
        }
        work += s->op.n_in * s->op.n_out;
        if (work > AIFES_WORK) {
            return at;
        }
    }
    if (floats & AIFES_Y_FLOAT) {
        dequantize(net, y);
    } else if (y) {
        move(y, net->output, net->n_out);
    }
    return 0;
}

static uint32_t run_sample(const aifes_net *net, const void *x, void *y, int floats, uint32_t at)
{
    return aifes_run(net, x, y, floats, at);
}

int32_t aifes_run_samples(const aifes_net *net, const aifes_buffer *x, const aifes_buffer *y,
    uint32_t at)
{
    return run_samples(net, x, y, at, AIFES_WORK);
}

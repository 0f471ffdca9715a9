/* Samples of the caller into the arena and out of it, with floats where he has floats. */
#ifndef AIFES_ENDS_H
#define AIFES_ENDS_H

#include "load.h"

#if !AIFES_FLOAT

/* The scale of element i: docs/format.md, "tensor" */
static int32_t scale_of(const aifes_end *end, uint32_t i, int32_t *zero_point)
{
    const uint32_t n = end->place.n;
    const uint8_t *p = end->scales;
    if (!p) {
        *zero_point = end->zero_point;
        return end->shift;
    }
    *zero_point = (int16_t)(p[n + 2 * i] | p[n + 2 * i + 1] << 8);
    return (int8_t)p[i];
}

/* float32 to int8 on its bits, as floats.quantize */
AIFES_NOINLINE static void quantize(const aifes_end *end, const uint32_t *x, uint32_t n, int8_t *y)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = *x++, mantissa = (bits & 0x7FFFFF) | 0x800000;
        int32_t q, zero_point, exponent = bits >> 23 & 255;
        int32_t down = 150 - exponent - scale_of(end, i, &zero_point);
        down = down < 1 ? 1 : down > 25 ? 25 : down; /* beyond any zero point: saturates; 0 */
        q = (mantissa + (1u << (down - 1))) >> down;
        if (bits << 1 > 0xFF000000) {
            q = 0; /* NaN */
        }
        q = (bits >> 31 ? -q : q) + zero_point;
        y[i] = q > 127 ? 127 : q < -128 ? -128 : q;
    }
}

/* int8 to float32, as floats.dequantize */
AIFES_NOINLINE static void dequantize(const aifes_end *end, uint32_t *y)
{
    const uint32_t n = end->place.n;
    const int8_t *x = end->place.data;
    for (uint32_t i = 0; i < n; i++) {
        int32_t zero_point, exponent = 150 - scale_of(end, i, &zero_point);
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
#if AIFES_TIGHT
AIFES_NOINLINE static void move(int8_t *to, const int8_t *from, uint32_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n) {
        conv_put(to, from, n, 1);
    } else {
        do {
            n--;
            *(volatile int8_t *)(to + n) = from[n]; /* volatile: no memmove */
        } while (n);
    }
}
#else
AIFES_NOINLINE static void move(int8_t *to, const int8_t *from, uint32_t n)
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
            *(volatile uint32_t *)(void *)(to + n) = *(const uint32_t *)(const void *)(from + n);
        } while (n);
    }
}
#endif

/* The n elements behind `row` times n of x, to y */
AIFES_INLINE void put(const aifes_end *end, const aifes_buffer *x, uint32_t row, uint32_t n, int8_t *y)
{
    const uint8_t *from = x->data + (row * n << 2 * x->is_float);
    if (x->is_float) {
        quantize(end, (const void *)from, n, y);
    } else {
        move(y, (const int8_t *)from, n);
    }
}

AIFES_INLINE void get(const aifes_end *end, const aifes_buffer *y)
{
    if (y->is_float) {
        dequantize(end, (void *)y->data);
    } else {
        move((int8_t *)y->data, end->place.data, end->place.n);
    }
}

#else

/* A sample from the caller or to him, as if all were read first: x and y may lie in the arena.
 * finite: NaN becomes 0, an infinity the largest float */
AIFES_NOINLINE static void move(uint32_t *to, const uint32_t *from, uint32_t n, int finite)
{
    int32_t step = 1;
    if ((uintptr_t)to > (uintptr_t)from) {
        to += n - 1;
        from += n - 1;
        step = -1;
    }
    for (; n; n--, to += step, from += step) {
        uint32_t bits = *from, size = bits << 1;
        if (finite && size >= 0xFF000000) {
            bits = size == 0xFF000000 ? bits - 1 : 0;
        }
        *(volatile uint32_t *)to = bits; /* volatile: no memcpy */
    }
}

AIFES_INLINE void put(const aifes_end *end, const aifes_buffer *x, uint32_t row, uint32_t n, int8_t *y)
{
    (void)end;
    move((void *)y, (const uint32_t *)(const void *)x->data + row * n, n, 1);
}

AIFES_INLINE void get(const aifes_end *end, const aifes_buffer *y)
{
    move((void *)y->data, (const void *)end->place.data, end->place.n, 0);
}

#endif

#endif

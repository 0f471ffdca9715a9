/* Sums of a dense layer: acc[j] = start + sum_k x[k] * w[j][k], for the outputs of some blocks.
 *
 *   w       stored weights of the first block's first output
 *   x       n_in inputs
 *   acc     one sum for each output
 *   start   -weight_zero * sum_k x[k]
 *   blocks  of 4 or 8 outputs, at least one
 *
 * A chip has the kernels that are fast on it; the portable ones are their reference. All are exact
 * in 32 bits, in any order of sums: n_in < 2^14. Orders of weights: docs/format_ops.md.
 *
 *   sums_4  four outputs of interleave 1 (rows), or of interleave 4 and group 4
 *   sums_8  eight outputs of interleave 8 and group 1; Cortex-M0, M0+ and ESP32 only
 *
 * Weights begin at a multiple of 4, except in rows. */
#ifndef AIFES_DENSE_SUMS_H
#define AIFES_DENSE_SUMS_H

#if defined(__ARM_FEATURE_DSP) && !defined(AIFES_PORTABLE)
#include "dense_dsp.h"
#elif defined(__ARM_ARCH_6M__) && !defined(AIFES_PORTABLE)
#include "dense_armv6m.h"
#elif defined(__XTENSA_WINDOWED_ABI__) && !defined(AIFES_PORTABLE)
#include "dense_xtensa.h"
#endif

AIFES_FAST static int32_t sum(const int8_t *x, uint32_t n)
{
    int32_t acc = 0;
#if !AIFES_COMPACT
    for (const int8_t *end = x + (n & ~3); x != end; x += 4) {
        acc += x[0] + x[1] + x[2] + x[3];
    }
    n &= 3;
#endif
    for (; n; n--) {
        acc += *x++;
    }
    return acc;
}

#ifndef AIFES_HAS_SUMS_4
#define AIFES_HAS_SUMS_4 1
/* Blocks of four outputs: rows (interleave 1), or interleave 4 and group 4 */
AIFES_FAST static void sums_4(const uint8_t *w, const int8_t *x, uint32_t n_in, int32_t *acc,
    int32_t start, uint32_t blocks, int rows)
{
    /* from one output's weights to the next one's, from four inputs to the next */
    const uint32_t row = rows ? n_in : 4, next = rows ? 4 : 16, left = n_in & 3;
    const int8_t *begin = x, *end = x + (n_in & ~3);
    do {
        const uint8_t *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row;
        int32_t a0 = start, a1 = start, a2 = start, a3 = start;
/* one input after another: else compilers run out of registers */
#ifdef __clang__
#define AIFES_NEXT __asm("" : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3));
#else
#define AIFES_NEXT __asm("" ::: "memory");
#endif
#define AIFES_INPUT(k)                                                                             \
    {                                                                                              \
        int32_t v = x[k];                                                                          \
        a0 += v * w[k];                                                                            \
        a1 += v * w1[k];                                                                           \
        a2 += v * w2[k];                                                                           \
        a3 += v * w3[k];                                                                           \
        AIFES_NEXT                                                                                 \
    }
        for (x = begin; x != end; x += 4, w += next, w1 += next, w2 += next, w3 += next) {
            AIFES_INPUT(0)
            AIFES_INPUT(1)
            AIFES_INPUT(2)
            AIFES_INPUT(3)
        }
        if (!rows) {
            w1 = w + left, w2 = w1 + left, w3 = w2 + left;
        }
        for (uint32_t k = 0; k < left; k++) {
            AIFES_INPUT(k)
        }
        w = w3 + left;
        *acc++ = a0;
        *acc++ = a1;
        *acc++ = a2;
        *acc++ = a3;
    } while (--blocks);
#undef AIFES_INPUT
#undef AIFES_NEXT
}
#elif !AIFES_HAS_SUMS_4 /* weights of all interleaves but 8 take dense_rest() of dense.h */
static void sums_4(const uint8_t *w, const int8_t *x, uint32_t n_in, int32_t *acc,
    int32_t start, uint32_t blocks, int rows)
{
    (void)w, (void)x, (void)n_in, (void)acc, (void)start, (void)blocks, (void)rows;
}
#endif

#ifndef AIFES_HAS_SUMS_8
#define AIFES_HAS_SUMS_8 0
static void sums_8(const uint8_t *w, const int8_t *x, uint32_t n_in, int32_t *acc,
    int32_t start, uint32_t blocks)
{
    (void)w, (void)x, (void)n_in, (void)acc, (void)start, (void)blocks; /* never called */
}
#endif

#endif

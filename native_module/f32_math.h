/* float32 arithmetic: the chip's, or this file's on the bits where there is no FPU.
 *
 * Each operation is rounded by itself, to nearest even: compile with -ffp-contract=off. Without an
 * FPU subnormal operands and results are zeros that keep their sign (comparisons tell them from
 * zero), and what has the bits of an infinity or NaN counts as a number like any other. */
#ifndef AIFES_F32_MATH_H
#define AIFES_F32_MATH_H

#include "aifes.h"

#ifndef F32_SOFT
#ifdef __ARM_FP
#define F32_SOFT (!(__ARM_FP & 4))
#elif defined(__riscv_flen) || defined(__x86_64__) || defined(__aarch64__) \
    || (defined(__XTENSA__) && !defined(__XTENSA_SOFT_FLOAT__))
#define F32_SOFT 0
#else
#define F32_SOFT 1
#endif
#endif

#define F32_SIGN 0x80000000u

#if F32_SOFT
typedef uint32_t f32;
#define F32(value, bits) bits##u
#include "f32_soft.h"

static inline uint32_t f32_bits(f32 a)
{
    return a;
}

static inline f32 f32_from(uint32_t bits)
{
    return bits;
}

static inline int f32_greater(f32 a, f32 b)
{
    return (int32_t)(a ^ (-(a >> 31) >> 1)) > (int32_t)(b ^ (-(b >> 31) >> 1));
}

#else
typedef float f32;
#define F32(value, bits) value

static inline uint32_t f32_bits(f32 a)
{
    union {
        f32 value;
        uint32_t bits;
    } u = {a};
    return u.bits;
}

static inline f32 f32_from(uint32_t bits)
{
    union {
        uint32_t bits;
        f32 value;
    } u = {bits};
    return u.value;
}

static inline int f32_greater(f32 a, f32 b)
{
    return a > b;
}

/* acc + a * b */
static inline f32 f32_mac(f32 acc, f32 a, f32 b)
{
    return acc + a * b;
}

static inline f32 f32_add(f32 a, f32 b)
{
    return a + b;
}

static inline f32 f32_mul(f32 a, f32 b)
{
    return a * b;
}
#endif

#if F32_SOFT || defined(__XTENSA__) /* ESP32's FPU has no division of its own */
/* a / b; a number / 0 is infinite */
__attribute__((noinline)) static f32 f32_div(f32 a_in, f32 b_in)
{
    uint32_t a = f32_bits(a_in), b = f32_bits(b_in), sign = (a ^ b) & F32_SIGN, q = 0;
    int32_t e = (int32_t)(a >> 23 & 255) - (int32_t)(b >> 23 & 255) + 126;
    if (!(a >> 23 & 255)) {
        return f32_from(sign);
    }
    if (!(b >> 23 & 255)) {
        return f32_from(sign | 0x7F800000);
    }
    a = (a & 0x7FFFFF) | 0x800000;
    b = (b & 0x7FFFFF) | 0x800000;
    if (a >= b) {
        e++;
    } else {
        a <<= 1;
    }
    for (int i = 0; i < 25; i++) { /* 24 bits and the one that decides about rounding */
        q <<= 1;
        if (a >= b) {
            a -= b;
            q++;
        }
        a <<= 1;
    }
    if (e <= 0) {
        return f32_from(sign);
    }
    if (e >= 255) {
        return f32_from(sign | 0x7F800000);
    }
    /* a quotient never lies in the middle of two floats */
    return f32_from(sign | (((uint32_t)(e - 1) << 23) + ((q + 1) >> 1)));
}
#else
static inline f32 f32_div(f32 a, f32 b)
{
    return a / b;
}
#endif

static inline f32 f32_abs(f32 a)
{
    return f32_from(f32_bits(a) & ~F32_SIGN);
}

static inline f32 f32_negative(f32 a)
{
    return f32_from(f32_bits(a) ^ F32_SIGN);
}

#define F32_ONE F32(1.0f, 0x3F800000)

/* exp(x), x <= 0: a polynomial of degree 6 around the nearest multiple of log 2 */
__attribute__((noinline)) static f32 f32_exp(f32 x)
{
    if (!f32_greater(x, F32(-86.00001f, 0xC2AC0001))) { /* the next float below -86 */
        return F32(0.0f, 0x00000000);
    }
    f32 n = f32_add(f32_mul(x, F32(1.44269504f, 0x3FB8AA3B)), F32(-0.5f, 0xBF000000)), r, p;
    /* truncated: down to an integer between 0 and -124, without a conversion */
    uint32_t bits = f32_bits(n), places = 150 - (bits >> 23 & 255), whole = 0;
    if (places <= 23) {
        bits = bits >> places << places;
        whole = ((bits & 0x7FFFFF) | 0x800000) >> places;
    } else {
        bits = 0;
    }
    n = f32_from(bits);
    r = f32_mac(x, n, F32(-0.693359375f, 0xBF318000));
    r = f32_mac(r, n, F32(2.12194440e-4f, 0x395E8083));
    p = f32_mac(F32(8.3333333e-3f, 0x3C088889), F32(1.3888889e-3f, 0x3AB60B61), r);
    p = f32_mac(F32(4.1666667e-2f, 0x3D2AAAAB), p, r);
    p = f32_mac(F32(0.16666667f, 0x3E2AAAAB), p, r);
    p = f32_mac(F32(0.5f, 0x3F000000), p, r);
    p = f32_mac(F32_ONE, p, r);
    p = f32_mac(F32_ONE, p, r);
    return f32_from(f32_bits(p) - (whole << 23));
}

#endif

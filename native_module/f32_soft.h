/* Sums of products without an FPU: what a dense layer does nearly all the time; everything else
 * but division is made of it. */
#ifndef AIFES_F32_SOFT_H
#define AIFES_F32_SOFT_H

/* The upper half of a 64-bit product of a and b, which end in 8 zeros and begin with a one. Its
 * lowest bit is also set if anything was cut off below. */
__attribute__((always_inline)) static inline uint32_t f32_upper(uint32_t a, uint32_t b)
{
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__) || defined(__XTENSA__)
    /* No such multiply: the sum of two parts is at most 257 too small, and the 16 bits below
     * come with the lower half of the product of what the zeros follow. */
    uint32_t low = (a >> 8) * (b >> 8);
    uint32_t t = (a >> 8) * (b >> 24) + ((a >> 16) * (b >> 8 & 0xFFFF) >> 8);
    t += (uint16_t)((low >> 16) - t);
    return t | ((uint16_t)low != 0);
#else
    uint64_t t = (uint64_t)a * b;
    return (uint32_t)(t >> 32) | ((uint32_t)t != 0);
#endif
}

/* acc + x[0] * w[0] + x[1] * w[step] .., n > 0 products.
 *
 * The sum is kept as (-1)^(sign >> 31) * m * 2^(e - 156), m from 2^29 to 2^30: 24 bits, and six to
 * come. A zero has m = 0 and an exponent so small that any product replaces it. */
#define F32_ZERO (-1000)
AIFES_FAST static f32 f32_dot(f32 acc, const f32 *x, const f32 *w, uint32_t n, uint32_t step)
{
    uint32_t sign = acc, m = ((acc & 0x7FFFFF) | 0x800000) << 6;
    int32_t e = acc << 1 >> 24;
    if (!e) {
        m = 0;
        e = F32_ZERO;
    }
    do {
        uint32_t a = *x++, b = *w, p_sign = a ^ b, p;
        int32_t a_e = a << 1 >> 24, b_e = b << 1 >> 24, p_e = a_e + b_e - 127, down;
        w += step;
        if (!a_e || !b_e) {
            goto nothing;
        }
        p = f32_upper(a << 8 | F32_SIGN, b << 8 | F32_SIGN);
        if (p >> 31) {
            p_e++;
            p = (p + 127 + (p >> 8 & 1)) >> 8 << 6;
        } else {
            p = (p + 63 + (p >> 7 & 1)) >> 7 << 6;
        }
        if (p_e <= 0) {
        nothing:
            if (!m) { /* -0.0 only if both are */
                sign &= p_sign;
            }
            continue;
        }
        down = e - p_e;
        if (down < 0) { /* the larger one is the sum */
            uint32_t t = m;
            m = p, p = t;
            t = sign, sign = p_sign, p_sign = t;
            e = p_e;
            down = -down;
        }
        if (down > 6) {
            if (down > 25) {
                continue; /* less than a quarter of the last bit */
            }
            p = p >> down | ((p << (32 - down)) != 0);
        } else {
            p >>= down;
        }
        if ((int32_t)(sign ^ p_sign) >= 0) {
            m += p;
            if (m >> 30) {
                m = m >> 1 | (m & 1);
                e++;
            }
        } else {
            m -= p;
            if ((int32_t)m <= 0) {
                if (!m) {
                    sign = 0;
                    e = F32_ZERO;
                    continue;
                }
                m = -m;
                sign = p_sign;
            }
            while (!(m >> 29)) {
                m <<= 1;
                e--;
            }
            if (e <= 0) {
                m = 0;
                e = F32_ZERO;
                continue;
            }
        }
        m = (m + 31 + (m >> 6 & 1)) & ~63u;
    } while (--n);
    sign &= F32_SIGN;
    if (!m) {
        return sign;
    }
    if (e >= 255) {
        return sign | 0x7F800000;
    }
    return sign | (((uint32_t)(e - 1) << 23) + (m >> 6));
}

static inline f32 f32_mac(f32 acc, f32 a, f32 b)
{
    return f32_dot(acc, &a, &b, 1, 0);
}

static inline f32 f32_add(f32 a, f32 b)
{
    return f32_mac(a, b, 0x3F800000);
}

static inline f32 f32_mul(f32 a, f32 b)
{
    return f32_mac(F32_SIGN, a, b); /* -0.0 + anything is that */
}

#endif

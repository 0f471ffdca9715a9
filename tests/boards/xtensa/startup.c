// Runtime of the windowed Xtensa core of qemu's LX60 board: start, errors, garbage collection, and what
// a compiler's library has.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "py/gc.h"
#include "py/mpstate.h"
#include <stdbool.h>
#include "shared/runtime/gchelper.h"
#include "uart.h"

extern uint32_t _sbss, _ebss;
extern void spill_windows(void);
int main(int argc, char **argv);

static void put(const char *s) {
    const char *end = s;
    while (*end) {
        ++end;
    }
    uart_tx_strn(s, end - s);
}

static void put_hex(uint32_t value) {
    char text[9];
    for (int i = 0; i < 8; ++i) {
        text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    }
    text[8] = 0;
    put(text);
}

void exit(int status) {
    put("exit\r\n");
    for (;;) {
    }
}

void abort(void) {
    exit(1);
}

void fatal_error(uint32_t cause, uint32_t pc, uint32_t address) {
    put("\r\nexception, cause ");
    put_hex(cause);
    put(" pc ");
    put_hex(pc);
    put(" address ");
    put_hex(address);
    put("\r\n");
    exit(1);
}

void start(void) {
    for (uint32_t *p = &_sbss; p < &_ebss; ++p) {
        *p = 0;
    }
    uart_init();
    main(0, 0);
    exit(0);
}

#ifndef NO_GC
__attribute__((noinline)) void gc_helper_collect_regs_and_stack(void) {
    uint32_t here;
    spill_windows();
    // the registers of the callers lie 16 bytes below their frames
    uint32_t *bottom = (uint32_t *)((uintptr_t)&here & ~3) - 16;
    gc_collect_root((void **)bottom, (uint32_t *)MP_STATE_THREAD(stack_top) - bottom);
}
#endif

// compiler's library

uint64_t __muldi3(uint64_t a, uint64_t b) {
    uint32_t al = a, bl = b, a0 = al & 0xffff, a1 = al >> 16, b0 = bl & 0xffff, b1 = bl >> 16;
    uint32_t low = a0 * b0, middle = a1 * b0 + (low >> 16), other = a0 * b1 + (middle & 0xffff);
    uint32_t high = a1 * b1 + (middle >> 16) + (other >> 16);
    high += al * (uint32_t)(b >> 32) + (uint32_t)(a >> 32) * bl;
    return (uint64_t)high << 32 | (other << 16 | (low & 0xffff));
}

static uint64_t divide(uint64_t a, uint64_t b, uint64_t *rest) {
    uint64_t quotient = 0, r = 0;
    if ((a | b) >> 32 == 0) {
        *rest = (uint32_t)a % (uint32_t)b;
        return (uint32_t)a / (uint32_t)b;
    }
    for (int i = 63; i >= 0; --i) {
        uint32_t out = r >> 63;
        r = r << 1 | (a >> i & 1);
        if (out || r >= b) {
            r -= b;
            quotient |= (uint64_t)1 << i;
        }
    }
    *rest = r;
    return quotient;
}

uint64_t __udivdi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    return divide(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    divide(a, b, &rest);
    return rest;
}

int64_t __divdi3(int64_t a, int64_t b) {
    uint64_t rest, q = divide(a < 0 ? -(uint64_t)a : a, b < 0 ? -(uint64_t)b : b, &rest);
    return (a < 0) != (b < 0) ? -q : q;
}

int64_t __moddi3(int64_t a, int64_t b) {
    uint64_t rest;
    divide(a < 0 ? -(uint64_t)a : a, b < 0 ? -(uint64_t)b : b, &rest);
    return a < 0 ? -rest : rest;
}

typedef union {
    float f;
    uint32_t u;
} bits_t;

// mantissa * 2 ** exponent, rounded to nearest even; sticky: something is below
static float pack(uint32_t sign, uint64_t mantissa, int exponent, bool sticky) {
    bits_t r = {.u = sign << 31};
    if (mantissa == 0) {
        return r.f;
    }
    int top = 63 - __builtin_clzll(mantissa);
    int shift = top - 23; // bits to drop
    if (exponent + shift < -149) {
        shift = -149 - exponent;
    }
    if (shift > 63) {
        return r.f;
    }
    if (shift > 0) {
        uint64_t dropped = mantissa & (((uint64_t)1 << shift) - 1), half = (uint64_t)1 << (shift - 1);
        mantissa >>= shift;
        if (dropped > half || (dropped == half && (sticky || (mantissa & 1)))) {
            ++mantissa;
        }
    } else {
        mantissa <<= -shift;
    }
    exponent += shift;
    if (mantissa >> 24) {
        mantissa >>= 1;
        ++exponent;
    }
    if (exponent > 104) {
        r.u |= 0x7f800000;
    } else if (mantissa >> 23) {
        r.u |= (uint32_t)(exponent + 150) << 23 | ((uint32_t)mantissa & 0x7fffff);
    } else {
        r.u |= (uint32_t)mantissa;
    }
    return r.f;
}

float __divsf3(float a, float b) {
    bits_t x = {.f = a}, y = {.f = b};
    uint32_t sign = (x.u ^ y.u) >> 31, m = x.u & 0x7fffff, n = y.u & 0x7fffff;
    int e = x.u >> 23 & 255, f = y.u >> 23 & 255;
    bits_t special = {.u = 0x7fc00000};
    if ((e == 255 && m) || (f == 255 && n) || (e == 255 && f == 255) || (!e && !m && !f && !n)) {
        return special.f;
    }
    special.u = sign << 31;
    if (e == 255 || (!f && !n)) {
        special.u |= 0x7f800000;
        return special.f;
    }
    if (f == 255 || (!e && !m)) {
        return special.f;
    }
    m = e ? m | 0x800000 : m;
    n = f ? n | 0x800000 : n;
    e = e ? e : 1;
    f = f ? f : 1;
    while (!(n & 0x800000)) {
        n <<= 1;
        --f;
    }
    while (!(m & 0x800000)) {
        m <<= 1;
        --e;
    }
    uint64_t rest, q = divide((uint64_t)m << 30, n, &rest);
    return pack(sign, q << 1 | (rest != 0), e - f - 31, false);
}

float __floatundisf(uint64_t a) {
    return pack(0, a, 0, false);
}

float __floatdisf(int64_t a) {
    return pack(a < 0, a < 0 ? -(uint64_t)a : a, 0, false);
}

uint64_t __fixunssfdi(float a) {
    bits_t x = {.f = a};
    int e = (int)(x.u >> 23 & 255) - 150;
    uint64_t m = (x.u & 0x7fffff) | 0x800000;
    return x.u >> 31 || e < -24 ? 0 : e < 0 ? m >> -e : e < 41 ? m << e : UINT64_MAX;
}

int64_t __fixsfdi(float a) {
    int64_t r = __fixunssfdi(fabsf(a));
    return a < 0 ? -r : r;
}

float nearbyintf(float x) {
    float a = fabsf(x);
    if (!(a < 0x1p23f)) {
        return x;
    }
    volatile float r = a + 0x1p23f;
    return copysignf(r - 0x1p23f, x);
}

int __isnanf(float x) {
    return x != x;
}

int __isinff(float x) {
    return fabsf(x) == __builtin_inff();
}

float nanf(const char *tag) {
    bits_t r = {.u = 0x7fc00000};
    return r.f;
}

typedef union {
    double d;
    uint64_t u;
} bits64_t;

float __truncdfsf2(double a) {
    bits64_t x = {.d = a};
    bits_t r = {.u = (uint32_t)(x.u >> 63) << 31};
    int e = (int)(x.u >> 52 & 2047);
    uint64_t m = x.u & 0xfffffffffffff;
    if (e == 2047) {
        r.u |= m ? 0x7fc00000 : 0x7f800000;
        return r.f;
    }
    return e ? pack(r.u >> 31, m | (uint64_t)1 << 52, e - 1075, false) : r.f;
}

double __extendsfdf2(float a) {
    bits_t x = {.f = a};
    bits64_t r = {.u = (uint64_t)(x.u >> 31) << 63};
    int e = x.u >> 23 & 255;
    uint32_t m = x.u & 0x7fffff;
    if (e == 255) {
        r.u |= (uint64_t)2047 << 52 | (uint64_t)m << 29;
    } else if (e || m) {
        if (!e) {
            for (e = 1; !(m & 0x800000); m <<= 1) {
                --e;
            }
        }
        r.u |= (uint64_t)(e + 896) << 52 | (uint64_t)(m & 0x7fffff) << 29;
    }
    return r.d;
}

double __floatsidf(int a) {
    bits64_t r = {.u = 0};
    uint64_t m = a < 0 ? -(uint64_t)a : a;
    if (a) {
        int top = 63 - __builtin_clzll(m);
        r.u = (uint64_t)(a < 0) << 63 | (uint64_t)(top + 1023) << 52 | ((m << (52 - top)) & 0xfffffffffffff);
    }
    return r.d;
}

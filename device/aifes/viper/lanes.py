"""float32 arithmetic on the bits, for chips with and without an FPU.

The same as native_module/f32_soft.h: subnormals count as zeros, no operation is fused. A dense
layer is one call of macs(). Other functions are made of the same calls, each over up to LANES
elements that lie side by side in a work space, so that no float and no large int is ever an object.

No value that is computed needs more than 31 bits; signs are taken out of words first.
"""
from array import array

import micropython
from micropython import const

LANES = const(8)
_CONSTANTS = (
    0x3F800000, 0xBF800000, 0, 0x80000000,  # 1, -1, 0, -0
    0x3FB8AA3B, 0xBF000000, 0xBF318000, 0x395E8083,  # log2(e), -1/2; -ln 2 in two parts
    0x3AB60B61, 0x3C088889, 0x3D2AAAAB, 0x3E2AAAAB, 0x3F000000)  # 1/720, 1/120 .. 1/2
# the work space, by words: constants, one that an op sets (alpha, the largest, the total), vectors
ONE = const(0)
MINUS = const(1)
ZERO = const(2)
MINUS_ZERO = const(3)
SET = const(13)
X = const(16)
A = const(24)
T = const(32)
_K = const(40)
_R = const(48)
E = const(56)
D = const(64)
WORDS = const(72)


def new():
    """A work space."""
    return array("I", _CONSTANTS + (0,) * (WORDS - len(_CONSTANTS)))


def step(y, acc, x, w):
    """What macs() and divide() take: y = acc + x * w (y = x / w) of vectors or constants."""
    return array("i", (4 * acc, 4 * w, 4 * x, 4 * y, 1, 4 * (w >= X), 0, 4 * (acc >= X),
                       4 * (x >= X)))


def blocks(buf, arena, p, n):
    """Elements LANES at a time: put into vectors, run through a program, put into the arena.

    p: (work, where SET lies in buf or 0, ((vector, where in the arena), ..), program, vector,
    where in the arena); `where` counts words. A program: (function, its p) ..; it is called as
    kernels are, with the work space as buf and arena.
    """
    work, constant, sources, program, result, y = p
    if constant:
        put(work, SET, buf, constant, 1)
    i = 0
    while i < n:
        m = min(LANES, n - i)
        for vector, x in sources:
            put(work, vector, arena, x + i, m)
        for function, q in program:
            function(work, work, q, m)
        put(arena, y + i, work, result, m)
        i += m


@micropython.viper
def macs(source: ptr8, target: ptr8, p: ptr32, n: int):  # noqa: F821
    """y[j] = acc[j] + x[0] * w[j][0] + x[1] * w[j][1] ..: p as step() makes it.

    acc and w lie in source, x and y in target. The sum is (-1)^sign * m * 2^(e - 156), m of 30
    bits, or 0 with an exponent that any product replaces: native_module/f32_soft.h.
    """
    n_in = p[4]
    step = p[6] >> 2
    j = 0
    while j < n:
        m = ptr32(int(source) + p[0] + j * p[7])[0]  # noqa: F821
        w = ptr32(int(source) + p[1] + j * p[5])  # noqa: F821
        x = ptr32(int(target) + p[2] + j * p[8])  # noqa: F821
        sign = (m >> 31) & 1
        e = (m >> 23) & 255
        m = (m & 0x7FFFFF | 0x800000) << 6
        if e == 0:
            m = 0
            e = -1000
        k = 0
        while k < n_in:
            a = x[k]
            b = w[k * step]
            k += 1
            flip = ((a ^ b) >> 31) & 1
            down = (a >> 23) & 255
            t = (b >> 23) & 255
            p_e = down + t - 127
            if down == 0 or t == 0:
                p_e = 0
            t = 0
            if p_e >= 0:
                # product: high * 2**24 + low
                a = a & 0x7FFFFF | 0x800000
                b = b & 0x7FFFFF | 0x800000
                t = (a >> 12) * (b & 0xFFF) + (a & 0xFFF) * (b >> 12)
                low = (a & 0xFFF) * (b & 0xFFF) + ((t & 0xFFF) << 12)
                t = (a >> 12) * (b >> 12) + (t >> 12) + (low >> 24)
                low &= 0xFFFFFF
                if t >> 23:
                    p_e += 1
                else:
                    t = t << 1 | low >> 23
                    low = (low << 1) & 0xFFFFFF
                if low > 0x800000 - (t & 1):
                    t += 1
                t <<= 6
            if p_e <= 0:
                if m == 0:
                    sign &= flip  # -0.0 only if both are
                continue
            down = e - p_e
            if down < 0:  # the larger one is the sum
                a = m
                m = t
                t = a
                a = sign
                sign = flip
                flip = a
                e = p_e
                down = 0 - down
            if down > 25:
                continue  # less than a quarter of the last bit
            a = t
            t >>= down
            if a != t << down:
                t |= 1
            if sign == flip:
                m += t
                if m >> 30:
                    m = m >> 1 | m & 1
                    e += 1
            else:
                m -= t
                if m <= 0:
                    if m == 0:
                        sign = 0
                        e = -1000
                        continue
                    m = 0 - m
                    sign = flip
                while m >> 29 == 0:
                    m <<= 1
                    e -= 1
                if e <= 0:
                    m = 0
                    e = -1000
                    continue
            m += 31 + ((m >> 6) & 1)
            m = m >> 6 << 6
        sign <<= 31
        if m:
            if e >= 255:
                e = 255
                m = 1 << 29
            sign |= ((e - 1) << 23) + (m >> 6)
        ptr32(int(target) + p[3] + 4 * j)[0] = sign  # noqa: F821
        j += 1


@micropython.viper
def divide(source: ptr8, work: ptr8, p: ptr32, n: int):  # noqa: F821
    """y[j] = x[j] / w[j]; a number / 0 is infinite."""
    j = 0
    while j < n:
        a = ptr32(int(work) + p[2] + j * p[8])[0]  # noqa: F821
        b = ptr32(int(work) + p[1] + j * p[5])[0]  # noqa: F821
        y = (((a ^ b) >> 31) & 1) << 31
        e = (a >> 23) & 255
        i = (b >> 23) & 255
        if e:
            if i == 0:
                e = 255
            else:
                e += 126 - i
                a = a & 0x7FFFFF | 0x800000
                b = b & 0x7FFFFF | 0x800000
                if a >= b:
                    e += 1
                else:
                    a <<= 1
                q = 0
                i = 0
                while i < 25:
                    q <<= 1
                    if a >= b:
                        a -= b
                        q += 1
                    a <<= 1
                    i += 1
                a = (q + 1) >> 1
            if e >= 255:
                e = 255
                a = 0x800000
            if e > 0:
                y |= ((e - 1) << 23) + a
        ptr32(int(work) + p[3] + 4 * j)[0] = y  # noqa: F821
        j += 1


@micropython.viper
def truncate(source: ptr32, work: ptr32, p: ptr32, n: int):  # noqa: F821
    """T = the integer part of T, K = its absolute value."""
    j = 0
    while j < n:
        v = work[T + j]
        places = 150 - ((v >> 23) & 255)
        k = 0
        if 0 <= places and places <= 23:
            k = (v & 0x7FFFFF | 0x800000) >> places
            v = v >> places << places
        else:
            v = 0
        work[T + j] = v
        work[_K + j] = k
        j += 1


@micropython.viper
def scale(source: ptr32, work: ptr32, p: ptr32, n: int):  # noqa: F821
    """E = E / 2^K; 0 where A < -86."""
    limit = 0x42AC
    limit <<= 16  # 86.0; as one number it would be an object
    top = 1
    top <<= 31
    j = 0
    while j < n:
        v = work[E + j] - (work[_K + j] << 23)
        a = work[A + j]
        if (a >> 31) & 1 and (a & (top - 1)) > limit:
            v = 0
        work[E + j] = v
        j += 1


@micropython.viper
def pick(source: ptr32, work: ptr32, p: ptr32, n: int):  # noqa: F821
    """X = p[0] where X > 0, else p[1]: vectors or constants."""
    j = 0
    while j < n:
        v = work[X + j]
        at = p[1]
        if v and (v >> 31) & 1 == 0:
            at = p[0]
        if at >= X:
            at += j
        work[X + j] = work[at]
        j += 1


@micropython.viper
def absolute(source: ptr32, work: ptr32, p: ptr32, n: int):  # noqa: F821
    """A = |X|."""
    sign = 1
    sign <<= 31
    j = 0
    while j < n:
        work[A + j] = work[X + j] & (sign - 1)
        j += 1


@micropython.viper
def greatest(work: ptr32, arena: ptr8, x: int, n: int):  # noqa: F821
    """The constant SET = the largest of n floats."""
    p = ptr32(int(arena) + x)  # noqa: F821
    sign = 1
    sign <<= 31
    best = 0
    found = 0
    j = 0
    while j < n:
        v = p[j]
        key = v & (sign - 1)
        if (v >> 31) & 1:
            key = -1 - key
        if j == 0 or key > best:
            best = key
            found = v
        j += 1
    work[SET] = found


@micropython.viper
def put(to: ptr32, at: int, source: ptr32, first: int, n: int):  # noqa: F821
    """Copy n words."""
    j = 0
    while j < n:
        to[at + j] = source[first + j]
        j += 1


NONE = array("i")
# E = exp(A), A <= 0 or the result is not wanted
EXP = (
    (macs, step(T, MINUS_ZERO, A, 4)), (macs, step(T, 5, T, ONE)), (truncate, NONE),
    (macs, step(_R, A, T, 6)), (macs, step(_R, _R, T, 7)), (macs, step(E, 9, _R, 8)),
    (macs, step(E, 10, E, _R)), (macs, step(E, 11, E, _R)), (macs, step(E, 12, E, _R)),
    (macs, step(E, ONE, E, _R)), (macs, step(E, ONE, E, _R)), (scale, NONE))

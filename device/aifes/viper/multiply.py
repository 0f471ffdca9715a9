"""multiply: ops/multiply.py."""
from array import array

import micropython

from ..model import size


def int8(op, x, y):
    f = op.fields
    return multiply, array("i", (
        x[0].offset, x[1].offset, y[0].offset, f.zero_point + 128, f.low + 128, f.high + 128,
        f.shift, f.zero1 + 128, f.zero2 + 128, size(x[1].shape))), size(y[0].shape)


@micropython.viper
def multiply(buf: ptr8, arena: ptr8, p: ptr32, n: int):  # noqa: F821
    a = ptr8(int(arena) + p[0])  # noqa: F821
    b = ptr8(int(arena) + p[1])  # noqa: F821
    y = ptr8(int(arena) + p[2])  # noqa: F821
    zero = p[3]
    low = p[4]
    high = p[5]
    shift = p[6]
    zero1 = p[7]
    zero2 = p[8]
    period = p[9]
    half = (1 << shift) >> 1
    i = 0
    j = 0
    while i < n:
        v = (a[i] ^ 128) - zero1
        v *= (b[j] ^ 128) - zero2
        v = ((v + half) >> shift) + zero
        if v < low:
            v = low
        elif v > high:
            v = high
        y[i] = v - 128
        i += 1
        j += 1
        if j == period:
            j = 0


def float32(op, x, y, work):
    from .lanes import MINUS_ZERO, A, X, step

    return products, (work, step(X, MINUS_ZERO, X, A), x[0].offset >> 2, x[1].offset >> 2,
                      size(x[1].shape), y[0].offset >> 2), size(y[0].shape)


def products(buf, arena, p, n):
    from .lanes import LANES, A, X, macs, put

    work, product, x, factors, period, y = p
    i = j = 0
    while i < n:
        m = min(LANES, period - j)
        put(work, X, arena, x + i, m)
        put(work, A, arena, factors + j, m)
        macs(work, work, product, m)
        put(arena, y + i, work, X, m)
        i += m
        j += m
        if j == period:
            j = 0

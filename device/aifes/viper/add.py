"""add: ops/add.py."""
from array import array

import micropython

from ..model import size


def int8(op, x, y):
    f = op.fields
    return add, array("i", (
        x[0].offset, x[1].offset, y[0].offset, f.zero_point + 128, f.low + 128, f.high + 128,
        f.shift, f.left1, f.left2, f.bias + (1 << 28))), size(y[0].shape)


@micropython.viper
def add(buf: ptr8, arena: ptr8, p: ptr32, n: int):  # noqa: F821
    a = ptr8(int(arena) + p[0])  # noqa: F821
    b = ptr8(int(arena) + p[1])  # noqa: F821
    y = ptr8(int(arena) + p[2])  # noqa: F821
    zero = p[3]
    low = p[4]
    high = p[5]
    shift = p[6]
    left1 = p[7]
    left2 = p[8]
    bias = p[9] - (1 << 28)
    i = 0
    while i < n:
        v = ((a[i] ^ 128) - 128) << left1
        v += ((b[i] ^ 128) - 128) << left2
        v = ((v + bias) >> shift) + zero
        if v < low:
            v = low
        elif v > high:
            v = high
        y[i] = v - 128
        i += 1


def float32(op, x, y, work):
    from .lanes import ONE, A, X, blocks, macs, step

    return blocks, (work, 0, ((X, x[0].offset >> 2), (A, x[1].offset >> 2)),
                    ((macs, step(X, X, A, ONE)),), X, y[0].offset >> 2), size(y[0].shape)

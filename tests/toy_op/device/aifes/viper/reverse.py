"""reverse: ops/reverse.py."""
from array import array

import micropython

from ..format import size


def int8(op, x, y):
    return reverse, array("i", (x[0].offset, y[0].offset)), size(y[0].shape)


@micropython.viper
def reverse(buf: ptr8, arena: ptr8, p: ptr32, n: int):  # noqa: F821
    x = p[0] + n - 1
    y = p[1]
    i = 0
    while i < n:
        arena[y + i] = arena[x - i]
        i += 1


def float32(op, x, y, work):
    return words, array("i", (x[0].offset >> 2, y[0].offset >> 2)), size(y[0].shape)


@micropython.viper
def words(buf: ptr8, arena: ptr32, p: ptr32, n: int):  # noqa: F821
    x = p[0] + n - 1
    y = p[1]
    i = 0
    while i < n:
        arena[y + i] = arena[x - i]
        i += 1

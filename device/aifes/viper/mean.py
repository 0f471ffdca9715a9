"""mean: ops/mean.py."""
from array import array

import micropython


def int8(op, x, y):
    f, (rows, columns, channels) = op.fields, x[0].shape
    p = array("i", (x[0].offset, y[0].offset, rows, columns, channels, 0, rows * columns,
                    f.x_zero + 128, f.up, f.zero_point + 128, 0))
    return mean, (p, array("i", bytes(4 * channels))), 0


def turn(step, view, x, y):
    p = step[1][0]
    p[2] = view[1]
    p[5] = view[5]
    p[10] = view[2]
    return 0


@micropython.viper
def mean(buf: ptr8, arena: ptr8, given, n: int):  # noqa: F821
    p = ptr32(given[0])  # noqa: F821
    sums = ptr32(given[1])  # noqa: F821
    columns = p[3]
    channels = p[4]
    k = 0
    while k < channels:
        if p[5] == 0:
            sums[k] = 0
        x = ptr8(int(arena) + p[0] + p[10] * columns * channels + k)  # noqa: F821
        total = sums[k]
        n = p[2] * columns
        while n:
            total += x[0] ^ 128
            x = ptr8(int(x) + channels)  # noqa: F821
            n -= 1
        sums[k] = total
        k += 1
    n = p[6]
    if (p[5] + p[2]) * columns < n:
        return
    y = ptr8(int(arena) + p[1])  # noqa: F821
    k = 0
    while k < channels:
        v = (2 * ((sums[k] - n * p[7]) << p[8]) + n) // (2 * n) + p[9]
        if v < 0:
            v = 0
        elif v > 255:
            v = 255
        y[k] = v ^ 128
        k += 1

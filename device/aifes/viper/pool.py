"""pool: ops/pool.py."""
from array import array

import micropython
from micropython import const

from ..ops.pool import AVERAGE, WHOLE

FAR = const(1 << 16)  # added to places of rows: none is below 0


def _geometry(op, x, y, numbers):
    f = op.fields
    return array("i", (x[0].offset, y[0].offset) + x[0].shape + y[0].shape[:2] + (
        f.kernel_rows, f.kernel_columns, FAR - f.top, f.left, f.stride_rows, f.stride_columns)
        + numbers)


def turn(step, view, x, y):
    p = step[1]
    p[1] = y[0].offset + view[3]
    p[2] = view[0]
    p[5] = view[1]
    p[9] = FAR + view[2]
    return step[2]


def int8(op, x, y):
    f = op.fields
    return pool, _geometry(op, x, y, (
        op.flags & AVERAGE, f.kernel_rows * f.kernel_columns if op.flags & WHOLE else 0,
        f.x_zero + 128, f.up, f.zero_point + 128)), 0


def float32(op, x, y, work):
    if not op.flags & AVERAGE:
        return largest, _geometry(op, x, y, ()), 0
    from . import lanes
    from .lanes import ONE, SET, A, X, step

    f = op.fields
    return float_mean, (lanes, work, _geometry(op, x, y, ()), step(A, A, X, ONE),
                        step(A, 0, A, SET), array("f", (0,)),
                        f.kernel_rows * f.kernel_columns if op.flags & WHOLE else 0), 0


@micropython.viper
def pool(buf: ptr8, arena: ptr8, p: ptr32, n: int):  # noqa: F821
    y = ptr8(int(arena) + p[1])  # noqa: F821
    columns = p[3]
    channels = p[4]
    x_zero = p[15]
    r = 0
    while r < p[5]:
        top = r * p[11] + p[9] - FAR
        bottom = top + p[7]
        if bottom > p[2]:
            bottom = p[2]
        if top < 0:
            top = 0
        c = 0
        while c < p[6]:
            left = c * p[12] - p[10]
            right = left + p[8]
            if right > columns:
                right = columns
            if left < 0:
                left = 0
            n = p[14]
            if n == 0:
                n = (bottom - top) * (right - left)
            k = 0
            while k < channels:
                best = 0
                total = 0
                row = top
                at = (top * columns + left) * channels + k
                while row < bottom:
                    x = ptr8(int(arena) + p[0] + at)  # noqa: F821
                    j = left
                    while j < right:
                        v = x[0] ^ 128
                        x = ptr8(int(x) + channels)  # noqa: F821
                        if v > best:
                            best = v
                        total += v - x_zero
                        j += 1
                    at += columns * channels
                    row += 1
                if p[13]:
                    best = (2 * (total << p[16]) + n) // (2 * n) + p[17]
                    if best < 0:
                        best = 0
                    elif best > 255:
                        best = 255
                y[k] = best ^ 128
                k += 1
            y = ptr8(int(y) + channels)  # noqa: F821
            c += 1
        r += 1


@micropython.viper
def largest(buf: ptr8, arena: ptr8, p: ptr32, n: int):  # noqa: F821
    y = ptr32(int(arena) + p[1])  # noqa: F821
    columns = p[3]
    channels = p[4]
    sign = 1
    sign <<= 31
    r = 0
    while r < p[5]:
        top = r * p[11] + p[9] - FAR
        bottom = top + p[7]
        if bottom > p[2]:
            bottom = p[2]
        if top < 0:
            top = 0
        c = 0
        while c < p[6]:
            left = c * p[12] - p[10]
            right = left + p[8]
            if right > columns:
                right = columns
            if left < 0:
                left = 0
            k = 0
            while k < channels:
                best = 0
                found = 0
                first = 1
                row = top
                at = (top * columns + left) * channels + k
                while row < bottom:
                    x = ptr32(int(arena) + p[0] + 4 * at)  # noqa: F821
                    j = left
                    while j < right:
                        v = x[0]
                        x = ptr32(int(x) + 4 * channels)  # noqa: F821
                        key = v & (sign - 1)
                        if (v >> 31) & 1:
                            key = 0 - key
                        if first or key > best:
                            best = key
                            found = v
                            first = 0
                        j += 1
                    at += columns * channels
                    row += 1
                y[k] = found
                k += 1
            y = ptr32(int(y) + 4 * channels)  # noqa: F821
            c += 1
        r += 1


def float_mean(buf, arena, p, n):
    """Some channels at a time: each pixel of a window is added to a vector of sums."""
    lanes, work, s, add, divide, count, whole = p
    put, macs, most = lanes.put, lanes.macs, lanes.LANES
    x = s[0] >> 2
    y = s[1] >> 2
    columns = s[3]
    channels = s[4]
    for r in range(s[5]):
        top = r * s[11] + s[9] - FAR
        bottom = min(top + s[7], s[2])
        top = max(top, 0)
        for c in range(s[6]):
            left = c * s[12] - s[10]
            right = min(left + s[8], columns)
            left = max(left, 0)
            count[0] = whole or (bottom - top) * (right - left)
            put(work, lanes.SET, count, 0, 1)
            k = 0
            while k < channels:
                m = min(most, channels - k)
                put(work, lanes.A, arena, x + (top * columns + left) * channels + k, m)
                j = left + 1
                for i in range(top, bottom):
                    while j < right:
                        put(work, lanes.X, arena, x + (i * columns + j) * channels + k, m)
                        macs(work, work, add, m)
                        j += 1
                    j = left
                lanes.divide(work, work, divide, m)
                put(arena, y + k, work, lanes.A, m)
                k += most
            y += channels

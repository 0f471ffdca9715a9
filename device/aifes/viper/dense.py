"""dense: ops/dense.py, with four rows at a time where the weights of int8 lie in rows."""
from array import array

import micropython

from ..model import size


def int8(op, x, y):
    f = op.fields
    return dense, array("i", (
        x[0].offset, y[0].offset, size(x[0].shape), f.zero_point + 128, f.weight_zero, f.low + 128,
        f.high + 128, f.shift, f.group, f.interleave, f.weights, f.bias, f.shifts, f.table,
        f.multipliers, 0)), size(y[0].shape)


def float32(op, x, y, work):
    from .lanes import macs

    f, n_in, n_out = op.fields, size(x[0].shape), size(y[0].shape)
    next_, step = (4 * n_in, 4) if f.interleave == 1 else (4, 4 * n_out)
    return macs, array("i", (
        f.bias, f.weights, x[0].offset, y[0].offset, n_in, next_, step, 4, 0)), n_out


@micropython.viper
def dense(buf: ptr8, arena: ptr8, p: ptr32, n_out: int):  # noqa: F821
    n_in = p[2]
    weight_zero = p[4]
    group = p[8]
    interleave = p[9]
    x = ptr8(int(arena) + p[0])  # noqa: F821
    y = ptr8(int(arena) + p[1])  # noqa: F821
    total = 0
    k = n_in
    while k:
        k -= 1
        total += x[k] ^ 128
    start = weight_zero * ((n_in << 7) - total)
    b = ptr8(int(arena if p[15] else buf) + p[11])  # noqa: F821
    shifts = p[12]
    multipliers = p[14]
    table = p[13]
    low = p[5]
    high = p[6]
    zero = p[3]
    rows = 4 if interleave == 1 and group == 1 else 1
    a1 = a2 = a3 = 0
    j = 0
    while j < n_out:
        a0 = start
        if rows == 4 and j + 4 <= n_out:
            w0 = ptr8(int(buf) + p[10] + j * n_in)  # noqa: F821
            w1 = ptr8(int(w0) + n_in)  # noqa: F821
            w2 = ptr8(int(w1) + n_in)  # noqa: F821
            w3 = ptr8(int(w2) + n_in)  # noqa: F821
            a1 = a2 = a3 = start
            k = n_in
            while k:
                k -= 1
                v = (x[k] ^ 128) - 128
                a0 += v * w0[k]
                a1 += v * w1[k]
                a2 += v * w2[k]
                a3 += v * w3[k]
            done = 4
        else:
            column = j % interleave
            w0 = ptr8(int(buf) + p[10] + (j - column) * n_in)  # noqa: F821
            k = 0
            while k < n_in:
                n = n_in - k
                at = column
                step = interleave
                if group != 1:
                    n = group if n > group else n
                    at = column * n
                    step = 1
                end = k + n
                w0 = ptr8(int(w0) + at)  # noqa: F821
                at = interleave * n - at
                i = 0
                while k < end:
                    a0 += ((x[k] ^ 128) - 128) * w0[i]
                    i += step
                    k += 1
                w0 = ptr8(int(w0) + at)  # noqa: F821
            done = 1
        while done:
            a0 += b[0] | b[1] << 8 | b[2] << 16 | ((b[3] ^ 128) - 128) << 24
            b = ptr8(int(b) + 4)  # noqa: F821
            shift = p[7]
            if shifts:
                shift = buf[shifts + j]
            if multipliers:
                a0 = int(scaled(a0, buf, multipliers + 4 * j, shift))
            else:
                a0 >>= shift
            v = a0 + zero
            if v < low:
                v = low
            elif v > high:
                v = high
            if table:
                v = buf[table + v]
            else:
                v -= 128
            y[j] = v
            j += 1
            done -= 1
            a0 = a1
            a1 = a2
            a2 = a3


@micropython.viper
def scaled(acc: int, buf: ptr8, at: int, shift: int) -> int:  # noqa: F821
    """scaled() of ops/dense.py in words of 32 bits, |acc| < 2**30; the multiplier lies at `at`."""
    half = 1
    half <<= 30  # as one number it would be an object
    a = acc
    if acc < 0:  # floored: a half goes up, toward 0
        a = 0 - acc
        half -= 1
    a_high = a >> 15
    a &= 0x7FFF
    m = buf[at] | buf[at + 1] << 8
    m_high = buf[at + 2] | buf[at + 3] << 8
    # the product: 2**31 * a_high * m_high + 2**16 * middle + low
    low = a * m
    middle = a_high * m
    carry = (middle & 1) + (low >> 15) + (half >> 15) + (((low & 0x7FFF) + (half & 0x7FFF)) >> 15)
    middle = (middle >> 1) + a * m_high
    a = a_high * m_high + (middle >> 15) + ((2 * (middle & 0x7FFF) + carry) >> 16)
    if shift:
        a = (a + (1 << (shift - 1))) >> shift
    if acc < 0:
        a = 0 - a
    return a

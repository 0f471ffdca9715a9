"""conv: ops/conv.py: a window becomes a column in the scratch, of which dense's kernel makes a
pixel; where it lies in one piece already, it is taken there. All pixels of a group, then the next.
"""
from array import array

import micropython
from micropython import const

from ..format import FLOAT32
from ..ops.conv import scratch
from ..ops.dense import weights_size
from . import dense

FAR = const(1 << 16)  # added to places of rows: none is below 0


def int8(op, x, y):
    f = op.fields
    each = y[0].shape[2] // f.groups
    n = scratch(op, x)
    q = (y[1].offset, y[0].offset, n, f.zero_point + 128, f.weight_zero, f.low + 128,
         f.high + 128, f.shift, f.group, f.interleave, f.weights, f.bias, f.shifts, f.table,
         f.multipliers, 0)
    if 1 < f.groups == x[0].shape[2] and f.interleave == 1:
        sums = array("i", q)
        sums[0] = sums[1] = sums[2] = sums[11] = 0  # of no inputs, onto biases which are the sums
        sums[15] = 1
        return depthwise, (dense.dense, sums, _geometry(op, x, y, q, 0, 1),
                           array("i", bytes(4 * y[0].shape[2]))), y[0].shape[2]
    step = (0, each, 0, 0, 0, 0, 0, 0, 0, 0, weights_size(n, each, f.interleave), 4 * each,
            each if f.shifts else 0, 0, 4 * each if f.multipliers else 0, 0)
    return conv, (dense.dense, array("i", q), _geometry(op, x, y, q + step, 0, 1)), each


def float32(op, x, y, work):
    from .lanes import macs

    f = op.fields
    each, n = y[0].shape[2] // f.groups, scratch(op, x)
    q = f.bias, f.weights, y[1].offset, y[0].offset, n, 4 * n, 4, 4, 0
    step = 4 * each, 4 * each * n, 0, 4 * each, 0, 0, 0, 0, 0
    return conv, (macs, array("i", q), _geometry(op, x, y, q + step, 2, 3)), each


def turn(step, view, x, y):
    """The step's n, when it has come to what Rows.place() says."""
    s = step[1][2]
    s[1] = view[0]
    s[5] = view[1]
    s[17] = FAR + view[2]
    s[26 + s[23]] = y[0].offset + view[3]
    return step[2]


def _geometry(op, x, y, q, x_at, y_at):
    """An array of what the kernels have to know of windows, in bytes.

    q: what `run` takes for the first group, and what is added for each group more; in it, x_at and
    y_at are where the column and the result lie.
    """
    f, unit = op.fields, 4 if x[0].dtype == FLOAT32 else 1
    rows, columns, channels = x[0].shape
    y_rows, y_columns, n_out = y[0].shape
    flat = f.spread_rows == f.spread_columns == 1
    row = flat and f.groups == 1 and (f.kernel_columns == 1 or f.dilation_columns == 1)
    whole = flat and f.kernel_rows == f.kernel_columns == 1 or row and (
        f.kernel_rows == 1 or columns == f.kernel_columns == f.dilation_rows == 1)
    return array("i", (
        x[0].offset, rows, columns, channels * unit, channels // f.groups * unit, y_rows, y_columns,
        n_out * unit, f.groups, f.kernel_rows, f.kernel_columns, f.stride_rows, f.stride_columns,
        f.dilation_rows, f.dilation_columns, f.spread_rows, f.spread_columns, FAR - f.top, f.left,
        f.pad + 128, row, whole, x_at, y_at, q[x_at], len(q) >> 1) + q)


@micropython.viper
def conv(buf, arena, p, n: int):
    run = p[0]
    given = p[1]
    q = ptr32(given)  # noqa: F821
    s = ptr32(p[2])  # noqa: F821
    x = ptr8(arena)  # noqa: F821
    columns = s[2]
    channels = s[3]
    per = s[4]
    kernel_columns = s[10]
    dilation_columns = s[14]
    spread_columns = s[16]
    x_at = s[22]
    y_at = s[23]
    n_q = s[25]
    pad = s[19] ^ 128
    g = 0
    while g < s[8]:
        i = 0
        while i < n_q:
            q[i] = s[26 + i] + g * s[26 + n_q + i]
            i += 1
        r = 0
        while r < s[5]:
            top = r * s[11] + s[17] - FAR
            c = 0
            while c < s[6]:
                left = c * s[12] - s[18]
                if (s[21] and top >= 0 and left >= 0 and top + (s[9] - 1) * s[13] < s[1]
                        and left + (kernel_columns - 1) * dilation_columns < columns):
                    q[x_at] = s[0] + (top * columns + left) * channels + g * per
                else:
                    q[x_at] = s[24]
                    to = ptr8(int(x) + s[24])  # noqa: F821
                    i = 0
                    while i < s[9]:
                        row = top + i * s[13]
                        i += 1
                        inside = 0
                        if row >= 0 and row % s[15] == 0:
                            row //= s[15]
                            if row < s[1]:
                                inside = 1
                        j = 0
                        while j < kernel_columns:
                            place = left + j * dilation_columns
                            j += 1
                            m = 0
                            if inside and place >= 0 and place % spread_columns == 0:
                                place //= spread_columns
                                if place < columns:
                                    m = 1
                            if m:
                                if s[20]:  # the pixels beside it belong to the window, too
                                    m = columns - place
                                    if m > kernel_columns + 1 - j:
                                        m = kernel_columns + 1 - j
                                    j += m - 1
                                m *= per
                                at = s[0] + (row * columns + place) * channels + g * per
                                source = ptr8(int(x) + at)  # noqa: F821
                                k = m
                                while k:
                                    k -= 1
                                    to[k] = source[k]
                            else:
                                m = per
                                k = m
                                while k:
                                    k -= 1
                                    to[k] = pad
                            to = ptr8(int(to) + m)  # noqa: F821
                run(buf, arena, given, n)
                q[y_at] += s[7]
                c += 1
            r += 1
        g += 1


@micropython.viper
def depthwise(buf, arena, p, n: int):
    """Each input channel has outputs of its own, whose sums grow side by side."""
    run = p[0]
    given = p[1]
    work = p[3]
    s = ptr32(p[2])  # noqa: F821
    sums = ptr32(work)  # noqa: F821
    results = ptr8(work)  # noqa: F821
    x = ptr8(int(ptr8(arena)) + s[0])  # noqa: F821
    y = ptr8(int(ptr8(arena)) + s[27])  # noqa: F821
    weights = int(ptr8(buf)) + s[36]  # noqa: F821
    biases = ptr8(int(ptr8(buf)) + s[37])  # noqa: F821
    columns = s[2]
    channels = s[3]
    each = n // channels
    window = s[28]
    zero = s[30]
    pad = s[19] - 128
    r = 0
    while r < s[5]:
        c = 0
        while c < s[6]:
            k = n << 2
            while k:
                k -= 1
                results[k] = biases[k]
            w = ptr8(weights)  # noqa: F821
            i = 0
            while i < s[9]:
                row = r * s[11] + s[17] - FAR + i * s[13]
                i += 1
                inside = 0
                if row >= 0 and row % s[15] == 0:
                    row //= s[15]
                    if row < s[1]:
                        inside = 1
                j = 0
                while j < s[10]:
                    place = c * s[12] - s[18] + j * s[14]
                    j += 1
                    m = 0
                    if inside and place >= 0 and place % s[16] == 0:
                        place //= s[16]
                        if place < columns:
                            m = 1
                    at = 0
                    if m:
                        at = (row * columns + place) * channels
                    pixel = ptr8(int(x) + at)  # noqa: F821
                    v = pad
                    at = 0
                    o = 0
                    while o < n:
                        if m:
                            v = (pixel[0] ^ 128) - 128
                            pixel = ptr8(int(pixel) + 1)  # noqa: F821
                        k = each
                        while k:
                            k -= 1
                            sums[o] += v * (w[at] - zero)
                            at += window
                            o += 1
                    w = ptr8(int(w) + 1)  # noqa: F821
            run(buf, work, given, n)  # in place, bytes from their start
            k = n
            while k:
                k -= 1
                y[k] = results[k]
            y = ptr8(int(y) + n)  # noqa: F821
            c += 1
        r += 1

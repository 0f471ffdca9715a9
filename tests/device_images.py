"""Convolutions and poolings of random shapes, with the results of NumPy, for boards.

Results come from whole arrays (padded, spread, cut into windows), not from the project's kernels.
"""
import numpy as np
from aifes.format import FLOAT32
from aifes.layers.assemble import chain
from aifes.layers.conv import Geometry, conv, float_conv
from aifes.layers.map import with_fields
from aifes.layers.pool import pool


def windows(x, kernel, stride, padding, dilation, spread, outside):
    """[rows, columns, kernel rows, kernel columns, channels] of x [rows, columns, channels].

    padding: top, bottom, left, right.
    """
    top, bottom, left, right = padding
    shape = [(n - 1) * s + 1 for n, s in zip(x.shape, spread)]
    full = np.full((top + shape[0] + bottom, left + shape[1] + right, x.shape[2]), outside, x.dtype)
    full[top:top + shape[0]:spread[0], left:left + shape[1]:spread[1]] = x
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    view = np.lib.stride_tricks.sliding_window_view(full, reach, (0, 1))
    view = view[::stride[0], ::stride[1], :, ::dilation[0], ::dilation[1]]
    return view.transpose(0, 1, 3, 4, 2)


def weighted(view, weights, groups):
    """Sums of windows with weights [outputs, kernel rows, kernel columns, channels of a group]."""
    per, each = view.shape[4] // groups, len(weights) // groups
    return np.concatenate([
        np.tensordot(view[..., g * per:(g + 1) * per], weights[g * each:(g + 1) * each],
                     ((2, 3, 4), (1, 2, 3))) for g in range(groups)], 2)


# rows, columns, channels, outputs, groups, kernel, stride, padding, dilation, spread
CONVS = (
    (5, 6, 1, 8, 1, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), (1, 1)),
    (6, 5, 3, 5, 1, (3, 2), (2, 1), (0, 1, 1, 0), (1, 1), (1, 1)),
    (1, 1, 6, 4, 1, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), (1, 1)),
    (4, 3, 5, 7, 1, (1, 1), (2, 2), (0, 0, 0, 0), (1, 1), (1, 1)),
    (3, 3, 4, 4, 1, (1, 1), (1, 1), (1, 0, 0, 2), (1, 1), (1, 1)),
    (12, 1, 3, 4, 1, (4, 1), (2, 1), (2, 1, 0, 0), (1, 1), (1, 1)),
    (9, 1, 2, 3, 1, (3, 1), (1, 1), (2, 2, 0, 0), (2, 1), (1, 1)),
    (1, 9, 2, 3, 1, (1, 3), (1, 2), (0, 0, 1, 1), (1, 1), (1, 1)),
    (5, 5, 4, 4, 4, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), (1, 1)),
    (5, 4, 3, 6, 3, (3, 2), (2, 1), (0, 1, 2, 0), (1, 2), (1, 1)),
    (4, 4, 6, 4, 2, (2, 3), (1, 1), (0, 0, 1, 1), (1, 1), (1, 1)),
    (3, 4, 4, 8, 2, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), (1, 1)),
    (3, 4, 2, 5, 1, (3, 3), (1, 1), (2, 2, 2, 2), (1, 1), (2, 2)),
    (2, 3, 2, 2, 2, (4, 2), (1, 1), (3, 2, 1, 1), (1, 1), (3, 2)),
    (7, 7, 1, 2, 1, (3, 3), (1, 1), (2, 2, 0, 0), (3, 2), (1, 1)),
    (2, 2, 1, 1, 1, (2, 2), (3, 3), (5, 4, 5, 4), (1, 1), (1, 1)),
)
# rows, columns, channels, kernel, stride, padding
POOLS = ((4, 6, 3, (2, 2), (2, 2), (0, 0, 0, 0)), (5, 5, 2, (3, 3), (2, 2), (1, 1, 1, 1)),
         (5, 3, 9, (5, 3), (1, 1), (0, 0, 0, 0)), (8, 1, 2, (3, 1), (2, 1), (1, 0, 0, 0)),
         (4, 4, 1, (2, 3), (1, 2), (1, 1, 2, 1)), (1, 1, 2, (1, 1), (1, 1), (0, 0, 0, 0)))


def images():
    """Records: whether it is float32, the model, a sample, its result; hex digits."""
    rng = np.random.default_rng(16)
    for case, shape in enumerate(CONVS):
        yield record(rng, int8_conv, shape, case)
        if case % 2 == 0:
            yield record(rng, real_conv, shape, case)
    for shape in POOLS:
        for average, whole in ((0, 0), (1, 0), (1, 1)):
            yield record(rng, int8_pool, shape, average, whole)
            yield record(rng, real_pool, shape, average, whole)


def record(rng, make, shape, *how):
    """make(rng, shape, x, *how): (the model, results [1, ..] of x [1, rows, columns, channels])."""
    is_float = make in (real_conv, real_pool)
    x = rng.normal(size=(1, *shape[:3])).astype(np.float32)
    if not is_float:
        x = rng.integers(-128, 128, x.shape, np.int64)
    model, y = make(rng, shape, x, *how)
    code = "<f4" if is_float else np.int8
    assert is_float or np.array_equal(y, y.astype(np.int8))
    return {"float": is_float, "model": bytes(model).hex(), "shape": list(y.shape[1:]),
            "x": x.astype(code).tobytes().hex(), "y": y.astype(code).tobytes().hex()}


def geometry(shape, y):
    _, _, _, _, groups, kernel, stride, padding, dilation, spread = shape
    return Geometry(shape[:3], y.shape[1:], kernel, stride, padding[::2], dilation, spread, groups)


def int8_conv(rng, shape, x, case):
    m, groups, kernel = shape[3:6]
    per = shape[2] // groups
    w = rng.integers(-128, 128, (m, *kernel, per))
    bias = rng.integers(-4000, 4000, m)
    x_zero, w_zero = rng.integers(-128, 128, 2).tolist()
    nearest = bool(case % 2)
    by_output = case % 3 == 1
    shifts, zeros = rng.integers(5, 10, m), rng.integers(-50, 50, m)
    if not by_output:
        shifts, zeros = shifts[:1].repeat(m), zeros[:1].repeat(m)
    acc = np.stack([weighted(windows(v, kernel, *shape[6:], x_zero) - x_zero, w - w_zero, groups)
                    for v in x]) + bias
    low, high = (-128, 127) if case % 4 else (-60, 80)
    y = (acc + ((1 << shifts) >> 1 if nearest else 0)) >> shifts
    y = np.clip(y + zeros, low, high)
    draft = conv(geometry(shape, y), bytearray(w.astype(np.int8).tobytes()), bias.tolist(), x_zero,
                 shifts.tolist() if by_output else int(shifts[0]),
                 zeros.tolist() if by_output else int(zeros[0]), nearest, w_zero)
    changes = {"low": low, "high": high}
    each = m // groups
    block = min(each, (1, 4, 3, 8)[case % 4])
    group = 4 if case % 5 == 2 else 1
    n = per * kernel[0] * kernel[1]
    changes.update(interleave=block, group=group, weights=ordered(
        w.reshape(groups, each, n) + 128, block, group))
    if case % 4 == 3:
        table = rng.integers(-128, 128, 256)
        y = table[y + 128]
        changes["table"] = table.astype(np.int8).tobytes()
    return chain([with_fields(draft, **changes)], (0, x_zero), (0, 0), shape[:3]), y


def ordered(weights, block, group):
    """Weights [groups, outputs, inputs] in blocks of outputs, in each so many inputs together."""
    found = []
    for w in weights:
        for j in range(0, len(w), block):
            rows = np.full((block, w.shape[1]), 77)
            rows[:len(w[j:j + block])] = w[j:j + block]
            found += [rows[:, k:k + group].ravel() for k in range(0, w.shape[1], group)]
    return np.concatenate(found).astype(np.uint8).tobytes()


def real_conv(rng, shape, x, case):
    m, groups, kernel = shape[3:6]
    w = rng.normal(size=(m, *kernel, shape[2] // groups)).astype(np.float32)
    bias = rng.normal(size=m).astype(np.float32)
    y = []
    for v in x:  # bias + w * x in the order of the column, each rounded to float32
        view = windows(v, kernel, *shape[6:], np.float32(0))
        y.append(np.zeros((*view.shape[:2], m), np.float32) + bias)
        per, each = shape[2] // groups, m // groups
        for i, j, k in np.ndindex(*kernel, per):
            for o in range(m):
                y[-1][..., o] += view[:, :, i, j, o // each * per + k] * w[o, i, j, k]
    y = np.stack(y)
    draft = float_conv(geometry(shape, y), w.tobytes(), bias.tobytes())
    return chain([draft], (0, 0), (0, 0), shape[:3], b"", FLOAT32), y


def pooled(shape, x, average, whole):
    """The largest or the sum in the order of rows, and counts of the elements."""
    kernel, stride, padding = shape[3:]
    outside = 0 if average else -np.inf
    ones = (1, 1), (1, 1)
    view = np.stack([windows(v.astype(np.float32), kernel, stride, padding, *ones, outside)
                     for v in x])  # float32 is exact for sums of int8
    count = windows(np.ones(x.shape[1:]), kernel, stride, padding, *ones, 0).sum((2, 3))
    if whole:
        count = np.full(count.shape, kernel[0] * kernel[1])
    if not average:
        return view.max((3, 4)), count
    total = np.zeros(view.shape[:3] + view.shape[5:], np.float32)
    for i, j in np.ndindex(*kernel):
        total += view[:, :, :, i, j]
    return total, count


def int8_pool(rng, shape, x, average, whole):
    x_zero, y_zero, up = int(rng.integers(-100, 100)), int(rng.integers(-40, 40)), average
    total, count = pooled(shape, x - x_zero, average, whole)
    scales = ((3, x_zero), (3 + up, y_zero)) if average else ((3, x_zero), (3, x_zero))
    y = np.clip(np.floor(total.astype(int) * 2 ** up / count + 0.5) + y_zero, -128, 127)
    y = (y if average else total + x_zero).astype(np.int64)
    draft = pool(shape[:3], y.shape[1:], shape[3], shape[4], shape[5][::2], average, whole, *scales)
    return chain([draft], *scales, shape[:3]), y


def real_pool(rng, shape, x, average, whole):
    y, count = pooled(shape, x, average, whole)
    y = y / count.astype(np.float32) if average else y
    draft = pool(shape[:3], y.shape[1:], shape[3], shape[4], shape[5][::2], average, whole)
    return chain([draft], (0, 0), (0, 0), shape[:3], b"", FLOAT32), y

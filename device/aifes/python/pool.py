"""pool: ops/pool.py."""
from ..ops.pool import AVERAGE, WHOLE


def int8(buf, op, x, y, mask):
    _windows(op, x[0], y[0], _int8, mask)


def float32(buf, op, x, y, work):
    _windows(op, x[0], y[0], _float32, work.word)


def _windows(op, x, y, pixel, extra):
    """pixel(op, x, y, at, first, n_rows, n_columns, n, extra) for each pixel of the result.

    at: of its first channel in y; first: of the window's first element in x, as far as that lies
    inside, in so many rows and columns; n: how many elements are meant by a mean.
    """
    f = op.fields
    _, columns, channels = op.inputs[0].shape
    y_columns = op.outputs[0].shape[1]
    view = op.outputs[-1]
    rows, place = view[0], view[2]
    at = view[3]
    for _ in range(view[1]):
        n_rows = min(place + f.kernel_rows, rows) - max(place, 0)
        top = max(place, 0) * columns
        place += f.stride_rows
        for c in range(y_columns):
            left = c * f.stride_columns - f.left
            n_columns = min(left + f.kernel_columns, columns) - max(left, 0)
            n = f.kernel_rows * f.kernel_columns if op.flags & WHOLE else n_rows * n_columns
            pixel(op, x, y, at, (top + max(left, 0)) * channels, n_rows, n_columns, n, extra)
            at += channels


def _int8(op, x, y, at, first, n_rows, n_columns, n, mask):
    v = total = largest = place = start = 0  # MicroPython is faster with the first 16 names
    f, average = op.fields, op.flags & AVERAGE
    _, columns, channels = op.inputs[0].shape
    zero = f.x_zero
    for k in range(channels):
        total, largest, start = 0, -128, first + k
        for _ in range(n_rows):
            place = start
            for _ in range(n_columns):
                v = x[place]
                if v > largest:
                    largest = v
                total += v - zero
                place += channels
            start += columns * channels
        if average:
            v = (2 * (total << f.up) + n) // (2 * n) + f.zero_point
            largest = -128 if v < -128 else 127 if v > 127 else v
        y[at + k] = largest & mask


def _float32(op, x, y, at, first, n_rows, n_columns, n, word):
    v = seen = place = start = 0
    average = op.flags & AVERAGE
    _, columns, channels = op.inputs[0].shape
    for k in range(channels):
        seen, start = False, first + k
        for _ in range(n_rows):
            place = start
            for _ in range(n_columns):
                v = x[place]
                if average:
                    word[0] = word[0] + v if seen else v
                elif not seen or v > word[0]:
                    word[0] = v
                seen = True
                place += channels
            start += columns * channels
        if average:
            word[0] = word[0] / n
        y[at + k] = word[0]

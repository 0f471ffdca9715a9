"""conv: ops/conv.py: each window becomes a column in the scratch, of which dense makes a pixel."""
from . import dense


def int8(buf, op, x, y, mask):
    f = op.fields
    each = op.outputs[0].shape[2] // f.groups
    size = len(y[1]) * -(-each // f.interleave) * f.interleave  # of the weights of a group
    _pixels(buf, op, x[0], y[0], y[1], f.pad, dense.outputs, size, mask)


def float32(buf, op, x, y, work):
    size = 4 * len(y[1]) * (op.outputs[0].shape[2] // op.fields.groups)
    _pixels(buf, op, x[0], y[0], y[1], 0.0, dense.float_outputs, size, work)


def _pixels(buf, op, x, y, column, pad, outputs, size, extra):
    f = op.fields
    rows, columns, channels = op.inputs[0].shape
    y_rows, y_columns, n_out = op.outputs[0].shape
    per, each = channels // f.groups, n_out // f.groups
    at = 0
    for r in range(y_rows):
        top = r * f.stride_rows - f.top
        for c in range(y_columns):
            left = c * f.stride_columns - f.left
            for g in range(f.groups):
                k = 0
                for i in range(f.kernel_rows):
                    row = _place(top + i * f.dilation_rows, f.spread_rows, rows)
                    for j in range(f.kernel_columns):
                        place = _place(left + j * f.dilation_columns, f.spread_columns, columns)
                        if row < 0 or place < 0:
                            for _ in range(per):
                                column[k] = pad
                                k += 1
                        else:
                            p = (row * columns + place) * channels + g * per
                            for _ in range(per):
                                column[k] = x[p]
                                k += 1
                                p += 1
                outputs(buf, f, column, y, at, each, g * each, f.weights + g * size, extra)
                at += each


def _place(at, spread, n):
    """Which of n pixels lies there, -1 if none does."""
    if at < 0 or at % spread:
        return -1
    at //= spread
    return at if at < n else -1

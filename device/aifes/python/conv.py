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
    k = end = at = m = j = place = row = 0  # MicroPython is faster with the first 16 names
    f = op.fields
    _, columns, channels = op.inputs[0].shape
    _, y_columns, n_out = op.outputs[0].shape
    view = op.outputs[-1]
    rows, top = view[0], view[2]
    y_at = view[3]
    groups = f.groups
    per, each = channels // groups, n_out // groups
    kernel_columns, step, spread = f.kernel_columns, f.dilation_columns, f.spread_columns
    in_a_row = groups == step == spread == 1  # pixels side by side are so in the window, too
    for _ in range(view[1]):
        for c in range(y_columns):
            left = c * f.stride_columns - f.left
            for g in range(groups):
                k = 0
                for i in range(f.kernel_rows):
                    row = top + i * f.dilation_rows
                    if row >= 0:
                        row = -1 if row % f.spread_rows else row // f.spread_rows
                    j = 0
                    while j < kernel_columns:
                        place = left + j * step
                        j += 1
                        m = 0
                        if 0 <= row < rows and place >= 0 and not place % spread:
                            place //= spread
                            if place < columns:
                                m = min(kernel_columns - j + 1, columns - place) if in_a_row else 1
                        if m:
                            at = (row * columns + place) * channels + g * per
                            j += m - 1
                            end = k + m * per
                            while k < end:
                                column[k] = x[at]
                                k += 1
                                at += 1
                        else:
                            end = k + per
                            while k < end:
                                column[k] = pad
                                k += 1
                outputs(buf, f, column, y, y_at, each, g * each, f.weights + g * size, extra)
                y_at += each
        top += f.stride_rows

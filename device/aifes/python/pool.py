"""pool: ops/pool.py."""
from ..ops.pool import AVERAGE, WHOLE


def int8(buf, op, x, y, mask):
    f, x, y = op.fields, x[0], y[0]
    rows, columns, channels = op.inputs[0].shape
    y_rows, y_columns, _ = op.outputs[0].shape
    at = 0
    for r in range(y_rows):
        top = r * f.stride_rows - f.top
        bottom = min(top + f.kernel_rows, rows)
        for c in range(y_columns):
            left = c * f.stride_columns - f.left
            right = min(left + f.kernel_columns, columns)
            for k in range(channels):
                largest, total, n = -128, 0, 0
                for i in range(max(top, 0), bottom):
                    for j in range(max(left, 0), right):
                        v = x[(i * columns + j) * channels + k]
                        if v > largest:
                            largest = v
                        total += v - f.x_zero
                        n += 1
                if op.flags & AVERAGE:
                    if op.flags & WHOLE:
                        n = f.kernel_rows * f.kernel_columns
                    v = (2 * (total << f.up) + n) // (2 * n) + f.zero_point
                    largest = -128 if v < -128 else 127 if v > 127 else v
                y[at] = largest & mask
                at += 1


def float32(buf, op, x, y, work):
    f, x, y = op.fields, x[0], y[0]
    rows, columns, channels = op.inputs[0].shape
    y_rows, y_columns, _ = op.outputs[0].shape
    word = work.word
    at = 0
    for r in range(y_rows):
        top = r * f.stride_rows - f.top
        bottom = min(top + f.kernel_rows, rows)
        for c in range(y_columns):
            left = c * f.stride_columns - f.left
            right = min(left + f.kernel_columns, columns)
            for k in range(channels):
                n = 0
                for i in range(max(top, 0), bottom):
                    for j in range(max(left, 0), right):
                        v = x[(i * columns + j) * channels + k]
                        if op.flags & AVERAGE:
                            word[0] = word[0] + v if n else v
                        elif not n or v > word[0]:
                            word[0] = v
                        n += 1
                if op.flags & AVERAGE:
                    word[0] = word[0] / (f.kernel_rows * f.kernel_columns
                                         if op.flags & WHOLE else n)
                y[at] = word[0]
                at += 1

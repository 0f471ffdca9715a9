"""mean: ops/mean.py."""

SUMS = 7  # where they begin in the view


def int8(buf, op, x, y, mask):
    v = k = at = 0
    f, view = op.fields, op.outputs[-1]
    x, y = x[0], y[0]
    rows, columns, channels = op.inputs[0].shape
    if not view[5]:
        for k in range(SUMS, SUMS + channels):
            view[k] = 0
    at = view[2] * columns * channels
    for _ in range(view[1] * columns):
        for k in range(SUMS, SUMS + channels):
            view[k] += x[at]
            at += 1
    if view[5] + view[1] < rows:
        return
    n = rows * columns
    for k in range(channels):
        v = (2 * (view[SUMS + k] - n * f.x_zero << f.up) + n) // (2 * n) + f.zero_point
        y[k] = (-128 if v < -128 else 127 if v > 127 else v) & mask

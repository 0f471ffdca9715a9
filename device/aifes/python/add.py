"""add: ops/add.py."""


def int8(buf, op, x, y, mask):
    (zero, low, high, shift, left1, left2, _, bias) = op.fields
    a, b = x
    i = j = first = 0
    n = len(y[0])
    if op.view:
        n, i, j, first = rows(op)
    y = y[0]
    for k in range(first, first + n):
        v = ((a[i] << left1) + (b[j] << left2) + bias >> shift) + zero
        if v < low:
            v = low
        elif v > high:
            v = high
        y[k] = v & mask
        i += 1
        j += 1


def rows(op):
    """(elements of the rows of op.view, where they begin in the inputs, and in the result)"""
    (_, columns, channels) = op.outputs[0].shape
    n, view = columns * channels, op.view
    return view[1] * n, view[2] * n, view[4] * n, view[3]


def float32(buf, op, x, y, work):
    a, b = x
    y = y[0]
    for i in range(len(y)):
        y[i] = a[i] + b[i]

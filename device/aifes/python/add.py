"""add: ops/add.py."""


def int8(buf, op, x, y, mask):
    (zero, low, high, shift, left1, left2, _, bias) = op.fields
    a, b = x
    i = j = first = 0
    y = y[0]
    n = len(y)
    if op.outputs:  # so many rows of so many elements
        view = op.outputs[-1]
        n = view[6]
        i, j = view[2] * n, view[4] * n
        first = view[3]
        n *= view[1]
    for k in range(first, first + n):
        v = ((a[i] << left1) + (b[j] << left2) + bias >> shift) + zero
        if v < low:
            v = low
        elif v > high:
            v = high
        y[k] = v & mask
        i += 1
        j += 1


def float32(buf, op, x, y, work):
    a, b = x
    y = y[0]
    for i in range(len(y)):
        y[i] = a[i] + b[i]

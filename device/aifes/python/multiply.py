"""multiply: ops/multiply.py."""


def int8(buf, op, x, y, mask):
    (zero, low, high, shift, zero1, zero2, _) = op.fields
    a, b = x
    half = 1 << shift >> 1
    i = j = first = 0
    y = y[0]
    n = len(y)
    if op.outputs:  # so many rows of so many elements
        view = op.outputs[-1]
        n = view[6]
        i, j = view[2] * n, view[4] * n
        first = view[3]
        n *= view[1]
    period = len(b)
    for k in range(first, first + n):
        v = ((a[i] - zero1) * (b[j] - zero2) + half >> shift) + zero
        if v < low:
            v = low
        elif v > high:
            v = high
        y[k] = v & mask
        i += 1
        j += 1
        if j == period:
            j = 0


def float32(buf, op, x, y, work):
    a, b = x
    y = y[0]
    n = len(b)  # repeated, if these are fewer
    for i in range(len(y)):
        y[i] = a[i] * b[i % n]

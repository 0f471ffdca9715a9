"""add: ops/add.py."""


def int8(buf, op, x, y, mask):
    (zero, low, high, shift, left1, left2, _, bias) = op.fields
    a, b = x
    y = y[0]
    for i in range(len(y)):
        v = ((a[i] << left1) + (b[i] << left2) + bias >> shift) + zero
        if v < low:
            v = low
        elif v > high:
            v = high
        y[i] = v & mask


def float32(buf, op, x, y, work):
    a, b = x
    y = y[0]
    for i in range(len(y)):
        y[i] = a[i] + b[i]

"""reverse: ops/reverse.py."""


def int8(buf, op, x, y, mask):
    x, y = x[0], y[0]
    n = len(x)
    for i in range(n):
        y[i] = x[n - 1 - i] & mask


def float32(buf, op, x, y, work):
    x, y = x[0], y[0]
    n = len(x)
    for i in range(n):
        y[i] = x[n - 1 - i]

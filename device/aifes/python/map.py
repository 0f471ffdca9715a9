"""map: ops/map.py."""
from ..ops.map import FUNCTIONS


def int8(buf, op, x, y, mask):
    x, y = x[0], y[0]
    table = op.fields.table + 128
    i = first = 0  # a tuple of more than two would be an object
    n = len(y)
    if op.outputs:  # so many rows of so many elements
        view = op.outputs[-1]
        i, first = view[2] * view[6], view[3]
        n = view[1] * view[6]
    for k in range(first, first + n):
        y[k] = ((buf[table + x[i]] ^ 128) - 128) & mask
        i += 1


def float32(buf, op, x, y, work):
    """Each operation rounded to float32."""
    x, y, kind = x[0], y[0], FUNCTIONS[op.flags]
    exp, t = work.exp, work.word
    alpha = 0.0
    if op.fields.table:
        work.copy(buf[op.fields.table:op.fields.table + 4], work.row[:1])
        alpha = work.row[0]
    for i in range(len(x)):
        v = x[i]
        if kind in ("relu", "leaky_relu", "elu"):
            if v > 0:
                y[i] = v
            elif kind == "relu":
                y[i] = 0.0
            else:
                if kind == "elu":
                    t[0] = exp(v) - 1.0
                    v = t[0]
                y[i] = alpha * v
            continue
        if kind == "softsign":
            t[0] = 1.0 + abs(v)
            y[i] = v / t[0]
            continue
        if kind == "tanh":
            t[0] = abs(v) + abs(v)
            e = exp(-t[0])
            t[1] = 1.0 - e
        else:
            e = exp(-abs(v))
            t[1] = 1.0 if v > 0 else e
        t[0] = 1.0 + e
        y[i] = t[1] / t[0]
        if kind == "tanh" and not v > 0:
            y[i] = -y[i]

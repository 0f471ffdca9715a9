"""softmax: ops/softmax.py."""
from ..ops.softmax import NEAREST


def int8(buf, op, x, y, mask):
    """e = table[max(x) - x] (uint16); y = 256 * e / sum(e) - 128."""
    x, y = x[0], y[0]
    table = op.fields.table
    top = -128
    for v in x:
        if v > top:
            top = v
    total = 0
    for v in x:
        at = table + 2 * (top - v)
        total += buf[at] | buf[at + 1] << 8
    half = 0
    if op.flags & NEAREST:
        half = total >> 1
    else:
        total += 1
    for i in range(len(x)):
        at = table + 2 * (top - x[i])
        q = (((buf[at] | buf[at + 1] << 8) << 8) + half) // total
        if q > 255:
            q = 255
        y[i] = (q - 128) & mask


def float32(buf, op, x, y, work):
    """The largest x is taken from all first."""
    x, y, t = x[0], y[0], work.word
    top = max(x)
    total = work.row
    total[0] = 0.0
    for i in range(len(x)):
        t[0] = x[i] - top
        y[i] = work.exp(t[0])
        total[0] = total[0] + y[i]
    for i in range(len(y)):
        y[i] = y[i] / (total[0] or 1.0)  # 0 after an overflow only

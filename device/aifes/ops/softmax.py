"""softmax: y = exp(x) / sum(exp(x)) over the whole tensor, for int8 by a table of exp."""
from collections import namedtuple

from ..format import FLOAT32, size

FIELDS = "<I"
NAMES = ("table",)
Fields = namedtuple("Softmax", NAMES)  # 256 uint16: exp of 0, -1, .. steps; int8 only
CONSTANTS = 1
ENDS = 1, 1
IN_PLACE = True
TABLE = False
NEAREST = 1  # flag: rounds to nearest; else it floors


def check(look, op, x, y):
    look.check(size(x[0].shape) == size(y[0].shape), "shape")
    is_float = x[0].dtype == FLOAT32
    look.check(op.flags <= (0 if is_float else NEAREST), "field")
    look.constants(op.fields, lengths(op, x, y))
    if not is_float:
        at = op.fields.table
        look.check(size(x[0].shape) < 1 << 14 and (look.buf[at] or look.buf[at + 1]), "softmax")


def lengths(op, x, y):
    return (0 if x[0].dtype == FLOAT32 else 512,)


def parameters(x, y):
    return 0


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

"""multiply: y = clamp(((x1 - zero1) * (x2 - zero2) + half >> shift) + zero_point)

float32: x1 * x2. As many elements of x2 as x1 has, repeated if it has fewer: one for each channel.
"""
from collections import namedtuple

from ..format import FLOAT32, size

FIELDS = "<bbbBbbH"
NAMES = ("zero_point", "low", "high", "shift", "zero1", "zero2", "reserved")
Fields = namedtuple("Multiply", NAMES)
CONSTANTS = 0
ENDS = 2, 1
IN_PLACE = True
TABLE = False
MAX_SHIFT = 28  # with the half that rounds, a product stays a small int


def check(look, op, x, y):
    f = op.fields
    look.check(size(x[0].shape) == size(y[0].shape), "shape")
    if x[0].dtype == FLOAT32:
        look.check(not (op.flags or any(f)), "field")
        return
    look.check(not (op.flags or f.reserved) and f.low <= f.high and f.shift <= MAX_SHIFT, "field")


def window(op, x, y):
    n = y[0].shape[0]
    return ((n, 0, 0, 1, 1) if len(y[0].shape) == 3 and x[0].shape[0] == x[1].shape[0] == n
            and size(x[0].shape) == size(x[1].shape) else None)


def lengths(op, x, y):
    return ()


def parameters(op, x, y):
    return 0

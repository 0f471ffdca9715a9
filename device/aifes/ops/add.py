"""add: y = clamp(((x1 << left1) + (x2 << left2) + bias >> shift) + zero_point); float32: x1 + x2"""
from collections import namedtuple

from ..format import FLOAT32, size

FIELDS = "<bbbBBBHi"
# reserved: 0. The bias has both zero points, and the half that rounds.
NAMES = ("zero_point", "low", "high", "shift", "left1", "left2", "reserved", "bias")
Fields = namedtuple("Add", NAMES)
CONSTANTS = 0
ENDS = 2, 1
IN_PLACE = True
TABLE = False
MAX_LEFT = 16
MAX_BIAS = 1 << 28  # with two inputs of 8 + 16 bits the sum stays a small int


def check(look, op, x, y):
    f = op.fields
    look.check(size(x[0].shape) == size(x[1].shape) == size(y[0].shape), "shape")
    if x[0].dtype == FLOAT32:
        look.check(not (op.flags or any(f)), "field")
        return
    look.check(not (op.flags or f.reserved) and f.low <= f.high and f.shift < 32
               and f.left1 <= MAX_LEFT and f.left2 <= MAX_LEFT
               and -MAX_BIAS <= f.bias < MAX_BIAS, "field")


def window(op, x, y):
    n = y[0].shape[0]
    return ((n, 0, 0, 1, 1) if len(y[0].shape) == 3 and x[0].shape[0] == x[1].shape[0] == n
            else None)


def lengths(op, x, y):
    return ()


def parameters(op, x, y):
    return 0

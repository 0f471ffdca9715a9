"""mean: that of all pixels of an image, for each channel; int8 only, as pool with one window.

It takes one row after another: their sums grow in the scratch, so that no row has to stay.
"""
from collections import namedtuple

from ..format import FLOAT32, size
from .pool import MAX_SUM

FIELDS = "<bbBB"
NAMES = ("zero_point", "x_zero", "up", "reserved")
Fields = namedtuple("Mean", NAMES)
CONSTANTS = 0
ENDS = 1, 2  # scratch: the sums, int32 from the first multiple of 4 on
IN_PLACE = False
TABLE = False


def scratch(op, x):
    return 4 * x[0].shape[2] + 3


def check(look, op, x, y):
    f = op.fields
    look.check(x[0].dtype != FLOAT32 and len(x[0].shape) == len(y[0].shape) == 3
               and y[0].shape == (1, 1, x[0].shape[2]) and not x[0].endless
               and size(y[1].shape) >= scratch(op, x), "shape")
    look.check(not (op.flags or f.reserved) and f.up <= 16
               and x[0].shape[0] * x[0].shape[1] * 255 << f.up <= MAX_SUM, "field")


def window(op, x, y):
    return x[0].shape[0], 0, 0, 1, 1


def lengths(op, x, y):
    return ()


def parameters(op, x, y):
    return 0

"""pool: the largest or the mean of each window of a channel; what lies outside does not count.

int8: the largest, in the input's scale; or of the sum of n elements, each less x_zero, the mean
floor((2 * (sum << up) + n) / (2 * n)) + zero_point, which is to nearest. float32: sum / n.
"""
from collections import namedtuple

from ..format import FLOAT32

FIELDS = "<bbBBHHHHBBH"
NAMES = ("zero_point", "x_zero", "up", "reserved", "kernel_rows", "kernel_columns", "top", "left",
         "stride_rows", "stride_columns", "reserved2")
Fields = namedtuple("Pool", NAMES)
CONSTANTS = 0
ENDS = 1, 1
IN_PLACE = False
TABLE = False
AVERAGE = 1  # flag: the mean, else the largest
WHOLE = 2  # flag: the mean of the whole window, in which what lies outside is 0
MAX_WINDOW = 1 << 20
MAX_SUM = 1 << 29  # twice that stays a small int


def check(look, op, x, y):
    f, flags = op.fields, op.flags
    look.check(len(x[0].shape) == len(y[0].shape) == 3 and x[0].shape[2] == y[0].shape[2], "shape")
    look.check(flags in (0, AVERAGE, AVERAGE | WHOLE) and not (f.reserved or f.reserved2)
               and min(f.kernel_rows, f.kernel_columns, f.stride_rows, f.stride_columns) > 0
               and f.kernel_rows * f.kernel_columns <= MAX_WINDOW, "field")
    # no window lies outside
    look.check(f.top < f.kernel_rows and f.left < f.kernel_columns
               and (y[0].shape[0] - 1) * f.stride_rows - f.top < x[0].shape[0]
               and (y[0].shape[1] - 1) * f.stride_columns - f.left < x[0].shape[1], "window")
    if x[0].dtype == FLOAT32 or not flags:
        look.check(not any(f[:4]), "field")
    else:
        n = f.kernel_rows * f.kernel_columns
        look.check(f.up <= 16 and n * 255 << f.up <= MAX_SUM, "field")


def window(op, x, y):
    f = op.fields
    return y[0].shape[0], -f.top, f.kernel_rows - 1, f.stride_rows, 1


def lengths(op, x, y):
    return ()


def parameters(op, x, y):
    return 0

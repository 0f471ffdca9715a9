"""conv: a window over [rows, columns, channels] is a vector, of which dense makes the outputs.

Output [r, c] is dense of the window's elements, kernel row after kernel row, channels together: of
kernel row i and column j the pixel at (r * stride - top + i * dilation) / spread, likewise in
columns; where that is none, `pad`. With groups, an output takes only the channels of its group.
"""
from collections import namedtuple

from ..format import FLOAT32, size
from . import dense

FIELDS = "<bBbbBBHBBBBBBBBHHbBHIIIII"
# up to interleave, and from weights on, those of dense; top, left: padding; pad: the int8 that is
# taken for what lies outside (float32: 0.0)
NAMES = (
    "zero_point", "weight_zero", "low", "high", "shift", "group", "interleave",
    "kernel_rows", "kernel_columns", "stride_rows", "stride_columns", "dilation_rows",
    "dilation_columns", "spread_rows", "spread_columns", "top", "left", "pad", "reserved", "groups",
    "weights", "bias", "shifts", "table", "multipliers")
Fields = namedtuple("Conv", NAMES)
CONSTANTS = 5
ENDS = 1, 2  # scratch: a column of window elements, or more than one side by side
IN_PLACE = False
TABLE = True
NEAREST = dense.NEAREST
MAX_WINDOW = 1 << 13  # elements; with it an accumulator stays a small int


def scratch(op, x):
    """The elements of a window: the inputs of each output."""
    f = op.fields
    return f.kernel_rows * f.kernel_columns * (x[0].shape[2] // f.groups)


def check(look, op, x, y):
    f = op.fields
    look.check(len(x[0].shape) == len(y[0].shape) == 3, "shape")
    channels, n_out = x[0].shape[2], y[0].shape[2]
    look.check(min(f[7:15]) > 0 and f.groups > 0 and not f.reserved
               and not channels % f.groups and not n_out % f.groups, "field")
    n = scratch(op, x)
    look.check(n <= MAX_WINDOW and size(y[1].shape) >= n, "window")
    if x[0].dtype == FLOAT32:
        look.check(not (op.flags or any(f[:5]) or f.pad or f.shifts or f.table or f.multipliers)
                   and f.group == f.interleave == 1, "field")
        look.constants(f[-CONSTANTS:], lengths(op, x, y), 4)
        look.finite(f.weights, n * n_out)
        look.finite(f.bias, n_out)
        return
    look.check(f.group in (1, 4) and 1 <= f.interleave <= n_out // f.groups, "field")
    look.constants(f[-CONSTANTS:], lengths(op, x, y))
    dense.check_numbers(look, op, n, n_out)


def window(op, x, y):
    f = op.fields
    return (y[0].shape[0], -f.top, (f.kernel_rows - 1) * f.dilation_rows, f.stride_rows,
            f.spread_rows)


def lengths(op, x, y):
    f = op.fields
    n, n_out = scratch(op, x), y[0].shape[2]
    if x[0].dtype == FLOAT32:
        return 4 * n * n_out, 4 * n_out, 0, 0, 0
    each = dense.weights_size(n, n_out // f.groups, f.interleave)  # of a group; the next follows
    return (f.groups * each,) + dense.others(f, n_out)


def parameters(op, x, y):
    return y[0].shape[2] * (scratch(op, x) + 1)

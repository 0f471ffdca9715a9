"""dense: y[n_out] = table[clamp((bias + x . w >> shift) + zero_point)]; float32: bias + x . w"""
from collections import namedtuple
from struct import unpack_from

from ..format import FLOAT32, size

FIELDS = "<bBbbBBHIIIII"
NAMES = (
    "zero_point", "weight_zero", "low", "high", "shift", "group", "interleave",
    "weights", "bias", "shifts", "table", "multipliers")
Fields = namedtuple("Dense", NAMES)
CONSTANTS = 5
ENDS = 1, 1
IN_PLACE = False
TABLE = True
NEAREST = 1  # flag: it rounds to nearest, with the half in its bias; else it floors
# |bias| + n_in * 2**16 stays below this, so that no accumulator leaves MicroPython's small ints
ACC_LIMIT = 1 << 30


def check(look, op, x, y):
    f = op.fields
    n_in, n_out = size(x[0].shape), size(y[0].shape)
    if x[0].dtype == FLOAT32:
        look.check(not (op.flags or any(f[:5])) and f.group == 1 and f.interleave in (1, n_out),
                   "field")
        look.constants(f[-CONSTANTS:], lengths(op, x, y), 4)
        look.finite(f.weights, n_in * n_out)
        look.finite(f.bias, n_out)
        return
    look.check(f.group in (1, 4) and 1 <= f.interleave <= n_out, "field")
    look.constants(f[-CONSTANTS:], lengths(op, x, y))
    check_numbers(look, op, n_in, n_out)


def check_numbers(look, op, n_in, n_out):
    """What is computed with, of int8: it stays within its bounds."""
    f, buf = op.fields, look.buf
    look.check(op.flags <= NEAREST and f.low <= f.high and f.shift < 32 and not f.bias & 3, "field")
    limit = ACC_LIMIT - (n_in << 16)
    for at in range(f.bias, f.bias + 4 * n_out, 4):
        look.check(-limit < unpack_from("<i", buf, at)[0] < limit, "bias, it could overflow")
    for at in range(f.shifts, f.shifts + n_out) if f.shifts else ():
        look.check(buf[at] < 32, "shift")
    look.check(not f.multipliers or f.shifts, "field")
    for at in range(f.multipliers, f.multipliers + 4 * n_out, 4) if f.multipliers else ():
        look.check(buf[at + 3] < 128, "multiplier")


def lengths(op, x, y):
    f = op.fields
    n_in, n_out = size(x[0].shape), size(y[0].shape)
    if x[0].dtype == FLOAT32:
        return 4 * n_in * n_out, 4 * n_out, 0, 0, 0
    return (weights_size(n_in, n_out, f.interleave),) + others(f, n_out)


def others(f, n_out):
    """Bytes of the constants of int8 besides the weights."""
    return (4 * n_out, n_out if f.shifts else 0, 256 if f.table else 0,
            4 * n_out if f.multipliers else 0)


def parameters(op, x, y):
    return size(y[0].shape) * (size(x[0].shape) + 1)


def weights_size(n_in, n_out, interleave):
    """Bytes of the weights: blocks of `interleave` outputs, the last one padded."""
    return (n_out + interleave - 1) // interleave * interleave * n_in

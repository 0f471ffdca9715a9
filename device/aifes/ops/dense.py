"""dense: y[n_out] = table[clamp((bias + x . w >> shift) + zero_point)]; float32: bias + x . w"""
from collections import namedtuple

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
    look.check(op.flags <= NEAREST and f.group in (1, 4) and 1 <= f.interleave <= n_out
               and f.low <= f.high and f.shift < 32 and not f.bias & 3, "field")
    look.constants(f[-CONSTANTS:], lengths(op, x, y))
    buf = look.buf
    limit = ACC_LIMIT - (n_in << 16)
    for at in range(f.bias, f.bias + 4 * n_out, 4):
        look.check(-limit < int32(buf, at) < limit, "bias, it could overflow")
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
    return (weights_size(n_in, n_out, f.interleave), 4 * n_out, n_out if f.shifts else 0,
            256 if f.table else 0, 4 * n_out if f.multipliers else 0)


def parameters(x, y):
    return size(y[0].shape) * (size(x[0].shape) + 1)


def weights_size(n_in, n_out, interleave):
    """Bytes of the weights: blocks of `interleave` outputs, the last one padded."""
    return (n_out + interleave - 1) // interleave * interleave * n_in


def weight_offset(j, k, n_in, interleave, group):
    """Where the weight of output j for input k lies: docs/format.md, "dense"."""
    column = j % interleave
    start = k - k % group
    return ((j - column) * n_in + start * interleave
            + column * min(group, n_in - start) + k - start)


def int32(buf, at):
    """The little-endian int32 at `at`, without allocating while it fits a small int."""
    return buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | ((buf[at + 3] ^ 128) - 128) << 24


def int8(buf, op, x, y, mask):
    """acc = bias + sum(x[n_in] * (w - weight_zero)). Weights are unsigned, in their order."""
    (zero, weight_zero, low, high, shift, group, interleave,
     weights, bias, shifts, table, multipliers) = op.fields
    x, y = x[0], y[0]
    n_in = len(x)
    correction = 0
    for v in x:
        correction -= v
    correction *= weight_zero
    for j in range(len(y)):
        acc = int32(buf, bias + 4 * j) + correction
        w = weights + (j - j % interleave) * n_in + j % interleave
        if group == 1:
            for v in x:
                acc += v * buf[w]
                w += interleave
        else:
            for k in range(n_in):
                acc += x[k] * buf[weights + weight_offset(j, k, n_in, interleave, group)]
        if multipliers:
            acc = scaled(acc, int32(buf, multipliers + 4 * j), buf[shifts + j])
        else:
            acc >>= buf[shifts + j] if shifts else shift
        acc += zero
        if acc < low:
            acc = low
        elif acc > high:
            acc = high
        if table:
            acc = (buf[table + 128 + acc] ^ 128) - 128
        y[j] = acc & mask


def scaled(acc, multiplier, shift):
    """acc * multiplier / 2**(31 + shift), rounded twice as TensorFlow Lite Micro does."""
    acc = acc * multiplier + (1 << 30) >> 31  # halves up
    if shift:
        half = 1 << (shift - 1)
        acc = acc + half >> shift if acc >= 0 else -(half - acc >> shift)  # halves away from zero
    return acc


def float32(buf, op, x, y, work):
    """Summed in the order of the inputs, each operation rounded."""
    x, y, f = x[0], y[0], op.fields
    n_in, n_out = len(x), len(y)
    product = work.word
    work.copy(buf[f.bias:f.bias + 4 * n_out], y)
    rows = f.interleave == 1
    width = n_in if rows else n_out
    row = work.row[:width]
    for i in range(n_out if rows else n_in):
        at = f.weights + 4 * i * width
        work.copy(buf[at:at + 4 * width], row)
        for k in range(width):
            j = i if rows else k
            product[0] = x[k if rows else i] * row[k]
            y[j] = y[j] + product[0]

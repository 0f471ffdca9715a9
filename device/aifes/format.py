"""The .aifes buffer, written down once; docs/format.md explains it.

    header | op records | constant data | metadata          all little-endian

`decode` is the gate: it checks everything that an engine relies on, so that kernels need not check.
"""
import struct
from binascii import crc32
from collections import namedtuple

MAGIC = b"\xa1fes"
VERSION = 1
HEADER = "<4sHHIIIHHII"  # magic, version, 0, length, crc, arena, ops, 0, metadata offset, length
TENSOR = "<BBbbIIIII"  # dtype, rank, shift, zero point, arena offset, per-feature table, 3 dims
OP = "<BBbBbbBBIIIIIIIIHBBI"  # Op, with a reserved byte after `shift` and five at the end
INPUT_AT = 32
OUTPUT_AT = 56
OPS_AT = 80
OP_SIZE = 48
CRC_FROM = 16
MAX_ARENA = 1 << 24
MAX_OPS = 1024
# |bias| + n_in * 2**16 stays below this, so that no accumulator leaves MicroPython's small ints
ACC_LIMIT = 1 << 30
INT8 = 98  # ord("b"), the array typecode
FLOAT32 = 102  # ord("f"); its ops are in f32_format.py

DENSE = 1  # y = table[clamp((bias + x.w >> shift) + zero_point)]
MAP = 2  # y = table[x], elementwise
SOFTMAX = 3  # y = exp table, normalized over the whole tensor
OP_NAMES = ("", "dense", "map", "softmax")
NEAREST = 1  # flag: rounds to nearest (a dense op carries the half in its bias); else floor

# shape: tuple of ints; features: offset of n shifts (int8) and n zero points (int16), or 0
Tensor = namedtuple("Tensor", ("dtype", "shift", "zero_point", "offset", "features", "shape"))
# weights, bias, shifts, table: offsets in the buffer, 0 = absent; x, y: offsets in the arena
Op = namedtuple("Op", (
    "opcode", "flags", "zero_point", "weight_zero", "low", "high", "shift",
    "x", "y", "n_in", "n_out", "weights", "bias", "shifts", "table", "interleave", "group"))
Plan = namedtuple("Plan", ("length", "arena", "input", "output", "ops", "metadata"))


class ModelError(ValueError):
    """What is wrong with a model or with the data given to it, and what to do, in one sentence."""


def size(shape):
    """Number of elements of a shape."""
    n = 1
    for d in shape:
        n *= d
    return n


def weights_size(n_in, n_out, interleave):
    """Bytes of a dense op's weights: blocks of `interleave` outputs, the last one padded."""
    return (n_out + interleave - 1) // interleave * interleave * n_in


def weight_offset(j, k, n_in, interleave, group):
    """Where the weight of output j for input k lies: docs/format.md, "dense"."""
    column = j % interleave
    start = k - k % group
    return ((j - column) * n_in + start * interleave
            + column * min(group, n_in - start) + k - start)


def int8(byte):
    """A byte 0..255 (or an int8 already) as -128..127."""
    return ((byte & 255) ^ 128) - 128


def int32(buf, at):
    """The little-endian int32 at `at`, without allocating while it fits a small int."""
    return buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | ((buf[at + 3] ^ 128) - 128) << 24


def decode(buf):
    """Check a buffer and return its Plan. buf: bytes, bytearray or a memoryview of unsigned bytes.

    Raises ModelError for anything that could make an engine read or write outside buffer and
    arena, divide by zero or overflow. The metadata is not looked at.
    """
    length = _check_frame(buf)
    (_, _, _, _, _, arena, n_ops, zero, meta_at, meta_len) = struct.unpack_from(HEADER, buf, 0)
    constants = OPS_AT + n_ops * OP_SIZE
    _check(not zero and 0 < n_ops <= MAX_OPS and constants <= length, "number of layers")
    _check(arena <= MAX_ARENA, "arena")
    _check(constants <= meta_at and meta_at + meta_len <= length, "metadata")
    inp = _tensor(buf, INPUT_AT, constants, meta_at, arena)
    out = _tensor(buf, OUTPUT_AT, constants, meta_at, arena)
    check_op = _op
    if inp.dtype == FLOAT32:
        try:
            from .f32_format import check_op
        except ImportError:
            raise ModelError("a float32 model, parts of aifes for it lack: `aifes deploy` it")
    ops = []
    x, n = inp.offset, size(inp.shape)
    for i in range(n_ops):
        op = check_op(buf, i, constants, meta_at, arena)
        _check(op.x == x and op.n_in == n, "layer", i)  # reads what the one before wrote
        ops.append(op)
        x, n = op.y, op.n_out
    _check(out.offset == x and size(out.shape) == n and out.dtype == inp.dtype, "output")
    return Plan(length, arena, inp, out, ops, (meta_at, meta_len))


def _check(ok, what, i=""):
    if not ok:
        raise ModelError(f"damaged model, bad {what} {i}: copy the file or convert it again")


def _inside(at, n, low, high, i=""):
    _check(low <= at and at + n <= high, "constants outside the buffer, layer", i)


def _check_frame(buf):
    n = len(buf)
    if n and buf[0] == MAGIC[0] - 256:
        raise ModelError("signed bytes: give the model as bytes, bytearray or a memoryview of them")
    if n < 4 or bytes(buf[0:4]) != MAGIC:
        raise ModelError("not an AIfES model: make an .aifes file with `aifes quantize`")
    length = OPS_AT
    if n >= OPS_AT:
        (_, version, zero, length, crc) = struct.unpack_from("<4sHHII", buf, 0)
        if version != VERSION or zero:
            raise ModelError(f"model format {version}.{zero}, this runtime reads {VERSION}.0: "
                             "update aifes on the board or convert the network again")
        _check(length >= OPS_AT, "length")
    if n < length:
        raise ModelError(f"truncated model, {n} of {length} bytes: copy the file again")
    _check(crc32(memoryview(buf)[CRC_FROM:length]) & 0xFFFFFFFF == crc, "CRC")
    return length


def _tensor(buf, at, low, high, arena):
    (dtype, rank, shift, zero, offset, features, a, b, c) = struct.unpack_from(TENSOR, buf, at)
    n = a * b * c
    step = 4 if dtype == FLOAT32 else 1
    _check(dtype in (INT8, FLOAT32), "type of input or output")
    _check(1 <= rank <= 3 and (a, b, c)[rank:] == (1, 1)[rank - 1:] and n, "shape")
    _check(-32 <= shift <= 32 and (step == 1 or not (shift or zero or features)), "scale")
    _check(offset + step * n <= arena and not (offset | arena) % step, "arena")
    if features:
        _inside(features, 3 * n, low, high)
        for i in range(n):
            _check(-32 <= int8(buf[features + i]) <= 32, "scale")
    return Tensor(dtype, shift, zero, offset, features, (a, b, c)[:rank])


def _op(buf, i, low, high, arena):
    f = struct.unpack_from(OP, buf, OPS_AT + i * OP_SIZE)
    op = Op(*(f[:7] + f[8:18]))
    if not 0 < op.opcode < len(OP_NAMES):
        raise ModelError(f"unknown opcode {op.opcode} in layer {i}: update aifes on the board")
    _check(not (f[7] or f[18] or f[19] or op.flags & ~NEAREST), "reserved field, layer", i)
    _check(op.n_in and op.n_out and op.x + op.n_in <= arena and op.y + op.n_out <= arena,
           "arena, layer", i)
    apart = op.x + op.n_in <= op.y or op.y + op.n_out <= op.x
    if op.opcode == DENSE:
        _check(apart and 1 <= op.interleave <= op.n_out and op.group in (1, 4)
               and op.low <= op.high and op.shift < 32 and not op.bias & 3, "layer", i)
        _inside(op.weights, weights_size(op.n_in, op.n_out, op.interleave), low, high, i)
        _inside(op.bias, 4 * op.n_out, low, high, i)
        limit = ACC_LIMIT - (op.n_in << 16)
        for at in range(op.bias, op.bias + 4 * op.n_out, 4):
            _check(-limit < int32(buf, at) < limit, "bias, it could overflow, layer", i)
        if op.shifts:
            _inside(op.shifts, op.n_out, low, high, i)
            for at in range(op.shifts, op.shifts + op.n_out):
                _check(buf[at] < 32, "shift, layer", i)
        if op.table:
            _inside(op.table, 256, low, high, i)
        return op
    _check(op.n_in == op.n_out and (apart or op.x == op.y), "layer", i)
    if op.opcode == MAP:
        _inside(op.table, 256, low, high, i)
    else:
        _inside(op.table, 512, low, high, i)
        _check(op.n_in < 1 << 14 and (buf[op.table] or buf[op.table + 1]), "softmax, layer", i)
    return op

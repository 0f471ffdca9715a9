"""Put a buffer together: fold the constants of a dense layer, plan the arena, write the bytes.

The host's quantizer and `Sequential` both end here. Ops come as format.Op tuples whose weights,
bias, shifts and table hold the data themselves (bytes, or None); `assemble` makes them offsets.
"""
import struct
from binascii import crc32

from .f32_format import DENSE_F32
from .format import (
    ACC_LIMIT,
    CRC_FROM,
    DENSE,
    HEADER,
    INPUT_AT,
    INT8,
    MAGIC,
    MAP,
    NEAREST,
    OP,
    OP_SIZE,
    OPS_AT,
    OUTPUT_AT,
    SOFTMAX,
    TENSOR,
    VERSION,
    ModelError,
    Op,
)


def dense_op(weights, weight_zero, bias, x_zero, shift, zero_point, nearest=False, by_output=True):
    """A dense Op: what is constant goes into the bias, so that engines compute sum(x * w) only.

    weights: n_in * n_out int8 in one buffer, output by output ([n_out][n_in]) if by_output, else
        [n_in][n_out]; they keep their order, stored plus 128: in a bytearray in place, which the
        Op then has, else in a copy.
    bias: n_out ints in units of the accumulator. x_zero: the input's zero point, or n_in.
    shift, zero_point: of the result, or n_out of them each.
    Raises ModelError if a bias is too large.
    """
    n_out = len(bias)
    n_in = len(weights) // n_out
    stored = weights if isinstance(weights, bytearray) else bytearray(len(weights))
    for i in range(len(weights)):
        stored[i] = (weights[i] & 255) ^ 128
    one_shift, one_zero = isinstance(shift, int), isinstance(zero_point, int)
    folded = bytearray(4 * n_out)
    for j in range(n_out):
        s = shift if one_shift else shift[j]
        total = bias[j]
        at, step = (j * n_in, 1) if by_output else (j, n_out)
        if isinstance(x_zero, int):
            w = 0
            for _ in range(n_in):
                w += stored[at]
                at += step
            total -= x_zero * (w - n_in * (128 + weight_zero))
        else:
            for k in range(n_in):
                total -= x_zero[k] * (stored[at] - 128 - weight_zero)
                at += step
        if nearest and s:
            total += 1 << (s - 1)
        if not one_zero:
            total += zero_point[j] << s
        struct.pack_into("<i", folded, 4 * j, _bounded(total, n_in, s, j))
    return Op(DENSE, NEAREST if nearest else 0, zero_point if one_zero else 0, 128 + weight_zero,
              -128, 127, shift if one_shift else 0, 0, 0, n_in, n_out, stored, bytes(folded),
              None if one_shift else bytes(shift), None, 1 if by_output else n_out, 1)


def _bounded(bias, n_in, shift, j):
    """The bias, cut where an output saturates for every input anyway."""
    limit = ACC_LIMIT - (n_in << 16) - 1
    if -limit <= bias <= limit:
        return bias
    if limit < 0 or (limit - (n_in << 15)) >> shift < 256:
        raise ModelError(f"the bias of output {j} is too large for its scale: scale the layer down")
    return limit if bias > 0 else -limit


def map_op(n, table):
    """An elementwise Op: table holds 256 bytes, for the inputs -128..127."""
    return Op(MAP, 0, 0, 0, -128, 127, 0, 0, 0, n, n, None, None, None, bytes(table), 0, 0)


def softmax_op(n, table, nearest=False):
    """A softmax Op: table holds 256 uint16, exp of 0, -1, .. -255 steps in any common scale."""
    return Op(SOFTMAX, NEAREST if nearest else 0, 0, 0, -128, 127, 0, 0, 0, n, n,
              None, None, None, bytes(table), 0, 0)


def fuse_map(ops, n, table):
    """Apply an elementwise table to the result of the last op: inside it if dense or a map."""
    op = ops[-1] if ops else None
    if op is None or op.opcode == SOFTMAX:
        ops.append(map_op(n, table))
        return
    if op.table:
        table = bytes([table[b ^ 128] for b in op.table])
    ops[-1] = Op(*(op[:14] + (bytes(table),) + op[15:]))


def fuse_clamp(ops, n, low, high):
    """The result of the last op within low..high: by the op itself if it is dense, no table."""
    op = ops[-1] if ops else None
    if op is None or op.opcode != DENSE or op.table:
        fuse_map(ops, n, bytes([min(max(v, low), high) & 255 for v in range(-128, 128)]))
    else:
        ends = [min(max(v, low), high) for v in (op.low, op.high)]
        ops[-1] = Op(*(op[:4] + tuple(ends) + op[6:]))


def plan_arena(n_in, results):
    """The arena's size and the offset of each result: they alternate between its two ends.

    results: (elements, in_place) of each op. An op that is not in place needs its input and its
    output at once: the size is the largest such sum, which no plan can undercut.
    """
    total = n = n_in
    for m, in_place in results:
        total = max(total, m if in_place else n + m)
        n = m
    offsets = []
    at, at_end = 0, False
    for m, in_place in results:
        if not in_place:
            at_end = not at_end
            at = total - m if at_end else 0
        offsets.append(at)
    return total, offsets


def assemble(ops, in_scale, out_scale, in_shape=None, metadata=b"", dtype=INT8,
             memory=None):
    """The .aifes buffer of a chain of ops: a bytearray, or a memoryview of `memory`.

    in_scale, out_scale: (shift, zero point) of input and output, two ints or two sequences with
    one item for each element (zero points up to int16). in_shape: defaults to (n_in,).
    metadata: bytes of JSON. dtype: of the arena, INT8 or FLOAT32. memory: the caller's bytearray;
    ModelError if it is too small.
    """
    unit = 1 if dtype == INT8 else 4
    arena, offsets = plan_arena(
        ops[0].n_in, [(op.n_out, op.opcode not in (DENSE, DENSE_F32)) for op in ops])
    chunks = []  # (offset, bytes)
    end = OPS_AT + OP_SIZE * len(ops)

    def place(data):
        nonlocal end
        if not data:
            return 0
        for at, other in chunks:
            if other == data:
                return at
        at = end = end + 3 & ~3
        chunks.append((at, data))
        end += len(data)
        return at

    records = []
    x = 0
    for op, y in zip(ops, offsets):
        data = [place(d) for d in op[11:15]]
        records.append(op[:7] + (0, unit * x, unit * y) + op[9:11] + tuple(data) + op[15:] + (0, 0))
        x = y
    tensors = []
    for scale, shape, at in ((in_scale, in_shape or (ops[0].n_in,), 0),
                             (out_scale, (ops[-1].n_out,), x)):
        shift, zero = scale
        features = 0
        if not isinstance(shift, int):
            features = place(bytes([s & 255 for s in shift]) + struct.pack(
                "<%dh" % len(zero), *zero))
            shift = zero = 0
        tensors.append((dtype, len(shape), shift, zero, unit * at, features)
                       + (tuple(shape) + (1, 1))[:3])
    end = end + 3 & ~3
    n = end + len(metadata)
    if memory is None:
        buf = bytearray(n)
    elif len(memory) < n:
        raise ModelError(f"the parameter memory has {len(memory)} bytes, the model needs {n}")
    else:
        buf = memoryview(memory)[:n]
        for i in range(n):
            buf[i] = 0
    for at, data in chunks:
        buf[at:at + len(data)] = data
    buf[end:n] = metadata
    struct.pack_into(TENSOR, buf, INPUT_AT, *tensors[0])
    struct.pack_into(TENSOR, buf, OUTPUT_AT, *tensors[1])
    for i in range(len(records)):
        struct.pack_into(OP, buf, OPS_AT + i * OP_SIZE, *records[i])
    struct.pack_into(HEADER, buf, 0, MAGIC, VERSION, 0, len(buf), 0, unit * arena, len(ops),
                     0, end, len(metadata))
    struct.pack_into("<I", buf, CRC_FROM - 4, crc32(memoryview(buf)[CRC_FROM:]) & 0xFFFFFFFF)
    return buf

"""Put a buffer together: place constants, write header, tensors, records and metadata.

The host's quantizer, the one on the board and `Sequential` all end here. Ops come with the
constants themselves (bytes, or None) where the buffer has their offsets.
"""
import struct
from binascii import crc32
from collections import namedtuple

from ..format import (
    CRC_FROM,
    FLOAT32,
    HEADER,
    HEADER_SIZE,
    INT8,
    MAGIC,
    TENSOR,
    TENSOR_SIZE,
    VERSION,
    ModelError,
    Op,
    Tensor,
)
from ..ops import room

# an op before it has tensors. n_in, n_out: their elements; shapes: (of the input, of the result)
# where the op heeds them, else None; scratch: elements of the second output, which it works in
Draft = namedtuple("Draft", ("opcode", "flags", "n_in", "n_out", "fields", "shapes", "scratch"))


def assemble(ops, tensors, n_inputs, n_outputs, arena, metadata=b"", memory=None):
    """The .aifes buffer of ops in the order of execution: a bytearray, or a view of `memory`.

    ops: format.Ops whose last fields hold the constants' bytes, or None. tensors: format.Tensors,
    numbered as in the format: inputs, outputs, others; `scales`: None, or (shifts, zero points) of
    the elements. arena: bytes. metadata: bytes of JSON. memory: the caller's bytearray; ModelError
    if it is too small.
    """
    end = HEADER_SIZE + TENSOR_SIZE * len(tensors)
    for op in ops:
        end += _record_size(op)
    constants = end
    chunks = []  # (offset, bytes)

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
    for op in ops:
        n = len(op.fields) - room(op.opcode).CONSTANTS
        records.append(Op(*(op[:4] + (op.fields[:n] + tuple([place(d) for d in op.fields[n:]]),))))
    rows = []
    for t in tensors:
        scales, shift, zero = 0, t.shift, t.zero_point
        if t.scales:
            shifts, zeros = t.scales
            scales = place(bytes([s & 255 for s in shifts]) + struct.pack(
                "<%dh" % len(zeros), *zeros))
            shift = zero = 0
        rows.append((t.dtype, len(t.shape), shift, zero, t.offset, scales)
                    + (tuple(t.shape) + (1, 1))[:3] + (t.rows, t.endless))
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
    at = HEADER_SIZE
    for row in rows:
        struct.pack_into(TENSOR, buf, at, *row)
        at += TENSOR_SIZE
    for op in records:
        numbers = op.inputs + op.outputs
        words = _record_size(op) // 4
        struct.pack_into("<BBBB%dH" % len(numbers), buf, at, op.opcode, op.flags,
                         len(op.inputs) | len(op.outputs) << 4, words, *numbers)
        struct.pack_into(room(op.opcode).FIELDS, buf, at + 4 + (2 * len(numbers) + 3 & ~3),
                         *op.fields)
        at += 4 * words
    struct.pack_into(HEADER, buf, 0, MAGIC, VERSION, 0, n, 0, arena, len(tensors), len(ops),
                     n_inputs, n_outputs, 0, constants, end, len(metadata))
    struct.pack_into("<I", buf, CRC_FROM - 4, crc32(memoryview(buf)[CRC_FROM:]) & 0xFFFFFFFF)
    return buf


def _record_size(op):
    return 4 + (2 * (len(op.inputs) + len(op.outputs)) + 3 & ~3) + struct.calcsize(
        room(op.opcode).FIELDS)


def plan_arena(n_in, results):
    """The arena's size and the offset of each result of a chain: they alternate between its ends.

    results: (elements, in_place, scratch) of each op. An op that is not in place needs its input,
    its output and, between them, its scratch at once: the size is the largest such sum, which no
    plan can undercut.
    """
    total = n = n_in
    for m, in_place, scratch in results:
        total = max(total, m if in_place else n + m + scratch)
        n = m
    offsets = []
    at, at_end = 0, False
    for m, in_place, _ in results:
        if not in_place:
            at_end = not at_end
            at = total - m if at_end else 0
        offsets.append(at)
    return total, offsets


def chain(drafts, in_scale, out_scale, in_shape=None, metadata=b"", dtype=INT8, memory=None):
    """The .aifes buffer of a chain of Drafts, as assemble().

    in_scale, out_scale: (shift, zero point) of input and output, two ints or two sequences with
    one item for each element (zero points up to int16). in_shape: defaults to (n_in,).
    """
    unit = 4 if dtype == FLOAT32 else 1
    arena, offsets = plan_arena(
        drafts[0].n_in, [(d.n_out, room(d.opcode).IN_PLACE, d.scratch) for d in drafts])
    last = len(drafts) - 1
    shapes = [in_shape or (drafts[0].n_in,)]
    for d in drafts:  # in place, it stays an image
        shapes.append(d.shapes[1] if d.shapes else shapes[-1] if room(d.opcode).IN_PLACE
                      else (d.n_out,))
    tensors = [_end(dtype, in_scale, 0, shapes[0]),
               _end(dtype, out_scale, unit * offsets[last], shapes[-1])]
    ops, x = [], 0
    for i in range(len(drafts)):
        d = drafts[i]
        y = 1 if i == last else len(tensors)
        if y > 1:
            tensors.append(Tensor(dtype, 0, 0, unit * offsets[i], None, shapes[i + 1]))
        outputs = (y,)
        if d.scratch:
            at = d.n_out if offsets[i] == 0 else d.n_in
            tensors.append(Tensor(dtype, 0, 0, unit * at, None, (d.scratch,)))
            outputs = y, len(tensors) - 1
        ops.append(Op(d.opcode, d.flags, (x,), outputs, d.fields))
        x = y
    return assemble(ops, tensors, 1, 1, unit * arena, metadata, memory)


def _end(dtype, scale, offset, shape):
    shift, zero = scale
    if isinstance(shift, int):
        return Tensor(dtype, shift, zero, offset, None, shape)
    return Tensor(dtype, 0, 0, offset, scale, shape)

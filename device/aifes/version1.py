"""Files of format 1: their header, tensors and records as those of format 2; constants stay there.

A chain of ops of 48 bytes each, behind a header that has input and output; float32 had opcodes of
its own, 4 to 6. What is written here is checked as any other file is.
"""
import struct

from .format import (
    FLOAT32,
    HEADER,
    HEADER_SIZE,
    MAGIC,
    MAX_OPS,
    TENSOR,
    TENSOR_SIZE,
    VERSION,
    check,
)

INPUT_AT = 32
OUTPUT_AT = 56
OPS_AT = 80
OP_SIZE = 48
OLD_HEADER = "<4sHHIIIHHII"  # magic, version, 0, length, crc, arena, ops, 0, metadata, its length
OLD_TENSOR = "<BBbbIIIII"  # as in format 2, without rows and flags
# opcode, flags, zero point, weight zero, low, high, shift, 0, x, y, inputs, outputs, weights, bias,
# shifts, table, interleave, group, 0, 0
OLD_OP = "<BBbBbbBBIIIIIIIIHBBI"


def head(buf):
    """The bytearray with which a buffer of format 1, whose CRC is right, is one of format 2."""
    check(len(buf) >= OPS_AT, "length")
    (_, _, zero, length, crc, arena, n_ops, zero2, meta_at, meta_len) = struct.unpack_from(
        OLD_HEADER, buf, 0)
    constants = OPS_AT + OP_SIZE * n_ops
    check(not (zero or zero2) and 0 < n_ops <= MAX_OPS and constants <= length, "number of layers")
    ends = [struct.unpack_from(OLD_TENSOR, buf, at) for at in (INPUT_AT, OUTPUT_AT)]
    records = bytearray()
    made = bytearray(HEADER_SIZE + TENSOR_SIZE * (n_ops + 1))
    for i in range(2):
        struct.pack_into(TENSOR, made, HEADER_SIZE + i * TENSOR_SIZE, *(ends[i] + (0, 0)))
    dtype, x, n = ends[0][0], ends[0][4], ends[0][6] * ends[0][7] * ends[0][8]
    number, unused = 0, 2
    for i in range(n_ops):
        f = struct.unpack_from(OLD_OP, buf, OPS_AT + OP_SIZE * i)
        check(f[8] == x and f[10] == n and not (f[7] or f[18] or f[19]), "layer", i)
        if i == n_ops - 1:
            y = 1
        else:
            y = unused
            unused += 1
            struct.pack_into(TENSOR, made, HEADER_SIZE + y * TENSOR_SIZE, dtype, 1, 0, 0, f[9], 0,
                             f[11], 1, 1, 0, 0)
        records.extend(_record(f, dtype == FLOAT32, number, y, i))
        number, x, n = y, f[9], f[11]
    check(ends[1][4] == x and ends[1][6] * ends[1][7] * ends[1][8] == n, "output")
    made.extend(records)
    struct.pack_into(HEADER, made, 0, MAGIC, VERSION, 0, length, crc, arena, n_ops + 1, n_ops, 1, 1,
                     0, constants, meta_at, meta_len)
    return made


def _record(f, is_float, x, y, i):
    (opcode, flags, zero, weight_zero, low, high, shift) = f[:7]
    (weights, bias, shifts, table, interleave, group) = f[12:18]
    opcode -= 3 if is_float else 0
    check(1 <= opcode <= 3, "opcode, layer", i)
    start = struct.pack("<BBBB2H", opcode, flags, 0x11, 9 if opcode == 1 else 3, x, y)
    if opcode == 1:
        return start + struct.pack("<bBbbBBHIIIII", zero, weight_zero, low, high, shift, group,
                                   interleave, weights, bias, shifts, table, 0)
    return start + struct.pack("<I", table)

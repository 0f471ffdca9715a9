"""A model larger than the heap, as a file of pieces: what is in it, and its checks.

    header | table | the way in | the way out | pieces          docs/format_pieces.md

A piece is an .aifes model of a few ops of the whole one; all have the same arena, so each finds
there what those before it made. The ways in and out have one op for each input and output, which
changes nothing: they take and give samples as any model does. What runs all this is reader.py.
"""
import gc
import struct
from binascii import crc32

from .format import INT8, Plan, Tensor, check, frame
from .model import ModelError, _allocate
from .reader import Reader

MAGIC = b"\xa1fep"
VERSION = 1
HEADER = "<4sHHII"  # magic, version, number of pieces, length of the file, CRC of the table
ROW = "<II"  # length of a piece, and the number from which its CRC-32 becomes 0
MAX_PIECES = 1026


def opened(path, file):
    """(buffer, plan) of a file, all of which is read once; raises ModelError, OSError.

    buffer: the ways in and out; plan: of the whole model, with offsets in it.
    """
    head = _part(file, struct.calcsize(HEADER))
    (_, version, n, length, crc) = struct.unpack(HEADER, head)
    if version != VERSION:
        raise ModelError(f"a model in pieces, format {version}, this runtime reads {VERSION}: "
                         "update aifes on the board or deploy the model again")
    check(2 < n <= MAX_PIECES, "number of pieces")
    table = _part(file, struct.calcsize(ROW) * n)
    check(crc32(table) & 0xFFFFFFFF == crc, "CRC")
    rows = [struct.unpack_from(ROW, table, 8 * i) for i in range(n)]
    sizes = [n for n, _ in rows]
    at = len(head) + len(table)
    check(at + sum(sizes) == length, "length")
    have = file.seek(0, 2)
    if have < length:
        raise ModelError(f"truncated model, {have} of {length} bytes: copy the file again")
    gc.collect()  # what is imported later finds its place below the large buffer
    buf = _allocate(bytearray, max(sizes[2:]), path)
    ends = _allocate(bytearray, sizes[0] + sizes[1], path)
    places = [memoryview(ends)[:sizes[0]], memoryview(ends)[sizes[0]:]]
    places += [memoryview(buf)[:n] for n in sizes[2:]]
    parts = []
    for place, (n, start) in zip(places, rows):
        parts.append((place, at, start))
        at += n
    reader = Reader(path, file, parts, len(buf) + len(ends))
    for i, place in enumerate(places):
        reader.read(i)
        plan = frame(place)
        if i == 0:
            way_in = plan
        elif i == 1:
            way_out = plan
        check(plan.arena == way_in.arena and plan.tensors[0].dtype == INT8, "piece")
    tensors = way_in.tensors[:way_in.n_inputs]
    for t in way_out.tensors[way_out.n_inputs:]:
        tensors.append(Tensor(*(t[:4] + (t.scales and t.scales + sizes[0], t.shape))))
    at, n = way_out.metadata
    return ends, Plan(way_in.head, length, way_in.arena, way_in.n_inputs, way_out.n_outputs,
                      (sizes[0] + at, n), tensors, None, reader)


def _part(file, n):
    """The next n bytes."""
    buf = bytearray(n)
    check(file.readinto(buf) == n, "length")
    return buf

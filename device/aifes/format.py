"""The frame of an .aifes buffer, written down once; docs/format.md explains it.

    header | tensors | op records | constants | metadata          all little-endian

It knows tensors and records, not what an op means: that is ops/. `frame` checks what every engine
needs; `decode` the whole, so that kernels need not check. The native engine has a guard of its own
(native_module/guard.h): on a board with it no op's file is imported.
"""
import struct
from binascii import crc32
from collections import namedtuple

from .model import ModelError, size

MAGIC = b"\xa1fes"
VERSION = 2
# magic, version, 0, length, crc, arena, tensors, ops, inputs, outputs, 0, where constants begin,
# metadata offset, length
HEADER = "<4sHHIIIHHBBHIII"
HEADER_SIZE = 40
TENSOR = "<BBbbIIIIIHH"  # dtype, rank, shift, zero point, offset, scales, 3 dims, rows, flags
TENSOR_SIZE = 28
CRC_FROM = 16
MAX_ARENA = 1 << 24
MAX_ROWS = 1 << 16  # of a tensor of which a few are there: all are gone through
MAX_OPS = 1024
MAX_TENSORS = 2048
INT8 = 98  # ord("b"), the array typecode
FLOAT32 = 102  # ord("f")

# offset: in the arena; scales: offset of n shifts (int8) and n zero points (int16), or 0
_Tensor = namedtuple("Tensor", ("dtype", "shift", "zero_point", "offset", "scales", "shape", "rows",
                                "endless"))
# inputs, outputs: numbers of tensors; fields: the op's own, as its file in ops/ names them
Op = namedtuple("Op", ("opcode", "flags", "inputs", "outputs", "fields"))
# head: has header, tensors and records: the buffer itself, for version 1 a translation of them;
# metadata: (offset, length); tensors: inputs first, then outputs, then the others. Of a Plan by
# frame() there are only the first two kinds, and ops is None; pieces: a reader.Reader, or None
Plan = namedtuple("Plan", ("head", "length", "arena", "n_inputs", "n_outputs", "metadata",
                           "tensors", "ops", "pieces"))


def Tensor(dtype, shift, zero_point, offset, scales, shape, rows=0, endless=0):
    """What a buffer says of a tensor. rows: how many of them lie in the arena at a time, 0: all of
    it does; endless: of an input whose rows never end."""
    return _Tensor(dtype, shift, zero_point, offset, scales, shape, rows, endless)


def nbytes(tensor):
    """Bytes of a Tensor in the arena."""
    n = size(tensor.shape)
    if tensor.rows:
        n = n // tensor.shape[0] * tensor.rows
    return 4 * n if tensor.dtype == FLOAT32 else n


def check(ok, what, i=""):
    """ModelError unless ok. what: in a word or two; i: number of the layer."""
    if not ok:
        what = f"{what} {i}" if i != "" else what
        raise ModelError(f"damaged model, bad {what}: copy the file or convert it again")


def frame(buf):
    """The Plan of a buffer without its ops: header, CRC, inputs and outputs are checked.

    buf: bytes, bytearray or a memoryview of unsigned bytes. Raises ModelError.
    """
    head = _head(buf)
    (_, version, zero, length, _, arena, n_tensors, n_ops, n_in, n_out, zero2, constants, meta_at,
     meta_len) = struct.unpack_from(HEADER, head, 0)
    if version != VERSION or zero or zero2:
        raise ModelError(f"model format {version}.{zero or zero2}, this runtime reads {VERSION}.0: "
                         "update aifes on the board or convert the network again")
    check(0 < n_ops <= MAX_OPS and 0 < n_in < 16 and 0 < n_out < 16
          and n_in + n_out <= n_tensors <= MAX_TENSORS, "number of layers")
    check(arena <= MAX_ARENA, "arena")
    check(HEADER_SIZE + TENSOR_SIZE * n_tensors <= (constants if head is buf else len(head))
          and constants <= meta_at and meta_at + meta_len <= length, "metadata")
    plan = Plan(head, length, arena, n_in, n_out, (meta_at, meta_len), [], None, None)
    for i in range(n_in + n_out):
        plan.tensors.append(tensor(buf, plan, i, constants))
    return plan


def decode(buf):
    """The whole Plan of a buffer, all of it checked.

    Raises ModelError for anything that could make an engine read or write outside buffer and
    arena, read what nobody wrote, divide by zero or overflow. The metadata is not looked at.
    """
    from .ops import read

    return read(buf, frame(buf))


def _head(buf):
    n = len(buf)
    if n and buf[0] == MAGIC[0] - 256:
        raise ModelError("signed bytes: give the model as bytes, bytearray or a memoryview of them")
    if n < 4 or bytes(buf[0:4]) != MAGIC:
        raise ModelError("not an AIfES model: make an .aifes file with `aifes quantize`")
    length = HEADER_SIZE
    if n >= length:
        (_, version, _, length, crc) = struct.unpack_from("<4sHHII", buf, 0)
        check(length >= HEADER_SIZE, "length")
    if n < length:
        raise ModelError(f"truncated model, {n} of {length} bytes: copy the file again")
    check(crc32(memoryview(buf)[CRC_FROM:length]) & 0xFFFFFFFF == crc, "CRC")
    if version != 1:
        return buf
    try:
        from .version1 import head
    except ImportError:
        raise ModelError("a model of format 1, the part of aifes for it lacks: `aifes deploy` it, "
                         "or convert the network again")
    return head(buf)


def tensor(buf, plan, i, constants):
    """Tensor i, checked. constants: where they begin."""
    (dtype, rank, shift, zero, offset, scales, a, b, c, rows, flags) = struct.unpack_from(
        TENSOR, plan.head, HEADER_SIZE + TENSOR_SIZE * i)
    n = size((a, b, c))
    step = 4 if dtype == FLOAT32 else 1
    first = plan.tensors[0].dtype if plan.tensors else dtype
    check(dtype in (INT8, FLOAT32) and dtype == first, "type of tensor", i)
    check(1 <= rank <= 3 and (a, b, c)[rank:] == (1, 1)[rank - 1:] and n, "shape of tensor", i)
    check(-32 <= shift <= 32 and (step == 1 or not (shift or zero or scales)), "scale of tensor", i)
    found = Tensor(dtype, shift, zero, offset, scales, (a, b, c)[:rank], rows, flags)
    check(offset + nbytes(found) <= plan.arena and not (offset | plan.arena) % step,
          "arena, tensor", i)
    if rows or flags:
        check(rank == 3 and 0 < rows <= a < MAX_ROWS and n < MAX_ARENA and step == 1 and not scales
              and flags <= (i == 0) and (i == 0 and plan.n_inputs == plan.n_outputs == 1
                                         or i >= plan.n_inputs + plan.n_outputs),
              "rows of tensor", i)
    if scales:
        check(constants <= scales and scales + 3 * n <= plan.metadata[0], "scales of tensor", i)
        for k in range(scales, scales + n):
            check(((buf[k] & 255) + 32 & 255) <= 64, "scale of tensor", i)
    return found


def metadata(buf, plan):
    """The metadata as a dict, empty if there are none that can be read."""
    import json

    at, n = plan.metadata
    try:
        found = json.loads(str(bytes(buf[at:at + n]), "utf-8"))
    except (ValueError, RuntimeError):
        found = {}
    return found if isinstance(found, dict) else {}

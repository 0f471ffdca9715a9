"""A model larger than a board's heap, cut into pieces that are read from its file one by one.

What the file is, and why it runs: device/aifes/pieces.py, docs/format_pieces.md.
"""
import struct
import zlib
from dataclasses import dataclass

from aifes.format import Op, nbytes
from aifes.layers.assemble import assemble
from aifes.layers.map import table_map
from aifes.pieces import HEADER, MAGIC, ROW, VERSION

from .graph import ConversionError
from .layout import parts, whole
from .simulator import Simulator

MAX_ENDS = 15  # inputs, or outputs, of an .aifes model
SAME = bytes(v & 255 for v in range(-128, 128))
TABLE = [zlib.crc32(bytes([i])) ^ zlib.crc32(b"\0") for i in range(256)]  # of a CRC-32, by byte
BACK = {v >> 24: i for i, v in enumerate(TABLE)}


@dataclass
class Cut:
    """A model in pieces: `file` is what a board gets.

    models: the .aifes models in it: the ways in and out, which stay in memory, then the pieces;
    whole: the model that they are of, in which no ops take turns.
    """

    whole: bytes
    models: list
    file: bytes

    @property
    def largest(self):
        """Bytes of the buffer through which the pieces go."""
        return max(map(len, self.models[2:]))

    @property
    def resident(self):
        return sum(map(len, self.models[:2]))

    @property
    def read(self):
        """Bytes that an inference reads."""
        return sum(map(len, self.models[2:]))


def cut(model):
    """The Cut of an .aifes buffer: consecutive ops are together while they take no more than the
    largest of all takes alone.

    Raises ConversionError for a float32 model: quantized, it has a fourth of the size; and for one
    with an output that is a part of another.
    """
    model = whole(model)
    simulator = Simulator(model)
    if simulator.is_float:
        raise ConversionError("a float32 model is not read in pieces: `aifes quantize` makes it a "
                              "fourth as large")
    ends = simulator.outputs
    if any(_overlap(a, b) for i, a in enumerate(ends) for b in ends[:i]):
        raise ConversionError("a model with an output that is a part of another is not read in "
                              "pieces: leave one of the two out")
    work = _Work(simulator, model)
    n_ops = len(simulator.plan.ops)
    most = max(len(work.piece(i, i + 1)) for i in range(n_ops))
    pieces, first = [], 0
    for end in range(1, n_ops + 1):
        if end == n_ops or len(work.piece(first, end + 1) or bytes(most + 1)) > most:
            pieces.append(work.piece(first, end))
            first = end
    models = [work.way_in(), work.way_out(), *pieces]
    table = b"".join(struct.pack(ROW, len(m), start(m)) for m in models)
    body = table + b"".join(models)
    head = struct.pack(HEADER, MAGIC, VERSION, len(models), struct.calcsize(HEADER) + len(body),
                       zlib.crc32(table))
    return Cut(model, models, head + body)


class _Work:
    """A prepared model whose ops are taken out.

    made: {tensor: number of the op that makes it}, -1 for inputs; read: {tensor: numbers of the
    ops that read it}, with that of the way out, which is the last.
    """

    def __init__(self, simulator, model):
        self.plan = plan = simulator.plan
        self.ops, self.tensors, self.metadata = parts(simulator, model)
        self.made = dict.fromkeys(range(plan.n_inputs), -1)
        self.read = {}
        live = set(self.made)
        for i, op in enumerate(plan.ops):
            for k in op.inputs:
                self._reads(i, k, live)
            for k in op.outputs:
                live = {j for j in live if not _overlap(plan.tensors[j], plan.tensors[k])} | {k}
                self.made[k] = i
        for k in range(plan.n_inputs, plan.n_inputs + plan.n_outputs):
            self._reads(len(plan.ops), k, live)

    def _reads(self, i, k, live):
        """Op i reads tensor k: itself, or those that were written into it."""
        for j in live:
            if _overlap(self.plan.tensors[j], self.plan.tensors[k]):
                self.read.setdefault(j, set()).add(i)

    def piece(self, first, end):
        """The model of ops first .. end - 1; None if it would have too many inputs or outputs."""
        ops, read = self.ops[first:end], self.read
        inputs = [t for t, by in sorted(read.items()) if self.made[t] < first
                  and any(first <= i < end for i in by)]
        outputs = [t for t, by in sorted(read.items()) if first <= self.made[t] < end
                   and max(by) >= end] or [ops[-1].outputs[0]]
        if max(len(inputs), len(outputs)) > MAX_ENDS:
            return None
        order = [*inputs, *outputs]
        order += sorted({t for op in ops for t in op.inputs + op.outputs}.difference(order))
        number = {t: k for k, t in enumerate(order)}
        ops = [Op(op.opcode, op.flags, tuple(number[t] for t in op.inputs),
                  tuple(number[t] for t in op.outputs), op.fields) for op in ops]
        return self._model(ops, [_bare(self.tensors[t]) for t in order], len(inputs), len(outputs))

    def way_in(self):
        """Each input, and in its place an output."""
        ends = self.tensors[:self.plan.n_inputs]
        return self._way(ends, [_bare(t) for t in ends])

    def way_out(self):
        """Each output, and in its place an input; it has the metadata."""
        n = self.plan.n_inputs
        ends = self.tensors[n:n + self.plan.n_outputs]
        return self._way([_bare(t) for t in ends], ends, self.metadata)

    def _way(self, inputs, outputs, metadata=b""):
        n = len(inputs)
        draft = table_map(1, SAME)
        ops = [Op(draft.opcode, draft.flags, (k,), (n + k,), draft.fields) for k in range(n)]
        return self._model(ops, inputs + outputs, n, n, metadata)

    def _model(self, ops, tensors, n_inputs, n_outputs, metadata=b""):
        return bytes(assemble(ops, tensors, n_inputs, n_outputs, self.plan.arena, metadata))


def _bare(tensor):
    """Without a scale: only at the ends of the whole model one is looked at."""
    return tensor._replace(shift=0, zero_point=0, scales=None)


def _overlap(a, b):
    return a.offset < b.offset + nbytes(b) and b.offset < a.offset + nbytes(a)


def start(data):
    """The number that zlib.crc32(data, number) makes 0: its table gone through backwards."""
    crc = 0xFFFFFFFF  # 0, inverted
    for byte in reversed(data):
        i = BACK[crc >> 24]
        crc = (crc ^ TABLE[i]) << 8 & 0xFFFFFFFF | i ^ byte
    return crc ^ 0xFFFFFFFF

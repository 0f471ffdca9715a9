"""The Python engine for int8 models."""
from array import array

import aifes.floats as floats

from ..model import there
from ..samples import Samples
from . import step


def is_signed(arena):
    """Whether the items of a writable byte buffer read as -128..127 (else as 0..255)."""
    first = arena[0]
    try:
        arena[0] = -1
        signed = arena[0] < 0
    except (ValueError, OverflowError):
        signed = False
    arena[0] = first
    return signed


def sign(x, raw):
    """Views of bytes into views of int8."""
    for k in range(len(x)):
        signed, view = x[k], raw[k]
        for i in range(len(view)):
            signed[i] = ((view[i] & 255) ^ 128) - 128


class Engine(Samples):
    """Runs a model in `arena` (a memoryview of bytes). Allocates nothing after this."""

    def __init__(self, buf, plan, arena):
        from ..format import decode  # not kept: model.forget
        from ..ops import room

        super().__init__(buf, plan, arena)
        plan = decode(buf)
        signed = is_signed(arena)
        self._mask = -1 if signed else 255
        self._word = array("H", (0, 0))
        # MicroPython cannot view a bytearray as int8: there each op's inputs are copied first
        scratch = None if signed else memoryview(array("b", bytes(max(
            [sum([there(plan.tensors[k]) for k in op.inputs]) for op in plan.ops]))))
        self.ram += 0 if signed else len(scratch)
        self._steps = []
        for op in plan.ops:
            raw = tuple([self.part(plan.tensors[k]) for k in op.inputs])
            x, at = raw, 0
            if not signed:
                x = ()
                for view in raw:
                    x += scratch[at:at + len(view)],
                    at += len(view)
            y = [self.part(plan.tensors[k]) for k in op.outputs]
            ends = [plan.tensors[k] for k in op.inputs], [plan.tensors[k] for k in op.outputs]
            if len(y) > 1:
                n = room(op.opcode).scratch(op, ends[0])
                y[1] = y[1][:n] if signed else memoryview(array("b", bytes(n)))
            kernel = room(op.opcode, "aifes.python.")
            self._steps.append((kernel.int8, step(kernel, op, *ends), x, tuple(y), raw))
        if any([t.rows for t in plan.tensors]):
            from .turns import Turns

            self.turns = Turns(self, plan, arena)

    def forward(self):
        """Run all ops once on what lies in the arena."""
        if self.turns:
            return self.turns.sample()
        buf, mask = self._buf, self._mask
        for run, op, x, y, raw in self._steps:
            if mask > 0:
                sign(x, raw)
            run(buf, op, x, y, mask)

    def _quantize(self, k, x):
        t = self._tensors[k]
        floats.quantize(self._io, self._word, self._views[k], self._mask,
                        t.shift, t.zero_point, self._buf, t.scales)

    def _dequantize(self, k, y):
        t = self._tensors[k]
        floats.dequantize(self._views[k], self._io, self._word,
                          t.shift, t.zero_point, self._buf, t.scales)
        self._io.seek(0)
        self._io.readinto(y)

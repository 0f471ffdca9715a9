"""The Python engine for int8 models."""
from array import array

import aifes.floats as floats

from ..model import size
from ..samples import Samples


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


class Engine(Samples):
    """Runs a model in `arena` (a memoryview of bytes). Allocates nothing after this."""

    def __init__(self, buf, plan, arena):
        from ..format import Op, decode  # not kept: model.forget
        from ..ops import room

        super().__init__(buf, plan, arena)
        plan = decode(buf)
        signed = is_signed(arena)
        self._mask = -1 if signed else 255
        self._word = array("H", (0, 0))
        # MicroPython cannot view a bytearray as int8: there each op's inputs are copied first
        scratch = None if signed else memoryview(array("b", bytes(max(
            [sum([size(plan.tensors[k].shape) for k in op.inputs]) for op in plan.ops]))))
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
            if len(ends[0][0].shape) == 1:  # only the ops of images heed their shapes
                ends = (), ()
            op = Op(*(op[:2] + ends + op[4:]))
            y = tuple(y)
            self._steps.append((room(op.opcode, "aifes.python.").int8, op, x, y, raw))

    def forward(self):
        """Run all ops once on what lies in the arena."""
        buf, mask = self._buf, self._mask
        for run, op, x, y, raw in self._steps:
            if mask > 0:
                for k in range(len(x)):
                    signed, view = x[k], raw[k]
                    for i in range(len(view)):
                        signed[i] = ((view[i] & 255) ^ 128) - 128
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

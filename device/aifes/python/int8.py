"""The Python engine for int8 models."""
from array import array

import aifes.floats as floats

from ..samples import Samples


class Engine(Samples):
    """Runs a model in `arena` (a memoryview of bytes). Allocates nothing after this."""

    def __init__(self, buf, plan, arena):
        from ..format import decode, nbytes  # not kept: model.forget
        from ..ops import is_signed, placed, room, turns

        super().__init__(buf, plan, arena)
        plan = decode(buf)
        self._mask = -1
        self._word = array("H", (0, 0))
        if not is_signed(arena):
            from .signs import Signed

            n = max([sum([nbytes(plan.tensors[k]) for k in op.inputs]) for op in plan.ops])
            self._mask, self.signed = 255, Signed(n)
            self.ram += n
        self._steps = []
        for op in plan.ops:
            ends = [plan.tensors[k] for k in op.inputs], [plan.tensors[k] for k in op.outputs]
            raw = tuple([arena[t.offset:t.offset + nbytes(t)] for t in ends[0]])
            x = self.signed.part(raw) if self._mask > 0 else raw
            y = [arena[t.offset:t.offset + nbytes(t)] for t in ends[1]]
            if len(y) > 1:
                n = room(op.opcode).scratch(op, ends[0])
                y[1] = memoryview(array("b", bytes(n))) if self._mask > 0 else y[1][:n]
            kernel = room(op.opcode, "aifes.python.")
            self._steps.append((kernel.int8, placed(op, ends[0], ends[1], kernel), x, tuple(y),
                                raw))
        turns(self, plan, arena, "python")

    def forward(self):
        """Run all ops once on what lies in the arena."""
        buf, mask = self._buf, self._mask
        for run, op, x, y, raw in self._steps:
            if mask > 0:
                self.signed(x, raw)
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

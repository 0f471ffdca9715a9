"""The viper engine for float32 models: lanes.py has its arithmetic."""
import micropython

from ..float32 import part
from ..model import ModelError
from ..samples import Samples
from . import lanes


class Engine(Samples):
    """Runs a model in `arena`, a view made by float32.view. Allocates nothing after this."""

    def __init__(self, buf, plan, arena):
        from ..format import decode  # not kept: model.forget
        from ..ops import room

        super().__init__(buf, plan, arena)
        if misaligned(buf) or misaligned(arena):
            raise ModelError("a float model and its arena must begin at a multiple of 4")
        plan = decode(buf)
        tensors, work = plan.tensors, lanes.new()
        self._steps = [room(op.opcode, "aifes.viper.").float32(
            op, [tensors[k] for k in op.inputs], [tensors[k] for k in op.outputs], work)
            for op in plan.ops]
        self.ram += 4 * lanes.WORDS + 120 * len(plan.ops)

    def part(self, tensor):
        return part(self._arena, tensor)

    def __call__(self, x, y=None, at=None):
        if at is None:
            self.forward(x, y)
            return 0
        return super().__call__(x, y, at)

    def forward(self, at=0, end=None):
        """The ops at .. end - 1 on what lies in the arena."""
        buf, arena, steps = self._buf, self._arena, self._steps
        end = len(steps) if end is None else min(end, len(steps))
        while at < end:
            run, p, n = steps[at]
            run(buf, arena, p, n)
            at += 1

    def _item_size(self, buf, n):
        return 4 if super()._item_size(buf, n) == 4 else 0

    def _quantize(self, k, x):
        self._io.readinto(self._views[k])  # not from x, which may lie across it
        finite(self._arena, self._tensors[k].offset, self._sizes[k])

    def _dequantize(self, k, y):
        self._move(self._views[k], y)


@micropython.viper
def finite(arena: ptr8, offset: int, n: int):  # noqa: F821
    """Of n floats NaN becomes 0, an infinity the largest float."""
    x = ptr32(int(arena) + offset)  # noqa: F821
    j = 0
    while j < n:
        v = x[j]
        if (v >> 23) & 255 == 255:
            x[j] = 0 if v & 0x7FFFFF else v - 1
        j += 1


@micropython.viper
def misaligned(buf: ptr8) -> int:  # noqa: F821
    return int(buf) & 3

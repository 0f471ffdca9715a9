"""The Python engine for float32 models: Python's numbers, rounded to float32.

Every result is stored in an array('f'), so that an interpreter with double precision computes the
same; one with 30-bit floats (CircuitPython) differs in the last digits. It allocates: floats are
objects.
"""
import io
from array import array
from math import ldexp

from ..float32 import part
from ..model import size
from ..samples import Samples

# bits, not decimals: interpreters read some of these as the float beside
LARGEST = array("f", b"\xff\xff\x7f\x7f")[0]
# log2(e); ln 2 in two parts; 1/720 .. 1/2
EXP = array("f", bytes(array("I", (0x3FB8AA3B, 0x3F318000, 0xB95E8083, 0x3AB60B61, 0x3C088889,
                                   0x3D2AAAAB, 0x3E2AAAAB, 0x3F000000))))


class Work:
    """What the kernels share: word, an array('f') to round in; row, as many as the widest op."""

    def __init__(self, widest):
        self.word = array("f", (0, 0))
        self.row = memoryview(array("f", bytes(4 * widest)))
        self._t = array("f", (0, 0))
        self._io = io.BytesIO(bytes(4 * widest))

    def copy(self, source, target):
        """Bytes between buffers of any item size."""
        self._io.seek(0)
        self._io.write(source)
        self._io.seek(0)
        self._io.readinto(target)

    def exp(self, x):
        """exp of x <= 0 by the polynomial of docs/arithmetic.md."""
        if not x >= -86:
            return 0.0
        t = self._t
        t[0] = x * EXP[0]
        t[0] = t[0] - 0.5
        n = int(t[0])
        t[1] = x - n * EXP[1]
        t[0] = n * EXP[2]
        t[1] = t[1] - t[0]
        r = t[1]
        t[0] = EXP[3]
        for i in (4, 5, 6, 7):
            t[0] = t[0] * r
            t[0] = t[0] + EXP[i]
        for _ in range(2):
            t[0] = t[0] * r
            t[0] = t[0] + 1.0
        return ldexp(t[0], n)


class Engine(Samples):
    """Runs a model in `arena`, a view made by float32.view."""

    def __init__(self, buf, plan, arena):
        from ..format import decode  # not kept: model.forget
        from ..ops import placed, room

        super().__init__(buf, plan, arena)
        plan = decode(buf)
        sizes = [size(t.shape) for t in plan.tensors]
        widest = max(sizes)
        self._work = Work(widest)
        most = max([len(op.inputs) + len(op.outputs) for op in plan.ops])
        lanes = [memoryview(array("f", bytes(4 * widest))) for _ in range(most)]
        self.ram += 4 * widest * (most + 2)
        self._steps = []
        for op in plan.ops:
            views = [lane[:sizes[k]] for lane, k in zip(lanes, op.inputs + op.outputs)]
            x, y = views[:len(op.inputs)], views[len(op.inputs):]
            tensors = [plan.tensors[k] for k in op.inputs], [plan.tensors[k] for k in op.outputs]
            if len(y) > 1:
                y[1] = y[1][:room(op.opcode).scratch(op, tensors[0])]
            self._steps.append((room(op.opcode, "aifes.python.").float32,
                                placed(op, *tensors), x, y,
                                [self.part(t) for t in tensors[0]],
                                [self.part(t) for t in tensors[1]]))

    def part(self, tensor):
        return part(self._arena, tensor)

    def __call__(self, x, y=None, at=None):
        if at is None:
            self.forward(x, y)
            return 0
        return super().__call__(x, y, at)

    def forward(self, at=0, end=None):
        """The ops at .. end - 1 on what lies in the arena."""
        copy = self._work.copy
        for run, op, x, y, x_bytes, y_bytes in self._steps[at:end]:
            for k in range(len(x)):
                copy(x_bytes[k], x[k])
            run(self._buf, op, x, y, self._work)
            copy(y[0], y_bytes[0])

    def _item_size(self, buf, n):
        return 4 if super()._item_size(buf, n) == 4 else 0

    def _quantize(self, k, x):
        x = self._work.row[:self._sizes[k]]
        self._io.readinto(x)  # not from x, which may lie across the arena
        finite(x)
        self._work.copy(x, self._views[k])

    def _dequantize(self, k, y):
        self._move(self._views[k], y)


def finite(x):
    """NaN becomes 0, infinities the largest number."""
    for i in range(len(x)):
        v = x[i]
        if v - v != 0:
            x[i] = 0.0 if v != v else LARGEST if v > 0 else -LARGEST

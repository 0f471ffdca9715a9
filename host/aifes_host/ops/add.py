"""add: the elementwise sum of two tensors, where branches meet."""
from dataclasses import dataclass

import numpy as np
from aifes.format import size
from aifes.layers.add import add, float_add
from aifes.layers.map import table_map
from aifes.ops.add import MAX_LEFT

from ..graph import ConversionError
from ..scales import dequantize_values, quantize_values
from .layer import Layer


@dataclass
class Add(Layer):
    """x1 + x2, of the same shape."""

    name: str = ""

    kind = "add"
    choices = ("finer",)

    def shape(self, a, b):
        if a != b:
            raise ConversionError(f"layer {self.name!r} adds shapes {a} and {b}: they must be "
                                  "equal")
        return a

    def __call__(self, a, b):
        return a + b

    def quantize(self, walk, node):
        names = list(node.inputs)
        shifts = [walk.values[name].shift for name in names]
        finest = min(shifts) + MAX_LEFT
        for k in range(2):
            if shifts[k] > finest:  # it makes hardly a difference: in steps that add can take
                names[k] = _coarser(walk, node, names[k], finest)
        a, b = (walk.values[name] for name in names)
        scale = walk.scale(node, finest)  # a finer result has no more to tell
        draft = add(a.q.shape[1], ((a.shift, a.zero_point), (b.shift, b.zero_point)), scale)
        walk.put(node, draft, *scale, walk.behind(node.output), inputs=tuple(names))

    def float_op(self, n):
        return float_add(n)

    def float32(self, a, b):
        return a + b

    def gradients(self, x, y, g):
        return [g, g]


def _coarser(walk, node, name, shift):
    """The name of a tensor's values in coarser steps."""
    x = walk.values[name]
    values = dequantize_values(np.arange(-128, 128), x.shift, x.zero_point)
    table = quantize_values(values, shift, 0).tobytes()
    found = node.output, name, "coarser"  # no tensor of the graph is called so
    if found not in walk.values:
        walk.put(node, table_map(x.q.shape[1], table), shift, 0, inputs=(name,), output=found)
    return found


def int8(buf, op, tensors):
    f = op.fields

    def run(a, b):
        acc = (a.astype(np.int32) << f.left1) + (b.astype(np.int32) << f.left2) + f.bias
        return np.clip((acc >> f.shift) + f.zero_point, f.low, f.high).astype(np.int8)

    return run


def float32(buf, op, tensors):
    return np.add


def products(op, tensors):
    return 0


def instructions(op, tensors, chip):
    return size(tensors[op.outputs[0]].shape) * chip.added + chip.start


def boundary(op):
    return 0


CLASSES = False

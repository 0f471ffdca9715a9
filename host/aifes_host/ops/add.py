"""add: the elementwise sum of two tensors, where branches meet."""
from dataclasses import dataclass

import numpy as np
from aifes.layers.add import add, float_add

from ..graph import ConversionError
from ..scales import Choice, best_scale
from .float32 import F
from .warnings import unchanging

CHOICES = (Choice(1), Choice(-1))  # what search() tries


@dataclass
class Add:
    """x1 + x2, of the same shape."""

    name: str = ""

    kind = label = "add"
    boundary = 0
    elementwise = False
    by_element = False
    in_aifes = False
    in_float32 = True
    parameters = 0
    trained = ()

    def shape(self, a, b):
        if a != b:
            raise ConversionError(f"layer {self.name!r} adds shapes {a} and {b}: they must be "
                                  "equal")
        return a

    def __call__(self, a, b):
        return a + b


def quantize(walk, node):
    a, b = (walk.values[n] for n in node.inputs)
    shift, zero = best_scale(walk.real[node.output], walk.behind(node), walk.choice(node).finer)
    draft = add(a.q.shape[1], ((a.shift, a.zero_point), (b.shift, b.zero_point)), (shift, zero))
    walk.put(node, draft, shift, zero)


def factored(layer):
    return layer, 1.0, 1.0


def float_ops(node, n, lower):
    lower.put(node, float_add(n))


def float32_result(layer, a, b):
    return a + b


def gradients(layer, x, y, g):
    return [g, g]


def warnings(layer, y, labels):
    return unchanging(layer, y)


def int8(buf, op, tensors):
    f = op.fields

    def run(a, b):
        acc = (a.astype(np.int32) << f.left1) + (b.astype(np.int32) << f.left2) + f.bias
        return np.clip((acc >> f.shift) + f.zero_point, f.low, f.high).astype(np.int8)

    return run


def float32(buf, op, tensors):
    return lambda a, b: (a + b).astype(F)


def products(op, tensors):
    return 0


def instructions(op, tensors, chip):
    return int(np.prod(tensors[op.outputs[0]].shape)) * chip.sum

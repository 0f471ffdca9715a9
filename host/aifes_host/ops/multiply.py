"""multiply: the elementwise product of two tensors: gates, and attention to channels."""
import math
from dataclasses import dataclass

import numpy as np
from aifes.format import size
from aifes.layers.multiply import float_multiply, multiply

from ..graph import ConversionError
from .layer import Layer


@dataclass
class Multiply(Layer):
    """x1 * x2, x2 of the same shape, or with one factor for each channel of x1."""

    name: str = ""

    kind = "multiply"
    choices = ("finer",)

    def shape(self, a, b):
        if a != b and math.prod(b) != a[-1]:
            raise ConversionError(f"layer {self.name!r} multiplies shapes {a} and {b}: they must "
                                  "be equal, or the second one factor for each channel")
        return a

    def __call__(self, a, b):
        return a * _repeated(b, a.shape[1])

    def quantize(self, walk, node):
        a, b = (walk.values[name] for name in node.inputs)
        scale = walk.scale(node, a.shift + b.shift)  # a finer result has no more to tell
        draft = multiply(a.q.shape[1], ((a.shift, a.zero_point), (b.shift, b.zero_point)), scale)
        walk.put(node, draft, *scale, walk.behind(node.output))

    def float_op(self, n):
        return float_multiply(n)

    def float32(self, a, b):
        return self(a, b)

    def gradients(self, x, y, g):
        a, b = x
        n = b.shape[1]
        return [self(g, b), (g * a).reshape(len(g), -1, n).sum(1)]


def int8(buf, op, tensors):
    f = op.fields
    half = 1 << f.shift >> 1

    def run(a, b):
        a, b = a.astype(np.int32) - f.zero1, b.astype(np.int32) - f.zero2
        acc = a * _repeated(b, a.shape[1]) + half
        return np.clip((acc >> f.shift) + f.zero_point, f.low, f.high).astype(np.int8)

    return run


def float32(buf, op, tensors):
    return lambda a, b: a * _repeated(b, a.shape[1])


def _repeated(b, n):
    """n elements of each sample."""
    return b if b.shape[1] == n else b[:, np.arange(n) % b.shape[1]]


def products(op, tensors):
    return 0


def instructions(op, tensors, chip):
    return size(tensors[op.outputs[0]].shape) * chip.added + 6 * chip.start  # as counted


def boundary(op):
    return 0


CLASSES = False

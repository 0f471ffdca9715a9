"""softmax over all elements, and its logarithm."""
import functools
import math
from dataclasses import dataclass

import numpy as np
from aifes.format import size
from aifes.layers import activations
from aifes.layers.map import table_map
from aifes.layers.softmax import softmax
from aifes.ops.softmax import NEAREST
from aifes.quantizer import scales

from ..graph import ConversionError
from ..scales import best_scale
from . import tables
from .float32 import F, exp
from .layer import LEAST, Layer

KINDS = ("softmax", "log_softmax")


@dataclass
class Far:
    """For softmax, what is below `start` is as good as that: ranges of its input are chosen so."""

    start: int

    kind = "clamp"

    def __call__(self, x):
        return np.maximum(x, self.start)

    def seen(self, x):
        return self(x)

    def behind(self, bits):
        return functools.cache(scales.behind("clamp", self.start, bits))


@dataclass
class Softmax(Layer):
    """kind: softmax or log_softmax."""

    kind: str = "softmax"
    name: str = ""

    probable = classes = True

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConversionError(f"layer {self.name or self.kind!r} is of kind {self.kind!r}, "
                                  f"which is not one of {', '.join(KINDS)}")

    @property
    def in_float32(self):
        return self.kind == "softmax"

    in_aifes = in_float32

    @property
    def boundary(self):
        return 0.5 if self.kind == "softmax" else 0

    def __call__(self, x):
        x = np.asarray(x)
        x = x - x.max(axis=-1, keepdims=True)
        if self.kind == "log_softmax":
            return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
        e = np.exp(x)
        return e / e.sum(axis=-1, keepdims=True)

    def quantize(self, walk, node):
        x = walk.values[node.inputs[0]]
        n = x.q.shape[1]
        make = activations.exact_softmax_table if walk.exact else activations.aifes_softmax_table
        draft, scale = softmax(n, make(x.shift), walk.exact), activations.OUT_SCALE["softmax"]
        if self.kind == "softmax":
            walk.put(node, draft, *scale)
            return
        inner = node.output, "softmax"  # no tensor of the graph is called so
        walk.put(node, draft, *scale, output=inner)
        # what softmax rounded to 0 gets the mean of the samples there
        real = walk.real[node.output]
        gone = real[walk.values[inner].q == -128]
        lowest = float(gone.mean()) if gone.size else math.log(tables.LOWEST)
        scale = best_scale(np.minimum(np.maximum(real, lowest), 0))
        walk.put(node, table_map(n, tables.log_table(*scale, lowest)), *scale, inputs=(inner,))

    def stands_for(self, x):
        if self.kind != "softmax":
            return None
        start = scales.softmax_start(float(x.max(axis=1).min()))
        return None if start is None else Far(start)

    def float_op(self, n):
        return softmax(n, None)

    def float32(self, x):
        if not self.in_float32:
            return self(x.astype(np.float64)).astype(F)
        return _float32(x)

    def gradients(self, x, y, g):
        if self.kind == "log_softmax":
            return [g - np.exp(y) * g.sum(1, keepdims=True)]
        return [y * (g - (g * y).sum(1, keepdims=True))]

    def warnings(self, y, classes):
        never = np.setdiff1d(np.arange(y.shape[1]), y.argmax(axis=1))
        if classes is None or not len(never):
            return []
        names = [str(classes[i]) if classes else str(i) for i in never[:5]]
        more = "" if len(never) <= 5 else " and more"
        return [f"class {', '.join(names)}{more} is never the answer: add samples of it"]

    def cross_entropy(self, y, t):
        logarithms = y if self.kind == "log_softmax" else np.log(np.maximum(y, LEAST))
        return float(-(t * logarithms).sum(1).mean())

    def probabilities(self, y):
        return np.exp(y) if self.kind == "log_softmax" else y


def _float32(x):
    """Over each row, summed in the order of the elements."""
    e = exp(x - x.max(axis=1, keepdims=True))
    total = np.zeros((len(x), 1), F)
    for k in range(x.shape[1]):
        total += e[:, k:k + 1]
    return e / total


def int8(buf, op, tensors):
    at = op.fields.table
    table = buf[at:at + 512].view("<u2").astype(np.int64)

    def run(q):
        q = q.astype(np.int64)
        e = table[q.max(axis=1, keepdims=True) - q]
        total = e.sum(axis=1, keepdims=True)
        if op.flags & NEAREST:
            p = ((e << 8) + (total >> 1)) // total
        else:
            p = (e << 8) // (total + 1)
        return (np.minimum(p, 255) - 128).astype(np.int8)

    return run


def float32(buf, op, tensors):
    return _float32


def products(op, tensors):
    return 0


def instructions(op, tensors, chip):
    return size(tensors[op.outputs[0]].shape) * chip.probability


def boundary(op):
    return 0.5


CLASSES = True

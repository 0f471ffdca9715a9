"""softmax over all elements, and its logarithm."""
import math
from dataclasses import dataclass

import numpy as np
from aifes.layers import activations
from aifes.layers.map import fuse_map
from aifes.layers.softmax import softmax
from aifes.ops.softmax import NEAREST

from ..graph import ConversionError
from ..scales import best_scale
from . import tables
from .float32 import F, exp

KINDS = ("softmax", "log_softmax")

CHOICES = ()


@dataclass
class Softmax:
    """kind: softmax or log_softmax."""

    kind: str = "softmax"
    name: str = ""

    elementwise = False
    by_element = False
    parameters = 0
    trained = ()

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConversionError(f"layer {self.name or self.kind!r} is of kind {self.kind!r}, "
                                  f"which is not one of {', '.join(KINDS)}")

    @property
    def label(self):
        return self.kind

    @property
    def in_float32(self):
        return self.kind == "softmax"

    in_aifes = in_float32

    @property
    def boundary(self):
        return 0.5 if self.kind == "softmax" else 0

    def shape(self, x):
        return x

    def __call__(self, x):
        x = np.asarray(x)
        x = x - x.max(axis=-1, keepdims=True)
        if self.kind == "log_softmax":
            return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
        e = np.exp(x)
        return e / e.sum(axis=-1, keepdims=True)


def quantize(walk, node):
    x = walk.values[node.inputs[0]]
    n = x.q.shape[1]
    make = activations.exact_softmax_table if walk.exact else activations.aifes_softmax_table
    walk.put(node, softmax(n, make(x.shift), walk.exact), *activations.OUT_SCALE["softmax"])
    if node.layer.kind == "log_softmax":
        p, real = walk.values[node.output].q, walk.real[node.output]
        # what softmax rounded to 0 gets the mean of the samples there
        gone = real[p == -128]
        lowest = float(gone.mean()) if gone.size else math.log(tables.LOWEST)
        shift, zero = best_scale(np.minimum(np.maximum(real, lowest), 0))
        table = tables.log_table(shift, zero, lowest)
        walk.extend(node, lambda drafts: fuse_map(drafts, n, table), shift, zero)


def factored(layer):
    return layer, 1.0, 1.0


def float_ops(node, n, lower):
    lower.put(node, softmax(n, None))


def float32_result(layer, x):
    if not layer.in_float32:
        return layer(x.astype(np.float64)).astype(F)
    return _float32(x)


def _float32(x):
    """Over each row, summed in the order of the elements."""
    e = exp(x - x.max(axis=1, keepdims=True))
    total = np.zeros((len(x), 1), F)
    for k in range(x.shape[1]):
        total += e[:, k:k + 1]
    return e / total


def gradients(layer, x, y, g):
    if layer.kind == "log_softmax":
        return [g - np.exp(y) * g.sum(1, keepdims=True)]
    return [y * (g - (g * y).sum(1, keepdims=True))]


def warnings(layer, y, labels):
    never = np.setdiff1d(np.arange(y.shape[1]), y.argmax(axis=1))
    if labels is None or not len(never):
        return []
    names = [str(labels[i]) if labels else str(i) for i in never[:5]]
    more = "" if len(never) <= 5 else " and more"
    return [f"class {', '.join(names)}{more} is never the answer: add samples of it"]


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
    return int(np.prod(tensors[op.outputs[0]].shape)) * chip.probability

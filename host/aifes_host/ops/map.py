"""map: an elementwise activation; int8: a table, inside the op before it where that can be."""
import functools
from dataclasses import dataclass, replace

import numpy as np
from aifes.format import size
from aifes.layers import activations, q7
from aifes.layers.map import float_map, fuse_clamp, fuse_map
from aifes.ops.map import FUNCTIONS as ON_BOARDS

from ..graph import LARGEST, ConversionError
from . import tables
from .float32 import F, exp
from .functions import FUNCTIONS, SELU_ALPHA, SELU_SCALE, SLOPES
from .layer import LEAST, Layer

KINDS = tuple(FUNCTIONS)
SPANS = {"sigmoid": 1.0, "tanh": 2.0, "softsign": 2.0}  # widths of the ranges that are fixed
BOUNDARIES = {"sigmoid": 0.5, "hard_sigmoid": 0.5, "log_sigmoid": float(np.log(0.5))}


@dataclass
class Activation(Layer):
    """kind: one of KINDS; alpha: of leaky_relu, elu and celu.

    clamp: alpha and beta are its ends; hard_sigmoid: clamp(alpha * x + beta, 0, 1).
    """

    kind: str
    alpha: float = 0.0
    beta: float = 0.0
    name: str = ""

    elementwise = True

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConversionError(f"layer {self.name or self.kind!r} is of kind {self.kind!r}, "
                                  f"which is not one of {', '.join(KINDS)}")
        ends = np.array((self.alpha, self.beta), float)
        if self.kind == "clamp":  # an end may be open
            wrong = not self.alpha <= self.beta or (np.abs(ends).min() > LARGEST
                                                    and self.alpha * self.beta > 0)
        else:
            wrong = not (np.abs(ends) <= LARGEST).all()
        if self.kind == "celu" and not self.alpha > 0:
            raise ConversionError(f"layer {self.name or self.kind!r} has alpha {self.alpha}: a "
                                  "CELU takes one above 0")
        if wrong:
            raise ConversionError(f"layer {self.name or self.kind!r} has parameters that are not "
                                  f"finite or not in order: {self.alpha}, {self.beta}")

    @property
    def keeps(self):
        return self.kind in ("relu", "clamp")

    @property
    def in_float32(self):
        return self.kind in ON_BOARDS

    in_aifes = in_float32

    @property
    def boundary(self):
        zero_to_one = self.kind == "clamp" and (self.alpha, self.beta) == (0, 1)
        return 0.5 if zero_to_one else BOUNDARIES.get(self.kind, 0)

    @property
    def ends(self):
        if self.kind in ("tanh", "softsign"):
            return -1, 1
        if self.kind == "clamp" and max(-self.alpha, self.beta) <= LARGEST:
            return self.alpha, self.beta
        return None

    @property
    def probable(self):
        return self.kind in ("sigmoid", "hard_sigmoid")

    def __call__(self, x):
        """The activation of an array, of the same shape."""
        return FUNCTIONS[self.kind](np.asarray(x), self.alpha, self.beta)

    def seen(self, x):
        """What of an array makes a difference behind it."""
        return self(x) if self.kind == "clamp" else x

    @property
    def start(self):
        """A number below which it is the same for all inputs, or None."""
        if self.kind == "clamp":
            return None if self.alpha < -LARGEST else self.alpha
        return 0.0 if self.kind == "relu" else None

    def behind(self, bits):
        """A function of it in units of 2**-bits, of ints; remembers what it computed."""
        return _behind(self.kind, float(self.alpha), float(self.beta), bits)

    def quantize(self, walk, node):
        x = walk.values[node.inputs[0]]
        scale = x.shift, x.zero_point
        own = activations.OUT_SCALE.get(self.kind)
        n = x.q.shape[1]
        if self.kind == "relu":
            walk.fuse(node, lambda drafts: fuse_clamp(drafts, n, x.zero_point, 127), *scale)
        elif self.kind == "clamp" and _holds(scale, self.alpha, self.beta):
            ends = [q7.quantize(v, *scale) for v in (self.alpha, self.beta)]
            walk.fuse(node, lambda drafts: fuse_clamp(drafts, n, *ends), *scale)
        else:
            out = walk.shared(node.output) or own
            if walk.exact:
                out = out or tables.result_scale(self, x.q, scale)
                table = tables.exact_table(self, scale, out)
            else:
                out = out or scale
                a_shift, a_zero = q7.params(-abs(self.alpha), abs(self.alpha))
                alpha = q7.quantize(self.alpha, a_shift, a_zero), a_shift, a_zero
                table = activations.aifes_table(self.kind, alpha, *scale)
            walk.fuse(node, lambda drafts: fuse_map(drafts, n, table), *out)

    def float_op(self, n):
        return float_map(self.kind, n, self.alpha if self.kind in ("leaky_relu", "elu") else None)

    def float32(self, x):
        if not self.in_float32:
            return self(x.astype(np.float64)).astype(F)
        return _float32(self.kind, F(self.alpha), x)

    def factored(self):
        # SELU is an ELU whose factor goes into the layer behind it, CELU one between two
        if self.kind == "selu":
            return replace(self, kind="elu", alpha=SELU_ALPHA), 1.0, SELU_SCALE
        if self.kind == "celu":
            return replace(self, kind="elu", alpha=1.0), 1 / self.alpha, self.alpha
        if self.kind == "clamp" and (self.alpha, self.beta) == (0, np.inf):
            return replace(self, kind="relu"), 1.0, 1.0
        return self, 1.0, 1.0

    def gradients(self, x, y, g):
        return [g * SLOPES[self.kind](x[0], y, self.alpha, self.beta)]

    def warnings(self, y, classes):
        still = (y == y[0]).all(axis=0)
        if not still.all():
            if self.kind not in (*SPANS, "log_sigmoid") and still.mean() > 0.5:
                return [f"layer {self.name!r}: {still.sum()} of {len(still)} outputs never change: "
                        "the data do not reach them, or they are dead"]
            span = np.ptp(y)
            if self.kind in SPANS and span < SPANS[self.kind] / 16:
                return [f"layer {self.name!r} uses {100 * span / SPANS[self.kind]:.1g} % of its "
                        "range: its results have only a few steps; scale the data up or vary them "
                        "more"]
        return super().warnings(y, classes)

    def cross_entropy(self, y, t):
        y = np.clip(y, LEAST, 1 - LEAST)
        return float(-(t * np.log(y) + (1 - t) * np.log(1 - y)).mean())

    def probabilities(self, y):
        return y


@functools.lru_cache(maxsize=256)
def _behind(kind, alpha, beta, bits):
    return functools.cache(tables.behind(Activation(kind, alpha, beta), bits))


def _holds(scale, low, high):
    """Whether a scale reaches a range from either side."""
    return q7.dequantize(127, *scale) >= low and q7.dequantize(-128, *scale) <= high


def _float32(kind, alpha, x):
    one = F(1)
    if kind == "relu":
        return np.where(x > 0, x, F(0))
    if kind == "leaky_relu":
        return np.where(x > 0, x, alpha * x)
    if kind == "elu":
        return np.where(x > 0, x, alpha * (exp(np.minimum(x, F(0))) - one))
    size = np.abs(x)
    if kind == "softsign":
        return x / (one + size)
    if kind == "tanh":
        e = exp(-(size + size))
        t = (one - e) / (one + e)
        return np.where(x > 0, t, -t)
    e = exp(-size)
    return np.where(x > 0, one, e) / (one + e)


def int8(buf, op, tensors):
    table = buf[op.fields.table:op.fields.table + 256].view(np.int8)
    return lambda q: table[q.astype(np.int16) + 128]


def float32(buf, op, tensors):
    at = op.fields.table
    alpha = buf[at:at + 4].view(F)[0] if at else F(0)
    return lambda x: _float32(ON_BOARDS[op.flags], alpha, x)


def products(op, tensors):
    return 0


def instructions(op, tensors, chip):
    return size(tensors[op.outputs[0]].shape) * chip.looked_up + chip.start


def boundary(op):
    return 0.5 if ON_BOARDS[op.flags] == "sigmoid" else 0


CLASSES = False

"""float32 models for comparing engines: random buffers, and what they compute, in NumPy.

The reference is written from docs/format_ops.md alone, one float32 operation at a time.
"""
import struct

import numpy as np
import random_models
from aifes.format import FLOAT32
from aifes.ops import add, dense, map, softmax

FUNCTIONS = map.FUNCTIONS
LARGEST = np.float32(3.4028235e38)
f32 = np.float32


class Arithmetic:
    """Operations on arrays of float32. soft: subnormals are zeros, as without an FPU.

    overflow: an operation gave an infinity or NaN, or had one; then soft engines may give anything.
    """

    def __init__(self, soft):
        self.soft, self.overflow = soft, False

    def _rounded(self, exact):
        """A float64 result, exact enough that rounding it again gives the right float32."""
        with np.errstate(over="ignore"):
            y = exact.astype(f32)
        if self.soft:
            y = np.where(np.abs(exact) < 2.0 ** -126, np.copysign(f32(0), y), y)
        self.overflow |= not np.isfinite(y).all()
        return y

    def _wide(self, x):
        x = np.asarray(x, f32)
        if self.soft:
            x = np.where(np.abs(x) < f32(2.0 ** -126), np.copysign(f32(0), x), x)
        return x.astype(np.float64)

    def add(self, a, b):
        a, b = self._wide(a), self._wide(b)
        with np.errstate(invalid="ignore"):
            return self._rounded(a + b)

    def mul(self, a, b):
        a, b = self._wide(a), self._wide(b)
        with np.errstate(invalid="ignore"):
            return self._rounded(a * b)

    def div(self, a, b):
        a, b = self._wide(a), self._wide(b)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._rounded(a / b)

    def dense(self, x, w, b):
        """w: (outputs, inputs)"""
        acc = b
        for k in range(w.shape[1]):
            acc = self.add(acc, self.mul(x[k], w[:, k]))
        return acc

    def exp(self, x):
        inside = x >= -86
        x = np.where(inside, x, f32(0))
        n = np.trunc(self.add(self.mul(x, 1.44269504), -0.5))
        r = self.add(x, -self.mul(n, 0.693359375))
        r = self.add(r, -self.mul(n, -2.12194440e-4))
        p = f32(1 / 720)
        for c in (1 / 120, 1 / 24, 1 / 6, 0.5, 1, 1):
            p = self.add(self.mul(p, r), f32(c))
        y = np.ldexp(p, n.astype(np.int32)).astype(f32)
        return np.where(inside, y, f32(0))

    def activation(self, x, function, alpha):
        one = f32(1)
        if function == "relu":
            return np.where(x > 0, x, f32(0))
        if function == "leaky_relu":
            return np.where(x > 0, x, self.mul(alpha, x))
        if function == "elu":
            e = self.exp(np.minimum(x, f32(0)))
            return np.where(x > 0, x, self.mul(alpha, self.add(e, -one)))
        if function == "softsign":
            return self.div(x, self.add(one, np.abs(x)))
        if function == "sigmoid":
            e = self.exp(-np.abs(x))
            return self.div(np.where(x > 0, one, e), self.add(one, e))
        e = self.exp(-self.add(np.abs(x), np.abs(x)))
        t = self.div(self.add(one, -e), self.add(one, e))
        return np.where(x > 0, t, -t)

    def softmax(self, x):
        e = self.exp(self.add(x, -np.max(x)))
        total = f32(0)
        for v in e:
            total = self.add(total, v)
        return self.div(e, total)


def run(layers, xs, soft):
    """([xs, then the result of each layer], whether anything overflowed) of one sample. layers: as
    for assemble()."""
    a = Arithmetic(soft)
    found = [np.clip(np.where(np.isnan(x), f32(0), x), -LARGEST, LARGEST) for x in xs]
    for kind, *arguments in layers:
        x = found[-1]
        if kind == "dense":
            y = a.dense(x, *arguments[:2])
        elif kind == "softmax":
            y = a.softmax(x)
        elif kind == "add":
            y = a.add(x, found[arguments[0]])
        else:
            y = a.activation(x, kind, *arguments)
        found.append(y)
    return found, a.overflow


def sizes_of(layers, n_inputs):
    """Elements of inputs and results. n_inputs: list of the inputs' elements."""
    sizes = list(n_inputs)
    for kind, *arguments in layers:
        sizes.append(len(arguments[1]) if kind == "dense" else sizes[-1])
    return sizes


def assemble(layers, n_inputs, outputs=None, seed=0):
    """A buffer of layers, each of which takes the result before it, the first one the last input:
    ("dense", w (outputs, inputs), b, whether weights are stored by input), (function, alpha),
    ("softmax",) or ("add", number of the input or result that is added).

    n_inputs: list of the inputs' elements; outputs: numbers of results, default the last one.
    """
    sizes, nodes = sizes_of(layers, n_inputs), []
    for i, (kind, *arguments) in enumerate(layers):
        x = len(n_inputs) + i - 1
        if kind == "dense":
            w, b, columns = arguments
            nodes.append((1, 0, (x,), dense.Fields(
                0, 0, 0, 0, 0, 1, len(b) if columns else 1,
                (w.T if columns else w).astype("<f4").tobytes(), b.astype("<f4").tobytes(), None,
                None, None)))
        elif kind == "softmax":
            nodes.append((3, 0, (x,), softmax.Fields(None)))
        elif kind == "add":
            nodes.append((4, 0, (x, arguments[0]), add.Fields(*[0] * 8)))
        else:
            function = FUNCTIONS.index(kind)
            nodes.append((2, function, (x,), map.Fields(
                struct.pack("<f", arguments[0]) if function in (1, 2) else None)))
    return random_models.put_together(
        np.random.default_rng(seed), nodes, sizes, len(n_inputs),
        [len(sizes) - 1] if outputs is None else outputs, FLOAT32)


def model(rng, most=24):
    """(layers, list of the inputs' elements, outputs) of a random net, often with branches."""
    n_inputs = rng.integers(1, most, rng.choice([1, 1, 2, 3])).tolist()
    sizes, layers = list(n_inputs), []
    for _ in range(rng.integers(1, 6)):
        n = sizes[-1]
        kind = rng.choice(["dense", "dense", "dense", "softmax", "add", *FUNCTIONS])
        if kind == "dense":
            m = int(rng.choice(sizes) if rng.integers(2) else rng.integers(1, most))
            layers.append(("dense", values(rng, (m, n)), values(rng, m), bool(rng.integers(2))))
        elif kind == "add":
            layers.append(("add", int(rng.choice([k for k, m in enumerate(sizes) if m == n]))))
        else:
            layers.append((kind,) + (values(rng, 1)[0],) * (kind in FUNCTIONS))
        sizes = sizes_of(layers, n_inputs)
    return layers, n_inputs, random_models.some_outputs(rng, len(n_inputs), len(sizes), True)


def values(rng, shape):
    """float32 of usual size; sometimes of any, near-equal, or zeros and extremes among them."""
    x = rng.normal(size=shape)
    kind = rng.integers(6)
    if kind == 0:
        x *= 2.0 ** rng.integers(-60, 30, shape)
    elif kind == 1:
        x = np.round(x * 4) / 4
    elif kind == 2:
        x = bits(rng, shape)
    return np.asarray(x, f32)


def bits(rng, shape):
    """Any finite floats: exponents of all sizes, mantissas of all or few ones."""
    e = rng.integers(0, 255, shape)
    some = rng.choice([0, 1, 0x7FFFFF, 0x400000, 0x3FFFFF, 0x555555], shape)
    m = np.where(rng.integers(2, size=shape), some, rng.integers(0, 1 << 23, shape))
    s = rng.integers(2, size=shape)
    return (s << 31 | e << 23 | m).astype(np.uint32).view(f32)

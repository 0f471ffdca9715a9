"""float32 models for comparing engines: random buffers, and what they compute, in NumPy.

The reference is written from docs/format.md alone, one float32 operation at a time.
"""
import struct
from binascii import crc32

import numpy as np
from aifes import format

DENSE, ACTIVATION, SOFTMAX = 4, 5, 6
FUNCTIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softsign")
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


def run(layers, x, soft):
    """(y, whether anything overflowed) of one sample. layers: as for assemble()."""
    a = Arithmetic(soft)
    x = np.clip(np.where(np.isnan(x), f32(0), x), -LARGEST, LARGEST)
    for kind, *arguments in layers:
        if kind == "dense":
            x = a.dense(x, *arguments[:2])
        elif kind == "softmax":
            x = a.softmax(x)
        else:
            x = a.activation(x, kind, *arguments)
    return x, a.overflow


def assemble(layers, n_in):
    """A buffer of layers: ("dense", w (outputs, inputs), b, whether weights are stored by input),
    (function, alpha) or ("softmax",)."""
    sizes = [n_in]
    for kind, *arguments in layers:
        sizes.append(len(arguments[1]) if kind == "dense" else sizes[-1])
    half = 4 * max(sizes)
    constants, records = b"", []
    low = format.OPS_AT + format.OP_SIZE * len(layers)
    x = 0
    for (kind, *arguments), n, m in zip(layers, sizes, sizes[1:]):
        at = low + len(constants)
        flags = weights = bias = table = interleave = group = 0
        y = x
        if kind == "dense":
            w, b, columns = arguments
            weights, bias, y, group = at, at + 4 * w.size, half - x, 1
            constants += (w.T if columns else w).astype("<f4").tobytes() + b.astype("<f4").tobytes()
            interleave = m if columns else 1
        elif kind != "softmax":
            flags = FUNCTIONS.index(kind)
            if flags in (1, 2):
                table = at
                constants += struct.pack("<f", arguments[0])
        opcode = DENSE if kind == "dense" else SOFTMAX if kind == "softmax" else ACTIVATION
        records.append(struct.pack(format.OP, opcode, flags, 0, 0, 0, 0, 0, 0, x, y, n, m, weights,
                                   bias, 0, table, interleave, group, 0, 0))
        x = y
    end = low + len(constants)
    tensors = [struct.pack(format.TENSOR, 102, 1, 0, 0, offset, 0, n, 1, 1)
               for offset, n in ((0, n_in), (x, sizes[-1]))]
    rest = struct.pack("<IHHII", 2 * half, len(layers), 0, end, 0) + b"".join(tensors + records)
    rest += constants
    return struct.pack("<4sHHII", format.MAGIC, format.VERSION, 0, end, crc32(rest)) + rest


def model(rng, most=24):
    """(layers, number of inputs) of a random net."""
    n = n_in = int(rng.integers(1, most))
    layers = []
    for _ in range(rng.integers(1, 5)):
        kind = rng.choice(["dense", "dense", "softmax", *FUNCTIONS])
        if kind == "dense":
            m = int(rng.integers(1, most))
            layers.append(("dense", values(rng, (m, n)), values(rng, m), bool(rng.integers(2))))
            n = m
        else:
            layers.append((kind,) + (values(rng, 1)[0],) * (kind in FUNCTIONS))
    return layers, n_in


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

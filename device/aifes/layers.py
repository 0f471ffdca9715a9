"""A network by hand, as in AIfES: layers, their parameters, and the memory that the caller owns.

    net = Sequential([Input(3), Dense(3), LeakyReLU(0.01), Dense(2), Sigmoid()])
    net.load_parameters(buffer)                    # or each tensor in its layer's arguments
    arena = bytearray(net.inference_memory_size())
    model = net.schedule_inference_memory(arena)   # an aifes.Model: run(), predict(), forward()

A pair `..._q` is (shift, zero point): real = (q - zero_point) * 2**-shift.
"""
import json
import struct

import aifes.activations as activations
import aifes.builder as builder
import aifes.f32_layers as f32_layers
import aifes.q7 as q7

from .format import ModelError
from .format import size as elements
from .model import load
from .summary import table


def _count(n, what):
    if not isinstance(n, int) or not 0 < n < 1 << 24:
        raise ModelError(f"{what} takes a number of elements, 1 or more, not {n!r}")
    return n


class Input:
    """The network's input. shape: elements, or a tuple; q: its (shift, zero point)."""

    kind = "input"

    def __init__(self, shape, q=None):
        self.shape = shape if isinstance(shape, (tuple, list)) else (shape,)
        self.shape = tuple([_count(n, "Input") for n in self.shape])
        self.q = q
        self.parameters = 0


class Dense:
    """y[n] = x @ weights + bias, quantized with result_q.

    weights: n_in * n int8 as array('b') or bytes, row after row of [inputs x outputs], or of
        [outputs x inputs] if transposed (AIfES's DENSE_WT). weights_q: their scale.
    bias: n ints of 32 bits; their shift is the weights' plus the input's, their zero point 0.
    In a network of float32 weights and bias are real numbers: array('f'), a sequence, or float32
    in bytes; there are no scales.
    """

    kind = "dense"

    def __init__(self, n, weights=None, bias=None, weights_q=None, result_q=None, transposed=False):
        self.n = _count(n, "Dense")
        self.weights = weights
        self.bias = bias
        self.weights_q = weights_q
        self.result_q = result_q
        self.transposed = transposed

    def lower(self, ops, n, q, exact, number):
        if not (self.weights and self.bias and self.weights_q and self.result_q):
            raise ModelError(f"dense layer {number} has no parameters yet: give weights, bias, "
                             "weights_q and result_q, or call load_parameters()")
        if len(self.weights) != n * self.n or len(self.bias) != self.n:
            raise ModelError("dense layer {} takes {} weights and {} biases, not {} and {}".format(
                number, n * self.n, self.n, len(self.weights), len(self.bias)))
        shift = q[0] + self.weights_q[0] - self.result_q[0]
        if not 0 <= shift <= 31:
            raise ModelError(f"dense layer {number} would shift by {shift}: the input's shift plus "
                             "the weights' minus the result's must be 0 to 31")
        weights = self.weights
        if isinstance(weights, bytearray):
            weights = bytes(weights)  # dense_op() would change the caller's
        ops.append(builder.dense_op(weights, self.weights_q[1], self.bias, q[1], shift,
                                    self.result_q[1], exact, self.transposed))
        return self.result_q


class _Activation:
    """Elementwise; looked up in the layer before it where possible."""

    alpha = None

    def lower(self, ops, n, q, exact, number):
        shift, zero = q
        out = activations.OUT_SCALE.get(self.kind, q)
        if self.kind == "relu":
            builder.fuse_clamp(ops, n, zero, 127)
        elif exact:
            builder.fuse_map(ops, n, activations.exact_table(
                self.kind, _real_alpha(self.alpha), shift, zero, *out))
        else:
            _check_shift(self.kind, shift)
            builder.fuse_map(ops, n, activations.aifes_table(
                self.kind, _q7_alpha(self.alpha), shift, zero))
        return out


def _check_shift(kind, shift):
    low, high = {"tanh": (1, 9), "sigmoid": (0, 8)}.get(kind, (0, 24))
    if not low <= shift <= high:
        raise ModelError(f"AIfES's {kind} is defined for shifts {low} to {high}, not {shift}: "
                         "use Sequential(..., exact=True)")


def _q7_alpha(alpha):
    if isinstance(alpha, (int, float)):
        shift, zero = q7.params(-abs(alpha), abs(alpha))
        return q7.quantize(alpha, shift, zero), shift, zero
    return alpha


def _real_alpha(alpha):
    return q7.dequantize(*alpha) if isinstance(alpha, tuple) else alpha


class ReLU(_Activation):
    """max(x, 0)"""

    kind = "relu"


class LeakyReLU(_Activation):
    """x where x > 0, else alpha * x. alpha: a number, or a Q7 scalar (value, shift, zero point)."""

    kind = "leaky_relu"

    def __init__(self, alpha=0.01):
        self.alpha = alpha


class ELU(_Activation):
    """x where x > 0, else alpha * (exp(x) - 1). alpha as for LeakyReLU."""

    kind = "elu"

    def __init__(self, alpha=1.0):
        self.alpha = alpha


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), scale 2**-8, zero point -128"""

    kind = "sigmoid"


class Tanh(_Activation):
    """tanh(x), scale 2**-7, zero point 0"""

    kind = "tanh"


class Softsign(_Activation):
    """x / (1 + |x|), scale 2**-7, zero point 0"""

    kind = "softsign"


class Softmax:
    """exp(x) / sum(exp(x)) over the whole sample, scale 2**-8, zero point -128"""

    kind = "softmax"

    def lower(self, ops, n, q, exact, number):
        make = activations.exact_softmax_table if exact else activations.aifes_softmax_table
        if not 0 <= q[0] <= 24:
            raise ModelError(f"softmax is defined for shifts 0 to 24, not {q[0]}")
        ops.append(builder.softmax_op(n, make(q[0]), exact))
        return activations.OUT_SCALE["softmax"]


class Sequential:
    """A chain of layers, the first of them Input.

    exact=False: AIfES's arithmetic (floor shifts, piecewise activations), but saturating.
    exact=True: the same parameters with rounding to nearest and correctly rounded activations.
    dtype: "b" for int8, "f" for float32, which has no scales and no `exact`.
    """

    def __init__(self, layers, exact=False, name="network", dtype="b"):
        if dtype not in ("b", "f"):
            raise ModelError("dtype is 'b' for int8 or 'f' for float32")
        if (not isinstance(layers, (list, tuple)) or len(layers) < 2
                or not isinstance(layers[0], Input)):
            raise ModelError("a Sequential is a list that starts with Input(n) and has at least "
                             "one layer more")
        for layer in layers[1:]:
            if not isinstance(layer, (Dense, _Activation, Softmax)):
                raise ModelError(f"a Sequential takes layers, not {type(layer).__name__}: Dense(n) "
                                 "or an activation such as ReLU()")
        self.layers = layers
        self.exact = exact
        self.name = name
        self.dtype = dtype

    def _sizes(self):
        """(layer, inputs, outputs) of all layers after the input."""
        n = elements(self.layers[0].shape)
        found = []
        for layer in self.layers[1:]:
            m = layer.n if layer.kind == "dense" else n
            found.append((layer, n, m))
            n = m
        return found

    def _dense(self):
        return [s for s in self._sizes() if s[0].kind == "dense"]

    def parameter_memory_size(self, align=4):
        """Bytes of the AIfES parameter buffer of this network, entries aligned to 1, 2 or 4."""
        if self.dtype == "f":
            return sum([4 * m * (n + 1) for _, n, m in self._dense()])
        total = _up(3, align)
        for _, n, m in self._dense():
            total += 2 * _up(3, align) + _up(n * m, align) + _up(2, align) + 4 + 4 * m
        return total

    def load_parameters(self, buf, align=4):
        """Take all parameters from an AIfES parameter buffer: bytes, or an array of its words.

        Raises ModelError if it has not parameter_memory_size(align) bytes.
        """
        need = self.parameter_memory_size(align)
        buf = _whole_bytes(buf)
        if len(buf) != need:
            raise ModelError("the parameter buffer has {} bytes, this network with alignment {} "
                             "takes {}".format(len(buf), align, need))
        if self.dtype == "f":
            f32_layers.load_parameters(self._dense(), buf)
            return
        at = 0

        def take(n):
            nonlocal at
            start = at
            at += _up(n, align)
            return start

        self.layers[0].q = struct.unpack_from("<Hb", buf, take(3))
        for layer, _, _ in self._dense():
            layer.result_q = struct.unpack_from("<Hb", buf, take(3))
        for layer, n, m in self._dense():
            layer.weights_q = struct.unpack_from("<Hb", buf, take(3))
            start = take(n * m)
            layer.weights = bytes(buf[start:start + n * m])
            take(2)
            take(4)
            layer.bias = struct.unpack_from("<%di" % m, buf, take(4 * m))

    def inference_memory_size(self):
        """Bytes of the arena: the largest sum of a dense layer's input and output."""
        results = [(m, layer.kind != "dense") for layer, _, m in self._sizes()]
        total = builder.plan_arena(elements(self.layers[0].shape), results)[0]
        return total if self.dtype == "b" else 4 * total

    def to_bytes(self):
        """The network as an .aifes buffer. Raises ModelError if parameters lack or do not fit."""
        if self.dtype == "f":
            return f32_layers.to_bytes(self, self._sizes(), self._rows())
        if not self.layers[0].q:
            raise ModelError("the input has no scale yet: give Input(n, q=(shift, zero point)) or "
                             "call load_parameters()")
        q = self.layers[0].q
        rows = self._rows()
        rows[0] = rows[0][:3] + list(q)
        ops = []
        number = 0
        for layer, n, _ in self._sizes():
            q = layer.lower(ops, n, q, self.exact, number)
            number += 1
            rows[number] = rows[number][:3] + list(q)
        meta = json.dumps({"name": self.name, "layers": rows})
        return builder.assemble(ops, self.layers[0].q, q, self.layers[0].shape,
                                bytes(meta, "utf-8"))

    def schedule_inference_memory(self, arena=None):
        """An aifes.Model that works in the caller's `arena` of inference_memory_size() bytes."""
        return load(self.to_bytes(), arena)

    def _rows(self):
        rows = [["input", elements(self.layers[0].shape), 0, None, None]]
        for layer, n, m in self._sizes():
            rows.append([layer.kind, m, m * (n + 1) if layer.kind == "dense" else 0, None, None])
        return rows

    def __str__(self):
        return "{}: parameter memory {} bytes, inference memory {} bytes\n{}".format(
            self.name, self.parameter_memory_size(), self.inference_memory_size(),
            table(self._rows()))


def _whole_bytes(buf):
    """A buffer by bytes: AIfES's tools print it as words of 4 bytes, or of 2 for AVR."""
    try:
        if isinstance(buf, str):  # MicroPython sees a buffer in it
            raise TypeError
        item = len(bytes(memoryview(buf)[:1]))
    except TypeError:
        raise ModelError("the parameter buffer must be bytes, or the words of AIfES's C array as "
                         "array('I', (...)), array('H', ...) for uint16_t")
    return bytes(buf) if item > 1 else buf


def _up(n, align):
    return (n + align - 1) // align * align

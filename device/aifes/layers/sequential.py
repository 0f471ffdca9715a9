"""A network by hand, as in AIfES: layers, their parameters, and the memory that the caller owns.

    net = Sequential([Input(3), Dense(3), LeakyReLU(0.01), Dense(2), Sigmoid()])
    net.load_parameters(buffer)                    # or each tensor in its layer's arguments
    arena = bytearray(net.inference_memory_size())
    model = net.schedule_inference_memory(arena)   # an aifes.Model: run(), predict(), forward()

A pair `..._q` is (shift, zero point): real = (q - zero_point) * 2**-shift.
"""
import json
import struct

from ..format import FLOAT32, INT8, ModelError
from ..format import size as elements
from ..model import load
from .assemble import chain, plan_arena
from .dense import Dense
from .given import count
from .map import ELU, LeakyReLU, ReLU, Sigmoid, Softsign, Tanh  # noqa: F401
from .softmax import Softmax  # noqa: F401


class Input:
    """The network's input. shape: elements, or a tuple; q: its (shift, zero point)."""

    kind = "input"

    def __init__(self, shape, q=None):
        self.shape = shape if isinstance(shape, (tuple, list)) else (shape,)
        self.shape = tuple([count(n, "Input") for n in self.shape])
        self.q = q


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
            if not hasattr(layer, "lower_float"):
                raise ModelError(f"a Sequential takes layers, not {type(layer).__name__}: Dense(n) "
                                 "or an activation such as ReLU()")
        self.layers = layers
        self.exact = exact
        self.name = name
        self.dtype = dtype

    def _sizes(self):
        """(layer, shape of its input, of its result) of all layers after the input."""
        x = self.layers[0].shape
        found = []
        for layer in self.layers[1:]:
            y = layer.result(x)
            found.append((layer, x, y))
            x = y
        return found

    def _dense(self):
        """(layer, inputs, outputs) of those that AIfES's int8 buffer has."""
        found = []
        for layer, x, y in self._sizes():
            if layer.kind == "dense":
                found.append((layer, elements(x), elements(y)))
            elif layer.tensors(x):
                raise ModelError(f"AIfES has no int8 {layer.kind} and no parameter buffer of it: "
                                 "give the layer its weights, bias, weights_q and result_q")
        return found

    def parameter_memory_size(self, align=4):
        """Bytes of the AIfES parameter buffer of this network, entries aligned to 1, 2 or 4."""
        if self.dtype == "f":
            return sum([4 * _parameters(layer, x) for layer, x, _ in self._sizes()])
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
            at = 0
            for layer, x, _ in self._sizes():
                for name, n in layer.tensors(x):
                    setattr(layer, name, bytes(buf[at:at + 4 * n]))
                    at += 4 * n
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
        """Bytes of the arena: the largest sum of a layer's input, its output and its scratch."""
        results, before = [], None
        for layer, x, y in self._sizes():
            # what has no scratch(), and what goes into the weights before it, works where x lies
            inside = not hasattr(layer, "scratch") or (
                layer.kind == "batch_norm" and before in ("dense", "conv2d"))
            results.append((elements(y), inside, 0 if inside else layer.scratch(x)))
            before = layer.kind
        total = plan_arena(elements(self.layers[0].shape), results)[0]
        return total if self.dtype == "b" else 4 * total

    def to_bytes(self):
        """The network as an .aifes buffer. Raises ModelError if parameters lack or do not fit."""
        is_float = self.dtype == "f"
        if not is_float and not self.layers[0].q:
            raise ModelError("the input has no scale yet: give Input(n, q=(shift, zero point)) or "
                             "call load_parameters()")
        first = q = (0, 0) if is_float else self.layers[0].q
        rows = self._rows()
        if not is_float:
            rows[0] = rows[0][:3] + list(q)
        drafts, number, image = [], 0, None
        for layer, x, _ in self._sizes():
            number += 1
            if layer.kind == "flatten" and layer.channels_first:
                image = x  # in another order: to the next Dense
            if image and layer.kind == "dense":
                layer = _reordered(layer, image, is_float)
                image = None
            if is_float:
                layer.lower_float(drafts, x, number - 1)
                continue
            q = layer.lower(drafts, x, q, self.exact, number - 1)
            rows[number] = rows[number][:3] + list(q)
        if image:
            raise ModelError("Flatten(channels_first=True) is for a Dense after it")
        meta = {"name": self.name, "layers": rows}
        if elements(self._sizes()[-1][2]) == 1:
            meta["boundary"] = 0.5 if self.layers[-1].kind in ("sigmoid", "softmax") else 0
        return chain(drafts, first, q, self.layers[0].shape, bytes(json.dumps(meta), "utf-8"),
                     FLOAT32 if is_float else INT8)

    def schedule_inference_memory(self, arena=None):
        """An aifes.Model that works in the caller's `arena` of inference_memory_size() bytes."""
        return load(self.to_bytes(), arena)

    def _rows(self):
        rows = [["input", elements(self.layers[0].shape), 0, None, None]]
        for layer, x, y in self._sizes():
            rows.append([layer.kind, elements(y), _parameters(layer, x), None, None])
        return rows

    def __str__(self):
        from ..summary import table

        return "{}: parameter memory {} bytes, inference memory {} bytes\n{}".format(
            self.name, self.parameter_memory_size(), self.inference_memory_size(),
            table(self._rows()))


def _parameters(layer, x):
    """How many numbers the tensors of a layer have; x: the shape of its input."""
    return sum([n for _, n in layer.tensors(x)])


def _reordered(layer, image, is_float):
    """The Dense that takes this image with the channels last."""
    from .image import channels_last

    weights = channels_last(layer, image, is_float)
    return Dense(layer.n, weights, layer.bias, layer.weights_q, layer.result_q, layer.transposed)


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

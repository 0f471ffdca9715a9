"""conv: a window over an image, of which each position gives the outputs of a pixel."""
from dataclasses import dataclass, field, replace

import numpy as np
from aifes.layers import q7
from aifes.layers.conv import Geometry, conv, float_conv
from aifes.ops.conv import MAX_WINDOW, scratch
from aifes.ops.dense import weights_size
from aifes.quantizer import scales

from .. import rounding
from ..graph import ConversionError
from ..scales import (
    dequantize_values,
    quantize_values,
    result_shifts,
    rounded,
    weight_shifts,
)
from . import dense
from .float32 import F
from .weighted import Weighted
from .windows import Windows, numbers, result_size, take_image


@dataclass
class Conv(Weighted):
    """weights: [kernel rows, kernel columns, channels of a group, outputs], bias: [outputs], float.

    stride, dilation, spread: of rows and columns; spread: of the input's pixels, between which 0
    lies, as a transposed convolution has them. padding: rows above and below, columns left and
    right. groups: each has its own channels and outputs. image: the input's shape, as shape() was
    told.
    """

    weights: np.ndarray
    bias: np.ndarray
    stride: tuple = (1, 1)
    padding: tuple = (0, 0, 0, 0)
    dilation: tuple = (1, 1)
    groups: int = 1
    spread: tuple = (1, 1)
    name: str = ""
    image: tuple = field(default=None, repr=False)

    kind = "conv"
    pixels = True

    def __post_init__(self):
        self.take_parameters(("kernel rows", "kernel columns", "channels", "outputs"))
        if not self.weights.size:
            raise ConversionError(f"conv layer {self.name!r} has weights {self.weights.shape}: it "
                                  "needs one of each")
        for what in ("stride", "dilation", "spread"):
            setattr(self, what, numbers(self, what, 2, 1, 255))
        self.padding = numbers(self, "padding", 4, 0, 65535)
        self.groups = int(self.groups)
        if self.groups < 1 or self.weights.shape[3] % self.groups:
            raise ConversionError(f"conv layer {self.name!r} has {self.weights.shape[3]} outputs, "
                                  f"which are no whole number for each of {self.groups} groups")
        if max(self.kernel) > 255 or self.window > MAX_WINDOW:
            raise ConversionError(f"conv layer {self.name!r} has windows of {self.window} elements "
                                  f"{self.weights.shape[:3]}: up to {MAX_WINDOW} are possible, and "
                                  "255 rows and columns")

    @property
    def keeps(self):
        """Whether each result is one element of the input, or 0: padding, or upsampling."""
        return bool(self.kernel == self.spread and self.weights.shape[2] == 1 and self.groups
                    == len(self.bias) and (self.weights == 1).all() and not self.bias.any())

    passes = keeps

    @property
    def trained(self):
        return () if self.keeps else super().trained

    @property
    def kernel(self):
        return self.weights.shape[:2]

    @property
    def window(self):
        """Elements of a window: the inputs of each output."""
        return int(np.prod(self.weights.shape[:3]))

    @property
    def label(self):
        return "{}x{} conv".format(*self.kernel)

    def shape(self, x):
        take_image(self, x)
        channels = self.weights.shape[2] * self.groups
        if x[2] != channels:
            raise ConversionError(f"conv layer {self.name!r} takes {channels} channels but gets "
                                  f"{x[2]}")
        return (*result_size(self, x, self.kernel, self.stride, self.padding, self.dilation,
                             self.spread), self.weights.shape[3])

    @property
    def _windows(self):
        return Windows(self.image, self.shape(self.image), self.kernel, self.stride,
                       self.padding[::2], self.dilation, self.spread)

    @property
    def _geometry(self):
        return Geometry(self.image, self.shape(self.image), self.kernel, self.stride,
                        self.padding[::2], self.dilation, self.spread, self.groups)

    def _by_group(self, weights):
        """[groups, elements of a window, outputs of a group] of weights [.., outputs]."""
        return weights.reshape(self.window, self.groups, -1).transpose(1, 0, 2)

    def _products(self, x, weights):
        """x * weights, without a bias, [pixels of all samples, outputs]."""
        n_out = len(self.bias)
        return np.concatenate([
            (columns @ self._by_group(weights)).transpose(1, 0, 2).reshape(-1, n_out)
            for _, columns in self._windows.columns(x, 0.0, self.groups)])

    def __call__(self, x):
        return (self._products(x, self.weights) + self.bias).reshape(len(x), -1)

    def scaled(self, inputs=1.0, results=1.0):
        """The same layer, of inputs that were divided by a factor, its results times another."""
        return replace(self, weights=self.weights * inputs * results, bias=self.bias * results)

    def of_inputs(self, channels):
        each = len(self.bias) // self.groups
        return np.repeat(channels.reshape(self.groups, -1).T, each, 1)

    def __repr__(self):
        return "Conv({}x{}, {} -> {}, {!r})".format(
            *self.kernel, self.weights.shape[2] * self.groups, self.weights.shape[3], self.name)

    def quantize(self, walk, node):
        x, choice = walk.values[node.inputs[0]], walk.choice(node)
        real = walk.real[node.output]
        behind = walk.behind(node.output)
        pixels = real.reshape(-1, len(self.bias))
        weights = self.weights.astype(np.float32).astype(float).reshape(self.window, -1)
        biases = self.bias.astype(np.float32).tolist()
        shift, zero = (x.shift, x.zero_point) if self.keeps else walk.scale(node)
        w_shift = weight_shifts(weights)
        if choice.weights == "results":
            seen = dequantize_values(x.q, x.shift, x.zero_point)
            w_shift = result_shifts(weights, w_shift, lambda w: self._products(seen, w), pixels)
        shift, w_shift = scales.fit(w_shift.tolist(), biases, x.shift, shift)
        acc_shift = [x.shift + s for s in w_shift]
        w = quantize_values(weights, np.array(w_shift), 0)
        if len(x.q) >= scales.FEW:
            w = rounding.rounded(weights, w_shift, rounding.windows(
                self._windows, x.q, x.zero_point, self.groups))
            inputs = x.q.sum(0, dtype=np.int64) - len(x.q) * x.zero_point
            seen = self._products(inputs[None], w.astype(np.int64)).sum(0)
            bias = dense.corrected(pixels, seen, acc_shift)
        else:
            bias = [q7.fixed(b, s) for b, s in zip(biases, acc_shift)]
        draft = conv(self._geometry, w.T.tobytes(), bias, x.zero_point,
                     dense.shifts_down(acc_shift, shift), zero, walk.exact)
        walk.put(node, draft, shift, zero, behind)

    def float_op(self, n):
        weights = self.weights.reshape(self.window, -1).T.astype("<f4")
        return float_conv(self._geometry, weights.tobytes(), self.bias.astype("<f4").tobytes())

    def float32(self, x):
        return _float32(self._windows, x, self._by_group(self.weights.astype(F)),
                        self.bias.astype(F))

    def gradients(self, x, y, g):
        windows, weights = self._windows, self._by_group(self.weights).transpose(0, 2, 1)
        found = np.empty((len(g), int(np.prod(self.image))))
        for part in windows.chunks(len(g)):
            found[part] = windows.back(self._pixels(g[part]) @ weights)
        return [found]

    def parameter_gradients(self, x, g):
        """For each of `trained`, of the inputs x and the gradient g of the result."""
        found = sum(columns.transpose(0, 2, 1) @ self._pixels(g[part])
                    for part, columns in self._windows.columns(x[0], 0.0, self.groups))
        return (found.transpose(1, 0, 2).reshape(self.weights.shape),
                g.reshape(-1, len(self.bias)).sum(0))

    def _pixels(self, y):
        """[groups, pixels of all samples, outputs of a group] of results."""
        each = len(self.bias) // self.groups
        return y.reshape(-1, self.groups, each).transpose(1, 0, 2)

    def stored_shifts(self):
        """With which int8 hold the weights: what as_stored() takes."""
        return weight_shifts(self.weights.reshape(self.window, -1))

    def as_stored(self, shifts):
        """The layer with its weights as int8 hold them, and for each of `trained` where a value is
        within the range of int8."""
        weights, inside = rounded(self.weights, shifts, 0)
        return replace(self, weights=weights), (inside, True)


def _float32(windows, x, weights, bias):
    """bias + column @ weights of each group, summed in the order of the column."""
    groups, _, each = weights.shape
    y = np.empty((len(x), int(np.prod(windows.y))), F)
    for part, columns in windows.columns(x, F(0), groups):
        found = [dense.in_order(c, w, b) for c, w, b in zip(
            columns, weights, bias.reshape(groups, each))]
        y[part] = np.stack(found, 1).reshape(-1, y.shape[1])
    return y


def _ends(op, tensors):
    return [tensors[op.inputs[0]]], [tensors[k] for k in op.outputs]


def windows_of(op, tensors):
    f, (x, y) = op.fields, _ends(op, tensors)
    return Windows(x[0].shape, y[0].shape, (f.kernel_rows, f.kernel_columns),
                   (f.stride_rows, f.stride_columns), (f.top, f.left),
                   (f.dilation_rows, f.dilation_columns), (f.spread_rows, f.spread_columns))


def _sizes(op, tensors):
    """Elements of a window, outputs of a group, pixels of the result."""
    x, y = _ends(op, tensors)
    rows, columns, n_out = y[0].shape
    return scratch(op, x), n_out // op.fields.groups, rows * columns


def _weights(buf, op, tensors):
    """The uint8 weights of each group [elements of a window, outputs of a group]."""
    f, (n, each, _) = op.fields, _sizes(op, tensors)
    size = weights_size(n, each, f.interleave)
    return [dense.stored_weights(buf, f, f.weights + g * size, n, each) for g in range(f.groups)]


def int8(buf, op, tensors):
    f, windows = op.fields, windows_of(op, tensors)
    w = np.stack(_weights(buf, op, tensors)).astype(np.float64) - f.weight_zero
    if 128 * np.abs(w).sum(1).max() < 1 << 24:  # sums are exact in floats of 24 bits
        w = w.astype(F)
    n_out = windows.y[2]
    finish = dense.finished(buf, f, n_out)

    def run(q):
        y = np.empty((len(q), int(np.prod(windows.y))), np.int8)
        for part, columns in windows.columns(q, f.pad, f.groups):
            sums = (columns.astype(w.dtype) @ w).transpose(1, 0, 2).reshape(-1, n_out)
            y[part] = finish(sums).reshape(-1, y.shape[1])
        return y

    return run


def float32(buf, op, tensors):
    f, windows, (n, each, _) = op.fields, windows_of(op, tensors), _sizes(op, tensors)
    n_out = f.groups * each
    w = buf[f.weights:f.weights + 4 * n * n_out].view(F).reshape(f.groups, each, n)
    bias = buf[f.bias:f.bias + 4 * n_out].view(F)
    return lambda x: _float32(windows, x, w.transpose(0, 2, 1), bias)


def arranged(buf, op, tensors, width, group):
    """As dense, group by group; groups with fewer outputs than the width stay in rows."""
    if _sizes(op, tensors)[1] < width:
        width, group = 1, 1
    weights = [dense.interleave(w, width, group) for w in _weights(buf, op, tensors)]
    return {"weights": b"".join(weights), "interleave": width, "group": group}


def products(op, tensors):
    n, each, pixels = _sizes(op, tensors)
    return pixels * op.fields.groups * each * n


def instructions(op, tensors, chip):
    """As ops/conv.h does it: depthwise, or dense over windows that are gathered or in place."""
    f, (n, each, pixels), x = op.fields, _sizes(op, tensors), tensors[op.inputs[0]].shape
    plain = f.spread_rows == f.spread_columns == 1
    if plain and each == 1 and f.groups == x[2] > 1:
        tap, output, product = chip.depthwise
        taps = f.kernel_rows * f.kernel_columns * -(-x[2] // 32)
        return pixels * (taps * tap + x[2] * (output + n * product))
    window, row, element = chip.window
    merged = plain and f.groups == 1 and 1 in (f.kernel_columns, f.dilation_columns)
    if not (merged and (f.kernel_rows == 1 or f.kernel_columns == x[1] and f.dilation_rows == 1)):
        window += f.kernel_rows * row + n * element
    return pixels * f.groups * (window + dense.priced(n, each, f.interleave, chip))


def boundary(op):
    return 0


CLASSES = False

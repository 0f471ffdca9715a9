"""conv: a window over an image, of which each position gives the outputs of a pixel."""
from dataclasses import dataclass, field, replace

import numpy as np
from aifes.ops.conv import MAX_WINDOW

from ..graph import LARGEST, ConversionError
from .layer import Layer
from .windows import Windows, numbers, result_size, take_image


@dataclass
class Conv(Layer):
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
    linear = pixels = True
    choices = ("finer", "weights")
    trained = ("weights", "bias")

    def __post_init__(self):
        self.weights = np.asarray(self.weights, np.float64)
        self.bias = np.asarray(self.bias, np.float64)
        if self.weights.ndim != 4 or self.bias.shape != self.weights.shape[3:]:
            raise ConversionError(
                f"conv layer {self.name!r}: weights {self.weights.shape} and bias "
                f"{self.bias.shape} must be [kernel rows, kernel columns, channels, outputs] and "
                "[outputs]")
        largest = max(np.abs(self.weights).max(initial=0), np.abs(self.bias).max(initial=0))
        if not largest <= LARGEST:  # NaN neither
            raise ConversionError(f"conv layer {self.name!r} has parameters that are not finite "
                                  "as float32: train again with a smaller learning rate")
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
    def kernel(self):
        return self.weights.shape[:2]

    @property
    def window(self):
        """Elements of a window: the inputs of each output."""
        return int(np.prod(self.weights.shape[:3]))

    @property
    def parameters(self):
        return self.weights.size + self.bias.size

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

    def __call__(self, x):
        return product(self._windows, x, 0.0, by_group(self.weights, self.groups), self.bias)

    def scaled(self, inputs=1.0, results=1.0):
        """The same layer, of inputs that were divided by a factor, its results times another."""
        return replace(self, weights=self.weights * inputs * results, bias=self.bias * results)

    def __repr__(self):
        return "Conv({}x{}, {} -> {}, {!r})".format(
            *self.kernel, self.weights.shape[2] * self.groups, self.weights.shape[3], self.name)


def by_group(weights, groups):
    """[groups, elements of a window, outputs of a group] of weights [.., outputs]."""
    return weights.reshape(-1, groups, weights.shape[-1] // groups).transpose(1, 0, 2)


def product(windows, x, outside, weights, bias):
    """The result [samples, elements] in the numbers of the weights, by_group()'s."""
    y = np.empty((len(x), int(np.prod(windows.y))), weights.dtype)
    for part, columns in windows.columns(x.astype(weights.dtype), outside, len(weights)):
        found = (columns @ weights).transpose(1, 0, 2).reshape(-1, len(bias)) + bias
        y[part] = found.reshape(-1, y.shape[1])
    return y

"""Layers of images [rows, columns, channels] by hand, as AIfES has them; loaded when asked for.

The channels of an image lie together. AIfES's networks with the channels first (channel_axis 1)
have their weights in another order: channels_first=True takes them in that one. Inputs and
results of the model have the channels last all the same.
"""
from array import array
from math import sqrt

from ..format import ModelError
from ..format import size as elements
from .conv import Geometry, conv, float_conv
from .dense import q7_parameters
from .given import count, raw
from .map import with_fields
from .pool import pool


class _Windows:
    """What has a kernel: how its windows lie."""

    dilation = 1, 1

    def _windows(self, kernel, stride, padding, what):
        self.kernel = _pair(kernel, 1, what)
        self.stride = _pair(stride, 1, what)
        self.padding = _pair(padding, 0, what)

    def _result(self, x):
        """Rows and columns of the result."""
        found = []
        for n, k, s, p, d in zip(_image(x, self.kind), self.kernel, self.stride, self.padding,
                                 self.dilation):
            n += 2 * p - d * (k - 1) - 1
            if n < 0:
                raise ModelError("the window of {} is larger than its input {} with its "
                                 "padding".format(self.kind, tuple(x)))
            found.append(n // s + 1)
        return tuple(found)


class Conv2D(_Windows):
    """Each of n results of a window is dense of it.

    kernel, stride, padding, dilation: (rows, columns), or one number for both; padding: rows above
    and below, columns left and right, of zeros.
    weights: [n][kernel rows][kernel columns][channels], or [n][channels][kernel rows][kernel
    columns] if channels_first; int8 with weights_q and result_q, or float32, as of Dense.
    """

    kind = "conv2d"

    def __init__(self, n, kernel, stride=1, padding=0, dilation=1, weights=None, bias=None,
                 weights_q=None, result_q=None, channels_first=False):
        self.n = count(n, "Conv2D")
        self._windows(kernel, stride, padding, "Conv2D")
        self.dilation = _pair(dilation, 1, "Conv2D")
        self.weights = weights
        self.bias = bias
        self.weights_q = weights_q
        self.result_q = result_q
        self.channels_first = channels_first

    def result(self, x):
        return self._result(x) + (self.n,)

    def tensors(self, x):
        return ("weights", self.n * self.scratch(x)), ("bias", self.n)

    def scratch(self, x):
        return self.kernel[0] * self.kernel[1] * x[2]

    def _geometry(self, x):
        return Geometry(x, self.result(x), self.kernel, self.stride, self.padding, self.dilation)

    def _ordered(self, x, weights, ordered):
        """The weights with the channels last: in `ordered`, as many."""
        pixels = self.kernel[0] * self.kernel[1]
        window = pixels * x[2]
        for i in range(len(weights)):
            at = i % window
            if self.channels_first:
                at = at % pixels * x[2] + at // pixels
            ordered[i - i % window + at] = weights[i]
        return ordered

    def lower(self, drafts, x, q, exact, number):
        """As of Dense."""
        n = len(self.weights or ())
        weights, shift = q7_parameters(self, x, q, f"layer {number}, conv2d,")
        weights = self._ordered(x, [w & 255 for w in weights], bytearray(n))
        drafts.append(conv(self._geometry(x), weights, self.bias, q[1], shift, self.result_q[1],
                           exact, self.weights_q[1]))
        return self.result_q

    def lower_float(self, drafts, x, number):
        """As of Dense."""
        weights, bias = _floats(self, x, number)
        drafts.append(float_conv(self._geometry(x), bytes(
            self._ordered(x, weights, array("f", weights))), bytes(bias)))


class Conv1D(Conv2D):
    """Conv2D of steps in time: of [steps, 1, channels]; the numbers are those of the steps."""

    def __init__(self, n, kernel, stride=1, padding=0, dilation=1, weights=None, bias=None,
                 weights_q=None, result_q=None, channels_first=False):
        super().__init__(n, (kernel, 1), (stride, 1), (padding, 0), (dilation, 1), weights, bias,
                         weights_q, result_q, channels_first)


class MaxPool2D(_Windows):
    """The largest of each window. stride: that of the kernel if None; the rest as of Conv2D."""

    kind = "max_pool"

    def __init__(self, kernel, stride=None, padding=0):
        self._windows(kernel, kernel if stride is None else stride, padding, "a pooling layer")
        if self.padding[0] >= self.kernel[0] or self.padding[1] >= self.kernel[1]:
            raise ModelError("the padding of a pooling layer is smaller than its kernel")

    def result(self, x):
        return self._result(x) + (x[2],)

    def tensors(self, x):
        return ()

    def scratch(self, x):
        return 0

    def lower(self, drafts, x, q, exact, number):
        """As of Dense."""
        self._lower(drafts, x, q)
        return q

    def lower_float(self, drafts, x, number):
        """As of Dense."""
        self._lower(drafts, x, (0, 0))

    def _lower(self, drafts, x, q):
        drafts.append(pool(x, self.result(x), self.kernel, self.stride, self.padding,
                           self.kind != "max_pool", False, q, q))


class AvgPool2D(MaxPool2D):
    """The mean of each window, in which padding does not count; in the input's scale."""

    kind = "average_pool"


class Flatten:
    """An image as a vector; nothing to do.

    channels_first: the next Dense has its weights for the channels one after the other.
    """

    kind = "flatten"

    def __init__(self, channels_first=False):
        self.channels_first = channels_first

    def result(self, x):
        return (elements(x),)

    def tensors(self, x):
        return ()

    def lower(self, drafts, x, q, exact, number):
        return q

    def lower_float(self, drafts, x, number):
        pass


class BatchNorm:
    """(x - mean) / sqrt(variance + eps) * gamma + beta of each channel; float32 only.

    It goes into the weights of the Dense or Conv2D right before it, else it is a convolution.
    """

    kind = "batch_norm"

    def __init__(self, beta=None, gamma=None, mean=None, variance=None, eps=1e-6):
        self.beta = beta
        self.gamma = gamma
        self.mean = mean
        self.variance = variance
        self.eps = eps

    def result(self, x):
        return x

    def tensors(self, x):
        return [(name, x[-1]) for name in ("beta", "gamma", "mean", "variance")]

    def scratch(self, x):
        return 1

    def lower(self, drafts, x, q, exact, number):
        raise ModelError("batch_norm is for float32: put it into the weights before it")

    def lower_float(self, drafts, x, number):
        """As of Dense."""
        beta, gamma, mean, variance = _floats(self, x, number)
        n = x[-1]
        scale = array("f", [gamma[k] / sqrt(variance[k] + self.eps) for k in range(n)])
        last = drafts[-1] if drafts else None
        if last and getattr(last.fields, "weights", None):
            weights, bias = array("f", last.fields.weights), array("f", last.fields.bias)
            inputs = len(weights) // n
            for i in range(len(weights)):
                weights[i] *= scale[i // inputs if last.fields.interleave == 1 else i % n]
            for k in range(n):
                bias[k] = (bias[k] - mean[k]) * scale[k] + beta[k]
            drafts[-1] = with_fields(last, weights=bytes(weights), bias=bytes(bias))
            return
        _image(x, self.kind)
        bias = array("f", [beta[k] - mean[k] * scale[k] for k in range(n)])
        drafts.append(float_conv(Geometry(x, x, (1, 1), groups=n), bytes(scale), bytes(bias)))


def channels_last(dense, image, is_float):
    """The weights of a Dense that were made for an image with the channels first, in our order."""
    rows, columns, channels = image
    pixels, n = rows * columns, dense.n
    inputs = pixels * channels
    weights = dense.weights
    if weights is None or is_float:
        weights = raw(weights or (), inputs * n, "the dense layer after flatten")
    if len(weights) != (4 if is_float else 1) * inputs * n:
        return weights  # Dense tells
    source = array("f", weights) if is_float else [w & 255 for w in weights]
    found = array("f", source) if is_float else bytearray(source)
    for i in range(len(source)):
        k, j = (i % inputs, i // inputs) if dense.transposed else (i // n, i % n)
        k = k % pixels * channels + k // pixels
        found[j * inputs + k if dense.transposed else k * n + j] = source[i]
    return bytes(found)


def _floats(layer, x, number):
    """array('f') of each of the layer's tensors."""
    found = []
    for name, n in layer.tensors(x):
        values = getattr(layer, name)
        if values is None:
            raise ModelError(f"layer {number}, {layer.kind}, has no {name} yet: give it, or call "
                             "load_parameters()")
        found.append(array("f", raw(values, n, f"{name} of layer {number}, {layer.kind},")))
    return found


def _image(x, what):
    if len(x) != 3:
        raise ModelError(f"{what} takes an image: Input((rows, columns, channels))")
    return x


def _pair(n, least, what):
    pair = tuple(n) if isinstance(n, (tuple, list)) else (n, n)
    if len(pair) != 2 or not all([isinstance(v, int) and least <= v < 256 for v in pair]):
        raise ModelError("{} takes one number or (rows, columns), each {} to 255, not {!r}".format(
            what, least, n))
    return pair

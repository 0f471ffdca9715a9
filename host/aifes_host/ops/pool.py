"""pool: the largest element, or the mean, of each window of a channel."""
from dataclasses import dataclass, field

import numpy as np
from aifes.layers.pool import pool
from aifes.ops.pool import AVERAGE, MAX_SUM, MAX_WINDOW, WHOLE

from ..graph import ConversionError
from ..scales import best_scale
from .float32 import F
from .layer import Layer
from .windows import Windows, numbers, result_size, take_image


@dataclass
class Pool(Layer):
    """kernel, stride: rows and columns; padding: rows above and below, columns left and right.

    What lies in the padding does not count; whole: it counts as 0 in a mean. average: the mean,
    else the largest. image: the input's shape, as shape() was told.
    """

    kernel: tuple
    stride: tuple
    padding: tuple = (0, 0, 0, 0)
    average: bool = False
    whole: bool = False
    name: str = ""
    image: tuple = field(default=None, repr=False)

    pixels = passes = True

    def __post_init__(self):
        self.kernel = numbers(self, "kernel", 2, 1, 65535)
        self.stride = numbers(self, "stride", 2, 1, 255)
        self.padding = numbers(self, "padding", 4, 0, 65535)
        self.average, self.whole = bool(self.average), bool(self.average and self.whole)
        if np.prod(self.kernel) > MAX_WINDOW:
            raise ConversionError(f"layer {self.name or self.kind!r} has windows of "
                                  f"{np.prod(self.kernel)} elements: up to {MAX_WINDOW} are "
                                  "possible")

    @property
    def kind(self):
        return "average_pool" if self.average else "max_pool"

    @property
    def keeps(self):
        return not self.average

    @property
    def choices(self):
        return ("finer",) if self.average else ()

    @property
    def label(self):
        return "{}x{} {}".format(*self.kernel, self.kind)

    def shape(self, x):
        take_image(self, x)
        found = result_size(self, x, self.kernel, self.stride, self.padding)
        for k in range(2):
            # each window has an element that is inside
            if self.padding[2 * k] >= self.kernel[k] or (
                    found[k] - 1) * self.stride[k] - self.padding[2 * k] >= x[k]:
                raise ConversionError(f"layer {self.name!r} has a window in nothing but its "
                                      f"padding {self.padding}: its kernel {self.kernel} must be "
                                      "larger than the padding")
        return (*found, x[2])

    @property
    def _windows(self):
        return Windows(self.image, self.shape(self.image), self.kernel, self.stride,
                       self.padding[::2])

    def __call__(self, x):
        windows = self._windows
        if self.average:
            return (windows.of(x, 0.0).sum((3, 4)) / _counts(windows, self.whole)).reshape(
                len(x), -1)
        return windows.of(x, -np.inf).max((3, 4)).reshape(len(x), -1)

    def quantize(self, walk, node):
        x = walk.values[node.inputs[0]]
        scale = own = x.shift, x.zero_point
        behind = None
        if self.average:
            scale, real = walk.shared(node.output), walk.real[node.output]
            most = min(16, (MAX_SUM // (255 * int(np.prod(self.kernel)))).bit_length() - 1)
            if not scale or not x.shift <= scale[0] <= x.shift + most:  # what the op can
                behind, finer = walk.behind(node.output), walk.choice(node).finer
                scale = best_scale(real, behind, finer)
                shift = min(max(scale[0], x.shift), x.shift + most)
                if shift != scale[0]:
                    scale = best_scale(real, behind, finer + shift - scale[0])
        walk.put(node, self._draft(own, scale), *scale, behind)

    def float_op(self, n):
        return self._draft((0, 0), (0, 0))

    def _draft(self, x_scale, y_scale):
        return pool(self.image, self.shape(self.image), self.kernel, self.stride,
                    self.padding[::2], self.average, self.whole, x_scale, y_scale)

    def float32(self, x):
        return _float32(self._windows, self.average, self.whole, x)

    def gradients(self, x, y, g):
        windows = self._windows
        shape = len(g), *windows.y
        if self.average:
            g = g.reshape(shape) / _counts(windows, self.whole)
            parts = np.broadcast_to(g[:, :, :, None], (*shape[:3], int(np.prod(self.kernel)),
                                                       shape[3]))
        else:  # to the first of the largest
            seen = windows.of(x[0], -np.inf).reshape(*shape[:3], -1, shape[3])
            parts = np.zeros(seen.shape)
            np.put_along_axis(parts, seen.argmax(3)[:, :, :, None], g.reshape(shape)[:, :, :, None],
                              3)
        return [windows.back(parts[None])]


def _counts(windows, whole):
    """By how many elements each sum is divided: [rows, columns, 1], or one number."""
    if whole:
        return int(np.prod(windows.kernel))
    return windows.inside().sum((2, 3))[..., None]


def _float32(windows, average, whole, x):
    """One element of a window after another, of which the first starts."""
    inside, seen = windows.inside(), windows.of(x, F(0))
    y = np.zeros((len(x), *windows.y), F)
    started = np.zeros(windows.y, bool)
    for i, j in np.ndindex(*windows.kernel):
        here = inside[:, :, i, j, None]
        v = seen[:, :, :, i, j]
        y = np.where(here & started, y + v if average else np.where(v > y, v, y),
                     np.where(here, v, y))
        started |= here
    if average:
        y /= np.asarray(_counts(windows, whole), F)
    return y.reshape(len(x), -1)


def windows_of(op, tensors):
    f = op.fields
    return Windows(tensors[op.inputs[0]].shape, tensors[op.outputs[0]].shape,
                   (f.kernel_rows, f.kernel_columns), (f.stride_rows, f.stride_columns),
                   (f.top, f.left))


def int8(buf, op, tensors):
    f, windows = op.fields, windows_of(op, tensors)
    n = _counts(windows, op.flags & WHOLE)

    def run(q):
        if op.flags & AVERAGE:
            total = (windows.of(q.astype(np.int32) - f.x_zero, 0)).sum((3, 4)).astype(np.int64)
            y = np.clip((2 * (total << f.up) + n) // (2 * n) + f.zero_point, -128, 127)
        else:
            y = windows.of(q, -128).max((3, 4))
        return y.astype(np.int8).reshape(len(q), -1)

    return run


def float32(buf, op, tensors):
    windows = windows_of(op, tensors)
    return lambda x: _float32(windows, bool(op.flags & AVERAGE), bool(op.flags & WHOLE), x)


def products(op, tensors):
    return 0


def instructions(op, tensors, chip):
    f, (rows, columns, channels) = op.fields, tensors[op.outputs[0]].shape
    window, result, element, mean = chip.pooling
    result += f.kernel_rows * f.kernel_columns * element + bool(op.flags & AVERAGE) * mean
    return rows * columns * (window + channels * result)


def boundary(op):
    return 0


CLASSES = False

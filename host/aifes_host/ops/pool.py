"""pool: the largest element, or the mean, of each window of a channel."""
from dataclasses import dataclass, field

import numpy as np
from aifes.ops.pool import MAX_WINDOW

from ..graph import ConversionError
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

    pixels = True

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
            return _sums(windows, x) / _counts(windows, self.whole)
        found = windows.of(x, -np.inf).max((3, 4))
        return found.reshape(len(x), -1)


def _sums(windows, x, outside=0):
    """Of each window [samples, elements]."""
    return windows.of(x, outside).sum((3, 4)).reshape(len(x), -1)


def _counts(windows, whole):
    """By how many elements each sum is divided: [elements], or of all windows one."""
    if whole:
        return int(np.prod(windows.kernel))
    return np.repeat(windows.count().ravel(), windows.y[2])

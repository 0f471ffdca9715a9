"""Convolutions and pooling of signals and images, whose channels a framework has first or last.

Of a signal, which has steps but no rows and columns, the steps are rows of one column each. Sizes
of windows, strides and so on are given as the framework has them: a number for all, or one for
each of the dimensions between the batch and the channels.
"""
import math

import numpy as np

from ..graph import ConversionError

LARGEST = 65535  # of sizes of windows and paddings


class Images:
    """A Value as images for one layer; rank: 1 of signals, 2 of images.

    first: whether the channels are its first dimension; windows: what the layer computes there.
    """

    def __init__(self, x, rank, first, name):
        if x.shape is None:
            raise ConversionError(f"layer {name!r} gets images of unknown size: give the network "
                                  "inputs of fixed size")
        if x.lead != 1 or len(x.shape) != rank + 1:
            where = "channels, then " * first + ("steps" if rank == 1 else "rows, columns") + \
                ", then channels" * (not first)
            raise ConversionError(f"layer {name!r} gets values of shape {x.shape} a sample: it "
                                  f"takes {where}, and a batch of samples")
        self.rank, self.first, self.name = rank, first, name
        x = x.transposed((*range(1, rank + 1), 0)) if first else x
        self.size = x.shape[:-1]
        self.channels = x.shape[-1]
        self.x = x.seen((x.shape[0], 1, x.shape[1])) if rank == 1 else x

    def numbers(self, values, what, least=1):
        """One whole number for each dimension."""
        given = list(values) if isinstance(values, (list, tuple, np.ndarray)) else [values]
        given = given * self.rank if len(given) == 1 else given
        if len(given) != self.rank or not all(
                isinstance(v, (int, np.integer)) and least <= v <= LARGEST for v in given):
            raise ConversionError(f"layer {self.name!r} has {what} {values!r}: give {self.rank} "
                                  f"whole numbers from {least} to {LARGEST}")
        return [int(v) for v in given]

    def conv(self, weights, bias, stride, padding, dilation, groups=1, spread=1):
        """weights: [*kernel, channels of a group, outputs]; padding: (before, after) of each
        dimension. Back comes a Value as the framework has it."""
        weights = self._plane(np.asarray(weights), self.rank)
        if weights.ndim != 4 or weights.shape[2] * groups != self.channels:
            raise ConversionError(f"layer {self.name!r} has weights for other images than it gets, "
                                  f"which have {self.channels} channels")
        return self._back(self.x.conv(
            weights, bias, self.name, stride=self._pair(stride), padding=self._sides(padding),
            dilation=self._pair(dilation), groups=groups, spread=self._pair(
                self.numbers(spread, "strides"))))

    def transposed_conv(self, weights, bias, stride, cut, dilation, groups=1):
        """weights as of conv(); cut: (before, after) of each dimension, what is not of the result.
        """
        weights = np.flip(np.asarray(weights), tuple(range(self.rank)))
        reach = [d * (k - 1) for d, k in zip(dilation, weights.shape)]
        padding = [(r - before, r - after) for r, (before, after) in zip(reach, cut)]
        if min(min(p) for p in padding) < 0:
            raise ConversionError(f"layer {self.name!r} pads more than its kernel reaches, which "
                                  "cuts off the image: use less padding")
        return self.conv(weights, bias, [1] * self.rank, padding, dilation, groups, stride)

    def pool(self, kernel, stride, padding, average=False, whole=False):
        return self._back(self.x.pool(self._pair(kernel), self._pair(stride), self._sides(padding),
                                      self.name, average, whole))

    def whole(self, average):
        """One value for each channel; its other dimensions are 1."""
        return self.pool(self.size, [1] * self.rank, [(0, 0)] * self.rank, average)

    def adaptive(self, size, average):
        """Pooling to images of this size, which divides that of the images it gets."""
        size = [n if s is None else s for s, n in zip(
            list(size) * (self.rank if len(size) == 1 else 1), self.size)]
        size = self.numbers(size, "a result of size")
        if any(n % s for n, s in zip(self.size, size)):
            raise ConversionError(f"layer {self.name!r} makes images of size {tuple(size)} of "
                                  f"{self.size}, for which its windows differ: let it make 1, or a "
                                  "size that divides that of the images")
        kernel = [n // s for n, s in zip(self.size, size)]
        return self.pool(kernel, kernel, [(0, 0)] * self.rank, average)

    def pad(self, padding):
        """Zeros around."""
        return self._back(self.x.pad(self._sides(padding), self.name))

    def upsampled(self, factors):
        """Each pixel several times, in each dimension."""
        for v in factors:
            if not 1 <= v <= 255:
                raise ConversionError(f"layer {self.name!r} makes {v} pixels of one: up to 255 "
                                      "are possible")
        return self._back(self.x.upsampled(self._pair(factors), self.name))

    def same(self, kernel, stride, dilation=(1, 1)):
        """The padding with which a result has the size of the image, divided by the stride."""
        found = []
        for n, k, s, d in zip(self.size, kernel, stride, dilation):
            total = max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
            found.append((total // 2, total - total // 2))
        return found

    def ceiled(self, kernel, stride, padding, dilation=(1, 1)):
        """The padding with which windows that begin inside count, even if they end beyond."""
        found = []
        for n, k, s, d, (before, after) in zip(self.size, kernel, stride, dilation, padding):
            reach = d * (k - 1) + 1
            count = -((reach - n - before - after) // s) + 1
            if (count - 1) * s >= n + before:
                count -= 1
            found.append((before, max(after, (count - 1) * s + reach - n - before)))
        return found

    @staticmethod
    def _plane(weights, rank):
        return weights[:, None] if rank == 1 and weights.ndim == 3 else weights

    def _pair(self, values):
        return (*values, 1)[:2]

    def _sides(self, padding):
        return tuple(int(v) for pair in (*padding, (0, 0))[:2] for v in pair)

    def _back(self, y):
        y = y.seen((y.shape[0], y.shape[2])) if self.rank == 1 else y
        return y.transposed((self.rank, *range(self.rank))) if self.first else y


def of_groups(weights, groups):
    """Weights [channels, outputs of a group, *kernel] of a transposed convolution as [*kernel,
    channels of a group, outputs]."""
    channels, each, *kernel = weights.shape
    weights = weights.reshape(groups, channels // groups, each, *kernel)
    weights = np.moveaxis(weights, (1, 0, 2), (-3, -2, -1))
    return weights.reshape(*kernel, channels // groups, groups * each)

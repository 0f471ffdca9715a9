"""Where the windows of a convolution or of a pooling lie in an image."""
from dataclasses import dataclass

import numpy as np

from ..graph import ConversionError

ELEMENTS = 1 << 22  # of windows that are made at a time


@dataclass
class Windows:
    """x, y: shapes [rows, columns, channels] of image and result; the rest are pairs, of rows and
    of columns, as in Conv; padding: (top, left). What lies at the bottom and at the right follows
    from y."""

    x: tuple
    y: tuple
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple = (1, 1)
    spread: tuple = (1, 1)

    @property
    def elements(self):
        """Of all windows of a sample."""
        return int(np.prod((*self.y[:2], *self.kernel, self.x[2])))

    def chunks(self, samples):
        """Slices of so many samples, whose windows need little memory."""
        step = max(1, ELEMENTS // self.elements)
        return [slice(at, at + step) for at in range(0, samples, step)]

    def of(self, x, outside):
        """A view [samples, rows, columns of the result, rows, columns of the kernel, channels].

        x: [samples, elements]; outside: what lies there.
        """
        image = np.full((len(x), *self._area, self.x[2]), outside, x.dtype)
        for inner, outer in self._places():
            image[outer] = x.reshape(-1, *self.x)[inner]
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel)]
        found = np.lib.stride_tricks.sliding_window_view(image, reach, (1, 2))
        found = found[:, ::self.stride[0], ::self.stride[1], :, ::self.dilation[0],
                      ::self.dilation[1]]
        return found.transpose(0, 1, 2, 4, 5, 3)

    def inside(self):
        """[rows, columns of the result, rows, columns of the kernel]: which elements are in the
        image (bool)."""
        return self.of(np.ones((1, int(np.prod(self.x))), bool), False)[0, ..., 0]

    def back(self, g):
        """The gradient [samples, elements] of the image for that of columns(): [groups, windows,
        elements of a window]."""
        groups = len(g)
        g = g.reshape(groups, -1, *self.y[:2], *self.kernel, self.x[2] // groups)
        g = g.transpose(1, 2, 3, 4, 5, 0, 6).reshape(-1, *self.y[:2], *self.kernel, self.x[2])
        image = np.zeros((len(g), *self._area, self.x[2]))
        for i, j in np.ndindex(*self.kernel):
            rows, columns = (slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in zip(
                (i, j), self.dilation, self.stride, self.y))
            image[:, rows, columns] += g[:, :, :, i, j]
        x = np.zeros((len(g), *self.x))
        for inner, outer in self._places():
            x[inner] = image[outer]
        return x.reshape(len(g), -1)

    def columns(self, x, outside, groups=1):
        """For each chunk of the samples its slice and [groups, windows, elements of a window]."""
        for part in self.chunks(len(x)):
            found = self.of(x[part], outside)
            n = found[..., 0, 0, 0].size
            found = found.reshape(*found.shape[:5], groups, -1).transpose(5, 0, 1, 2, 3, 4, 6)
            yield part, found.reshape(groups, n, -1)

    @property
    def _area(self):
        """Rows and columns that windows reach."""
        return tuple((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(
            self.y, self.stride, self.dilation, self.kernel))

    def _places(self):
        """[(indices of an image, of the area)]: where what of it lies; none if all is outside."""
        inner, outer = [slice(None)], [slice(None)]
        for n, area, spread, before in zip(self.x, self._area, self.spread, self.padding):
            last = min(n - 1, (area - 1 - before) // spread)
            if last < 0:
                return []
            inner.append(slice(last + 1))
            outer.append(slice(before, before + last * spread + 1, spread))
        return [(tuple(inner), tuple(outer))]


def result_size(layer, x, kernel, stride, padding, dilation=(1, 1), spread=(1, 1)):
    """(rows, columns) of a layer's result for an image of shape x; padding: top, bottom, left,
    right. ConversionError if no window fits."""
    found = tuple(((x[k] - 1) * spread[k] + padding[2 * k] + padding[2 * k + 1]
                   - dilation[k] * (kernel[k] - 1)) // stride[k] + 1 for k in range(2))
    if min(found) < 1:
        raise ConversionError(f"layer {layer.name!r} gets an image of shape {x}, which with its "
                              "padding is smaller than its window: give larger images")
    return found


def numbers(layer, what, n, least, most):
    """A field of a layer as n ints from least to most; ConversionError if it is something else."""
    given = getattr(layer, what)
    try:
        found = tuple(int(v) for v in given)
        fits = len(found) == n and all(v == w and least <= v <= most for v, w in zip(found, given))
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ConversionError(f"layer {layer.name or layer.kind!r} has {what} {given!r}: give {n} "
                              f"whole numbers from {least} to {most}")
    return found


def take_image(layer, x):
    """Remember an image's shape in the layer; ConversionError if x is none, or another one."""
    if len(x) != 3:
        raise ConversionError(f"layer {layer.name!r} takes an image [rows, columns, channels] but "
                              f"gets shape {x}")
    if layer.image not in (None, x):
        raise ConversionError(f"layer {layer.name!r} is used for images of shapes {layer.image} "
                              f"and {x}: make a layer of its own for each")
    layer.image = x

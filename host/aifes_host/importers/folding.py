"""Affine steps (scalers, normalization, batch normalization) as parts of the layers beside them.

One goes into the dense layer or convolution before it if nothing else reads that layer, or else
into those that read it. Only what is left becomes a layer of its own: a diagonal dense one, of
images a convolution of single pixels.
"""
import math
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import ConversionError
from ..ops import Conv, Dense
from .order import PIXELS

MOST = 1 << 24  # numbers in all the constants of a network: far more than any board holds


@dataclass(eq=False)
class Step:
    """A layer, an input or an Affine, and the steps that it reads.

    number: among all steps; image: [rows, columns, channels] of its result, None: as far as is
    known, it is none. places: of a concatenation: where each element lies.
    """

    layer: object
    inputs: tuple = ()
    number: int = 0
    image: tuple = None
    places: np.ndarray = None


@dataclass
class Affine:
    """slope * x + offset; numbers as arrays without dimensions, or one for each element."""

    slope: np.ndarray
    offset: np.ndarray

    kind = "affine"


def batch_norm(gamma, beta, mean, variance, epsilon):
    """(slope, offset) of a batch normalization as at inference; gamma and beta may be None."""
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    with np.errstate(all="ignore"):  # a negative variance: Value.affine refuses its square root
        slope = (1.0 if gamma is None else np.asarray(gamma, np.float64)) / np.sqrt(
            variance + epsilon)
    return slope, (0.0 if beta is None else np.asarray(beta, np.float64)) - mean * slope


@dataclass(eq=False)
class Made:
    """A layer or an input as it will be.

    size: of its result, None if it is not known; image: its shape if it is an image.
    """

    layer: object
    inputs: list
    size: int
    image: tuple = None

    def by_channel(self, values):
        """Numbers, one for each element of the image, as one for each channel; None: they differ"""
        channels = self.image[2]
        if np.ndim(values) == 0:
            return np.full(channels, float(values))
        values = np.reshape(values, (-1, channels))
        return values[0] if (values == values[0]).all() else None


@dataclass
class Result:
    """A step's result: slope * (what `made` gives) + offset; slope None: just what it gives.

    alone: nothing else reads `made`.
    """

    made: Made
    slope: np.ndarray = None
    offset: np.ndarray = None
    alone: bool = True

    @property
    def line(self):
        return (1.0, 0.0) if self.slope is None else (self.slope, self.offset)


@dataclass
class Folding:
    """made: the layers in order; ends: {name: Made}; found: {Step: Result}."""

    steps: list
    outputs: dict  # {name: Step}
    made: list = field(default_factory=list)

    def __post_init__(self):
        self.found, self.readers = {}, Counter(self.outputs.values())
        for step in self.steps:
            self.readers.update(step.inputs)
        for step in self.steps:
            self.found[step] = self._result(step)
            if self.readers[step] > 1:
                self.found[step] = replace(self._into_dense(step), alone=False)
        self.ends = {name: self._settled(step, "the last step")
                     for name, step in self.outputs.items()}

    def _result(self, step):
        layer, inputs = step.layer, step.inputs
        if layer.kind == "input":
            size = None if layer.shape is None else math.prod(layer.shape)
            return Result(Made(layer, [], size, step.image))
        if layer.kind == "affine":
            x = self.found[inputs[0]]
            slope, offset = layer.slope, layer.offset
            if x.slope is not None:
                slope, offset = slope * x.slope, slope * x.offset + offset
            return Result(x.made, slope, offset, x.alone)
        if layer.kind == "dense":
            x = self._into_dense(inputs[0])
            weights, bias = layer.weights, layer.bias
            if x.slope is not None:
                slope, offset = (np.broadcast_to(v, len(weights)) for v in (x.slope, x.offset))
                layer = Dense(slope[:, None] * weights, bias + offset @ weights, layer.name)
            layer.image = step.image
            return Result(self._add(layer, [x.made], weights.shape[1], step.image))
        if layer.kind == "conv":
            x = self._into_dense(inputs[0])
            folded = layer if x.slope is None else _behind(layer, x)
            if folded is None:
                folded, x = layer, Result(self._settled(inputs[0], layer.name))
            return Result(self._add(folded, [x.made], math.prod(step.image), step.image))
        if layer.kind == "add":
            return self._sum(step)
        if layer.kind == "concat":
            return self._joined(step)
        x = self._settled(inputs[0], layer.name)
        if layer.kind == "multiply":
            factors = self._settled(inputs[1], layer.name)
            return Result(self._add(layer, [x, factors], x.size, x.image))
        if layer.kind in PIXELS:
            return Result(self._add(layer, [x], math.prod(step.image), step.image))
        return Result(self._add(layer, [x], x.size, x.image))

    def _sum(self, step):
        """A common slope, and offsets, go through to what reads the sum."""
        a, b = (self._into_dense(s) for s in step.inputs)
        if a.made is b.made:
            return Result(a.made, np.add(a.line[0], b.line[0]), np.add(a.line[1], b.line[1]),
                          alone=False)
        if np.any(np.not_equal(a.line[0], b.line[0])):
            a, b = (Result(self._settled(s, step.layer.name)) for s in step.inputs)
        made = self._add(step.layer, [a.made, b.made], a.made.size, a.made.image)
        if a.slope is None and b.slope is None:
            return Result(made)
        return Result(made, np.asarray(a.line[0]), np.add(a.line[1], b.line[1]))

    def _joined(self, step):
        """Of vectors, what each is scaled by goes through to what reads them all."""
        layer, parts = step.layer, [self._into_dense(s) for s in step.inputs]
        if step.image is not None or None in [p.made.size for p in parts]:
            parts = [Result(self._settled(s, layer.name)) for s in step.inputs]
        sizes = [p.made.size for p in parts]
        layer.image = step.image
        made = self._add(layer, [p.made for p in parts],
                         None if None in sizes else sum(sizes), step.image)
        if all(p.slope is None for p in parts):
            return Result(made)
        return Result(made, *(np.concatenate([
            np.broadcast_to(value, n) for value, n in zip(values, sizes)])
            for values in zip(*(p.line for p in parts))))

    def _add(self, layer, inputs, size, image):
        self.made.append(Made(layer, inputs, size, image))
        return self.made[-1]

    def _into_dense(self, step):
        """The step's Result, what it is affine in a layer with weights that nothing else reads."""
        result = self.found[step]
        made, slope, offset = result.made, result.slope, result.offset
        if slope is None or not result.alone or made.layer.kind not in ("dense", "conv"):
            return result
        if made.layer.kind == "conv":
            slope, offset = made.by_channel(slope), made.by_channel(offset)
            if slope is None or offset is None:
                return result
        made.layer = replace(made.layer, weights=made.layer.weights * slope,
                             bias=made.layer.bias * slope + offset)
        self.found[step] = result = Result(made)
        return result

    def _settled(self, step, reader):
        """What gives just the result of a step: with a layer that scales, if need be."""
        result = self._into_dense(step)
        if result.slope is not None:
            made = result.made
            scale = (_scaled_vector if made.image is None else _scaled_image)(
                result, f"scale_{len(self.made)}", reader)
            if scale is not None:
                made = self._add(scale, [made], made.size, made.image)
            result = Result(made)
        self.found[step] = result
        return result.made


def _scaled_vector(result, name, reader):
    """A diagonal dense layer; None if it would change nothing."""
    n = result.made.size
    if n is None:
        raise ConversionError(f"the number of inputs before layer {reader!r} is unknown: give the "
                              "network an input layer with a shape")
    if n * n > MOST:
        raise ConversionError(f"layer {reader!r} comes after a scaling of {n} values, more than a "
                              "board holds: put a dense layer before it")
    slope, offset = (np.broadcast_to(v, n) for v in (result.slope, result.offset))
    changes = (slope != 1).any() or offset.any()
    return Dense(np.diag(slope), offset, name) if changes else None


def _scaled_image(result, name, reader):
    """A convolution of each pixel's channels one by one; None if it would change nothing."""
    slope, offset = (result.made.by_channel(v) for v in (result.slope, result.offset))
    if slope is None or offset is None:
        raise ConversionError(f"layer {reader!r} comes after a scaling of each pixel of an image "
                              "on its own: scale whole channels")
    changes = (slope != 1).any() or offset.any()
    return Conv(slope[None, None, None], offset, groups=len(slope), name=name) if changes else None


def _behind(conv, x):
    """A convolution of what x is scaled of, with the scales in its weights; None if padding, which
    is not scaled, or what is not the same for a channel, does not let it be."""
    slope, offset = x.made.by_channel(x.slope), x.made.by_channel(x.offset)
    zeros = any(conv.padding) or max(conv.spread) > 1
    if slope is None or offset is None or offset.any() and zeros:
        return None
    each = len(conv.bias) // conv.groups
    slope, offset = (np.repeat(v.reshape(conv.groups, -1), each, 0).T for v in (slope, offset))
    return replace(conv, weights=conv.weights * slope,
                   bias=conv.bias + (conv.weights * offset).sum((0, 1, 2)))

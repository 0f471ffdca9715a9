"""Affine steps (scalers, normalization, batch normalization) as parts of the layers beside them.

One goes into the dense layer before it if nothing else reads that layer, or else into the dense
layers that read it. Only what is left becomes a layer of its own, a diagonal dense one.
"""
import math
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import ConversionError
from ..ops import Dense

MOST = 1 << 24  # numbers in all the constants of a network: far more than any board holds


@dataclass(eq=False)
class Step:
    """A layer, an input or an Affine, and the steps that it reads."""

    layer: object
    inputs: tuple = ()


@dataclass
class Affine:
    """slope * x + offset; numbers as arrays without dimensions, or one for each element."""

    slope: np.ndarray
    offset: np.ndarray

    kind = "affine"


@dataclass(eq=False)
class Made:
    """A layer or an input as it will be; size: of its result, None if it is not known."""

    layer: object
    inputs: list
    size: int


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
            return Result(Made(layer, [], size))
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
            return Result(self._add(layer, [x.made], weights.shape[1]))
        if layer.kind == "add":
            return self._sum(step)
        x = self._settled(inputs[0], layer.name)
        return Result(self._add(layer, [x], x.size))

    def _sum(self, step):
        """A common slope, and offsets, go through to what reads the sum."""
        a, b = (self._into_dense(s) for s in step.inputs)
        if a.made is b.made:
            return Result(a.made, np.add(a.line[0], b.line[0]), np.add(a.line[1], b.line[1]),
                          alone=False)
        if np.any(np.not_equal(a.line[0], b.line[0])):
            a, b = (Result(self._settled(s, step.layer.name)) for s in step.inputs)
        made = self._add(step.layer, [a.made, b.made], a.made.size)
        if a.slope is None and b.slope is None:
            return Result(made)
        return Result(made, np.asarray(a.line[0]), np.add(a.line[1], b.line[1]))

    def _add(self, layer, inputs, size):
        self.made.append(Made(layer, inputs, size))
        return self.made[-1]

    def _into_dense(self, step):
        """The step's Result, what it is affine in a dense layer that nothing else reads."""
        result = self.found[step]
        dense = result.made.layer
        if result.slope is not None and result.alone and dense.kind == "dense":
            result.made.layer = Dense(dense.weights * result.slope,
                                      dense.bias * result.slope + result.offset, dense.name)
            self.found[step] = result = Result(result.made)
        return result

    def _settled(self, step, reader):
        """What gives just the result of a step: with a diagonal dense layer, if need be."""
        result = self._into_dense(step)
        made, n = result.made, result.made.size
        if result.slope is not None:
            if n is None:
                raise ConversionError(f"the number of inputs before layer {reader!r} is unknown: "
                                      "give the network an input layer with a shape")
            if n * n > MOST:
                raise ConversionError(f"layer {reader!r} comes after a scaling of {n} values, more "
                                      "than a board holds: put a dense layer before it")
            slope, offset = (np.broadcast_to(v, n) for v in (result.slope, result.offset))
            if (slope != 1).any() or offset.any():
                scale = Dense(np.diag(slope), offset, f"scale_{len(self.made)}")
                made = self._add(scale, [made], n)
            result = Result(made)
        self.found[step] = result
        return made

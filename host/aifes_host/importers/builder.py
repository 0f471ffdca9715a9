"""What every importer builds its Graph with: values, and the steps that make one of others.

    builder = Builder()
    x = builder.input("x", (4,))
    y = x.dense(weights, bias, "first").activation("relu", "second")
    graph = builder.graph({"out": y.plus(x, "third")}, "network")

A value may be read any number of times. Only what the outputs need comes into the Graph, and what
merely scales a value becomes part of a layer beside it: folding.py.
"""
import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import ConversionError, Graph, Node, Tensor, unique
from ..ops import Add, Dense, activation
from .folding import MOST, Affine, Folding, Step

MOST_INPUTS = 1 << 20  # far more than any board holds


@dataclass(eq=False)
class Source:
    """An input of the network; shape: without the samples, None until a layer tells it."""

    name: str
    shape: tuple = None

    kind = "input"

    def tell(self, shape):
        """Set the shape: a tuple of ints."""
        self.shape = tuple(int(d) for d in shape)
        if min(self.shape, default=1) < 1 or math.prod(self.shape) > MOST_INPUTS:
            raise ConversionError(f"the network takes inputs of shape {self.shape}: a board "
                                  f"holds 1 to {MOST_INPUTS}")


@dataclass
class Builder:
    """The inputs and steps so far, in the order in which they were made."""

    sources: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    weights: int = 0

    def input(self, name, shape=None, batch=None, lead=1):
        """The Value of an input; shape: without the batch, None if the first layer will tell.

        batch: the number of samples if the network is made for one number only; lead: how many
        dimensions stand before the shape, one for the batch.
        """
        source = Source(name)
        if shape is not None:
            source.tell(shape)
        self.sources.append(self.step(source))
        return Value(self, self.sources[-1], source.shape, lead, batch, source)

    def step(self, layer, *inputs):
        """A Step that reads others."""
        self.steps.append(Step(layer, inputs))
        return self.steps[-1]

    def graph(self, outputs, name, labels=()):
        """The Graph of some values; outputs: {the name that the user knows: Value}."""
        ends = {key: value.step for key, value in outputs.items()}
        needed = set(ends.values())
        for step in reversed(self.steps):
            if step in needed:
                needed.update(step.inputs)
        folding = Folding([s for s in self.steps if s in needed], ends)
        if not any(made.layer.kind == "dense" for made in folding.made):
            raise ConversionError(f"the network {name!r} has no dense (Linear, Gemm) layer")
        sources = [s for s in self.sources if s in needed]
        names = {folding.found[s].made: s.layer.name for s in sources}
        for key, made in folding.ends.items():
            if made in names:
                raise ConversionError(f"the output {key!r} is the same as {names[made]!r}: leave "
                                      "one out")
            names[made] = unique(key if len(ends) > 1 else made.layer.name, set(names.values()))
        nodes, taken = [], set(names.values())
        for made in folding.made:
            if made not in names:
                names[made] = unique(made.layer.name or made.layer.kind, taken)
                taken.add(names[made])
            nodes.append(Node(made.layer, [names[m] for m in made.inputs], [names[made]]))
        inputs = [Tensor(s.layer.name, math.prod(s.layer.shape)) for s in sources]
        return Graph(inputs, nodes, [names[made] for made in folding.ends.values()], name,
                     [str(v) for v in labels])


@dataclass(frozen=True, eq=False)
class Value:
    """What a step makes, seen in a shape; methods: what can be made of it.

    own: the shape without the batch, or None: that of the source, as far as it is known; lead: how
    many dimensions stand before the shape; batch: see Builder.input().
    """

    builder: Builder
    step: Step
    own: tuple
    lead: int
    batch: int
    source: Source

    @property
    def shape(self):
        """Without the batch; None: not known yet."""
        return self.source.shape if self.own is None else self.own

    @property
    def size(self):
        """How many numbers a sample has; 0: not known yet."""
        return 0 if self.shape is None else math.prod(self.shape)

    @property
    def kind(self):
        """Of the layer that made it; "affine", "input"."""
        return self.step.layer.kind

    def tell(self, shape):
        """Set the shape of a value of unknown shape."""
        self.source.tell(shape)

    def seen(self, shape, lead=None):
        """The same numbers in another shape."""
        return replace(self, own=tuple(shape), lead=self.lead if lead is None else lead)

    def _then(self, layer, shape, *others):
        step = self.builder.step(layer, self.step, *(v.step for v in others))
        return replace(self, step=step, own=shape)

    def dense(self, weights, bias, name):
        """x @ weights + bias; weights: [inputs, outputs]; bias: [outputs] or None."""
        weights = np.asarray(weights, np.float64)
        if weights.ndim != 2:
            raise ConversionError(f"layer {name!r} has weights of shape {weights.shape}, not "
                                  "[inputs, outputs]")
        n_in, n_out = weights.shape
        self.builder.weights += weights.size
        if self.builder.weights > MOST:
            raise ConversionError(f"layer {name!r} is the one with which the network has more than "
                                  f"{MOST} weights: no board holds them")
        around = () if self.shape is None else self.shape[:-1]
        if self.shape == () or math.prod(around) != 1:
            raise ConversionError(f"layer {name!r} gets values of shape {self.shape}: put a "
                                  "Flatten before it")
        if self.shape is not None and self.shape[-1] != n_in:
            raise ConversionError(f"layer {name!r} takes {n_in} inputs but gets {self.shape[-1]}")
        layer = Dense(weights, np.zeros(n_out) if bias is None else bias, name)
        if self.shape is None:
            self.tell((n_in,))
        return self._then(layer, (*around, n_out))

    def affine(self, slope, offset, name):
        """slope * x + offset for each element; scalars or arrays that broadcast to the shape."""
        slope, offset = (np.asarray(v, np.float64) for v in (slope, offset))
        if not (np.isfinite(slope).all() and np.isfinite(offset).all()):
            raise ConversionError(f"layer {name!r} has parameters that are not finite")
        if self.shape is None and max(slope.ndim, offset.ndim) == 1:
            self.tell((max(slope.size, offset.size),))
        if self.shape is not None:
            try:
                slope, offset = (np.broadcast_to(v, self.shape).ravel() for v in (slope, offset))
            except ValueError:
                raise ConversionError(f"layer {name!r} has {slope.size} parameters for values of "
                                      f"shape {self.shape}")
        return self._then(Affine(slope, offset), self.own)

    def activation(self, kind, name, alpha=0.0, beta=0.0):
        """One of ops.KINDS, elementwise; softmax over the last axis."""
        if kind in ("softmax", "log_softmax") and self.shape is not None and len(self.shape) != 1:
            raise ConversionError(f"layer {name!r} is a softmax over one axis of {self.shape}: "
                                  "put a Flatten before it")
        if kind == "celu" and not alpha:
            raise ConversionError(f"layer {name!r} is a CELU with alpha 0, which divides by it: "
                                  "use ReLU")
        return self._then(activation(kind, float(alpha), float(beta), name), self.own)

    def plus(self, other, name):
        """The sum of two values of the same shape."""
        for one, two in ((self, other), (other, self)):
            if one.shape is None and two.shape is not None:
                one.tell(two.shape)
        if self.shape is None:
            raise ConversionError(f"layer {name!r} adds values of unknown shape: give the network "
                                  "inputs of fixed size")
        if (self.shape, self.lead) != (other.shape, other.lead):
            raise ConversionError(f"layer {name!r} adds values of shapes {self.shape} and "
                                  f"{other.shape}: they must be equal")
        return self._then(Add(name), self.shape, other)

    def pick(self, index):
        """Some of the outputs of a dense layer; None if it is of another layer."""
        step = self._picked(self.step, index)
        return step and replace(self, step=step, own=(*self.shape[:-1], len(index)))

    def _picked(self, step, index):
        layer = step.layer
        if layer.kind == "affine":
            inner = self._picked(step.inputs[0], index)
            return inner and self.builder.step(
                Affine(*(v[index] if v.ndim else v for v in (layer.slope, layer.offset))), inner)
        if layer.kind != "dense":
            return None
        return self.builder.step(Dense(layer.weights[:, index], layer.bias[index], layer.name),
                                 *step.inputs)

    def log(self, name):
        """The logarithm of a softmax or sigmoid; None if it is of another layer."""
        if self.kind not in ("softmax", "sigmoid"):
            return None
        return replace(self, step=self.builder.step(
            activation(f"log_{self.kind}", name=name), *self.step.inputs))

    def reshape(self, shape, name):
        """The same values in another shape; -1 stands for what is left."""
        if self.shape is None:
            return self
        shape = list(shape)
        if shape.count(-1) == 1:
            known = math.prod(d for d in shape if d != -1)
            shape[shape.index(-1)] = self.size // known if known else 0
        if math.prod(shape) != self.size:
            raise ConversionError(f"layer {name!r} mixes the samples of a batch: keep the first "
                                  "dimension")
        return self.seen(int(d) for d in shape)

    def flatten(self, name):
        return self.reshape((-1,), name)


def batch_norm(gamma, beta, mean, variance, epsilon):
    """(slope, offset) of a batch normalization as at inference; gamma and beta may be None."""
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    with np.errstate(all="ignore"):  # a negative variance: Value.affine refuses its square root
        slope = (1.0 if gamma is None else np.asarray(gamma, np.float64)) / np.sqrt(
            variance + epsilon)
    return slope, (0.0 if beta is None else np.asarray(beta, np.float64)) - mean * slope

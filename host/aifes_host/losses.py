"""What fine-tuning trains for: the targets as the outputs should be, their loss, its gradient."""
from dataclasses import dataclass

import numpy as np

from .classes import class_numbers
from .graph import ConversionError
from .ops import Activation, Softmax

TARGETS = ("classes", "values")


@dataclass
class Goal:
    """What one output of the network should be.

    targets: [samples, elements]; loss: "cross-entropy" of probabilities, "cross-entropy of
    logits", or "squared error"; boundary: of a single element, else None.
    """

    layer: object  # whose result it is
    boundary: float
    targets: np.ndarray
    loss: str

    def value(self, y, rows):
        """Mean loss of results of some samples."""
        t = self.targets[rows]
        if self.loss == "squared error":
            return float(((y - t) ** 2).mean())
        if self.loss == "cross-entropy":
            return self.layer.cross_entropy(y, t)
        if self.boundary is None:
            return Softmax("log_softmax").cross_entropy(Softmax("log_softmax")(y), t)
        y = y - self.boundary
        return float((Activation("softplus")(y) - t * y).mean())

    def gradient(self, y, rows):
        """Of the sum over these samples, for each element, or before_activation."""
        t = self.targets[rows]
        if self.loss == "cross-entropy of logits":
            if self.boundary is None:
                return Softmax()(y) - t
            return Activation("sigmoid")(y - self.boundary) - t
        return (self.layer.probabilities(y) if self.before_activation else y) - t

    @property
    def before_activation(self):
        """Whether gradient() is that of the layer's input: softmax and sigmoid are simple so, and
        clamped ones do not stop where they are wrong."""
        return self.loss == "cross-entropy"


@dataclass
class Goals:
    """goals: {output: Goal}; numbers: the samples' classes, None if the targets are values."""

    goals: dict
    numbers: np.ndarray

    @property
    def loss(self):
        """What it is called."""
        return " + ".join(goal.loss for goal in self.goals.values())

    def value(self, y, rows):
        """The sum of the mean losses, of outputs [samples, outputs] of some samples."""
        ends = np.cumsum([goal.targets.shape[1] for goal in self.goals.values()])
        parts = np.split(y, ends[:-1], axis=1)
        return sum(goal.value(part, rows) for goal, part in zip(self.goals.values(), parts))

    def gradients(self, results, rows):
        """{output: gradient, of the sum over these samples}, as Goal.gradient()."""
        return {name: goal.gradient(results[name], rows) for name, goal in self.goals.items()}

    @property
    def before_activation(self):
        """The names of the outputs whose gradients are those of the layer's input."""
        return [name for name, goal in self.goals.items() if goal.before_activation]


def goals(graph, targets, samples, meant=None):
    """The Goals of a Graph on so many samples.

    targets: [samples, outputs], or one column; meant: "classes" or "values", for those that could
    be both. Raises ConversionError if they do not fit, or could be both.
    """
    if meant not in (None, *TARGETS):
        raise ConversionError(f"targets are {' or '.join(TARGETS)}, not {meant!r}")
    targets, n = _array(targets), graph.n_out
    column = targets.ndim == 1 or targets.ndim == 2 and targets.shape[1] == 1
    if not (column or meant == "classes") and targets.shape != (samples, n):
        raise ConversionError(f"the targets have shape {targets.shape}, the network gives "
                              f"{(samples, n)}: one row for each sample, or its class")
    if graph.last is None and (meant == "classes" or column):
        raise ConversionError(f"a network of {len(graph.outputs)} outputs is trained with values "
                              "for all of them, side by side, not with classes")
    numbers = None
    if meant == "classes" or meant is None and graph.last and _are_classes(graph, targets, column):
        numbers, targets = _classes(graph, targets, column, samples)
    elif column and n > 1:
        raise ConversionError(f"the targets have one column, the network has {n} outputs")
    targets = _checked(targets, (samples, n))
    ends = np.cumsum([graph.tensors[name].size for name in graph.outputs])
    found = {}
    for name, part in zip(graph.outputs, np.split(targets, ends[:-1], axis=1)):
        layer = graph.maker(name).layer
        if layer.probable and (part.min() < 0 or part.max() > 1):
            raise ConversionError(f"the network ends in a {layer.kind}: its targets are "
                                  "probabilities, 0 to 1, or classes")
        found[name] = Goal(layer, graph.boundary, part, _loss(layer, numbers is not None))
    return Goals(found, numbers)


def _classes(graph, targets, column, samples):
    """(the classes' numbers, what the outputs should be) of targets that are classes."""
    n, ends = graph.n_out, graph.last.ends
    if column:
        numbers = class_numbers(graph.labels, n, targets.ravel(), samples)
    elif targets.shape == (samples, n) and _one_hot(targets):
        numbers = targets.astype(float).argmax(1)
    else:
        raise ConversionError("the targets are no classes: give one column, or rows with a "
                              "single 1 in them")
    targets = numbers[:, None] if n == 1 else np.eye(n)[numbers]
    if ends:
        targets = ends[0] + (ends[1] - ends[0]) * targets
    return numbers, targets


def _array(targets):
    try:
        return np.asarray(targets)
    except ValueError:
        raise ConversionError("the targets have rows of different lengths")


def _are_classes(graph, targets, column):
    """Whether these targets are classes; ConversionError if nobody can know."""
    last = graph.last
    if column and (graph.n_out > 1 or graph.labels or targets.dtype.kind not in "iuf"):
        return True
    found = set(np.unique(targets).tolist()) if targets.dtype.kind in "biuf" else set()
    if not (column and (found <= {0, 1} or found <= {-1, 1}) or _one_hot(targets)):
        return column and not last.probable and _whole(found)
    if not (last.probable or graph.labels or column and found <= set(last.ends or ())):
        _ask()
    return True


def _whole(found):
    """Two whole numbers are asked about; more cannot be the classes of one output."""
    if 0 < len(found) <= 2 and all(float(v).is_integer() for v in found):
        _ask()
    return False


def _ask():
    raise ConversionError("the targets could be classes or the values that the outputs should "
                          "have: say which with --targets classes or --targets values, in Python "
                          "with meant=\"classes\" or meant=\"values\"")


def _one_hot(targets):
    if targets.ndim != 2 or targets.shape[1] < 2 or targets.dtype.kind not in "biuf":
        return False
    return bool((np.sort(targets.astype(float), axis=1)
                 == np.eye(targets.shape[1])[-1]).all())


def _checked(targets, shape):
    """The targets as float64 of this shape."""
    try:
        targets = targets.astype(float).reshape(shape)
    except (TypeError, ValueError):
        if targets.size == shape[0] * shape[1]:
            raise ConversionError("the targets are not numbers")
        raise ConversionError(f"{len(targets)} targets for {shape[0]} samples")
    if not np.isfinite(targets).all():
        raise ConversionError("the targets contain values that are not finite: remove those rows")
    return targets


def _loss(layer, are_classes):
    if layer.probable:
        return "cross-entropy"
    if are_classes and not layer.ends:
        return "cross-entropy of logits"
    return "squared error"

"""What fine-tuning trains for: the targets as the outputs should be, their loss, its gradient."""
from dataclasses import dataclass

import numpy as np

from .classes import class_numbers
from .graph import LARGEST, ConversionError
from .ops.functions import FUNCTIONS
from .ops.softmax import KINDS as SOFTMAX
from .ops.softmax import Softmax

TARGETS = ("classes", "values")
LEAST = 1 / 512  # of a probability: half of what Q7 can tell from 0
PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")  # kinds of layers that give them


@dataclass
class Goal:
    """targets: [samples, outputs]; numbers: the samples' classes, None if they are values.

    loss: "cross-entropy" of probabilities, "cross-entropy of logits", or "squared error".
    """

    last: object  # the layer that makes the only output; None if there are several
    boundary: float
    targets: np.ndarray
    numbers: np.ndarray
    loss: str

    def value(self, y, rows):
        """Mean loss of outputs of some samples."""
        t = self.targets[rows]
        if self.loss == "squared error":
            return float(((y - t) ** 2).mean())
        if self.loss == "cross-entropy of logits":
            if self.boundary is None:
                return float(-(t * Softmax("log_softmax")(y)).sum(1).mean())
            y = y - self.boundary
            return float((FUNCTIONS["softplus"](y, 0, 0) - t * y).mean())
        if self.last.kind == "log_softmax":
            return float(-(t * y).sum(1).mean())
        if self.last.kind == "softmax":
            return float(-(t * np.log(np.maximum(y, LEAST))).sum(1).mean())
        y = np.clip(y, LEAST, 1 - LEAST)
        return float(-(t * np.log(y) + (1 - t) * np.log(1 - y)).mean())

    def gradient(self, y, rows):
        """Of the sum over these samples, for each output, or before_activation."""
        t = self.targets[rows]
        if self.loss == "cross-entropy of logits":
            if self.boundary is None:
                return Softmax()(y) - t
            return FUNCTIONS["sigmoid"](y - self.boundary, 0, 0) - t
        return (np.exp(y) if self.last.kind == "log_softmax" else y) - t

    @property
    def before_activation(self):
        """Whether gradient() is that of the last layer's input: softmax and sigmoid are simple so,
        and clamped ones do not stop where they are wrong."""
        return self.loss == "cross-entropy"


def goal(graph, targets, samples, meant=None):
    """The Goal of a Graph on so many samples.

    targets: [samples, outputs], or one column; meant: "classes" or "values", for those that could
    be both. Raises ConversionError if they do not fit, or could be both.
    """
    if meant not in (None, *TARGETS):
        raise ConversionError(f"targets are {' or '.join(TARGETS)}, not {meant!r}")
    targets, n, last = _array(targets), graph.n_out, graph.last
    if last is None:
        return _values_of_several(graph, targets, samples, meant)
    column = targets.ndim == 1 or targets.ndim == 2 and targets.shape[1] == 1
    if not (column or meant == "classes") and targets.shape != (samples, n):
        raise ConversionError(f"the targets have shape {targets.shape}, the network gives "
                              f"{(samples, n)}: one row for each sample, or its class")
    numbers = None
    if meant == "classes" or meant is None and _are_classes(graph, targets, column):
        if column:
            numbers = class_numbers(graph.labels, n, targets.ravel(), samples)
        elif targets.shape == (samples, n) and _one_hot(targets):
            numbers = targets.astype(float).argmax(1)
        else:
            raise ConversionError("the targets are no classes: give one column, or rows with a "
                                  "single 1 in them")
        targets = numbers[:, None] if n == 1 else np.eye(n)[numbers]
        if _ends(last):
            low, high = _ends(last)
            targets = low + (high - low) * targets
    elif column and n > 1:
        raise ConversionError(f"the targets have one column, the network has {n} outputs")
    return Goal(last, graph.boundary, _checked(targets, (samples, n), last), numbers,
                _loss(graph, numbers is not None))


def _values_of_several(graph, targets, samples, meant):
    """The Goal of a Graph with several outputs: values of all of them, side by side."""
    if meant == "classes":
        raise ConversionError("classes are targets of a network with a single output: give the "
                              "values of all outputs, or import one of them")
    if targets.shape != (samples, graph.n_out):
        raise ConversionError(f"the targets have shape {targets.shape}, the network gives "
                              f"{(samples, graph.n_out)}: all outputs side by side")
    return Goal(None, None, _checked(targets, targets.shape), None, "squared error")


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
    probable = last.kind in SOFTMAX or last.kind in PROBABILITIES
    if not (column and (found <= {0, 1} or found <= {-1, 1}) or _one_hot(targets)):
        return column and not probable and _whole(found)
    if not (probable or graph.labels or column and found <= set(_ends(last) or ())):
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


def _ends(last):
    """Of the results of a bounded activation that is no probability, else None."""
    if last.kind in ("tanh", "softsign"):
        return -1, 1
    if last.kind == "clamp" and max(-last.alpha, last.beta) <= LARGEST:
        return last.alpha, last.beta
    return None


def _checked(targets, shape, last=None):
    """The targets as float64 of this shape."""
    try:
        targets = targets.astype(float).reshape(shape)
    except (TypeError, ValueError):
        if targets.size == shape[0] * shape[1]:
            raise ConversionError("the targets are not numbers")
        raise ConversionError(f"{len(targets)} targets for {shape[0]} samples")
    if not np.isfinite(targets).all():
        raise ConversionError("the targets contain values that are not finite: remove those rows")
    if last and (last.kind in PROBABILITIES or last.kind == "log_softmax") and (
            targets.min() < 0 or targets.max() > 1):
        raise ConversionError(f"the network ends in a {last.kind}: its targets are probabilities, "
                              "0 to 1, or classes")
    return targets


def _loss(graph, are_classes):
    last = graph.last
    if last.kind in SOFTMAX or last.kind in PROBABILITIES:
        return "cross-entropy"
    if are_classes and not _ends(last):
        return "cross-entropy of logits"
    return "squared error"

"""From the outputs of an .aifes model to names of classes, by what its metadata say."""
import numpy as np
from aifes.format import FLOAT32, metadata, size
from aifes.ops import NAMES

from .classes import check_single, class_numbers, classify
from .ops import ROOMS


class Outputs:
    """What the outputs of a model are called. model: its bytes; plan: decoded from them.

    labels: names of the classes, of each element of one output, or of "no" and "yes" of a single
    element; or empty.
    boundary: what a single output must exceed for "yes".
    """

    def __init__(self, model, plan):
        noted = metadata(model, plan)
        outputs = plan.tensors[plan.n_inputs:plan.n_inputs + plan.n_outputs]
        self.count = sum(size(t.shape) for t in outputs)
        labels = noted.get("labels")
        fits = plan.n_outputs == 1 and isinstance(labels, list) and (
            len(labels) == max(self.count, 2))
        self.labels = [str(v) for v in labels] if fits else []
        self.boundary = noted.get("boundary")
        if not isinstance(self.boundary, (int, float)):
            self.boundary = _boundary(plan)
        self._sizes = [size(t.shape) for t in outputs]
        names = noted.get("outputs")
        fits = isinstance(names, list) and len(names) == plan.n_outputs
        self._names = [str(v) for v in names] if fits else ["output"]

    def headings(self):
        """A name for each element of the outputs."""
        if len(self.labels) == self.count:
            return self.labels
        if len(self._names) == 1:
            return [f"{self._names[0]} {j}" for j in range(self.count)]
        return [f"{name} {j}" if n > 1 else name
                for name, n in zip(self._names, self._sizes) for j in range(n)]

    def classes(self, y):
        """The number of the class, an int array, for real outputs [samples, outputs]; of a model
        with one output only."""
        check_single(len(self._sizes))
        return classify(np.asarray(y), self.boundary)

    def predictions(self, y):
        """The name of the class of each sample; None if the model names none."""
        return [self.labels[i] for i in self.classes(y)] if self.labels else None

    def accuracy(self, y, wanted):
        """The share of samples whose class is the wanted one: names, or numbers of classes."""
        numbers = class_numbers(self.labels, self.count, wanted, len(y))
        return float((self.classes(y) == numbers).mean())


def _boundary(plan):
    """What a single output must exceed, for files that do not say where it divides."""
    last, output = plan.ops[-1], plan.tensors[plan.n_inputs]
    if output.dtype == FLOAT32:
        return ROOMS[NAMES[last.opcode]].boundary(last)
    probable = not output.scales and (output.shift, output.zero_point) == (8, -128)  # 0 .. 1
    return 0.5 if probable else 0

"""From the outputs of an .aifes model to names of classes, by what its metadata say."""
import numpy as np
from aifes.f32_format import ACTIVATION_F32, ACTIVATIONS
from aifes.summary import metadata

from .graph import ConversionError


class Outputs:
    """What the outputs of a model are called. model: its bytes; plan: decoded from them.

    labels: names of the classes, of each output or of "no" and "yes" of a single one; or empty.
    boundary: what a single output must exceed for "yes".
    """

    def __init__(self, model, plan):
        noted = metadata(model, plan)
        self.count = plan.ops[-1].n_out
        labels = noted.get("labels")
        fits = isinstance(labels, list) and len(labels) == max(self.count, 2)
        self.labels = [str(v) for v in labels] if fits else []
        self.boundary = noted.get("boundary")
        if not isinstance(self.boundary, (int, float)):
            self.boundary = 0.5 if _is_sigmoid(plan) else 0

    def headings(self):
        """A name for each output."""
        if len(self.labels) == self.count:
            return self.labels
        return [f"output {j}" for j in range(self.count)]

    def classes(self, y):
        """The number of the class, an int array, for real outputs [samples, outputs]."""
        y = np.asarray(y)
        return y.argmax(1) if self.count > 1 else (y[:, 0] > self.boundary).astype(int)

    def predictions(self, y):
        """The name of the class of each sample; None if the model names none."""
        return [self.labels[i] for i in self.classes(y)] if self.labels else None

    def accuracy(self, y, wanted):
        """The share of samples whose class is the wanted one: names, or numbers of classes."""
        wanted = np.ravel(wanted)
        if len(wanted) != len(y):
            raise ConversionError(f"{len(wanted)} labels for {len(y)} samples")
        names = self.labels or [str(i) for i in range(max(self.count, 2))]
        texts = [f"{v:g}" if isinstance(v, float) else str(v) for v in wanted.tolist()]
        for text in texts:
            if text not in names:
                raise ConversionError(f"the label {text!r} is none of the network's: "
                                      f"{', '.join(names)}")
        return float(np.mean([names[i] == v for i, v in zip(self.classes(y), texts)]))


def _is_sigmoid(plan):
    """Whether a single output is a probability, for files that do not say where it divides."""
    last = plan.ops[-1]
    if last.opcode == ACTIVATION_F32:
        return ACTIVATIONS[last.flags] == "sigmoid"
    return not plan.output.features and (plan.output.shift, plan.output.zero_point) == (8, -128)

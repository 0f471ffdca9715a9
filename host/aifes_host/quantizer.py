"""Calibrate a float Graph on data and quantize it to one .aifes buffer.

method "aifes": AIfES's rule and arithmetic: min/max with 10 % margin, one scale a tensor, floor.
method "mse" (default): channels equalized, the scale of each result that loses least after its
activation, a shift for each output's weights, means corrected in the bias, rounding to nearest,
weights of convolutions rounded together (rounding.py), exact activation tables; if it helps by a
fifth or more, a scale for each input (features of very different ranges), or, without images,
channels as they were.
"""
from dataclasses import asdict, dataclass, field

import numpy as np
from aifes import ModelError
from aifes.quantizer import scales

from . import calibration
from .assembly import metadata
from .classes import check_single, class_numbers, classify
from .float32 import results
from .graph import ConversionError
from .layout import by_rows
from .ops import Concat
from .scales import element_scales, nearest
from .simulator import Simulator, simulate
from .walk import Walk, takes_scales

METHODS = ("mse", "aifes")


class Comparison(dict):
    """Figures of float against Q7 on data: a dict that prints as people read."""

    def __str__(self):
        text = ("float against Q7 on {samples} samples: mean error {mean_error:.5f}, largest "
                "{max_error:.5f} of a span of {output_span:.4g}").format(**self)
        if "accuracy_q7" in self:
            text += (f"\naccuracy: float {100 * self['accuracy_float']:.2f} %, "
                     f"Q7 {100 * self['accuracy_q7']:.2f} %")
        return text

    __repr__ = __str__


@dataclass
class Quantized:
    """model: the .aifes buffer; layers: a LayerReport for each input and each layer.

    graph: the float network, its channels perhaps equalized (equalize.py), its outputs the same.
    per_element: whether elements of inputs and outputs may have scales of their own; scales: {name
    of a tensor: (shift, zero point)}, two ints or two arrays; ops: for each op of the buffer the
    names of the graph's tensors that it computes: its result is the last one, or an inner one;
    tensors: the names of the buffer's tensors.
    x: the calibration data; warnings: sentences about them; improved: what search() or finetune()
    gained.
    """

    model: bytes
    layers: list
    graph: object
    method: str
    per_element: bool
    scales: dict = field(repr=False)
    ops: list = field(repr=False)
    tensors: list = field(repr=False)
    x: np.ndarray = field(default=None, repr=False)
    warnings: list = field(default_factory=list)
    improved: dict = field(default_factory=dict)

    def __repr__(self):
        return f"Quantized({self.graph!r}, method {self.method!r}, {len(self.model)} bytes)"

    def compare(self, x, labels=None):
        """Float against Q7 on data: a Comparison of errors and, with labels, accuracies."""
        x = self.graph.samples(x)
        real, quantized = self.graph.computed(x), Simulator(self.model)(x)
        error = np.abs(real - quantized)
        found = Comparison(samples=len(x), mean_error=float(error.mean()),
                           max_error=float(error.max()), output_span=float(np.ptp(real)))
        if labels is not None:
            wanted = self.class_numbers(labels, len(x))
            found["accuracy_float"] = float((self.classify(real) == wanted).mean())
            found["accuracy_q7"] = float((self.classify(quantized) == wanted).mean())
        return found

    def classify(self, y):
        """The class (int array) that outputs [samples, outputs] mean; of one output only."""
        check_single(len(self.graph.outputs))
        return classify(y, self.graph.boundary)

    def class_numbers(self, labels, samples):
        """The outputs' numbers (int array) of the labels of so many samples."""
        return class_numbers(self.graph.labels, self.graph.n_out, labels, samples)

    def as_dict(self):
        """The report for programs."""
        return {"name": self.graph.name, "method": self.method, "bytes": len(self.model),
                "arena": Simulator(self.model).plan.arena,
                "layers": [asdict(r) for r in self.layers], "warnings": self.warnings,
                "improved": self.improved}


def quantize(graph, data, method="mse"):
    """Quantize a Graph with representative data; returns a Quantized.

    data: [samples, inputs], or a function that returns or yields them.
    Raises ConversionError if the data do not fit, cannot calibrate the network, or a range cannot
    be expressed in 8 bits.
    """
    if method not in METHODS:
        raise ConversionError(f"method {method!r} is unknown: choose one of {', '.join(METHODS)}")
    x = graph.samples(collect(data)).astype(np.float32).astype(float)  # as the board gets them
    warnings = calibration.check(graph, x)
    best = build(graph, x, method)
    if method == "mse" and _worth_a_trial(graph, best):
        best = _better(graph, best, build(graph, x, method, True))
    # a few channels of a few samples: their ranges may be too narrow for others
    if best.graph is not graph and all(len(t.shape) == 1 for t in graph.tensors.values()):
        best = _better(graph, best, build(graph, x, method, best.per_element, equal=True))
    best.warnings, best.model = warnings, by_rows(best.model)
    return best


def _better(graph, best, other):
    """Of two Quantized the second one, if it loses clearly less."""
    return other if 10 * _loss(graph, other) < scales.BETTER * _loss(graph, best) else best


def build(graph, x, method="mse", per_element=False, choices=None, equal=False):
    """One Quantized of samples; per_element: a scale for each element of inputs and outputs that
    can have one; choices: {name of a layer's result: walk.Choice}; equal: the channels stay as they
    are, as in the graph of a Quantized."""
    try:
        walk = Walk(graph, x, method, per_element, choices or {}, equal)
        rows = [[r.name, r.elements, r.parameters,
                 *((r.shift, r.zero_point) if isinstance(r.shift, int) else (None, None))]
                for r in walk.reports if r.kind != Concat.kind]
        model, steps, tensors = walk.assemble(metadata(graph, rows, f"method {method}"))
    except ModelError as error:  # of the device package: a range or bias that does not fit
        raise ConversionError(str(error))
    used = {name: (walk.values[name].shift, walk.values[name].zero_point) for name in graph.tensors}
    return Quantized(model, walk.reports, walk.graph, method, per_element, used,
                     [step.layers for step in steps], tensors, x)


def collect(data):
    """Data as they are, or what a function returns or yields."""
    if callable(data):
        data = data()
    return list(data) if hasattr(data, "__next__") else data


def error(result, x):
    """Mean squared error of the outputs, each relative to its own variance."""
    real = result.graph.computed(x)
    return ((real - simulate(result.model, x)) ** 2 / (real.var(axis=0) + 1e-12)).mean()


def _worth_a_trial(graph, result):
    """Whether inputs, or outputs of a dense layer, differ so much that each may want a scale."""
    inputs = [t.name for t in graph.inputs if takes_scales(graph, t.name)]
    outputs = [name for name in graph.outputs if takes_scales(graph, name)]
    if len(inputs) < len(graph.inputs):
        return False
    x, real = graph.split(result.x), results(graph, result.x)
    tried = [(result.scales[name][0], element_scales(x[name], scales.MARGIN)) for name in inputs]
    tried += [(result.scales[name][0], element_scales(real[name])) for name in outputs]
    return any(scales.is_worth(shift, own.tolist()) for shift, (own, _) in tried)


def _loss(graph, result):
    """error(), in integers as on the board, against the Graph that was given."""
    run = Simulator(result.model)
    real = graph.joined(results(graph, result.x))
    q = run.run(run.quantized(result.x)).astype(np.int64)
    shift, zero = run.output_scale
    r = nearest(real, shift + scales.ERROR_BITS)
    d = (q - zero << scales.ERROR_BITS) - r
    sums = [(d ** 2).sum(0), r.sum(0), (r ** 2).sum(0)]
    return scales.error(zip(*[v.tolist() for v in sums]), len(result.x))

"""Calibrate a float Graph on data and quantize it to one .aifes buffer.

method "aifes": AIfES's rule and arithmetic: min/max with 10 % margin, one scale a tensor, floor.
method "mse" (default): the scale of each result that loses least after its activation, a shift for
each output's weights, means corrected in the bias, rounding to nearest, exact activation tables;
if it helps by a fifth or more, a scale for each input (features of very different ranges).
"""
from dataclasses import asdict, dataclass, field

import numpy as np
from aifes import ModelError
from aifes.quantizer import scales

from . import calibration
from .classes import class_numbers, classify
from .graph import ConversionError
from .scales import element_scales, nearest
from .simulator import Simulator, float32_results, simulate
from .walk import Walk

METHODS = ("mse", "aifes")


@dataclass
class LayerReport:
    """One layer: its real range, its scale, how far Q7 is from float on the calibration data."""

    name: str
    kind: str
    elements: int
    parameters: int
    low: float
    high: float
    shift: int | list
    zero_point: int | list
    saturated: float  # share of results that the range cuts
    snr_db: float  # signal-to-noise ratio against float; both seen behind the activation, if any


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
    """model: the .aifes buffer; layers: a LayerReport for the input and each layer.

    scales: {name of a tensor: (shift, zero point)}, two ints or two arrays; ops: for each op of
    the model the names of the tensors that it computes. x: the calibration data; warnings:
    sentences about them; improved: what search() or finetune() gained.
    """

    model: bytes
    layers: list
    graph: object
    method: str
    scales: dict = field(default_factory=dict, repr=False)
    ops: list = field(default_factory=list, repr=False)
    x: np.ndarray = field(default=None, repr=False)
    warnings: list = field(default_factory=list)
    improved: dict = field(default_factory=dict)

    def __repr__(self):
        return f"Quantized({self.graph!r}, method {self.method!r}, {len(self.model)} bytes)"

    def compare(self, x, labels=None):
        """Float against Q7 on data: a Comparison of errors and, with labels, accuracies."""
        x = self.graph.samples(x)
        real, quantized = self.graph(x), Simulator(self.model)(x)
        error = np.abs(real - quantized)
        found = Comparison(samples=len(x), mean_error=float(error.mean()),
                           max_error=float(error.max()), output_span=float(np.ptp(real)))
        if labels is not None:
            wanted = self.class_numbers(labels, len(x))
            found["accuracy_float"] = float((self.classify(real) == wanted).mean())
            found["accuracy_q7"] = float((self.classify(quantized) == wanted).mean())
        return found

    def classify(self, y):
        """The class (int array) that outputs [samples, outputs] mean."""
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
    if method == "mse" and _may_differ(graph) and _worth_a_trial(best, x):
        other = build(graph, x, method, True)
        if 10 * _loss(other, x) < scales.BETTER * _loss(best, x):
            best = other
    best.warnings = warnings
    return best


def build(graph, x, method="mse", per_element=False, choices=None):
    """One Quantized of samples.

    per_element: a scale for each input, and each output of a last dense layer; choices: Choices by
    the name of the tensor that the layer makes.
    """
    try:
        return _quantized(Walk(graph, x, method, per_element, choices or {}))
    except ModelError as error:  # of the device package: a range or bias that does not fit
        raise ConversionError(str(error))


def collect(data):
    """Data as they are, or what a function returns or yields."""
    if callable(data):
        data = data()
    return list(data) if hasattr(data, "__next__") else data


def error(result, x):
    """Mean squared error of the outputs, each relative to its own variance."""
    real = result.graph(x)
    return ((real - simulate(result.model, x)) ** 2 / (real.var(axis=0) + 1e-12)).mean()


def _may_differ(graph):
    """Whether inputs, and outputs, may have a scale for each element."""
    return all(node.layer.by_element for t in graph.inputs for node in graph.readers(t.name))


def _worth_a_trial(result, x):
    """Whether inputs, or outputs of a dense layer, differ so much that each may want a scale."""
    graph, real = result.graph, float32_results(result.graph, x)
    tried = [(t.name, element_scales(real[t.name], scales.MARGIN)) for t in graph.inputs]
    tried += [(node.output, element_scales(real[node.output])) for node in graph.nodes
              if node.layer.by_element and graph.is_end(node)]
    return any(scales.is_worth(result.scales[name][0], own.tolist()) for name, (own, _) in tried)


def _loss(result, x):
    """error(), in integers as on the board."""
    graph, run = result.graph, Simulator(result.model)
    real = graph.joined(float32_results(graph, x))
    q = run.run(run.quantized(x)).astype(np.int64)
    shift, zero = (np.concatenate([np.broadcast_to(result.scales[n][k], graph.tensors[n].size)
                                   for n in graph.outputs]) for k in (0, 1))
    r = nearest(real, shift + scales.ERROR_BITS)
    d = (q - zero << scales.ERROR_BITS) - r
    sums = [(d ** 2).sum(0), r.sum(0), (r ** 2).sum(0)]
    return scales.error(zip(*[v.tolist() for v in sums]), len(x))


def _quantized(walk):
    """Let each layer's file in ops/ quantize it, then put the buffer together."""
    graph = walk.graph
    reports = [_report(walk, t.name, "input", 0) for t in graph.inputs]
    for node in graph.nodes:
        walk.quantize(node)
        layer = node.layer
        reports.append(_report(walk, node.output, layer.kind, layer.parameters, layer.name,
                               walk.behind(node)))
    rows = [[r.name, r.elements, r.parameters,
             *((r.shift, r.zero_point) if isinstance(r.shift, int) else (None, None))]
            for r in reports]
    model, ops = walk.model(rows)
    found = {name: (value.shift, value.zero_point) for name, value in walk.values.items()}
    return Quantized(model, reports, graph, walk.method, found, ops, walk.x)


def _report(walk, tensor, kind, parameters, name=None, behind=None):
    value, real = walk.values[tensor], walk.real[tensor]
    behind = behind or (lambda values: values)
    signal = behind(real)
    ends = [value.dequantized(np.full(value.q.shape[1], q)) for q in (-128, 127)]
    cut = np.abs(behind(np.clip(real, *ends)) - signal) > np.ldexp(0.5, -np.asarray(value.shift))
    noise = ((behind(value.dequantized(value.q)) - signal) ** 2).mean()
    shift, zero = (v.tolist() if isinstance(v, np.ndarray) else int(v)
                   for v in (value.shift, value.zero_point))
    return LayerReport(
        name or tensor, kind, value.q.shape[1], parameters, float(real.min()), float(real.max()),
        shift, zero, float(cut.mean()),
        float(10 * np.log10((signal ** 2).mean() / noise)) if noise and signal.any() else 99.0)

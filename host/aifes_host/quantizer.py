"""Calibrate a float Graph on data and quantize it to one .aifes buffer.

method "aifes": AIfES's rule and arithmetic: min/max with 10 % margin, one scale a tensor, floor.
method "mse" (default): the scale of each result that loses least after its activation, a shift for
each output's weights, means corrected in the bias, rounding to nearest, exact activation tables;
if it helps by a fifth or more, a scale for each input (features of very different ranges).
"""
import json
import math
from dataclasses import asdict, dataclass, field

import numpy as np
from aifes import ModelError, __version__, activations, builder, q7, scales
from aifes.f32_format import ACTIVATIONS

from . import calibration, tables
from .classes import class_numbers, classify
from .graph import Activation, ConversionError
from .scales import best_scale, element_scales, nearest, result_shifts, weight_shifts
from .simulator import Simulator, dequantize_values, quantize_values, simulate
from .simulator_f32 import results

METHODS = ("mse", "aifes")
AIFES = (*ACTIVATIONS, "softmax")  # what AIfES has, and float32 models


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

    x: the calibration data; warnings: sentences about them; improved: what search() or finetune()
    gained.
    """

    model: bytes
    layers: list
    graph: object
    method: str
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
        return class_numbers(self.graph.labels, self.graph.outputs, labels, samples)

    def as_dict(self):
        """The report for programs."""
        return {"name": self.graph.name, "method": self.method, "bytes": len(self.model),
                "arena": Simulator(self.model).plan.arena,
                "layers": [asdict(r) for r in self.layers], "warnings": self.warnings,
                "improved": self.improved}


@dataclass(frozen=True)
class Choice:
    """How search() departs from the rule in one dense layer.

    finer: added to the shift of its result; weights: "weights" (shifts that lose least of them) or
    "results" (shifts that lose least of what the layer computes on the data).
    """

    finer: int = 0
    weights: str = "weights"


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
    if method == "mse" and graph.layers[0].kind == "dense" and _worth_a_trial(best, x):
        other = build(graph, x, method, True)
        if 10 * _loss(other, x) < scales.BETTER * _loss(best, x):
            best = other
    best.warnings = warnings
    return best


def build(graph, x, method="mse", per_feature=False, choices=None):
    """One Quantized of samples; per_feature: a scale for each input; choices: by layer number."""
    try:
        return _Builder(graph, x, method, per_feature, choices or {}).result()
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


def _worth_a_trial(result, x):
    """Whether inputs, or outputs of a dense layer, differ so much that each may want a scale."""
    last = result.graph.layers[-1].kind == "dense"
    tried = [(result.layers[0].shift, element_scales(x, scales.MARGIN))]
    if last:
        tried.append((result.layers[-1].shift, element_scales(results(result.graph, x)[-1])))
    return any(scales.is_worth(common, own.tolist()) for common, (own, _) in tried)


def _loss(result, x):
    """error(), in integers as on the board."""
    last, real = result.layers[-1], results(result.graph, x)[-1]
    run = Simulator(result.model)
    q = run.run(quantize_values(x, *run.scale(run.plan.input))).astype(np.int64)
    shift, zero = np.array(last.shift), np.array(last.zero_point)
    r = nearest(real, shift + scales.ERROR_BITS)
    d = (q - zero << scales.ERROR_BITS) - r
    sums = [(d ** 2).sum(0), r.sum(0), (r ** 2).sum(0)]
    return scales.error(zip(*[v.tolist() for v in sums]), len(x))


class _Builder:
    """Walks the layers with the float results and the Q7 results side by side."""

    def __init__(self, graph, x, method, per_feature, choices):
        self.graph, self.x, self.method, self.choices = graph, x, method, choices
        self.exact = method != "aifes"
        self.real = results(graph, x)
        self.ops, self.reports = [], []
        if per_feature:
            self.scale = element_scales(x, scales.MARGIN)
        else:
            first = graph.layers[0]
            seen = first(x) if first.kind == "clamp" else x  # what it cuts needs no range
            self.scale = self._range(seen.min(), seen.max(), scales.MARGIN)
        self.per_feature = per_feature
        self.input_scale = self.scale
        self.q = quantize_values(x, *self.scale)
        self._report("input", "input", 0, x)

    def _range(self, low, high, margin=0.0):
        """(shift, zero point) that covers a range, by the method's rule."""
        if self.exact:
            return q7.params(float(low), float(high), margin, min_shift=-32)
        return q7.params(float(low), float(high), 0.1)

    def result(self):
        following = [*self.graph.layers[1:], None]
        for i, (layer, after, real) in enumerate(zip(self.graph.layers, following, self.real)):
            behind = after if isinstance(after, Activation) and "softmax" not in after.kind \
                else None
            if layer.kind == "dense":
                self._dense(layer, real, behind, after is None, self.choices.get(i, Choice()))
            else:
                self._activation(layer, real)
            op = self.ops[-1]
            model = self._assemble(b"")
            self.q = Simulator(model).run(quantize_values(self.x, *self.input_scale))
            self._report(layer.name, layer.kind,
                         op.n_out * (op.n_in + 1) if layer.kind == "dense" else 0, real,
                         behind if layer.kind == "dense" else None)
        rows = [[r.name, r.elements, r.parameters,
                 *((r.shift, r.zero_point) if isinstance(r.shift, int) else (None, None))]
                for r in self.reports]
        meta = {"name": self.graph.name, "layers": rows,
                "made": f"aifes {__version__}, method {self.method}"}
        if self.graph.labels:
            meta["labels"] = [str(v) for v in self.graph.labels]
        if self.graph.boundary is not None:
            meta["boundary"] = self.graph.boundary
        model = self._assemble(json.dumps(meta, ensure_ascii=False).encode())
        return Quantized(model, self.reports, self.graph, self.method, self.x)

    def _assemble(self, meta):
        plain = [tuple(v.tolist() if isinstance(v, np.ndarray) else v for v in scale)
                 for scale in (self.input_scale, self.scale)]
        return bytes(builder.assemble(self.ops, plain[0], plain[1], metadata=meta))

    def _dense(self, layer, real, behind, last, choice):
        """behind: the elementwise activation that follows, or None; last: nothing follows."""
        in_shift, in_zero = self.scale
        weights = layer.weights.astype(np.float32).astype(float)
        biases = layer.bias.astype(np.float32).tolist()
        if isinstance(in_shift, np.ndarray):  # the inputs' scales go into the rows of the weights
            weights = np.ldexp(weights, -in_shift[:, None])
            in_shift, in_zero = 0, in_zero.tolist()
        if self.exact:
            shift, zero = (element_scales(real) if self.per_feature and last
                           else best_scale(real, behind, choice.finer))
            w_shift = weight_shifts(weights)
            if choice.weights == "results":
                seen = np.ldexp(self.q - np.array(in_zero, float), -in_shift)
                w_shift = result_shifts(weights, w_shift, seen, real)
        else:
            shift, zero = self._range(real.min(), real.max())
            w_shift = np.full(len(biases), q7.params(
                weights.min(), weights.max(), symmetric=True)[0])
        shift, w_shift = scales.fit(w_shift.tolist(), biases, in_shift,
                                    shift if isinstance(shift, int) else shift.tolist())
        if not self.exact and shift < self._range(real.min(), real.max())[0]:
            raise ConversionError(f"layer {layer.name!r}: AIfES's rule gives it a finer result "
                                  "than its accumulator has; use method 'mse'")
        w = quantize_values(weights, np.array(w_shift), 0)
        acc_shift = [in_shift + s for s in w_shift]
        if self.exact and len(self.x) >= scales.FEW:
            bias = self._corrected(real, w, np.array(in_zero), acc_shift)
        else:
            bias = [q7.fixed(b, s) for b, s in zip(biases, acc_shift)]
        down = [s - v for s, v in zip(acc_shift, np.broadcast_to(shift, len(bias)).tolist())]
        down = down[0] if len(set(down)) == 1 else down
        self.ops.append(builder.dense_op(w.T.tobytes(), 0, bias, in_zero, down,
                                         zero if isinstance(zero, int) else zero.tolist(),
                                         self.exact))
        self.scale = shift if isinstance(shift, int) else np.array(shift), zero

    def _corrected(self, real, w, in_zero, acc_shift):
        """The biases that make the mean of each result right."""
        samples = len(self.x)
        inputs = self.q.sum(0, dtype=np.int64) - samples * in_zero
        first = q7.params(float(real.min()), float(real.max()), min_shift=-32)[0]
        bits = first + scales.MEAN_BITS
        return [scales.corrected_bias(r, bits, seen, s, samples) for r, seen, s in zip(
            nearest(real, bits).sum(0).tolist(), (inputs @ w.astype(np.int64)).tolist(),
            acc_shift)]

    def _activation(self, layer, real):
        shift, zero = self.scale
        n = self.q.shape[1]
        if not self.exact and layer.kind not in AIFES:
            raise ConversionError(f"layer {layer.name!r}: AIfES has no {layer.kind}; use method "
                                  "'mse'")
        out = activations.OUT_SCALE.get(layer.kind, self.scale)
        if "softmax" in layer.kind:
            make = (activations.exact_softmax_table if self.exact
                    else activations.aifes_softmax_table)
            self.ops.append(builder.softmax_op(n, make(shift), self.exact))
            if layer.kind == "log_softmax":
                out = self._log(real)
        elif layer.kind == "relu":
            builder.fuse_clamp(self.ops, n, zero, 127)
        elif layer.kind == "clamp" and self._holds(layer.alpha, layer.beta):
            builder.fuse_clamp(self.ops, n, *(q7.quantize(v, shift, zero)
                                              for v in (layer.alpha, layer.beta)))
        elif self.exact:
            if layer.kind not in activations.OUT_SCALE:
                out = tables.result_scale(layer, self.q, self.scale)
            builder.fuse_map(self.ops, n, tables.exact_table(layer, self.scale, out))
        else:
            a_shift, a_zero = q7.params(-abs(layer.alpha), abs(layer.alpha))
            alpha = q7.quantize(layer.alpha, a_shift, a_zero), a_shift, a_zero
            builder.fuse_map(self.ops, n, activations.aifes_table(layer.kind, alpha, shift, zero))
        self.scale = out

    def _holds(self, low, high):
        """Whether the scale so far reaches a range from either side."""
        return (q7.dequantize(127, *self.scale) >= low and q7.dequantize(-128, *self.scale) <= high)

    def _log(self, real):
        """Take the logarithm of the softmax; its scale. What softmax rounded to 0 gets the mean
        of the samples there."""
        p = Simulator(self._assemble(b"")).run(quantize_values(self.x, *self.input_scale))
        gone = real[p == -128]
        lowest = float(gone.mean()) if gone.size else math.log(tables.LOWEST)
        shift, zero = best_scale(np.minimum(np.maximum(real, lowest), 0))
        builder.fuse_map(self.ops, p.shape[1], tables.log_table(shift, zero, lowest))
        return shift, zero

    def _report(self, name, kind, parameters, real, behind=None):
        behind = behind or (lambda values: values)
        seen = behind(dequantize_values(self.q, *self.scale))
        ends = [dequantize_values(np.full(self.q.shape[1], q), *self.scale) for q in (-128, 127)]
        cut = np.abs(behind(np.clip(real, *ends)) - behind(real)) > np.ldexp(
            0.5, -np.asarray(self.scale[0]))
        signal = behind(real)
        noise = ((seen - signal) ** 2).mean()
        shift, zero = (v.tolist() if isinstance(v, np.ndarray) else int(v) for v in self.scale)
        self.reports.append(LayerReport(
            name, kind, self.q.shape[1], parameters, float(real.min()), float(real.max()),
            shift, zero, float(cut.mean()),
            float(10 * np.log10((signal ** 2).mean() / noise)) if noise and signal.any() else 99.0))

"""Calibrate a float Graph on data and quantize it to one .aifes buffer.

method "aifes": AIfES's rule and arithmetic: min/max with 10 % margin, one scale a tensor, floor.
method "mse" (default): the scale of each result that loses least after its activation, a shift for
each output's weights, means corrected in the bias, rounding to nearest, exact activation tables;
if it helps by a fifth or more, a scale for each input (features of very different ranges).
"""
import json
from dataclasses import asdict, dataclass

import numpy as np
from aifes import ModelError, __version__, activations, builder, q7

from .graph import Activation, ConversionError
from .simulator import Simulator, dequantize_values, quantize_values, simulate

METHODS = ("mse", "aifes")
INPUT_MARGIN = 0.25  # headroom for inputs outside the data; measured: costs nothing in range
SEARCH_SAMPLES = 4000  # values looked at when a scale is searched


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


@dataclass
class Quantized:
    """model: the .aifes buffer; layers: a LayerReport for the input and each layer."""

    model: bytes
    layers: list
    graph: object
    method: str

    def compare(self, x, labels=None):
        """Float against Q7 on data: a dict of mean and largest error, agreement, accuracies."""
        x = self.graph.samples(x)
        real, quantized = self.graph(x), Simulator(self.model)(x)
        error = np.abs(real - quantized)
        found = {"samples": len(x), "mean_error": float(error.mean()),
                 "max_error": float(error.max()), "output_span": float(np.ptp(real))}
        if labels is not None:
            wanted = self.class_numbers(labels, len(x))
            found["accuracy_float"] = float((classify(real) == wanted).mean())
            found["accuracy_q7"] = float((classify(quantized) == wanted).mean())
        return found

    def class_numbers(self, labels, samples):
        """The outputs' numbers (int array) of the labels of so many samples."""
        labels = np.asarray(labels)
        if len(labels) != samples:
            raise ConversionError(f"{len(labels)} labels for {samples} samples")
        names = {str(name): i for i, name in enumerate(self.graph.labels)}
        unknown = {str(v) for v in labels.tolist()} - set(names)
        if names and unknown:
            raise ConversionError(f"the label {min(unknown)!r} is none of the network's: "
                                  f"{', '.join(names)}")
        return np.array([names[str(v)] for v in labels.tolist()] if names else labels, int)

    def as_dict(self):
        """The report for programs."""
        return {"name": self.graph.name, "method": self.method, "bytes": len(self.model),
                "arena": Simulator(self.model).plan.arena,
                "layers": [asdict(r) for r in self.layers]}


def quantize(graph, data, method="mse"):
    """Quantize a Graph with representative data [samples, inputs]; returns a Quantized.

    Raises ConversionError if the data do not fit or a range cannot be expressed in 8 bits.
    """
    if method not in METHODS:
        raise ConversionError(f"method {method!r} is unknown: choose one of {', '.join(METHODS)}")
    x = graph.samples(data)
    try:
        best = _Builder(graph, x, method, False).result()
        if method == "mse" and graph.layers[0].kind == "dense":
            other = _Builder(graph, x, method, True).result()
            if _error(other, x) < 0.8 * _error(best, x):
                best = other
    except ModelError as error:  # of the device package: a range or bias that does not fit
        raise ConversionError(str(error))
    return best


def classify(y):
    """The class (int array) that outputs [samples, outputs] mean; a single output: is it > 0.5?"""
    return y.argmax(1) if y.shape[1] > 1 else (y[:, 0] > 0.5).astype(int)


def _error(result, x):
    """Mean squared error of the outputs, each relative to its own variance."""
    real = result.graph(x)
    return ((real - simulate(result.model, x)) ** 2 / (real.var(axis=0) + 1e-12)).mean()


class _Builder:
    """Walks the layers with the float results and the Q7 results side by side."""

    def __init__(self, graph, x, method, per_feature):
        self.graph, self.x, self.method = graph, x, method
        self.exact = method != "aifes"
        self.ops, self.reports = [], []
        if per_feature:
            self.scale = element_scales(x, INPUT_MARGIN)
        else:
            self.scale = self._range(x.min(), x.max(), INPUT_MARGIN)
        self.per_feature = per_feature
        self.input_scale = self.scale
        self.q = quantize_values(x, *self.scale)
        self._report("input", "input", 0, x)

    def _range(self, low, high, margin=0.0):
        """(shift, zero point) that covers a range, by the method's rule."""
        if self.exact:
            return q7.params(low, high, margin, min_shift=-32)
        return q7.params(low, high, 0.1)

    def result(self):
        following = [*self.graph.layers[1:], None]
        for layer, after, real in zip(self.graph.layers, following, self.graph.results(self.x)):
            if not isinstance(after, Activation) or after.kind == "softmax":
                behind = None if after is None else _identity
            else:
                behind = after
            if layer.kind == "dense":
                self._dense(layer, real, behind)
            else:
                self._activation(layer)
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
        model = self._assemble(json.dumps(meta, ensure_ascii=False).encode())
        return Quantized(model, self.reports, self.graph, self.method)

    def _assemble(self, meta):
        plain = [tuple(v.tolist() if isinstance(v, np.ndarray) else v for v in scale)
                 for scale in (self.input_scale, self.scale)]
        return bytes(builder.assemble(self.ops, plain[0], plain[1], metadata=meta))

    def _dense(self, layer, real, behind):
        """behind: the activation that follows, None for the last layer."""
        in_shift, in_zero = self.scale
        if isinstance(in_shift, np.ndarray):  # the inputs' scales go into the rows of the weights
            weights = np.ldexp(layer.weights, -in_shift[:, None])
            in_shift, in_zero = 0, in_zero.tolist()
        else:
            weights = layer.weights
        if self.exact:
            shift, zero = (element_scales(real) if self.per_feature and behind is None
                           else best_scale(real, behind or _identity))
            w_shift = weight_shifts(weights)
        else:
            shift, zero = self._range(real.min(), real.max())
            w_shift = np.full(len(layer.bias), q7.params(
                weights.min(), weights.max(), symmetric=True)[0])
        # a bias far above what the weights contribute sets the accumulator's scale: it has 30 bits
        largest = np.frexp(np.maximum(np.abs(layer.bias), 1e-30))[1]
        w_shift = np.minimum(w_shift, 28 - largest - in_shift)
        if isinstance(shift, int):
            shift = int(min(shift, (in_shift + w_shift).min()))
        w_shift = np.clip(w_shift, shift - in_shift, shift - in_shift + 24)
        if not self.exact and shift < self._range(real.min(), real.max())[0]:
            raise ConversionError(f"layer {layer.name!r}: AIfES's rule gives it a finer result "
                                  "than its accumulator has; use method 'mse'")
        w = quantize_values(weights, w_shift, 0)
        bias = layer.bias.copy()
        if self.exact and len(self.x) >= 32:
            seen = (self.q - np.array(in_zero, float)) @ np.ldexp(
                w.astype(float), -(in_shift + w_shift))
            bias -= (seen + bias - real).mean(axis=0)
        bias = np.ldexp(bias, in_shift + w_shift)
        bias = np.trunc(bias + np.copysign(0.5, bias)).astype(int).tolist()
        down = in_shift + w_shift - shift
        down = int(down[0]) if (down == down[0]).all() else down.tolist()
        self.ops.append(builder.dense_op(w.T.tobytes(), 0, bias, in_zero, down,
                                         zero if isinstance(zero, int) else zero.tolist(),
                                         self.exact))
        self.scale = shift, zero

    def _activation(self, layer):
        shift, zero = self.scale
        n = self.q.shape[1]
        if isinstance(shift, np.ndarray):
            raise ConversionError(f"layer {layer.name!r} cannot follow the input directly")
        out = activations.OUT_SCALE.get(layer.kind, self.scale)
        if layer.kind == "softmax":
            make = (activations.exact_softmax_table if self.exact
                    else activations.aifes_softmax_table)
            self.ops.append(builder.softmax_op(n, make(shift), self.exact))
        elif layer.kind == "relu":
            builder.fuse_relu(self.ops, n, zero)
        elif self.exact:
            builder.fuse_map(self.ops, n, activations.exact_table(
                layer.kind, layer.alpha, shift, zero, *out))
        else:
            a_shift, a_zero = q7.params(-abs(layer.alpha), abs(layer.alpha))
            alpha = q7.quantize(layer.alpha, a_shift, a_zero), a_shift, a_zero
            builder.fuse_map(self.ops, n, activations.aifes_table(layer.kind, alpha, shift, zero))
        self.scale = out

    def _report(self, name, kind, parameters, real, behind=None):
        behind = behind or _identity
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


def _identity(x):
    return x


def element_scales(values, margin=0.0):
    """(shifts, zero points), int arrays: the finest scale that covers each column's own range.

    Unlike AIfES's rule a range need not include 0; zero points are int16.
    """
    shifts, zeros = [], []
    for low, high in zip(values.min(0), values.max(0)):
        centre, half = (low + high) / 2, (high - low) / 2 * (1 + margin)
        # 2**e > the range; and the centre, in steps, within int16
        e = np.ceil(np.log2(max(2 * half * (1 + 1e-9), abs(centre) / 120, 2.0 ** -24)))
        shifts.append(int(8 - e))
        zeros.append(round(-centre * 2.0 ** shifts[-1]))
    return np.array(shifts), np.array(zeros)


def weight_shifts(weights):
    """The shift for each output's weights (int array) that loses least, clipping allowed."""
    shifts = np.array([q7.params(-abs(c).max(), abs(c).max(), min_shift=-32)[0] for c in weights.T])
    used = weights.any(axis=0)
    shifts[~used] = shifts[used].max() if used.any() else 0

    def loss(s):
        return ((dequantize_values(quantize_values(weights, s, 0), s, 0) - weights) ** 2).sum(0)

    return np.where(loss(shifts + 1) < loss(shifts), shifts + 1, shifts)


def best_scale(real, behind):
    """(shift, zero point) of a result that loses least, measured behind the activation.

    real: float results [samples, outputs]; behind: what follows them, an elementwise function.
    """
    values = np.sort(real.ravel())
    values = values[np.linspace(0, len(values) - 1, min(len(values), SEARCH_SAMPLES)).astype(int)]
    wanted = behind(values)
    first, centred = q7.params(values[0], values[-1], min_shift=-32)
    best = None
    for shift in range(first, min(first + 4, 32) + 1):
        steps = np.linspace(values[0], values[-1] - 2.0 ** (8 - shift), 17) if shift > first else []
        zeros = {int(np.clip(round(-low * 2.0 ** shift) - 128, -128, 127)) for low in steps}
        if getattr(behind, "kind", "") == "relu":
            zeros.add(-128)
        for zero in sorted(zeros | ({centred} if shift == first else set())):
            seen = dequantize_values(quantize_values(values, shift, zero), shift, zero)
            loss = ((behind(seen) - wanted) ** 2).mean()
            if best is None or loss < best[0]:
                best = loss, shift, zero
    return best[1:]

"""A quantized network op by op, beside the float layers that each op computes."""
from dataclasses import dataclass, field

import numpy as np

from .simulator import Simulator, dequantize_values, quantize_values


@dataclass
class Stage:
    """The input, or an op of the buffer: the graph's layers that it computes, and its results.

    real, seen: float and Q7 values [samples, elements], behind the last of these layers.
    loss: root of the mean squared error of the network's outputs if only this stage is in Q7.
    """

    layers: list = field(default_factory=list)  # quantizer.LayerReport
    real: np.ndarray = None
    seen: np.ndarray = None
    loss: float = 0.0

    @property
    def title(self):
        return " + ".join(r.name for r in self.layers)

    @property
    def error(self):
        return np.abs(self.seen - self.real)

    @property
    def snr(self):
        """Signal-to-noise ratio in dB; None without an error, or without a signal."""
        noise, signal = (self.error ** 2).mean(), (self.real ** 2).mean()
        return float(10 * np.log10(signal / noise)) if noise and signal else None


def stages(result, x):
    """A Stage for the input and each op: an activation is computed inside the op before it."""
    simulator = Simulator(result.model)
    first, *reports = result.layers
    q = _quantized(x, first)
    found = [Stage([first], x, _real(q, first))]
    rests = [0]  # how many of the graph's layers are done after each stage
    for i, (report, real) in enumerate(zip(reports, result.graph.results(x)), 1):
        before = found[-1].layers[-1].kind
        if report.kind == "dense" or "softmax" in report.kind or before in ("input", "softmax"):
            found.append(Stage())
            rests.append(i)
        found[-1].layers.append(report)
        found[-1].real = real
        rests[-1] = i
    outputs = found[-1].real
    found[0].loss = _loss(result.graph, 0, found[0].seen, outputs)
    results, done = simulator.results(q), 0
    for n, stage in enumerate(found[1:], 1):
        alone = _quantized(found[n - 1].real, found[n - 1].layers[-1])
        for _ in range(2 if stage.layers[0].kind == "log_softmax" else 1):
            alone = simulator.step(done, alone)
            done += 1
        stage.seen = _real(results[done - 1], stage.layers[-1])
        stage.loss = _loss(result.graph, rests[n], _real(alone, stage.layers[-1]), outputs)
    return found


def _loss(graph, done, values, outputs):
    for layer in graph.layers[done:]:
        values = layer(values)
    return float(np.sqrt(((values - outputs) ** 2).mean()))


def _real(q, report):
    return dequantize_values(q, np.array(report.shift), np.array(report.zero_point))


def _quantized(x, report):
    return quantize_values(x, np.array(report.shift), np.array(report.zero_point))

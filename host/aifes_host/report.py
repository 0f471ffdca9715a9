"""A report about a quantized network: one HTML file that needs nothing else, no network either."""
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from aifes import __version__
from jinja2 import Environment, PackageLoader, StrictUndefined

from . import cost, memory_map, report_svg
from .graph import ConversionError
from .quantizer import classify
from .simulator import Simulator, dequantize_values, quantize_values

SCATTERS = 12  # outputs that are drawn


@dataclass
class Stage:
    """The input, or an op of the buffer: the graph's layers that it computes, and its results.

    real, seen: float and Q7 values [samples, elements], behind the last of these layers.
    """

    layers: list = field(default_factory=list)  # quantizer.LayerReport
    real: np.ndarray = None
    seen: np.ndarray = None

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
    def real_values(q, report):
        return dequantize_values(q, np.array(report.shift), np.array(report.zero_point))

    first, *reports = result.layers
    q = quantize_values(x, np.array(first.shift), np.array(first.zero_point))
    found = [Stage([first], x, real_values(q, first))]
    for report, real in zip(reports, result.graph.results(x)):
        before = found[-1].layers[-1].kind
        if report.kind in ("dense", "softmax") or before in ("input", "softmax"):
            found.append(Stage())
        found[-1].layers.append(report)
        found[-1].real = real
    for stage, values in zip(found[1:], Simulator(result.model).results(q)):
        stage.seen = real_values(values, stage.layers[-1])
    return found


@dataclass
class Matrix:
    """How often each class of the rows met each class of the columns."""

    title: str
    rows: str
    columns: str
    counts: np.ndarray

    @property
    def agreement(self):
        return float(np.trace(self.counts) / self.counts.sum())


def matrices(result, stage, labels):
    """The class names and the confusion Matrix of every pair; of no pair if it classifies not."""
    n = max(stage.real.shape[1], 2)
    names = [str(v) for v in result.graph.labels] or [str(i) for i in range(n)]
    found = {"float": classify(stage.real), "Q7": classify(stage.seen)}
    if labels is not None:
        found["label"] = result.class_numbers(labels, len(stage.real))
        wrong = found["label"][(found["label"] < 0) | (found["label"] >= n)]
        if len(wrong):
            raise ConversionError(f"the label {wrong[0]} is none of the network's {n} classes")
        pairs = (("label", "Q7"), ("label", "float"), ("float", "Q7"))
    elif result.graph.labels or result.layers[-1].kind == "softmax":
        pairs = (("float", "Q7"),)
    else:
        pairs = ()
    tables = []
    for rows, columns in pairs:
        counts = np.zeros((n, n), int)
        np.add.at(counts, (found[rows], found[columns]), 1)
        tables.append(Matrix(f"{columns} against {rows}", rows, columns, counts))
    return names, tables


def short(value):
    """Three digits, without an exponent for the sizes that occur."""
    return f"{value:.3g}" if abs(value) < 1000 or abs(value) >= 1e7 else f"{value:,.0f}"


def write_report(result, x, path, labels=None):
    """Write the report about a Quantized on samples [samples, inputs] into an HTML file.

    labels: the samples' classes. Returns its main figures, a dict for JSON.
    """
    x = result.graph.samples(x)
    comparison = result.compare(x, labels)
    found = stages(result, x)
    plan = Simulator(result.model).plan
    names, tables = matrices(result, found[-1], labels)
    costs = [cost.estimate(result.model, chip) for chip in cost.CHIPS]
    environment = Environment(loader=PackageLoader("aifes_host", ""), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["short"] = short
    environment.filters["whole"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    html = environment.get_template("report.html.j2").render(
        result=result, comparison=comparison, stages=found, plan=plan, names=names,
        matrices=tables, costs=costs, svg=report_svg, version=__version__,
        blocks=memory_map.blocks(plan), bound=memory_map.lower_bound(plan),
        best=max([s.snr for s in found if s.snr is not None], default=1),
        products=cost.multiplications(plan), tolerance=cost.TOLERANCE, most=SCATTERS)
    Path(path).write_text(html, "utf-8")
    return dict(result.as_dict(), comparison=comparison, boards=[asdict(c) for c in costs])

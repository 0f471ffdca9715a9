"""A report about a quantized network: one HTML file that needs nothing else, no network either."""
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from aifes import __version__
from jinja2 import Environment, PackageLoader, StrictUndefined

from . import cost, memory_map, report_svg
from .simulator import Simulator
from .stages import stages

SCATTERS = 12  # outputs that are drawn


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
    found = {"float": result.classify(stage.real), "Q7": result.classify(stage.seen)}
    if labels is not None:
        found["label"] = result.class_numbers(labels, len(stage.real))
        pairs = (("label", "Q7"), ("label", "float"), ("float", "Q7"))
    elif result.graph.labels or "softmax" in result.layers[-1].kind:
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

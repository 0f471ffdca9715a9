"""Reports about a model: one HTML file that needs nothing else, no network either."""
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from aifes import __version__
from jinja2 import Environment, PackageLoader, StrictUndefined

from . import cost, memory_map, per_op, report_svg
from .report_maps import feature_maps
from .simulator import Simulator
from .stages import outputs, stages
from .verdict import judge

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


def matrix(rows, columns, found, n):
    """The Matrix of two of `found`, arrays of class numbers below n by what they are called."""
    counts = np.zeros((n, n), int)
    np.add.at(counts, (found[rows], found[columns]), 1)
    return Matrix(f"{columns} against {rows}", rows, columns, counts)


def matrices(result, stage, labels):
    """The class names and the confusion Matrix of every pair; of no pair if it classifies not."""
    n = max(stage.real.shape[1], 2)
    names = [str(v) for v in result.graph.labels] or [str(i) for i in range(n)]
    if labels is None and len(result.graph.outputs) > 1:
        return names, []  # no classes
    found = {"float": result.classify(stage.real), "Q7": result.classify(stage.seen)}
    if labels is not None:
        found["label"] = result.class_numbers(labels, len(stage.real))
        pairs = (("label", "Q7"), ("label", "float"), ("float", "Q7"))
    elif result.graph.labels or result.graph.last.classes:
        pairs = (("float", "Q7"),)
    else:
        pairs = ()
    return names, [matrix(*pair, found, n) for pair in pairs]


def short(value):
    """Three digits, without an exponent for the sizes that occur."""
    return f"{value:.3g}" if abs(value) < 1000 or abs(value) >= 1e7 else f"{value:,.0f}"


def write_report(result, x, path, labels=None, model=None, tested=True):
    """Write the report about a Quantized on samples [samples, inputs] into an HTML file.

    labels: the samples' classes; model: the bytes to deploy, if other than the result's; tested:
    whether the samples are others than the calibration's. Returns its main figures, for JSON.
    """
    model = model or result.model
    comparison = result.compare(x, labels)
    x = result.graph.samples(x)
    found = stages(result, x)
    names, tables = matrices(result, outputs(found), labels)
    agreement = tables[-1].agreement if tables else None
    wanted = None if labels is None else result.class_numbers(labels, len(x))
    verdict = judge(result, comparison, found, agreement, wanted, tested)
    facts = [("mean error", short(comparison["mean_error"])),
             ("largest error", short(comparison["max_error"])),
             ("output span", short(comparison["output_span"]))]
    if "accuracy_q7" in comparison:
        facts += [("accuracy, Q7", f"{comparison['accuracy_q7']:.1%}"),
                  ("accuracy, float", f"{comparison['accuracy_float']:.1%}")]
    if tables:
        facts.append(("same as float", f"{agreement:.1%}"))
    costs = write_page(
        path, result.graph.name, model, verdict, found, facts, names, tables, compared=True,
        layers=result.layers,
        intro=f"Quantized to int8 with method {result.method}, compared with the float network on "
              f"{len(x):,} samples. Q7 is AIfES's name for such int8 numbers.")
    return dict(result.as_dict(), bytes=len(model), comparison=comparison, verdict=asdict(verdict),
                boards=costs)


def write_page(path, name, model, verdict, found, facts, names, tables, compared, layers, intro):
    """The page of a model (bytes) as HTML; returns its costs on chips as dicts.

    found: a Stage for each input and each op; compared: whether they know the float values.
    """
    simulator = Simulator(model)
    plan = simulator.plan
    costs = [] if simulator.is_float else [cost.estimate(model, chip) for chip in cost.CHIPS]
    environment = Environment(loader=PackageLoader("aifes_host", ""), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["short"] = short
    environment.filters["whole"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    facts = [("model, bytes", f"{len(model):,}"), ("arena, bytes", f"{plan.arena:,}"), *[
        ("input: rows, columns, channels", " x ".join(map(str, t.shape)))
        for t in simulator.inputs if len(t.shape) == 3], *[
        ("input comes", "row by row" + t.endless * " without end")
        for t in simulator.inputs if t.rows], *facts]
    html = environment.get_template("report.html.j2").render(
        name=name, model=model, verdict=verdict, intro=intro, facts=facts, stages=found,
        ends=outputs(found),
        layers=layers, compared=compared, plan=plan, names=names, matrices=tables, costs=costs,
        svg=report_svg, maps=feature_maps(found), ops=per_op.table(per_op.per_op(model)),
        letter=memory_map.letter, version=__version__,
        blocks=memory_map.blocks(plan), turns=memory_map.in_turns(plan),
        bound=memory_map.lower_bound(plan), seen=found[0].seen is not None,
        best=max([s.snr for s in found if s.snr is not None], default=1) if compared else 1,
        products=cost.multiplications(plan), tolerance=cost.TOLERANCE, most=SCATTERS)
    Path(path).write_text(html, "utf-8")
    return [asdict(c) for c in costs]

"""The report about an .aifes file: what can be said of it without its float network."""
import numpy as np
from aifes.f32_format import DENSE_F32, OP_NAMES
from aifes.format import DENSE, SOFTMAX
from aifes.summary import metadata

from .graph import ConversionError
from .predictions import Outputs
from .quantizer import LayerReport
from .report import matrix, write_page
from .simulator import Simulator, dequantize_values, quantize_values
from .stages import Stage
from .verdict import judge_file


def describe(model, path, x=None, labels=None, name=None):
    """Write the report about a model (bytes) into an HTML file; returns its main figures.

    x: samples [samples, inputs], or None; labels: their classes.
    """
    simulator = Simulator(model)
    plan, noted = simulator.plan, metadata(model, simulator.plan)
    outputs = Outputs(model, plan)
    if x is not None and not np.isfinite(x).all():
        raise ConversionError("the data contain values that are not finite: remove those rows")
    if x is not None and x.shape[1] != plan.ops[0].n_in:
        raise ConversionError(f"the data have {x.shape[1]} columns, the network has "
                              f"{plan.ops[0].n_in} inputs")
    if labels is not None and x is None:
        raise ConversionError("labels are those of samples: give --data too")
    found = [Stage(group) for group in _layers(simulator, noted)]
    classes = accuracy = None
    facts, tables, names = [], [], outputs.labels
    if x is not None:
        y = _fill(found, simulator, x)
        if outputs.labels or plan.ops[-1].opcode == SOFTMAX or labels is not None:
            classes = outputs.classes(y)
    if labels is not None:
        accuracy = outputs.accuracy(y, labels)
        names = names or [str(i) for i in range(max(outputs.count, 2))]
        wanted = np.array([names.index(str(v)) for v in np.ravel(labels).tolist()])
        tables = [matrix("label", "model", {"label": wanted, "model": classes}, len(names))]
        facts = [("accuracy", f"{accuracy:.1%}")]
    verdict = judge_file(simulator.is_float, found if x is not None else [], accuracy, classes)
    name = name or str(noted.get("name") or "network")
    kind = "float32" if simulator.is_float else "int8 (Q7, as AIfES calls it)"
    costs = write_page(
        path, name, model, verdict, found, facts, names, tables, compared=False,
        layers=[layer for stage in found for layer in stage.layers],
        intro=f"A model of {kind}, {noted.get('made') or 'made by an unknown tool'}; "
              + (f"computed on {len(x):,} samples." if x is not None else "without data."))
    counts = {} if classes is None else {
        (outputs.labels or [str(i) for i in range(max(outputs.count, 2))])[i]:
            int((classes == i).sum()) for i in range(max(outputs.count, 2))}
    return {"name": name, "bytes": len(model), "arena": plan.arena, "accuracy": accuracy,
            "classes": counts, "verdict": vars(verdict), "boards": costs}


def _fill(found, simulator, x):
    """Compute the samples: the values of each stage; returns the outputs."""
    found[0].real = x
    if simulator.is_float:
        found[0].seen = x
        for stage, values in zip(found[1:], simulator.results(x.astype(np.float32))):
            stage.seen = values.astype(float)
        return found[-1].seen
    q = quantize_values(x, *simulator.scale(simulator.plan.input))
    for stage, values in zip(found, [q, *simulator.results(q)]):
        layer = stage.layers[-1]
        if layer.shift is not None:
            stage.seen = dequantize_values(values, np.array(layer.shift),
                                           np.array(layer.zero_point))
    return found[-1].seen


def _layers(simulator, noted):
    """LayerReports for the input and each op: by the names in the metadata, if they fit."""
    plan = simulator.plan
    rows = noted.get("layers")
    groups = _grouped(rows[1:], plan.ops) if _is_table(rows) else None
    if groups is None:
        rows = [["input", plan.ops[0].n_in, 0, None, None]]
        groups = [[[OP_NAMES[op.opcode], op.n_out,
                    op.n_out * (op.n_in + 1) if op.opcode in (DENSE, DENSE_F32) else 0, None,
                    None]] for op in plan.ops]
    ends = None if simulator.is_float else [
        [v.tolist() if isinstance(v, np.ndarray) else v for v in simulator.scale(t)]
        for t in (plan.input, plan.output)]
    found = []
    for i, group in enumerate([rows[:1], *groups]):
        kind = OP_NAMES[plan.ops[i - 1].opcode] if i else "input"
        reports = [LayerReport(str(row[0]), "activation" if place else kind, row[1], row[2], 0.0,
                               0.0, row[3], row[4], 0.0, 0.0) for place, row in enumerate(group)]
        if ends and i in (0, len(groups)):
            reports[-1].shift, reports[-1].zero_point = ends[i > 0]
        found.append(reports)
    return found


def _is_table(rows):
    return isinstance(rows, list) and rows and all(
        isinstance(row, list) and len(row) == 5 and isinstance(row[1], int)
        and isinstance(row[2], int) for row in rows)


def _grouped(rows, ops):
    """The rows that each op computes: those without parameters belong to the one before."""
    groups, rows = [], list(rows)
    for i, op in enumerate(ops):
        if not rows:
            return None
        own = [rows.pop(0)]
        following = next((j for j, r in enumerate(rows) if r[2]), len(rows))
        others = next((j for j, o in enumerate(ops[i + 1:])
                       if o.opcode in (DENSE, DENSE_F32)), len(ops) - i - 1)
        if others < following:
            if others > 1:
                return None  # which of them are fused cannot be told
            own += rows[:following - others]
            del rows[:following - others]
        if own[-1][1] != op.n_out:
            return None
        groups.append(own)
    return groups if not rows else None

"""The report about an .aifes file: what can be said of it without its float network."""
import numpy as np
from aifes.format import metadata, size
from aifes.ops import NAMES, room

from .graph import ConversionError
from .ops import ROOMS
from .predictions import Outputs
from .report import matrix, write_page
from .scales import dequantize_values
from .simulator import Simulator
from .sources import board_rows
from .stages import Stage
from .verdict import judge_file
from .walk import LayerReport


def describe(model, path, x=None, labels=None, name=None):
    """Write the report about a model (bytes) into an HTML file; returns its main figures.

    x: samples [samples, inputs], or None; labels: their classes.
    """
    simulator = Simulator(model)
    plan, noted = simulator.plan, metadata(model, simulator.plan)
    named = Outputs(model, plan)
    if x is not None and not np.isfinite(x).all():
        raise ConversionError("the data contain values that are not finite: remove those rows")
    x = None if x is None else board_rows(x, simulator.inputs)
    if labels is not None and x is None:
        raise ConversionError("labels are those of samples: give --data too")
    found = _stages(simulator, noted)
    classes = accuracy = None
    facts, tables, names = [], [], named.labels
    if x is not None:
        y = _fill(found, simulator, x)
        scores = plan.n_outputs == 1 and ROOMS[NAMES[plan.ops[-1].opcode]].CLASSES
        if named.labels or scores or labels is not None:
            classes = named.classes(y)
    if labels is not None:
        accuracy = named.accuracy(y, labels)
        names = names or [str(i) for i in range(max(named.count, 2))]
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
        (named.labels or [str(i) for i in range(max(named.count, 2))])[i]:
            int((classes == i).sum()) for i in range(max(named.count, 2))}
    return {"name": name, "bytes": len(model), "arena": plan.arena, "accuracy": accuracy,
            "classes": counts, "verdict": vars(verdict), "boards": costs}


def _fill(found, simulator, x):
    """Compute the samples: the values of each stage; returns the outputs."""
    q = simulator.quantized(x)
    values, plan = simulator.values(q), simulator.plan
    n, at = plan.n_inputs, 0
    for stage, number in zip(found, _numbers(simulator)):
        layer = stage.layers[-1]
        if stage.is_input:
            stage.real = x[:, at:at + layer.elements]
            at += layer.elements
        if simulator.is_float:
            stage.seen = values[number].astype(float)
        elif layer.shift is not None:
            stage.seen = dequantize_values(values[number], np.array(layer.shift),
                                           np.array(layer.zero_point))
    return simulator.real(np.concatenate(
        [values[k] for k in range(n, n + plan.n_outputs)], axis=1))


def _numbers(simulator):
    """Of the tensors that have a Stage: inputs, results, wholes when their parts are there."""
    plan, wholes = simulator.plan, list(simulator.parts)
    found = list(range(plan.n_inputs))

    def join():
        ready = [k for k in wholes if all(part in found for part in simulator.parts[k])]
        found.extend(ready)
        wholes[:] = [k for k in wholes if k not in ready]

    join()
    for op in plan.ops:
        found.append(op.outputs[0])
        join()
    return found


def _stages(simulator, noted):
    """A Stage for each input and each op: by the names in the metadata, if they fit."""
    plan, n = simulator.plan, simulator.plan.n_inputs
    rows = noted.get("layers")
    groups = _grouped(rows[n:], plan) if _is_table(rows) and len(rows) > n else None
    if groups is None:
        rows = [["input", size(t.shape), 0, None, None] for t in simulator.inputs]
        groups = [[[NAMES[op.opcode], _elements(plan, op), _parameters(plan, op), None, None]]
                  for op in plan.ops]
    numbers = _numbers(simulator)
    place = {number: i for i, number in enumerate(numbers)}
    makers = {op.outputs[0]: (op, group) for op, group in zip(plan.ops, groups)}
    found = []
    for number in numbers:
        if number < n:
            kind, reads, group = "input", (), [rows[number]]
        elif number in simulator.parts:
            kind, reads = "concat", simulator.parts[number]
            part = found[place[reads[0]]].layers[-1]
            group = [["concat", size(plan.tensors[number].shape), 0, part.shift, part.zero_point]]
        else:
            op, group = makers[number]
            kind, reads = NAMES[op.opcode], op.inputs
        reports = [LayerReport(str(row[0]), "activation" if k else kind, row[1], row[2], 0.0, 0.0,
                               row[3], row[4], 0.0, 0.0) for k, row in enumerate(group)]
        is_output = n <= number < n + plan.n_outputs
        if (number < n or is_output) and not simulator.is_float:
            reports[-1].shift, reports[-1].zero_point = [
                v.tolist() if isinstance(v, np.ndarray) else v
                for v in simulator.scale(plan.tensors[number])]
        found.append(Stage(reports, [place[k] for k in reads], is_output,
                           plan.tensors[number].shape))
    return found


def _elements(plan, op):
    return size(plan.tensors[op.outputs[0]].shape)


def _parameters(plan, op):
    x, y = [plan.tensors[k] for k in op.inputs], [plan.tensors[k] for k in op.outputs]
    return room(op.opcode).parameters(op, x, y)


def _is_table(rows):
    return isinstance(rows, list) and rows and all(
        isinstance(row, list) and len(row) == 5 and isinstance(row[1], int)
        and isinstance(row[2], int) for row in rows)


def _grouped(rows, plan):
    """The rows that each op computes: those without parameters belong to the one before."""
    groups, rows, ops = [], list(rows), plan.ops
    for i, op in enumerate(ops):
        if not rows:
            return None
        own = [rows.pop(0)]
        following = next((j for j, r in enumerate(rows) if r[2]), len(rows))
        others = next((j for j, o in enumerate(ops[i + 1:]) if _parameters(plan, o)),
                      len(ops) - i - 1)
        if others < following:
            if others > 1:
                return None  # which of them are fused cannot be told
            own += rows[:following - others]
            del rows[:following - others]
        if own[-1][1] != _elements(plan, op):
            return None
        groups.append(own)
    return groups if not rows else None

"""From ops that read and make named tensors to one .aifes buffer."""
import json
from dataclasses import dataclass

import numpy as np
from aifes import __version__
from aifes.format import FLOAT32, INT8, MAX_OPS, Op, Tensor
from aifes.layers.assemble import Draft
from aifes.layers.assemble import assemble as put_together
from aifes.ops import room

from .graph import ConversionError
from .planner import plan

MAX_ENDS = 15


@dataclass
class Step:
    """An op to be: its Draft, the names of the tensors that it reads and of the one that it makes.

    layers: names of the graph's tensors that it computes; the last of them is what it makes.
    """

    draft: Draft
    inputs: tuple
    output: str
    layers: list


def assemble(graph, steps, scales=None, metadata=b""):
    """(the .aifes buffer, the Steps as they are executed) of a Graph.

    steps: in an order of execution; scales: {name: (shift, zero point)} of inputs and outputs, ints
    or arrays; None for float32.
    """
    dtype, unit = (FLOAT32, 4) if scales is None else (INT8, 1)
    ends = [t.name for t in graph.inputs] + list(graph.outputs)
    n = len(graph.inputs)
    if n > MAX_ENDS or len(ends) - n > MAX_ENDS or len(steps) > MAX_OPS:
        raise ConversionError(f"a model has up to {MAX_ENDS} inputs, {MAX_ENDS} outputs and "
                              f"{MAX_OPS} ops, this network {n}, {len(ends) - n} and {len(steps)}: "
                              "split it")
    steps, offsets, arena = _planned(graph, steps, ends, unit)
    number = {name: k for k, name in enumerate(offsets)}
    tensors = []
    for name, (size, offset) in offsets.items():
        shape = graph.tensors[name].shape if name in graph.tensors else (size,)
        shift, zero = scales[name] if scales and name in ends else (0, 0)
        table = None
        if isinstance(shift, np.ndarray):
            table, shift, zero = (shift.tolist(), zero.tolist()), 0, 0
        tensors.append(Tensor(dtype, shift, zero, offset, table, shape))
    ops = [Op(step.draft.opcode, step.draft.flags, tuple(number[x] for x in step.inputs),
              (number[step.output],), step.draft.fields) for step in steps]
    return bytes(put_together(ops, tensors, n, len(ends) - n, arena, metadata)), steps


def _planned(graph, steps, ends, unit):
    """(Steps as they are executed, {name: (elements, offset)} with the ends first, arena)"""
    sizes = {t.name: t.size for t in graph.inputs}
    sizes.update((step.output, step.draft.n_out) for step in steps)
    names = ends + [name for name in sizes if name not in ends]
    number = {name: k for k, name in enumerate(names)}
    placed = plan(
        [unit * sizes[name] for name in names],
        [([number[x] for x in step.inputs], [number[step.output]],
          room(step.draft.opcode).IN_PLACE) for step in steps],
        len(graph.inputs), range(len(graph.inputs), len(ends)))
    steps = [steps[i] for i in placed.order]
    names = ends + [step.output for step in steps if step.output not in ends]
    return steps, {name: (sizes[name], placed.offsets[number[name]])
                   for name in names}, placed.arena


def alone(step, values):
    """The .aifes buffer of a single Step on arrays [samples, elements], one for each input."""
    draft, x = step.draft, [v.shape[1] for v in values]
    sizes = [*x, draft.n_out]
    tensors = [Tensor(INT8, 0, 0, sum(sizes[:k]), None, (n,)) for k, n in enumerate(sizes)]
    op = Op(draft.opcode, draft.flags, tuple(range(len(x))), (len(x),), draft.fields)
    return bytes(put_together([op], tensors, len(x), 1, sum(sizes)))


def metadata(graph, rows, how):
    """The metadata (bytes) of a model; rows: [name, elements, parameters, shift, zero point]."""
    noted = {"name": graph.name, "layers": rows, "made": f"aifes {__version__}, {how}"}
    if graph.labels:
        noted["labels"] = [str(v) for v in graph.labels]
    if graph.boundary is not None:
        noted["boundary"] = graph.boundary
    for key, names in (("inputs", [t.name for t in graph.inputs]), ("outputs", graph.outputs)):
        if len(names) > 1:
            noted[key] = list(names)
    return json.dumps(noted, ensure_ascii=False).encode()

"""From ops that read and make named tensors to one .aifes buffer."""
import itertools
import json
from dataclasses import dataclass

import numpy as np
from aifes import __version__
from aifes.format import FLOAT32, INT8, MAX_OPS, Op, Tensor, size
from aifes.layers.assemble import Draft
from aifes.layers.assemble import assemble as put_together
from aifes.ops import room

from .graph import ConversionError
from .planner import plan

MAX_ENDS = 15


@dataclass
class Step:
    """An op to be: its Draft, the names of the tensors that it reads and of the one that it makes.

    draft: None: it is no op, what it "reads" lies one after another in what it "makes".
    layers: names of the graph's tensors that it computes; the last of them is what it makes.
    """

    draft: Draft | None
    inputs: tuple
    output: str
    layers: list

    @property
    def outputs(self):
        """What it makes, and the scratch that it works in, if it does."""
        return (self.output, (self.output, "scratch"))[:1 + (self.scratch > 0)]

    @property
    def scratch(self):
        """Elements."""
        return self.draft.scratch if self.draft else 0

    @property
    def shape(self):
        """Of what it makes."""
        if self.draft is None:
            return None  # that of the graph's tensor
        return self.draft.shapes[1] if self.draft.shapes else (self.draft.n_out,)


def assemble(graph, steps, scales=None, metadata=b""):
    """(the .aifes buffer, its ops' Steps as they are executed, its tensors' names) of a Graph.

    steps: in an order of execution; scales: {name: (shift, zero point)} of inputs and outputs, ints
    or arrays; None for float32.
    """
    dtype, unit = (FLOAT32, 4) if scales is None else (INT8, 1)
    ends = [t.name for t in graph.inputs] + list(graph.outputs)
    n = len(graph.inputs)
    n_ops = sum(step.draft is not None for step in steps)
    if n > MAX_ENDS or len(ends) - n > MAX_ENDS or n_ops > MAX_OPS:
        raise ConversionError(f"a model has up to {MAX_ENDS} inputs, {MAX_ENDS} outputs and "
                              f"{MAX_OPS} ops, this network {n}, {len(ends) - n} and {n_ops}: "
                              "split it")
    if not n_ops:
        raise ConversionError("the network has nothing to compute: it only joins its inputs")
    steps, places, arena = _planned(graph, steps, ends, unit)
    number = {name: k for k, name in enumerate(places)}
    tensors = []
    for name, (shape, offset) in places.items():
        shift, zero = scales[name] if scales and name in ends else (0, 0)
        table = None
        if isinstance(shift, np.ndarray):
            table, shift, zero = (shift.tolist(), zero.tolist()), 0, 0
        tensors.append(Tensor(dtype, shift, zero, offset, table, shape))
    ops = [Op(step.draft.opcode, step.draft.flags, tuple(number[x] for x in step.inputs),
              tuple(number[y] for y in step.outputs), step.draft.fields) for step in steps]
    return (bytes(put_together(ops, tensors, n, len(ends) - n, arena, metadata)), steps,
            list(places))


def _planned(graph, steps, ends, unit):
    """(Steps as they are executed, {name: (shape, offset)} of the tensors, arena)

    The ends come first, then the results of the Steps, then what these work in.
    """
    shapes = {t.name: t.shape for t in graph.inputs}
    for step in steps:
        shapes[step.output] = step.shape
    shapes.update((name, t.shape) for name, t in graph.tensors.items() if name in shapes)
    shapes.update((step.outputs[1], (step.scratch,)) for step in steps if step.scratch)
    names = ends + [name for name in shapes if name not in ends]
    number = {name: k for k, name in enumerate(names)}
    parts = {step.output: step.inputs for step in steps if step.draft is None}
    steps = [step for step in steps if step.draft is not None]
    placed = plan(
        [unit * size(shapes[name]) for name in names],
        [([number[x] for x in step.inputs], [number[y] for y in step.outputs],
          room(step.draft.opcode).IN_PLACE) for step in steps],
        len(graph.inputs), range(len(graph.inputs), len(ends)),
        {number[whole]: [number[x] for x in inner] for whole, inner in parts.items()})
    steps = [steps[i] for i in placed.order]
    names = ends + [step.output for step in steps if step.output not in ends]
    read = {x for step in steps for x in step.inputs}
    names += [whole for whole in parts if whole in read and whole not in ends]
    names += [step.outputs[1] for step in steps if step.scratch]
    return steps, {name: (shapes[name], placed.offsets[number[name]])
                   for name in names}, placed.arena


def alone(step, values):
    """The .aifes buffer of a single Step on arrays [samples, elements], one for each input."""
    draft = step.draft
    shapes = [draft.shapes[0]] if draft.shapes else [(v.shape[1],) for v in values]
    n = len(shapes)
    shapes += [step.shape, (draft.scratch,)][:len(step.outputs)]
    ends = [0, *itertools.accumulate(map(size, shapes))]
    tensors = [Tensor(INT8, 0, 0, at, None, shape) for at, shape in zip(ends, shapes)]
    op = Op(draft.opcode, draft.flags, tuple(range(n)), tuple(range(n, len(shapes))), draft.fields)
    return bytes(put_together([op], tensors, n, 1, ends[-1]))


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

"""The quantizer's walk: through a graph with the float results and the int8 results side by side.

What a layer becomes is in its file in ops/; it asks the Walk for values and gives it Drafts of ops.
"""
from dataclasses import dataclass

import numpy as np
from aifes import __version__, q7
from aifes.format import INT8, Op, Tensor
from aifes.layers.assemble import assemble
from aifes.ops import room as device_room
from aifes.quantizer import scales

from .graph import ConversionError
from .metadata import encoded
from .ops import room
from .planner import plan
from .scales import Choice, dequantize_values, element_scales, quantize_values
from .simulator import Simulator, float32_results


@dataclass
class Value:
    """A tensor in int8: shift and zero_point, two ints or two arrays; q: [samples, elements]."""

    shift: object
    zero_point: object
    q: np.ndarray

    def dequantized(self, q):
        """Real values of int8."""
        return dequantize_values(q, self.shift, self.zero_point)


@dataclass
class _Step:
    """An op: its Draft, the names of the tensors it reads and makes, and what it has computed."""

    draft: object
    inputs: tuple
    output: str
    computed: list


class Walk:
    """values: {tensor: Value} so far; real: {tensor: float32 [samples, elements]} of all.

    exact: method "mse"; per_element: a scale for each input, and each output of a last dense layer.
    """

    def __init__(self, graph, x, method, per_element, choices):
        self.graph, self.x, self.method, self.choices = graph, x, method, choices
        self.exact, self.per_element = method != "aifes", per_element
        self.real = float32_results(graph, x)
        self.real.update(graph.split(x))
        self.steps, self.values = [], {}
        for t in graph.inputs:
            shift, zero = self._input_scale(t.name)
            self.values[t.name] = Value(shift, zero, quantize_values(
                graph.split(x)[t.name], shift, zero))

    def _input_scale(self, name):
        x = self.graph.split(self.x)[name]
        if self.per_element:
            return element_scales(x, scales.MARGIN)
        readers = [node.layer for node in self.graph.readers(name)]
        if len(readers) == 1 and readers[0].elementwise:
            x = readers[0].seen(x)  # what it cuts needs no range
        return self.range(x.min(), x.max(), scales.MARGIN)

    def range(self, low, high, margin=0.0):
        """(shift, zero point) that covers a range, by the method's rule."""
        if self.exact:
            return q7.params(float(low), float(high), margin, min_shift=-32)
        return q7.params(float(low), float(high), 0.1)

    def choice(self, node):
        """The Choice for a node."""
        return self.choices.get(node.output, Choice())

    def is_end(self, node):
        """Whether a node makes an output, which nothing else reads."""
        return self.graph.is_end(node)

    def behind(self, node):
        """The elementwise layer that is all that reads a node's result, or None."""
        layer = self._only_reader(node.output)
        return layer if layer is not None and layer.elementwise and (
            not node.layer.elementwise) else None

    def _only_reader(self, name):
        readers = self.graph.readers(name)
        if len(readers) == 1 and name not in self.graph.outputs:
            return readers[0].layer
        return None

    def quantize(self, node):
        """Add the ops of a node, as its file in ops/ has it."""
        if not (self.exact or node.layer.in_aifes):
            raise ConversionError(f"layer {node.layer.name!r}: AIfES has no {node.layer.kind}; use "
                                  "method 'mse'")
        room(node.layer).quantize(self, node)

    def put(self, node, draft, shift, zero):
        """The Draft that computes a node, and the scale of its result."""
        self._add(_Step(draft, tuple(node.inputs), node.output, [node.output]), shift, zero)

    def fuse(self, node, change, shift, zero):
        """change(drafts) puts a node into the last Draft of a list, or adds one behind it."""
        name = node.inputs[0]
        self._change(name if self._only_reader(name) is not None else None, name, node.output,
                     change, shift, zero)

    def extend(self, node, change, shift, zero):
        """As fuse(), of the op that put() gave for the same node."""
        step = self.steps[-1]
        inner = f"{step.output}, inside"
        step.output, step.computed = inner, []
        self.values[inner] = self.values.pop(node.output)
        self._change(inner, inner, node.output, change, shift, zero)

    def _change(self, open_, name, output, change, shift, zero):
        steps = [s for s in self.steps if s.output == open_]
        drafts = [s.draft for s in steps]
        change(drafts)
        if steps and len(drafts) == 1:
            self.steps.remove(steps[0])
            step = _Step(drafts[0], steps[0].inputs, output, steps[0].computed + [output])
        else:
            step = _Step(drafts[-1], (name,), output, [output])
        self._add(step, shift, zero)

    def _add(self, step, shift, zero):
        self.steps.append(step)
        self.values[step.output] = Value(shift, zero, self._computed(step))

    def _computed(self, step):
        """The int8 result of an op: a model of this op alone computes it."""
        names = list(dict.fromkeys(step.inputs))
        sizes = [self.values[n].q.shape[1] for n in names] + [step.draft.n_out]
        offsets = np.cumsum([0, *sizes]).tolist()
        tensors = [Tensor(INT8, 0, 0, at, None, (n,)) for at, n in zip(offsets, sizes)]
        op = Op(step.draft.opcode, step.draft.flags, tuple(names.index(n) for n in step.inputs),
                (len(names),), step.draft.fields)
        buf = bytes(assemble([op], tensors, len(names), 1, offsets[-1]))
        return Simulator(buf).step(0, *[self.values[n].q for n in step.inputs])

    def model(self, rows):
        """The .aifes buffer and, for each of its ops, the names of the tensors it computes."""
        graph = self.graph
        ends = [t.name for t in graph.inputs] + list(graph.outputs)
        names = ends + [s.output for s in self.steps if s.output not in ends]
        number = {name: k for k, name in enumerate(names)}
        sizes = [self.values[name].q.shape[1] for name in names]
        n = len(graph.inputs)
        placed = plan(sizes, [
            ([number[x] for x in s.inputs], [number[s.output]],
             device_room(s.draft.opcode).IN_PLACE) for s in self.steps],
            n, range(n, len(ends)))
        tensors = [self._tensor(name, at, k < len(ends))
                   for k, (name, at) in enumerate(zip(names, placed.offsets))]
        steps = [self.steps[i] for i in placed.order]
        ops = [Op(s.draft.opcode, s.draft.flags, tuple(number[x] for x in s.inputs),
                  (number[s.output],), s.draft.fields) for s in steps]
        meta = encoded(graph, rows, f"aifes {__version__}, method {self.method}")
        return (bytes(assemble(ops, tensors, n, len(graph.outputs), placed.arena, meta)),
                [s.computed for s in steps])

    def _tensor(self, name, at, is_end):
        value = self.values[name]
        known = self.graph.tensors.get(name)
        shape = known.shape if known else (value.q.shape[1],)
        if not is_end:
            return Tensor(INT8, 0, 0, at, None, shape)
        if isinstance(value.shift, np.ndarray):
            return Tensor(INT8, 0, 0, at, (value.shift.tolist(), list(value.zero_point)), shape)
        return Tensor(INT8, int(value.shift), int(value.zero_point), at, None, shape)

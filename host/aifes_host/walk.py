"""The quantizer's walk over a graph: float results and Q7 results side by side, layer by layer."""
import math
from dataclasses import dataclass, fields, replace

import numpy as np
from aifes.layers import q7
from aifes.layers.map import fuse_map
from aifes.quantizer import scales

from .assembly import Step, alone, assemble
from .equalize import equalize
from .float32 import results
from .graph import ConversionError
from .ops import concat, tables
from .scales import best_scale, dequantize_values, element_scales, quantize_values
from .simulator import Simulator


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


@dataclass(frozen=True)
class Choice:
    """How search() departs from the rule in one layer.

    finer: added to the shift of its result; weights: "weights" (shifts that lose least of them) or
    "results" (shifts that lose least of what the layer computes on the data).
    """

    finer: int = 0
    weights: str = "weights"

    @property
    def departs(self):
        """The names of the fields in which it departs."""
        return {f.name for f in fields(self) if getattr(self, f.name) != f.default}


@dataclass
class Value:
    """A tensor in Q7: its scale, ints or arrays with one item an element, and int8 results."""

    shift: int | np.ndarray
    zero_point: int | np.ndarray
    q: np.ndarray = None


class Walk:
    """What the rooms of ops quantize with.

    graph: its channels get equalized, unless they are `equal`. exact: rounding to nearest, not
    AIfES's rule; per_element: a scale for each element of inputs and outputs that can have one.
    real: {tensor: float32 results}; values: {tensor: Value}, of what was quantized so far. steps,
    reports: what comes of it. homes: concat.homes().
    """

    def __init__(self, graph, x, method, per_element, choices, equal=False):
        self.choices = choices
        self.exact, self.per_element = method != "aifes", per_element
        self.real = {**results(graph, x), **graph.split(x)}
        self.graph = graph = equalize(graph, self.real) if self.exact and not equal else graph
        self.values, self.steps, self.reports = {}, [], []
        self.homes, self._common = concat.homes(graph), {}
        for tensor in graph.inputs:
            self._input(tensor)
        for node in graph.nodes:
            if not self.exact and not node.layer.in_aifes:
                raise ConversionError(f"layer {node.layer.name!r}: AIfES has no "
                                      f"{node.layer.kind}; use method 'mse'")
            node.layer.quantize(self, node)

    def _input(self, tensor):
        x = self.real[tensor.name]
        if self.shared(tensor.name):
            scale = self.shared(tensor.name)
        elif self.per_element and self.takes_scales(tensor.name):
            scale = element_scales(x, scales.MARGIN)
        else:
            scale = self._input_scale(tensor.name)
        value = self.values[tensor.name] = Value(*scale, quantize_values(x, *scale))
        name = "input" if len(self.graph.inputs) == 1 else tensor.name
        self._report(name, "input", 0, value, x, None)

    def _input_scale(self, name):
        """(shift, zero point) of an input, or of a concatenation with one."""
        following, seen = self.behind(name), self.real[name]
        if following:  # what a clamp cuts needs no range
            seen = following.seen(seen)
        return self.range(seen.min(), seen.max(), scales.margin(self.graph.tensors[name].shape))

    def range(self, low, high, margin=0.0):
        """(shift, zero point) that covers a range, by the method's rule."""
        if self.exact:
            return q7.params(float(low), float(high), margin, min_shift=-32)
        return q7.params(float(low), float(high), 0.1)

    def behind(self, name):
        """The elementwise layer that stands for what alone reads a tensor, or None."""
        readers = self.graph.readers(name)
        if len(readers) == 1 and name not in self.graph.outputs:
            return readers[0].layer.stands_for(self.real[name])
        return None

    def scale(self, node, finest=math.inf):
        """(shift, zero point) for a Node's results: the one that loses least of them, or that they
        share with others. finest: the largest shift that it may have."""
        found = self.shared(node.output)
        if not found or found[0] > finest:
            real, behind = self.real[node.output], self.behind(node.output)
            finer = self.choice(node).finer
            found = best_scale(real, behind, finer)
            if found[0] > finest:
                found = best_scale(real, behind, finer + finest - found[0])
        return found

    def shared(self, name):
        """(shift, zero point) of the concatenation of which a tensor is a part, at once or by
        layers that keep the scale; None if it is of none."""
        whole = self._whole(name)
        if whole and whole not in self._common:
            if any(self._whole(t.name) == whole for t in self.graph.inputs):
                found = self._input_scale(whole)
            else:
                found = best_scale(self.real[whole], self.behind(whole),
                                   self.choice(self.graph.maker(whole)).finer)
            self._common[whole] = found
        return self._common.get(whole)

    def _whole(self, name):
        whole = name if self.graph.maker(name) and self.graph.maker(name).layer.placed else None
        while True:
            readers = self.graph.readers(name)
            if name in self.homes:
                name = whole = self.homes[name][0]
            elif len(readers) == 1 and name not in self.graph.outputs and readers[0].layer.keeps:
                name = readers[0].output
            else:
                return whole

    def takes_scales(self, name):
        """Whether each element of an input or output may have a scale of its own."""
        return takes_scales(self.graph, name)

    def choice(self, node):
        """The Choice for a Node."""
        return self.choices.get(node.output, Choice())

    def put(self, node, draft, shift, zero_point, behind=None, inputs=None, output=None):
        """Add an op that computes a Node, with the scale of its result.

        behind: the layer behind which the scale was chosen; inputs, output: of an op that is only
        a part of the Node, names of its own.
        """
        self.steps.append(Step(draft, inputs or node.inputs, output or node.output, []))
        self._made(node, self.steps[-1], Value(shift, zero_point), behind)

    def place(self, node, names, shift, zero_point):
        """The tensors of these names are parts of a Node's result, whose scale they have."""
        self.steps.append(Step(None, names, node.output, []))
        q = np.concatenate([self.values[name].q for name in names], axis=1)
        self._finish(node, Value(shift, zero_point, q), None)

    def fuse(self, node, change, shift, zero_point):
        """Compute a Node by what change(drafts) makes of the op before, or by an op of its own.

        drafts: a list with the Draft of the op before, if nothing else needs its result, or empty.
        """
        source = node.inputs[0]
        before = next((k for k, step in enumerate(self.steps) if step.output == source), None)
        drafts = []
        if before is not None and len(self.graph.readers(source)) == 1 \
                and source not in self.graph.outputs:
            drafts = [self.steps[before].draft]
        found = len(drafts)
        change(drafts)
        if len(drafts) == found:
            step = replace(self.steps[before], draft=drafts[0], output=node.output)
            self.steps[before] = step
        else:
            step = Step(drafts[-1], node.inputs, node.output, [])
            self.steps.append(step)
        self._made(node, step, Value(shift, zero_point), None)

    def _made(self, node, step, value, behind):
        if step.output == node.output:
            scale = value.shift, value.zero_point
            wanted = self.shared(node.output) if node.output in self.homes else scale
            if wanted != scale:
                step, value = self._rescaled(step, scale, wanted), Value(*wanted)
            step.layers.append(node.output)
        self._compute(step, value)
        if step.output == node.output:
            self._finish(node, value, behind)

    def _compute(self, step, value):
        x = [self.values[name].q for name in step.inputs]
        value.q = Simulator(alone(step, x)).run(np.concatenate(x, axis=1))
        self.values[step.output] = value

    def _rescaled(self, step, scale, wanted):
        """The Step that makes what `step` makes in another scale: itself, or one behind it."""
        k = next(k for k, other in enumerate(self.steps) if other is step)
        drafts = [step.draft]
        fuse_map(drafts, step.draft.n_out, tables.exact_table(concat.COPY, scale, wanted))
        if len(drafts) == 1:
            self.steps[k] = replace(step, draft=drafts[0])
            return self.steps[k]
        name = step.output, "own scale"  # no tensor of the graph is called so
        self.steps[k] = replace(step, output=name, layers=[])
        self._compute(self.steps[k], Value(*scale))
        self.steps.append(Step(drafts[1], (name,), step.output, step.layers))
        return self.steps[-1]

    def _finish(self, node, value, behind):
        layer = node.layer
        self.values[node.output] = value
        self._report(layer.name, layer.kind, layer.parameters, value, self.real[node.output],
                     behind)

    def _report(self, name, kind, parameters, value, real, behind):
        behind = behind or (lambda values: values)
        scale = value.shift, value.zero_point
        seen = behind(dequantize_values(value.q, *scale))
        ends = [dequantize_values(np.full(value.q.shape[1], q), *scale) for q in (-128, 127)]
        cut = np.abs(behind(np.clip(real, *ends)) - behind(real)) > np.ldexp(
            0.5, -np.asarray(value.shift))
        signal = behind(real)
        noise = ((seen - signal) ** 2).mean()
        shift, zero = (v.tolist() if isinstance(v, np.ndarray) else int(v) for v in scale)
        self.reports.append(LayerReport(
            name, kind, value.q.shape[1], parameters, float(real.min()), float(real.max()),
            shift, zero, float(cut.mean()),
            float(10 * np.log10((signal ** 2).mean() / noise)) if noise and signal.any() else 99.0))

    def assemble(self, metadata):
        """(the buffer, its Steps in the order of execution)"""
        ends = [t.name for t in self.graph.inputs] + list(self.graph.outputs)
        return assemble(self.graph, self.steps, {
            n: (self.values[n].shift, self.values[n].zero_point) for n in ends}, metadata)


def takes_scales(graph, name):
    """Whether each element of an input or output may have a scale of its own."""
    maker, readers = graph.maker(name), graph.readers(name)
    if maker is None:
        return all(node.layer.by_element for node in readers)
    return name in graph.outputs and maker.layer.by_element and not readers

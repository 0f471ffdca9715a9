"""A quantized network op by op, beside the float layers that each op computes."""
from dataclasses import dataclass, field

import numpy as np

from .scales import dequantize_values, quantize_values
from .simulator import Simulator


@dataclass
class Stage:
    """An input, or an op of the buffer: the graph's layers that it computes, and its results.

    reads: the numbers of the stages whose results it takes, none of an input. is_output: whether
    its result is one of the network's.
    shape: of its result.
    real, seen: float and Q7 values [samples, elements], behind the last of these layers.
    loss: root of the mean squared error of the network's outputs if only this stage is in Q7.
    """

    layers: list = field(default_factory=list)  # quantizer.LayerReport
    reads: list = field(default_factory=list)
    is_output: bool = False
    shape: tuple = ()
    real: np.ndarray = None
    seen: np.ndarray = None
    loss: float = 0.0

    @property
    def title(self):
        return " + ".join(r.name for r in self.layers)

    @property
    def is_input(self):
        return not self.reads

    @property
    def error(self):
        return np.abs(self.seen - self.real)

    @property
    def snr(self):
        """Signal-to-noise ratio in dB; None without an error, or without a signal."""
        noise, signal = (self.error ** 2).mean(), (self.real ** 2).mean()
        return float(10 * np.log10(signal / noise)) if noise and signal else None


def outputs(stages):
    """A Stage of all outputs side by side."""
    last = [s for s in stages if s.is_output]
    if len(last) == 1:
        return last[0]
    real, seen = [None if getattr(last[0], name) is None
                  else np.concatenate([getattr(s, name) for s in last], 1)
                  for name in ("real", "seen")]
    return Stage([r for s in last for r in s.layers], [0], True, real=real, seen=seen)


def stages(result, x):
    """A Stage for each input and each op: an activation is computed inside the op before it."""
    graph, simulator = result.graph, Simulator(result.model)
    reports = dict(zip([t.name for t in graph.inputs] + [node.output for node in graph.nodes],
                       result.layers))
    real = graph.results(x)
    wanted = graph.joined(real)
    found, place = [], {}  # place: of the stage that makes a tensor
    for t in graph.inputs:
        seen = _real(_quantized(real[t.name], result, t.name), result, t.name)
        place[t.name] = len(found)
        found.append(Stage([reports[t.name]], shape=t.shape, real=real[t.name], seen=seen,
                           loss=_loss(graph, x, {t.name: seen}, wanted)))
    values = simulator.values(simulator.quantized(x))
    named = result.tensors
    joins = [node for node in graph.nodes if node.layer.placed]

    def join():
        """The Stages of concatenations whose parts are there."""
        for node in [n for n in joins if all(x in place for x in n.inputs)]:
            joins.remove(node)
            name, parts = node.output, [found[place[x]] for x in node.inputs]
            place[name] = len(found)
            seen = np.concatenate([part.seen for part in parts], axis=1)
            found.append(Stage([reports[name]], [place[x] for x in node.inputs],
                               name in graph.outputs, graph.tensors[name].shape, real[name], seen,
                               _loss(graph, x, {name: seen}, wanted)))

    join()
    alone = {}  # results inside of layers, computed from float inputs
    for i, (op, names) in enumerate(zip(simulator.plan.ops, result.ops)):
        q = simulator.step(i, *[alone[k] if k in alone else _quantized(
            real[named[k]], result, named[k]) for k in op.inputs])
        if not names:  # a later op finishes what this one begins
            alone[op.outputs[0]] = q
            continue
        name, reads = names[-1], graph.maker(names[0]).inputs
        for n in names:
            place[n] = len(found)
        found.append(Stage(
            [reports[n] for n in names], [place[n] for n in reads], name in graph.outputs,
            simulator.plan.tensors[op.outputs[0]].shape, real[name],
            _real(values[op.outputs[0]], result, name),
            _loss(graph, x, {name: _real(q, result, name)}, wanted)))
        join()
    return found


def _loss(graph, x, known, wanted):
    found = graph.joined(graph.results(x, known=known))
    return float(np.sqrt(((found - wanted) ** 2).mean()))


def _real(q, result, name):
    return dequantize_values(q, *result.scales[name])


def _quantized(x, result, name):
    return quantize_values(x, *result.scales[name])

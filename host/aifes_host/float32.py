"""A float network as an .aifes buffer of float32: to be run so, or quantized on the board."""
from dataclasses import replace

import numpy as np
from aifes import __version__
from aifes.format import FLOAT32, Op, Tensor
from aifes.layers.assemble import assemble
from aifes.ops import room as device_room

from .graph import ConversionError, Graph, Node
from .metadata import encoded
from .ops import room
from .planner import plan


def float_model(graph):
    """The .aifes buffer (bytes) of a Graph, weights rounded to float32.

    Raises ConversionError if it has an activation that there is in int8 only.
    """
    graph = _factored(graph)
    lowered = Lowering(graph)
    return lowered.model()


class Lowering:
    """The float32 ops of a graph, one for each layer, as the files of ops/ give them."""

    def __init__(self, graph):
        self.graph, self.steps = graph, []
        for node in graph.nodes:
            room(node.layer).float_ops(node, graph.tensors[node.output].size, self)

    def put(self, node, draft):
        """The Draft that computes a node."""
        self.steps.append((node, draft))

    def model(self):
        """The buffer (bytes)."""
        graph = self.graph
        ends = [t.name for t in graph.inputs] + list(graph.outputs)
        names = ends + [node.output for node, _ in self.steps if node.output not in ends]
        number = {name: k for k, name in enumerate(names)}
        n = len(graph.inputs)
        placed = plan([4 * graph.tensors[name].size for name in names], [
            ([number[x] for x in node.inputs], [number[node.output]],
             device_room(draft.opcode).IN_PLACE) for node, draft in self.steps],
            n, range(n, len(ends)))
        tensors = [Tensor(FLOAT32, 0, 0, at, None, graph.tensors[name].shape)
                   for name, at in zip(names, placed.offsets)]
        steps = [self.steps[i] for i in placed.order]
        ops = [Op(draft.opcode, draft.flags, tuple(number[x] for x in node.inputs),
                  (number[node.output],), draft.fields) for node, draft in steps]
        rows = [[t.name, t.size, 0, None, None] for t in graph.inputs]
        rows += [[node.layer.name, graph.tensors[node.output].size, node.layer.parameters, None,
                  None] for node in graph.nodes]
        meta = encoded(graph, rows, f"aifes {__version__}, float32")
        return bytes(assemble(ops, tensors, n, len(graph.outputs), placed.arena, meta))


def _factored(graph):
    """The Graph with layers that float32 models have: factors go into dense layers around them."""
    layers = {node.output: replace(node.layer) for node in graph.nodes}
    for node in graph.nodes:
        layer, before, after = room(node.layer).factored(node.layer)
        around = []
        if before != 1:
            around += [(name, {"results": before}) for name in node.inputs
                       if len(graph.readers(name)) == 1 and name not in graph.outputs]
        if after != 1 and node.output not in graph.outputs:
            around += [(reader.output, {"inputs": after})
                       for reader in graph.readers(node.output)]
        needed = (before != 1) + (after != 1) * max(1, len(graph.readers(node.output)))
        possible = len(around) == needed and all(
            hasattr(layers.get(name), "scaled") for name, _ in around)
        if possible:
            for name, factor in around:
                layers[name] = layers[name].scaled(**factor)
            layers[node.output] = layer
        if not possible or not layer.in_float32:
            _refuse(node.layer)
    nodes = [Node(layers[node.output], node.inputs, node.outputs) for node in graph.nodes]
    return Graph(graph.inputs, nodes, graph.outputs, graph.name, graph.labels)


def _refuse(layer):
    raise ConversionError(
        f"layer {layer.name!r}: float32 models have no {layer.kind}"
        + (" but between dense layers" if layer.kind in ("selu", "celu") else "")
        + "; make an int8 model with `aifes quantize`, which has it")


def same(got, want, engine):
    """Whether a board's float32 results are the simulator's: to the last bit, but for the Python
    engine, whose interpreter may have floats of fewer bits."""
    if engine == "python":
        return np.isclose(got, want, rtol=1e-4, atol=1e-6)
    return got == want

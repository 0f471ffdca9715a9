"""A float network as an .aifes buffer of float32: to be run so, or quantized on the board."""
import numpy as np

from .assembly import Step, assemble, metadata
from .graph import ConversionError
from .ops import concat


def float_model(graph):
    """The .aifes buffer (bytes) of a Graph, weights rounded to float32.

    Raises ConversionError if it has an activation that there is in int8 only.
    """
    layers, steps = _layers(graph), []
    rows = [["input" if len(graph.inputs) == 1 else t.name, t.size, 0, None, None]
            for t in graph.inputs]
    homes = concat.homes(graph)
    for node in graph.nodes:
        layer, n = layers[node.output], graph.tensors[node.output].size
        if layer.placed:
            names = list(node.inputs)
            for k, name in enumerate(names):
                if homes[name] != (node.output, k):
                    names[k], m = (node.output, k), graph.tensors[name].size
                    steps.append(Step(concat.float_copy(m), (name,), names[k], []))
                    rows.append([concat.COPY.name, m, 0, None, None])
            steps.append(Step(None, names, node.output, [node.output]))
            continue
        steps.append(Step(layer.float_op(n), node.inputs, node.output, [node.output]))
        rows.append([layer.name, n, layer.parameters, None, None])
    return assemble(graph, steps, metadata=metadata(graph, rows, "float32"))[0]


def _layers(graph):
    """{name of the result: layer} as float32 models have them. The factors by which a layer differs
    there go into the linear layers before and behind it."""
    layers = {node.output: node.layer for node in graph.nodes}
    for node in graph.nodes:
        layer = layers[node.output]
        found, before, after = layer.factored()
        takes = _takers(graph, node, before, after)
        if not found.in_float32 or takes is None:
            raise ConversionError(
                f"layer {layer.name!r}: float32 models have no {layer.kind}"
                + (" but between dense layers or convolutions" if found.in_float32 else "")
                + "; make an int8 model with `aifes quantize`, which has it")
        layers[node.output] = found
        for name, factors in takes:
            layers[name] = layers[name].scaled(**factors)
    return layers


def _takers(graph, node, before, after):
    """[(name of a result, arguments of scaled() for its layer)]; None if a factor has no place."""
    source, takes = node.inputs[0], []
    if before != 1:
        if graph.maker(source) is None or source in graph.outputs or len(graph.readers(source)) > 1:
            return None
        takes.append((graph.maker(source), {"results": before}))
    if after != 1:
        if node.output in graph.outputs:
            return None
        takes += [(reader, {"inputs": after}) for reader in graph.readers(node.output)]
    if not all(taker.layer.linear for taker, _ in takes):
        return None
    return [(taker.output, factors) for taker, factors in takes]


def results(graph, x):
    """Graph.results() as the float32 model on the board computes them."""
    return graph.results(x.astype(np.float32), lambda layer, *values: layer.float32(*values))


def same(got, want, engine):
    """Whether a board's float32 results are the simulator's: to the last bit, but for the Python
    engine, whose interpreter may have floats of fewer bits."""
    if engine == "python":
        return np.isclose(got, want, rtol=1e-4, atol=1e-6)
    return got == want


def compared(is_float, engine):
    """How closely a board's results were compared with the simulator's, in words."""
    return "within 1e-4" if is_float and engine == "python" else "bit by bit"

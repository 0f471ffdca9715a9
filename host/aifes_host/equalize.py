"""Factors for the channels of results between two layers with weights, as on the board:
aifes.quantizer.equalize, which says what they are for."""
from dataclasses import replace

import numpy as np
from aifes.quantizer import scales

from .graph import Graph


def equalize(graph, real):
    """A Graph that computes the same; the given one, if it has no such channels.

    real: {tensor: results [samples, elements]}, which get the factors too.
    """
    factors = {}
    for node in graph.nodes:
        tensors = _followed(graph, node.output) if _takes(node.layer) else None
        if tensors:
            n = graph.tensors[node.output].shape[-1]
            highs = real[node.output].reshape(-1, n).max(0)
            found = np.array(scales.factors(highs.tolist()), np.float32)
            factors.update((name, found) for name in tensors)
    if not factors:
        return graph
    for name, found in factors.items():
        real[name] = (real[name].reshape(-1, len(found)) * found).reshape(real[name].shape)
    nodes = [replace(node) for node in graph.nodes]
    for node in nodes:
        given, own = factors.get(node.inputs[0]), factors.get(node.output)
        if _takes(node.layer) and not given is own is None:
            node.layer = node.layer.equalized(given, own)
    return Graph(graph.inputs, nodes, graph.outputs, graph.name, graph.labels)


def _followed(graph, name):
    """The tensors from a result that a ReLU alone reads to layers with weights, or None."""
    readers = graph.readers(name)
    kinds = [node.layer.factored()[0].kind for node in readers]  # as the board has them
    if name in graph.outputs or kinds != ["relu"]:
        return None
    passed = _passed(graph, readers[0].output)
    return passed and [name, *passed]


def _passed(graph, name):
    """The tensors that have the channels of this one, with it; None if they end elsewhere."""
    if name in graph.outputs:
        return None
    found = [name]
    for node in graph.readers(name):
        if node.layer.passes:
            more = _passed(graph, node.output)
            if more is None:
                return None
            found += more
        elif not node.layer.linear:
            return None
    return found


def _takes(layer):
    """Whether factors go into its weights."""
    return layer.linear and not layer.passes

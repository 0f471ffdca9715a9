"""Can these data calibrate this network? What they cannot is said before it costs accuracy."""
import numpy as np

from .graph import ConversionError

FEW = 32  # samples; below, the quantizer does not correct means either


def check(graph, x):
    """What is wrong with the samples x [samples, inputs]: a list of sentences, best empty.

    Raises ConversionError if nothing can be learnt of them: all samples are the same.
    """
    if (x == x[0]).all():
        raise ConversionError(f"the data are one sample, {len(x)} times: give some hundred as they "
                              "occur on the board")
    found = []
    if len(x) < FEW:
        found.append(f"only {len(x)} samples: ranges are as wide as these; give some hundred as "
                     "they occur on the board")
    columns = np.split(np.arange(graph.n_in), np.cumsum([t.size for t in graph.inputs])[:-1])
    alike = [i for t, part in zip(graph.inputs, columns) for i in part
             if all(node.layer.pixels for node in graph.readers(t.name))]  # known from their kind
    same = np.setdiff1d(np.flatnonzero((x == x[0]).all(axis=0)), alike)
    if len(same):
        found.append(f"input {_numbers(same)} never changes: what it does to the network is not "
                     "calibrated; vary it or leave it out")
    results = graph.results(x)
    for node in graph.nodes:
        classes = None
        if node.output in graph.outputs:
            classes = graph.labels if len(graph.outputs) == 1 else []
        found += node.layer.warnings(results[node.output], classes)
    return found


def _numbers(numbers):
    shown = ", ".join(str(n) for n in numbers[:5])
    return shown if len(numbers) <= 5 else f"{shown} and {len(numbers) - 5} more"

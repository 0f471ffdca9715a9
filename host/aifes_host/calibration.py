"""Can these data calibrate this network? What they cannot is said before it costs accuracy."""
import numpy as np

from .graph import ConversionError

FEW = 32  # samples; below, the quantizer does not correct means either
SPANS = {"sigmoid": 1.0, "tanh": 2.0, "softsign": 2.0}  # widths of the ranges that are fixed

RECTIFIERS = ("relu", "leaky_relu", "elu", "clamp", "hard_sigmoid", "hard_swish", "gelu",
              "gelu_tanh", "silu", "selu", "celu", "softplus", "mish")


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
    same = np.flatnonzero((x == x[0]).all(axis=0))
    if len(same):
        found.append(f"input {_numbers(same)} never changes: what it does to the network is not "
                     "calibrated; vary it or leave it out")
    for i, (layer, result) in enumerate(zip(graph.layers, graph.results(x))):
        found += _layer(layer, result, i == len(graph.layers) - 1, graph.labels)
    return found


def _layer(layer, result, last, labels):
    if layer.kind in ("softmax", "log_softmax"):
        never = np.setdiff1d(np.arange(result.shape[1]), result.argmax(axis=1))
        if last and len(never):
            names = [str(labels[i]) if labels else str(i) for i in never[:5]]
            more = "" if len(never) <= 5 else " and more"
            return [f"class {', '.join(names)}{more} is never the answer: add samples of it"]
        return []
    still = (result == result[0]).all(axis=0)
    if still.all():
        return [f"layer {layer.name!r} gives the same for all samples: its range is a guess"]
    if layer.kind in RECTIFIERS and still.mean() > 0.5:
        return [f"layer {layer.name!r}: {still.sum()} of {len(still)} outputs never change: the "
                "data do not reach them, or they are dead"]
    span = np.ptp(result)
    if layer.kind in SPANS and span < SPANS[layer.kind] / 16:
        return [f"layer {layer.name!r} uses {100 * span / SPANS[layer.kind]:.1g} % of its range: "
                "its results have only a few steps; scale the data up or vary them more"]
    return []


def _numbers(numbers):
    shown = ", ".join(str(n) for n in numbers[:5])
    return shown if len(numbers) <= 5 else f"{shown} and {len(numbers) - 5} more"

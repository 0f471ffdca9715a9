"""A float network as an .aifes buffer of float32: to be run so, or quantized on the board."""
import json
from dataclasses import replace

import numpy as np
from aifes import __version__, builder, f32_layers
from aifes.f32_format import ACTIVATIONS
from aifes.format import FLOAT32

from .graph import SELU_ALPHA, SELU_SCALE, ConversionError, Dense


def float_model(graph):
    """The .aifes buffer (bytes) of a Graph, weights rounded to float32.

    Raises ConversionError if it has an activation that there is in int8 only.
    """
    ops, rows, n = [], [["input", graph.inputs, 0, None, None]], graph.inputs
    for layer in _layers(graph):
        if layer.kind == "dense":
            ops.append(f32_layers.dense_op(layer.weights.T.astype("<f4").tobytes(),
                                           layer.bias.astype("<f4").tobytes(), by_output=True))
            parameters = layer.weights.size + layer.bias.size
        else:
            alpha = layer.alpha if layer.kind in ("leaky_relu", "elu") else None
            ops.append(f32_layers.activation_op(layer.kind, n, alpha))
            parameters = 0
        n = ops[-1].n_out
        rows.append([layer.name, n, parameters, None, None])
    meta = {"name": graph.name, "layers": rows, "made": f"aifes {__version__}, float32"}
    if graph.labels:
        meta["labels"] = [str(v) for v in graph.labels]
    if graph.boundary is not None:
        meta["boundary"] = graph.boundary
    return bytes(builder.assemble(ops, (0, 0), (0, 0), dtype=FLOAT32, metadata=json.dumps(
        meta, ensure_ascii=False).encode()))


def _layers(graph):
    """The layers of a Graph as float32 models have them: SELU is an ELU whose factor goes into the
    dense layer behind it, CELU one between two such factors."""
    layers = list(graph.layers)
    for i, layer in enumerate(layers):
        if layer.kind == "clamp" and (layer.alpha, layer.beta) == (0, np.inf):
            layers[i] = replace(layer, kind="relu")
        elif layer.kind == "selu" and _is_dense(layers, i + 1):
            layers[i] = replace(layer, kind="elu", alpha=SELU_ALPHA)
            layers[i + 1] = _scaled(layers[i + 1], SELU_SCALE)
        elif layer.kind == "celu" and layer.alpha == 1:
            layers[i] = replace(layer, kind="elu")
        elif layer.kind == "celu" and _is_dense(layers, i - 1) and _is_dense(layers, i + 1):
            layers[i] = replace(layer, kind="elu", alpha=1.0)
            before = _scaled(layers[i - 1], 1 / layer.alpha)
            layers[i - 1] = Dense(before.weights, before.bias / layer.alpha, before.name)
            layers[i + 1] = _scaled(layers[i + 1], layer.alpha)
        elif layer.kind not in ("dense", "softmax", *ACTIVATIONS):
            raise ConversionError(
                f"layer {layer.name!r}: float32 models have no {layer.kind}"
                + (" but between dense layers" if layer.kind in ("selu", "celu") else "")
                + "; make an int8 model with `aifes quantize`, which has it")
    return layers


def _is_dense(layers, i):
    return 0 <= i < len(layers) and layers[i].kind == "dense"


def _scaled(dense, factor):
    return Dense(dense.weights * factor, dense.bias, dense.name)


def same(got, want, engine):
    """Whether a board's float32 results are the simulator's: to the last bit, but for the Python
    engine, whose interpreter may have floats of fewer bits."""
    if engine == "python":
        return np.isclose(got, want, rtol=1e-4, atol=1e-6)
    return got == want

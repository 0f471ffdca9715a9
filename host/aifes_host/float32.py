"""A float network as an .aifes buffer of float32: to be run so, or quantized on the board."""
import json

import numpy as np
from aifes import __version__, builder, f32_layers
from aifes.format import FLOAT32


def float_model(graph):
    """The .aifes buffer (bytes) of a Graph, weights rounded to float32."""
    ops, rows, n = [], [["input", graph.inputs, 0, None, None]], graph.inputs
    for layer in graph.layers:
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
    return bytes(builder.assemble(ops, (0, 0), (0, 0), dtype=FLOAT32, metadata=json.dumps(
        meta, ensure_ascii=False).encode()))


def same(got, want, engine):
    """Whether a board's float32 results are the simulator's: to the last bit, but for the Python
    engine, whose interpreter may have floats of fewer bits."""
    if engine == "python":
        return np.isclose(got, want, rtol=1e-4, atol=1e-6)
    return got == want

"""AIfES's own results of networks with images, golden/cnn_inference.*: ours are the same."""
import json
from pathlib import Path

import numpy as np
import pytest
from aifes_host import Activation, Conv, Dense, Pool, Simulator, Softmax, sequential
from aifes_host.float32 import float_model

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "cnn_inference.json").read_text())
ARRAYS = np.load(GOLDEN / "cnn_inference.npz")


class Builder:
    """The layers of a network of AIfES, with the channels last: takes its parameters in order."""

    def __init__(self, case):
        self.parameters = ARRAYS[case["key"] + "_params"].astype(float)
        self.shape = tuple(case["input_shape"])  # as AIfES has it

    def take(self, *shape):
        n = int(np.prod(shape))
        found, self.parameters = self.parameters[:n], self.parameters[n:]
        return found.reshape(shape)

    def layer(self, given):
        kind, first = given["type"], given.get("axis") == 1
        if kind == "conv2d":
            shape = self.shape if not first else (*self.shape[1:], self.shape[0])
            n, k = given["filters"], given["kernel"]
            w = self.take(n, shape[2], *k).transpose(2, 3, 1, 0) if first else self.take(
                n, *k, shape[2]).transpose(1, 2, 3, 0)
            p = given["padding"]
            return Conv(w, self.take(n), given["stride"], (p[0], p[0], p[1], p[1]),
                        given["dilation"])
        if kind == "maxpool2d":
            p = given["padding"]
            return Pool(given["kernel"], given["stride"], (p[0], p[0], p[1], p[1]))
        if kind == "batch_norm":
            n = self.shape[0 if first else 2]
            beta, gamma, mean, variance = self.take(4, n)
            factor = gamma / np.sqrt(variance + given["eps"])
            return Conv(factor.reshape(1, 1, 1, n), beta - mean * factor, groups=n)
        if kind == "dense":
            w = self.take(int(np.prod(self.shape)), given["n"])
            if self.flattened:
                channels, rows, columns = self.flattened
                w = w.reshape(channels, rows, columns, -1).transpose(1, 2, 0, 3).reshape(w.shape)
            self.flattened = None
            return Dense(w, self.take(given["n"]))
        return Softmax() if kind == "softmax" else Activation(kind, given.get("alpha", 0.0))

    def graph(self, case):
        """The Graph, and for each of its layers the place of its result and whether it has the
        channels first."""
        image, layers, results = self.shape, [], []
        self.flattened, first = None, any(v.get("axis") == 1 for v in case["layers"])
        for i, given in enumerate(case["layers"]):
            if given["type"] == "reshape":
                image = self.shape = tuple(given["shape"])
            elif given["type"] == "flatten":
                self.flattened = self.shape if first else None
            else:
                layers.append(self.layer(given))
                results.append(i)
            self.shape = tuple(case["result_shapes"][i][1:])
        if first:
            image = (*image[1:], image[0])
        assert not self.parameters.size
        return sequential(image, layers), results, first


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_as_aifes(case):
    """Each layer's float results; those of the float32 model too."""
    graph, places, first = Builder(case).graph(case)

    def ours(y):
        y = y.transpose(0, 2, 3, 1) if first and y.ndim == 4 else y
        return y.reshape(len(y), -1)

    x = ours(ARRAYS[case["key"] + "_x"]) if case["name"] != "reshape" else ARRAYS[
        case["key"] + "_x"]
    simulator = Simulator(float_model(graph))
    on_board = simulator.results(simulator.quantized(x))
    for node, place, y in zip(graph.nodes, places, on_board):
        want = ours(ARRAYS[f"{case['key']}_y{place}"])
        if isinstance(node.layer, Softmax):
            want = ARRAYS[case["key"] + "_out_exact"]
        np.testing.assert_allclose(graph.results(x.astype(float))[node.output], want, atol=1e-4)
        np.testing.assert_allclose(y, want, atol=1e-4)

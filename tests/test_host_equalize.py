"""Equalized channels, ranges before softmax, inputs that are images: on the PC and on the board."""
from array import array

import aifes
import numpy as np
import pytest
from aifes_host import quantize, simulate
from aifes_host.float32 import float_model
from aifes_host.graph import Graph, Node, Tensor, sequential
from aifes_host.ops import Activation, Concat, Conv, Dense, Pool, Softmax
from aifes_host.quantizer import build


def network(seed):
    """A Graph of convolutions, some depthwise, pooling and dense layers, channels of many sizes."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.normal(size=shape) * rng.choice([0.1, 1, 3], shape[-1])

    n = int(rng.integers(2, 7))
    deep = 2 * n if seed % 2 else n
    layers = [
        Conv(weights(3, 3, 2, n), rng.normal(size=n), padding=(1, 1, 1, 1)), Activation("relu"),
        Pool((2, 2), (2, 2), average=seed % 3 == 0),
        Conv(weights(2, 1, 1 if seed % 2 else n, deep), rng.normal(size=deep),
             groups=n if seed % 2 else 1), Activation("relu" if seed % 5 else "leaky_relu", 0.1),
        Dense(weights(6 * deep, 8), rng.normal(size=8)), Activation("relu"),
        Dense(weights(8, 4), rng.normal(size=4))]
    layers += [Softmax()] if seed % 4 else []
    return sequential((6, 6, 2), layers), rng


@pytest.mark.parametrize("seed", range(12))
def test_the_board_finds_the_same(seed):
    graph, rng = network(seed)
    x = (rng.normal(size=(40, graph.n_in)) * rng.choice([0.3, 1, 20])).astype(np.float32)
    found = quantize(graph, x)
    real = graph(x)
    assert np.abs(found.graph(x) - real).max() <= 1e-4 * np.abs(real).max()
    net = aifes.load(bytearray(float_model(graph)))
    board = aifes.quantize(net, array("f", x.ravel().tolist()), report=None)
    assert board.metadata["layers"] == aifes.load(bytearray(found.model)).metadata["layers"]
    assert (simulate(bytes(board._buf), x) == simulate(found.model, x)).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_board_finds_the_same_through_copies_and_beside_concatenations(seed):
    rng = np.random.default_rng(seed)

    def conv(n_in, n_out):
        return Conv(rng.normal(size=(3, 3, n_in, n_out)) * rng.choice([0.1, 1, 3], n_out),
                    rng.normal(size=n_out), padding=(1, 1, 1, 1))

    double = Conv(np.ones((2, 2, 1, 4)), np.zeros(4), groups=4, spread=(2, 2),
                  padding=(1, 1, 1, 1))
    graph = Graph([Tensor("x", (3, 3, 2))], [Node(layer, x.split(), [y]) for x, y, layer in (
        ("x", "a", conv(2, 4)), ("a", "ar", Activation("relu")), ("ar", "b", double),
        ("b", "c", conv(4, 2)), ("c", "cr", Activation("relu")), ("cr", "d", conv(2, 2)),
        ("x", "e", conv(2, 2)), ("e", "er", Activation("relu")), ("d er", "all", Concat()),
        ("er", "f", conv(2, 1)),
        ("all", "g", Dense(rng.normal(size=(90, 4)) / 2000, [-900, 0, 0, 0])),
        ("f", "h", Dense(rng.normal(size=(9, 2)) / 99, rng.normal(size=2))),
        ("g h", "both", Concat()), ("both", "y", Softmax()))], ["y"])
    x = (rng.normal(size=(40, graph.n_in)) * 3).astype(np.float32)
    found = quantize(graph, x)
    for name in ("a", "c", "d", "e", "f", "g", "h"):
        before, after = [g.maker(name).layer.weights for g in (graph, found.graph)]
        changed = not np.allclose(before, after)
        assert changed == (name in ("a", "c", "d")), name
    assert found.scales["both"][0] > -3  # 900 below the others takes no bits
    board = aifes.quantize(aifes.load(bytearray(float_model(graph))), array(
        "f", x.ravel().tolist()), report=None)
    assert (simulate(bytes(board._buf), x) == simulate(found.model, x)).all()


def test_channels_fill_their_range():
    graph, rng = network(1)
    found = quantize(graph, rng.normal(size=(100, graph.n_in)))
    results = found.graph.results(found.x)
    for name in (graph.nodes[1].output, graph.nodes[4].output):
        shift, zero = found.scales[name]
        channels = graph.tensors[name].shape[-1]
        before, after = [r[name].reshape(-1, channels).max(0)
                         for r in (graph.results(found.x), results)]
        assert before.max() > 3 * before.min() and zero == -128
        assert after.max() <= np.ldexp(256, -shift) < 2 * 1.02 * after.max()
        wide = before > before.max() / 1.5
        assert after[wide].min() > 0.97 * after.max()


def test_a_class_far_below_takes_no_bits():
    rng = np.random.default_rng(0)
    weights = np.concatenate([rng.normal(size=(8, 3)), np.zeros((8, 1))], 1)
    x = rng.normal(size=(200, 8))

    def shift(far, layers):
        graph = sequential((8,), [Dense(weights, [0, 0, 0, far]), *layers])
        return quantize(graph, x).scales["dense_0"][0]

    assert shift(-300, [Softmax()]) == shift(-20, [Softmax()]) > 2
    assert shift(-300, [Softmax("log_softmax")]) < 0


def test_images_have_no_headroom():
    rng = np.random.default_rng(0)
    x = rng.integers(256, size=(50, 72)).astype(float)
    for shape, shift in (((6, 6, 2), 0), ((36, 1, 2), -1)):
        graph = sequential(shape, [Conv(rng.normal(size=(1, 1, 2, 3)) / 99, np.zeros(3))])
        assert quantize(graph, x).scales["input"][0] == shift


def test_dense_layers_keep_their_channels_where_that_loses_less():
    kept = set()
    for seed in range(38, 44):
        rng = np.random.default_rng(seed)
        graph = sequential((6,), [
            Dense(rng.normal(size=(6, 4)), rng.normal(size=4)), Activation("relu"),
            Dense(rng.normal(size=(4, 3)), rng.normal(size=3))])
        x = rng.normal(size=(40, 6)).astype(np.float32)
        found = quantize(graph, x)
        ways = [build(graph, graph.samples(x), per_element=found.per_element, equal=equal)
                for equal in (False, True)]
        loss, other = [((simulate(way.model, x) - graph(x)) ** 2 / graph(x).var(0)).sum()
                       for way in ways]
        assert found.model == ways[int(other < 0.8 * loss)].model
        kept.add(found.graph is graph)
        board = aifes.quantize(aifes.load(bytearray(float_model(graph))),
                               array("f", x.ravel().tolist()), report=None)
        assert (simulate(bytes(board._buf), x) == simulate(found.model, x)).all()
    assert kept == {False, True}

"""Weights of convolutions that are rounded together: on the PC and on the board."""
from array import array
from itertools import product

import numpy as np
import pytest
from aifes.layers import q7
from aifes.quantizer import rounding
from aifes_host import Conv, quantize, sequential
from aifes_host import rounding as on_pc
from aifes_host.ops.windows import Windows
from aifes_host.scales import dequantize_values, quantize_values

ONE = 1 << rounding.BITS


def inputs(rng, n, m):
    """int64 [n, m] that depend on one another, as neighbouring pixels do."""
    x = rng.normal(size=(3, m)).T @ rng.normal(size=(3, n)) + 0.2 * rng.normal(size=(m, n))
    return np.round(30 * (x - x.mean(0))).astype(np.int64).T


def on_board(values, x):
    return rounding.rounded(values.tolist(), array("h", x.ravel().tolist()), x.shape[1])


def lost(values, q, x):
    """Of the sums over the windows, and of each weight as much as the mean of them would lose."""
    d = values / ONE - q
    return ((d @ x) ** 2).sum() + (x * x).sum() / len(x) * (d * d).sum()


@pytest.mark.parametrize("seed", range(5))
def test_board_and_pc_round_alike(seed):
    rng = np.random.default_rng(seed)
    n, m, outputs = [int(v) for v in rng.integers((1, 4, 1), (30, 40, 6))]
    x = inputs(rng, n, m) * (rng.random((n, 1)) > 0.1)  # some say nothing
    shifts = rng.integers(3, 9, outputs)
    weights = (rng.normal(size=(n, outputs)) / 2).astype(np.float32).astype(float)
    found = on_pc.rounded(weights, shifts, x[None])
    for j in range(outputs):
        values = np.array([q7.fixed(v, int(shifts[j]) + rounding.BITS) for v in weights[:, j]])
        assert found[:, j].tolist() == on_board(values, x)


def test_of_all_ways_to_round_nearly_the_best():
    rng = np.random.default_rng(0)
    found, nearest = [], []
    for _ in range(30):
        x = inputs(rng, 8, 40)
        values = rng.integers(-100 * ONE, 100 * ONE, 8)

        q = np.array(on_board(values, x))
        plain = [q7.ratio(int(v), ONE) for v in values]
        assert (abs(values - q * ONE) < ONE).all()
        best = min(lost(values, (values >> rounding.BITS) + up, x)
                   for up in product((0, 1), repeat=8))
        found.append(lost(values, q, x) / best)
        nearest.append(lost(values, plain, x) / best)
    assert (np.array(found) <= nearest).all() and max(nearest) > 1.5
    assert np.mean(found) < 1.1 < 1.2 < np.mean(nearest)


def test_windows_are_those_of_the_samples():
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (100, 5 * 4 * 2)).astype(np.int8)
    where = Windows((5, 4, 2), (3, 4, 6), (3, 3), (2, 1), (1, 1))
    found = on_pc.windows(where, x, 7, 2)
    m = rounding.number(100, 18)
    assert found.shape == (2, 9, m) and abs(found.mean(2)).max() <= 0.5
    padded = np.pad(x.reshape(-1, 5, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=7)
    taken = [i for i in range(100) if i * m % 100 < m]
    expected = []
    for i in taken:
        r, c = divmod(i * rounding.STRIDE % 12, 4)
        expected.append(padded[i, 2 * r:2 * r + 3, c:c + 3].reshape(9, 2).T - 7.0)
    expected = np.stack(expected, 2)
    expected -= expected.mean(2, keepdims=True)
    assert abs(found - expected).max() <= 0.5
    assert [rounding.number(n, size) for n, size in ((40, 9), (99, 9), (99, 288), (99, 9999))] == [
        40, 64, 28, 16]


def test_less_is_lost_of_images():
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(200, 8, 8, 2)).cumsum(1).cumsum(2)
    x = steps.reshape(200, -1)
    graph = sequential((8, 8, 2), [Conv(rng.normal(size=(3, 3, 2, 8)), np.zeros(8))])
    layer = graph.nodes[0].layer
    shifts, flat = layer.stored_shifts(), layer.weights.reshape(-1, 8)
    shift, zero = quantize(graph, x[:100]).scales["input"]
    q = quantize_values(x, shift, zero)
    together = on_pc.rounded(flat, shifts, on_pc.windows(layer._windows, q[:100], zero, 1))

    def lost(weights):
        """Of the results for the other samples, their means corrected."""
        weights = dequantize_values(weights, shifts, 0).reshape(layer.weights.shape)
        y = sequential((8, 8, 2), [Conv(weights - layer.weights, np.zeros(8))])(
            dequantize_values(q, shift, zero)).reshape(200, -1, 8)
        return ((y[100:] - y[:100].mean((0, 1))) ** 2).mean()

    assert lost(together) < lost(quantize_values(flat, shifts, 0)) / 3

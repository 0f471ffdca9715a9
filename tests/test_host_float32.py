"""Float networks as float32 models: against float64, from the command line, onto a board."""
import json

import numpy as np
import pytest
from aifes_host import Simulator, float_model, from_model, quantize
from aifes_host.layout import TARGETS, arrange
from aifes_host.memory_map import blocks, lower_bound
from test_host_cli import run

KINDS = ["relu", "sigmoid", "tanh", "softsign", "softmax", ("leaky_relu", 0.2), ("elu", 0.7)]


def network(rng):
    n, layers = int(rng.integers(1, 40)), []
    for _ in range(rng.integers(1, 4)):
        m = int(rng.integers(1, 40))
        layers += [("dense", rng.normal(size=(n, m)) / n ** 0.5, rng.normal(size=m)),
                   KINDS[rng.integers(len(KINDS))]]
        n = m
    return from_model(layers)


@pytest.mark.parametrize("seed", range(20))
def test_near_float64(seed):
    rng = np.random.default_rng(seed)
    graph = network(rng)
    x = rng.normal(size=(30, graph.n_in)) * 3
    model = float_model(graph)
    assert np.allclose(Simulator(model)(x), graph(x.astype(np.float32)), rtol=1e-4, atol=2e-6)
    assert all(arrange(model, target) == model for target in TARGETS)
    plan = Simulator(model).plan
    assert plan.arena == lower_bound(plan) and blocks(plan)[0].length == 4 * graph.n_in


def test_convert(tmp_path):
    (tmp_path / "net.json").write_text(json.dumps({
        "name": "net", "labels": ["a", "b"],
        "layers": [["dense", [[1, 2], [3, 4]], [0.5, -1]], "softmax"]}))
    out = tmp_path / "net.aifes"
    said = run("convert", tmp_path / "net.json", "-o", out, "--json")
    assert json.loads(said)["bytes"] == out.stat().st_size
    assert "float32" in run("convert", tmp_path / "net.json", "-o", out)
    shown = json.loads(run("inspect", out, "--json"))
    assert shown["metadata"]["labels"] == ["a", "b"] and shown["arena"] == 16
    np.save(tmp_path / "x.npy", np.array([[1.0, -1.0]]))
    said = json.loads(run("simulate", out, "-i", tmp_path / "x.npy", "--json"))
    e = np.exp([-1.5, -3.0])
    assert np.allclose(said["outputs"], [e / e.sum()], atol=1e-6)


def test_ranges_far_from_one():
    """Scales beyond 8 bits before and behind the point; the default rule has no limit there."""
    rng = np.random.default_rng(0)
    for factor in (1e-6, 1e6):
        graph = from_model([("dense", rng.normal(size=(4, 3)), factor * rng.normal(size=3))])
        x = factor * rng.normal(size=(200, 4))
        result = quantize(graph, x)
        error = np.abs(Simulator(result.model)(x) - graph(x)).max()
        assert error < 0.03 * np.ptp(graph(x))

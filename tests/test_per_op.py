"""Shapes, receptive fields and cost of each op; how `aifes inspect` and the report show them."""
import base64
import io
import re

import numpy as np
import pytest
from aifes_host import Conv, Dense, Graph, Node, Pool, Simulator, Tensor, quantize, sequential
from aifes_host.cost import CHIPS, estimate
from aifes_host.per_op import per_op
from aifes_host.report import write_report
from aifes_host.report_model import describe
from matplotlib.image import imread
from test_host_cli import run
from test_host_images import residual


def result(graph, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, *graph.inputs[0].shape))
    return quantize(graph, x), x


def seen_by(graph, name):
    """The most rows and columns of the input on which an element of a tensor depends: by trying."""
    n = graph.n_in
    x = np.random.default_rng(1).normal(size=(1, n)).repeat(n + 1, 0)
    x[np.arange(n), np.arange(n)] += 1
    y = graph.results(x)[name].reshape(n + 1, -1)
    changed = (np.abs(y[:-1] - y[-1]) > 1e-9).T.reshape(-1, *graph.inputs[0].shape[:2])
    return tuple(max(int(np.ptp(np.flatnonzero(at))) + 1 for at in changed.any(axis) if at.any())
                 for axis in (2, 1))


@pytest.mark.parametrize("seed", range(12))
def test_receptive_field(seed):
    """Of linear nets of random windows, against trying."""
    rng = np.random.default_rng(seed)
    layers, shape = [], (21, 19, 1)
    for i in range(int(rng.integers(1, 4))):
        if rng.random() < 0.3:
            layer = Pool((2, 3), (2, 1), average=True)
        else:
            w = rng.normal(size=(*map(int, rng.integers(1, 4, 2)), shape[2], 2)) + 3
            spread = 2 if rng.random() < 0.3 else 1
            layer = Conv(w, np.zeros(2), stride=tuple(rng.integers(1, 3, 2)),
                         dilation=tuple(rng.integers(1, 3, 2)), spread=(spread,) * 2)
        layer.name = f"layer{i}"
        shape = layer.shape(shape)
        layers.append(layer)
    graph = sequential((21, 19, 1), layers)
    facts = per_op(result(graph)[0].model)
    assert len(facts) == len(layers)
    for node, found in zip(graph.nodes, facts):
        assert found.sees == seen_by(graph, node.output)


def test_facts_of_a_net_with_a_branch():
    model = result(residual(np.random.default_rng(0)))[0].model
    facts = per_op(model)
    names = "conv conv conv add pool conv mean dense"
    assert [f.name for f in facts] == names.split()
    assert facts[3].reads == [(9, 7, 8)] * 2 and facts[3].sees == (5, 5)
    assert facts[0].sees == (3, 3) and facts[-1].sees is None and facts[-1].shape == (4,)
    for chip in CHIPS:
        whole = estimate(model, chip)
        assert [f.instructions[chip.name] for f in facts] == whole.ops
        assert 0 < whole.instructions - sum(whole.ops) < 1000


def test_inspect_and_report(tmp_path):
    graph = residual(np.random.default_rng(0))
    quantized, x = result(graph)
    (tmp_path / "n.aifes").write_bytes(quantized.model)
    text = run("inspect", tmp_path / "n.aifes")
    assert re.search(r"0 conv\s+9x7x2 +9x7x8 +0\S+4 +3x3 +9,072 ", text)
    assert re.search(r"3 add\s+9x7x8 9x7x8 +9x7x8 +0\S+4 +5x5 +0 ", text)
    write_report(quantized, x, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text("utf-8")
    describe(quantized.model, tmp_path / "d.html", x[:3].reshape(3, -1))
    for page in (html, (tmp_path / "d.html").read_text("utf-8")):
        assert "<td>5x5</td>" in page and "9x7x2 → 9x7x8" in page
        pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', page)
        shown = [imread(io.BytesIO(base64.b64decode(data))) for data, _ in pictures]
        assert [p.shape for p in shown[:2]] == [(9, 7)] * 2
        if page is not html:  # a file does not say the scales inside of a net with branches
            break
        # the second channel of what the first op makes of the first sample
        simulator = Simulator(quantized.model)
        op = simulator.plan.ops[0]
        q = simulator.values(simulator.quantized(x[:1].reshape(1, -1)))[op.outputs[0]]
        q = q.reshape(9, 7, 8).astype(float)
        want = (q[:, :, 1] - q.min()) / np.ptp(q)
        assert np.abs(shown[3] - want).max() < 1 / 255
    assert html.count('class="arrow"') > len(graph.nodes) - 4  # one of them is of the branch


def test_dense_nets_have_no_maps(tmp_path):
    graph = sequential(4, [Dense(np.ones((4, 2)), np.zeros(2))])
    quantized, x = result(graph)
    write_report(quantized, x, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text("utf-8")
    assert 'id="maps"' not in html and "receptive" not in html and "<td>dense</td>" not in html
    assert 'id="operations"' in html


def test_signals_are_one_picture(tmp_path):
    graph = Graph([Tensor("x", (20, 1, 3))], [
        Node(Conv(np.ones((3, 1, 3, 5)), np.zeros(5)), ("x",), ("y",))], ["y"])
    quantized, x = result(graph)
    write_report(quantized, x, tmp_path / "r.html")
    found = re.findall(r'base64,([^"]+)"', (tmp_path / "r.html").read_text("utf-8"))
    shown = [imread(io.BytesIO(base64.b64decode(data))).shape for data in found]
    assert shown == [(3, 20), (5, 18)]

"""The report: what it says, that it needs nothing else, and how a browser shows it."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import graphs
import numpy as np
import pytest
from aifes.format import metadata
from aifes_host import ConversionError, from_model, quantize
from aifes_host.cost import CHIPS, TOLERANCE, estimate
from aifes_host.float32 import float_model
from aifes_host.layout import arrange
from aifes_host.memory_map import blocks
from aifes_host.report import write_report
from aifes_host.report_model import _stages, describe
from aifes_host.simulator import Simulator
from aifes_host.stages import stages
from bench import cnn
from bench.instructions import NETS, network
from conftest import need
from emulator import build, emulator
from test_host_images import residual

SECTIONS = ("network", "errors", "values", "outputs", "operations", "memory", "boards")
HOSTILE = '<script>alert("1")</script>'


def layers(sizes, hidden, last=None):
    rng = np.random.default_rng(0)
    found = []
    for n, m in zip(sizes, sizes[1:]):
        found += [("dense", rng.normal(size=(n, m)) / n ** 0.5, rng.normal(size=m)), hidden]
    return found[:-1] + ([last] if last else [])


def samples(n, count=200):
    return np.random.default_rng(1).normal(size=(count, n))


def hostile():
    """A classifier whose names are HTML and long."""
    graph = from_model({"layers": layers((4, 40, 8, 3), "tanh", "softmax"), "name": HOSTILE,
                        "labels": [HOSTILE, "a & b", "a_name_without_any_space" * 3]})
    graph.layers[0].name = HOSTILE
    graph.layers[2].name = "layer_without_any_space" * 5
    return graph


def report(graph, path, labels=None, x=None):
    x = samples(graph.n_in) if x is None else x
    facts = write_report(quantize(graph, x), x, path, labels)
    return facts, path.read_text("utf-8")


def test_needs_nothing_else(tmp_path):
    for graph in (hostile(), from_model(layers((3, 8, 2), "relu"))):
        _, html = report(graph, tmp_path / "r.html")
        assert not re.search(r"https?:|//\w|@import|url\(|\bsrc=\"|<link|<script", html)
        assert re.findall(r'<section id="(\w+)">', html) == list(SECTIONS)
        assert all(f"<title>{word}" in html for word in ("The network", "Values", "The arena"))


def test_escapes_names(tmp_path):
    _, html = report(hostile(), tmp_path / "r.html")
    assert "<script" not in html and html.count("&lt;script&gt;") > 4
    assert "a &amp; b" in html and "a & b" not in html


def test_classifier(tmp_path):
    x = samples(4)
    graph = hostile()
    wanted = [graph.labels[i] for i in graph(x).argmax(1)]
    facts, html = report(graph, tmp_path / "r.html", wanted, x)
    assert facts["comparison"]["accuracy_float"] == 1
    assert html.count('<table class="matrix">') == 3 and "accuracy, Q7" in html
    cells = [int(n) for n in re.findall(r'<td style="--share[^>]*>(\d+)</td>', html)]
    assert len(cells) == 27 and sum(cells) == 3 * len(x)
    assert [n for n in cells[9:18] if n] == [cells[9 + 4 * i] for i in range(3) if cells[9 + 4 * i]]
    _, html = report(graph, tmp_path / "r.html")
    assert html.count('<table class="matrix">') == 1 and "Q7 against float" in html
    with pytest.raises(ConversionError, match="none of the network's"):
        report(graph, tmp_path / "r.html", ["stand"] * len(x), x)
    graph = from_model(layers((4, 3), "relu"))
    with pytest.raises(ConversionError, match="label 3 is none of the network's 3 classes"):
        report(graph, tmp_path / "r.html", np.arange(len(x)) % 4, x)


def test_two_classes_in_one_output(tmp_path):
    graph = from_model({"layers": layers((4, 5, 1), "relu", "sigmoid"), "labels": ["no", "yes"]})
    _, html = report(graph, tmp_path / "r.html")
    assert len(re.findall(r'<td style="--share', html)) == 4


def test_regression(tmp_path):
    _, html = report(from_model(layers((3, 8, 2), "relu")), tmp_path / "r.html")
    assert html.count('class="scatter"') == 2 and 'class="matrix"' not in html
    _, html = report(from_model(layers((3, 20), "relu")), tmp_path / "r.html")
    assert html.count('class="scatter"') == 12 and "The first 12 of 20 outputs" in html


@pytest.mark.parametrize("specs, titles", [
    (layers((3, 4, 2), "relu", "softmax"), ["input", "dense_0 + relu_1", "dense_2", "softmax_3"]),
    (["relu", "tanh", *layers((3, 2), "")], ["input", "relu_0 + tanh_1", "dense_2"]),
    ([*layers((3, 2), "", "softmax"), "sigmoid", "relu"],
     ["input", "dense_0", "softmax_1", "sigmoid_2 + relu_3"]),
    ([*layers((3, 2), "", "tanh"), "relu"], ["input", "dense_0 + tanh_1 + relu_2"]),
])
@pytest.mark.parametrize("method", ["mse", "aifes"])
def test_a_stage_is_what_an_op_computes(specs, titles, method, tmp_path):
    graph = from_model(list(specs))
    x = samples(graph.n_in)
    result = quantize(graph, x, method)
    found = stages(result, x)
    assert [s.title for s in found] == titles
    assert len(found) == len(Simulator(result.model).plan.ops) + 1
    np.testing.assert_allclose(found[-1].real, graph(x), rtol=1e-5)
    assert (found[-1].seen == Simulator(result.model)(x)).all()
    assert all(s.snr > 15 for s in found)
    write_report(result, x, tmp_path / "r.html")


def test_data_without_spread(tmp_path):
    graph = from_model([("dense", np.zeros((2, 2)), np.zeros(2)), "relu"])
    _, html = report(graph, tmp_path / "r.html", x=np.eye(2))
    assert "exact" in html and "nan" not in html


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_of_a_deployed_file(dtype, tmp_path):
    """Without the float network: layers, memory, cost; with data what it does to them."""
    graph = from_model({"layers": layers((4, 40, 8, 3), "tanh", "softmax"), "name": HOSTILE,
                        "labels": ["a", "b", "c"]})
    x = samples(4)
    model = quantize(graph, x).model if dtype == "int8" else float_model(graph)
    facts = describe(model, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text("utf-8")
    assert facts["verdict"]["level"] == "unknown" and "Cannot be judged" in html
    assert "tanh_1" in html and "<script" not in html and 'id="memory"' in html
    assert (dtype in html) and ("Q7" in html) == (dtype == "int8") == ('id="boards"' in html)
    assert 'id="values"' not in html and f"{len(model):,}" in html
    wanted = [graph.labels[i] for i in graph(x).argmax(1)]
    facts = describe(model, tmp_path / "r.html", x, wanted)
    html = (tmp_path / "r.html").read_text("utf-8")
    assert facts["accuracy"] > 0.95 and sum(facts["classes"].values()) == len(x)
    assert 'id="values"' in html and html.count('<table class="matrix">') == 1
    facts = describe(model, tmp_path / "r.html", x * 1e4)
    assert (facts["verdict"]["level"] == "unfit") == (dtype == "int8")
    with pytest.raises(ConversionError, match="3 columns, the network has 4 inputs"):
        describe(model, tmp_path / "r.html", x[:, :3])
    with pytest.raises(ConversionError, match="give --data"):
        describe(model, tmp_path / "r.html", None, wanted)


@pytest.mark.parametrize("specs", [
    [*layers((3, 2), "", "softmax"), "sigmoid", "relu"], ["relu", "tanh", *layers((3, 2), "")],
    layers((3, 4, 2), "tanh", "softmax"), [*layers((3, 2), "", "tanh"), "relu"]])
def test_layers_of_a_deployed_file(specs, tmp_path):
    graph = from_model(list(specs))
    result = quantize(graph, samples(3))
    found = _stages(Simulator(result.model), metadata(result.model, Simulator(
        result.model).plan))
    wanted = [[r.name for r in s.layers] for s in stages(result, samples(3))]
    names = [[r.name for r in s.layers] for s in found]
    assert names == wanted or names == [["input"], ["dense"], ["softmax"], ["map"]]
    describe(result.model, tmp_path / "r.html", samples(3))


def verdict(graph, labels=None, x=None, method="mse", data=None, tested=True):
    x = samples(graph.n_in) if x is None else x
    facts = write_report(quantize(graph, x if data is None else data, method), x, os.devnull,
                         labels, None, tested)
    return facts["verdict"]


def test_verdict():
    """Whether it is fit, why, and what to try; what is lost decides, not what float lacks."""
    classifier = from_model(layers((4, 40, 8, 3), "tanh", "softmax"))
    regression = from_model(layers((3, 8, 2), "tanh"))
    right = classifier(samples(4)).argmax(1)
    found = verdict(classifier, right)
    assert found["level"] == "fit" and "accuracy" in found["reasons"][0] and not found["advice"]
    assert verdict(classifier)["level"] == verdict(regression)["level"] == "fit"
    assert "of its span" in verdict(regression)["reasons"][0]
    found = verdict(classifier, (right + 1) % 3)  # labels of something else
    assert found["level"] == "unfit" and "labels belong" in " ".join(found["advice"])
    found = verdict(classifier, right[:10], samples(4)[:10], data=samples(4))
    assert found["level"] == "limited" and "Only 10 samples" in " ".join(found["reasons"])
    found = verdict(regression, data=samples(3), x=20 * samples(3))
    assert found["level"] == "unfit" and "beyond the range" in " ".join(found["reasons"])
    assert "Calibrate" in " ".join(found["advice"])
    wide = from_model([("dense", np.diag([10.0, 0.01]), np.zeros(2)),
                       ("dense", [[0.0, 1.0], [1.0, 0.0]], np.zeros(2))])
    found = verdict(wide, method="aifes")
    assert found["level"] == "unfit" and "--method aifes" in found["advice"][0]
    assert any("--search" in advice for advice in found["advice"])
    assert any("--test" in r for r in verdict(classifier, tested=False)["reasons"])


def test_command(tmp_path):
    specs = [[s[0], s[1].tolist(), s[2].tolist()] if s[0] == "dense" else s
             for s in layers((4, 9, 3), "tanh", "softmax")]
    (tmp_path / "net.json").write_text(json.dumps(specs))
    np.savetxt(tmp_path / "x.csv", samples(4), delimiter=",")
    np.savetxt(tmp_path / "y.csv", np.arange(200) % 3)

    def run(*args):
        return subprocess.run(
            [Path(sys.executable).parent / "aifes", "report", "net.json", "--data", "x.csv", *args],
            cwd=tmp_path, capture_output=True, text=True)

    assert run().stdout == "net.html: open it in a browser\n"
    found = json.loads(run("--labels", "y.csv", "-o", "r.html", "--name", "gestures", "--method",
                           "aifes", "--json").stdout)
    assert found["name"] == "gestures" and found["output"] == "r.html"
    assert 0 <= found["comparison"]["accuracy_q7"] <= 1 and len(found["boards"]) == 3
    html = (tmp_path / "r.html").read_text("utf-8")
    assert "<h1>gestures</h1>" in html and "method aifes" in html
    for wrong in (("--labels", "net.json"), ("--search", "--finetune", "y.csv")):
        failed = run(*wrong)
        assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1
    rows = json.loads(run("--search", "--json").stdout)["bytes"]
    found = json.loads(run("--search", "--target", "cortex-m0", "--test", "x.csv", "--labels",
                           "y.csv", "--json").stdout)
    assert "choices" in found["improved"] and not any("--test" in r for r in
                                                      found["verdict"]["reasons"])
    assert found["bytes"] == rows + 4 * 7  # weights padded to 16 outputs
    assert f"<dd>{found['bytes']:,}</dd>" in (tmp_path / "net.html").read_text("utf-8")
    assert json.loads(run("--finetune", "y.csv", "--json").stdout)["improved"]


@pytest.mark.parametrize("name", graphs.GRAPHS)
def test_networks_with_branches_and_several_ends(name, tmp_path):
    """A row of the table for each layer, a bar of the map for each block of memory."""
    graph = graphs.GRAPHS[name](np.random.default_rng(0))
    x, path = samples(graph.n_in), tmp_path / "net.html"
    result = quantize(graph, x)
    found = write_report(result, x, path)
    assert found["arena"] == Simulator(result.model).plan.arena
    text = path.read_text("utf-8")
    for b in blocks(Simulator(result.model).plan):
        assert b.name in text
    for layer in result.layers:
        assert layer.name in text
    described = describe(result.model, path, x)
    assert described["arena"] == found["arena"]
    if len(graph.outputs) == 1:
        return
    with pytest.raises(ConversionError, match="compare without labels"):
        write_report(result, x, path, np.zeros(len(x), int))


def test_command_of_a_deployed_file(tmp_path):
    (tmp_path / "net.aifes").write_bytes(quantize(from_model(layers((4, 3), "relu")),
                                                  samples(4)).model)

    def run(*args):
        return subprocess.run([Path(sys.executable).parent / "aifes", "report", *args],
                              cwd=tmp_path, capture_output=True, text=True)

    assert run("net.aifes").stdout == "net.html: open it in a browser\n"
    assert json.loads(run("net.aifes", "--json").stdout)["verdict"]["level"] == "unknown"
    assert "quantized already" in run("net.aifes", "--search").stderr
    (tmp_path / "net.json").write_text("[]")
    assert "give --data" in run("net.json").stderr


@pytest.mark.parametrize("number, chip", enumerate(("M0+", "M4", "RV32")))
def test_estimates_are_what_the_emulated_chip_counts(number, chip, tmp_path):
    need("riscv64-unknown-elf-gcc" if chip == "RV32" else "arm-none-eabi-gcc")
    elf = build(chip, tmp_path)
    extra = [quantize(from_model(layers(sizes, "tanh")), samples(sizes[0])).model
             for sizes in ((20, 30, 6), (12, 100, 9))]
    for model in [network(name)[0] for name in NETS] + extra:
        board = emulator(chip, elf, arrange(model, CHIPS[number].target))
        simulator = Simulator(model)
        board.run([bytes(simulator.n_in)], [simulator.n_out])
        assert abs(estimate(model, CHIPS[number]).instructions / board.count - 1) < TOLERANCE
    for name in ("kws", "gest", "mnist"):
        model, x = cnn.network(name, cnn.ORDER[chip])
        board = emulator(chip, elf, model, blocks=True)
        board.run([x.tobytes()], [Simulator(model).n_out])
        assert abs(estimate(model, CHIPS[number]).instructions / board.count - 1) < TOLERANCE, name


@pytest.fixture(scope="module")
def browser():
    need("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # root, as in CI, has no sandbox
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        yield found
        found.close()


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (1280, "dark"), (360, "light")])
@pytest.mark.parametrize("kind", ["classifier", "regression", "images"])
def test_in_a_browser(browser, kind, width, scheme, tmp_path):
    graph = {"classifier": hostile, "images": lambda: residual(np.random.default_rng(0)),
             "regression": lambda: from_model(layers((3, 90, 2), "relu"))}[kind]()
    report(graph, tmp_path / "r.html")
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((tmp_path / "r.html").as_uri())
    page.click("summary")
    assert not problems and not [r for r in requests[1:] if not r.startswith("data:")]
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 1)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground, ink = (sum(map(int, re.findall(r"\d+", page.evaluate(
        f"getComputedStyle(document.body).{name}"))[:3])) for name in ("backgroundColor", "color"))
    assert ground > 600 > 200 > ink if scheme == "light" else ground < 200 < 600 < ink
    outside = page.evaluate("""[...document.querySelectorAll("svg text")].filter(text => {
        const a = text.getBoundingClientRect(), b = text.closest("svg").getBoundingClientRect();
        return a.left < b.left - 1 || a.right > b.right + 1 || a.width && a.height < 8;
    }).map(text => text.textContent)""")
    assert not outside
    page.close()

"""The report: what it says, that it needs nothing else, and how a browser shows it."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, quantize
from aifes_host.cost import CHIPS, TOLERANCE, estimate
from aifes_host.layout import arrange
from aifes_host.report import write_report
from aifes_host.simulator import Simulator
from aifes_host.stages import stages
from bench.instructions import NETS, network
from conftest import need
from emulator import Emulator, build

SECTIONS = ("network", "errors", "values", "outputs", "memory", "boards")
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
    x = samples(graph.inputs) if x is None else x
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
    x = samples(graph.inputs)
    result = quantize(graph, x, method)
    found = stages(result, x)
    assert [s.title for s in found] == titles
    assert len(found) == len(Simulator(result.model).plan.ops) + 1
    assert (found[-1].real == graph(x)).all()
    assert (found[-1].seen == Simulator(result.model)(x)).all()
    assert all(s.snr > 15 for s in found)
    write_report(result, x, tmp_path / "r.html")


def test_data_without_spread(tmp_path):
    graph = from_model([("dense", np.zeros((2, 2)), np.zeros(2)), "relu"])
    _, html = report(graph, tmp_path / "r.html", x=np.eye(2))
    assert "exact" in html and "nan" not in html


def test_command(tmp_path):
    specs = [[s[0], s[1].tolist(), s[2].tolist()] if s[0] == "dense" else s
             for s in layers((4, 8, 3), "tanh", "softmax")]
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
    failed = run("--labels", "net.json")
    assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1


@pytest.mark.parametrize("number, chip", enumerate(("M0+", "M4", "RV32")))
def test_estimates_are_what_the_emulated_chip_counts(number, chip, tmp_path):
    need("riscv64-unknown-elf-gcc" if chip == "RV32" else "arm-none-eabi-gcc")
    elf = build(chip, tmp_path)
    extra = [quantize(from_model(layers(sizes, "tanh")), samples(sizes[0])).model
             for sizes in ((20, 30, 6), (12, 100, 9))]
    for model in [network(name)[0] for name in NETS] + extra:
        board = Emulator(chip, elf, arrange(model, CHIPS[number].target))
        plan = Simulator(model).plan
        board.run(bytes(plan.ops[0].n_in), plan.ops[-1].n_out)
        assert abs(estimate(model, CHIPS[number]).instructions / board.count - 1) < TOLERANCE


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
@pytest.mark.parametrize("kind", ["classifier", "regression"])
def test_in_a_browser(browser, kind, width, scheme, tmp_path):
    graph = hostile() if kind == "classifier" else from_model(layers((3, 90, 2), "relu"))
    report(graph, tmp_path / "r.html")
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((tmp_path / "r.html").as_uri())
    page.click("summary")
    assert not problems and len(requests) == 1
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

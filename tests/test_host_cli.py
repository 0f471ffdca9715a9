"""The command `aifes`, as a user runs it."""
import json
import re
import subprocess
import sys
from pathlib import Path

import aifes
import numpy as np
import pytest
from aifes.layers.assemble import chain
from aifes.layers.dense import dense
from aifes_host import Simulator, memory_map

AIFES = str(Path(sys.executable).parent / "aifes")
TRAIN = """
import numpy as np
rng = np.random.default_rng(0)
model = [("dense", rng.normal(size=(4, 8)), np.zeros(8)), "tanh",
         ("dense", rng.normal(size=(8, 3)), np.zeros(3)), "softmax"]
wrong = [("dense", [[1.0]], [0.0]), "swish"]
named = {"layers": [("dense", np.ones((4, 2)), [0, 0])], "labels": ["stand", "walk"]}
"""


def run(*args, code=0, cwd=None):
    done = subprocess.run([AIFES, *map(str, args)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    (path / "train.py").write_text(TRAIN)
    x = np.random.default_rng(1).normal(size=(100, 4))
    np.savetxt(path / "x.csv", x, delimiter=",", header="a,b,c,d", comments="")
    np.save(path / "x.npy", x)
    np.savetxt(path / "y.csv", np.arange(100) % 3)
    run("quantize", "train.py:model", "--data", "x.csv", "-o", "net.aifes", cwd=path)
    (path / "own.py").write_text(
        "import runpy\nmodel = {'layers': runpy.run_path('train.py')['model'], 'name': 'gestures', "
        "'labels': ['left', 'right', 'rest']}\n")
    (path / "fails.py").write_text("model = 1 / 0\n")
    (path / "net.npz").write_bytes(b"PK no zip")
    for name, text in (("n.json", "5"), ("m.json", '{"layers": 5}'), ("o.json", "[5]"),
                       ("p.json", "{")):
        (path / name).write_text(text)
    return path


def test_quantize_tells_layers_and_loss(folder):
    text = run("quantize", "train.py:model", "--data", "x.npy", "--labels", "y.csv",
               "-o", "n.aifes", "--name", "gestures", cwd=folder)
    for word in ("gestures", "tanh_1", "SNR", "mean error", "accuracy", "bytes, arena"):
        assert word in text
    found = json.loads(run("quantize", "train.py:model", "--data", "x.npy", "-o", "n.aifes",
                           "--method", "aifes", "--json", cwd=folder))
    assert found["layers"][0]["name"] == "input" and found["comparison"]["samples"] == 100
    assert found["bytes"] == (folder / "n.aifes").stat().st_size


def test_target_orders_the_weights(folder):
    results = []
    for target in ("any", "cortex-m0", "cortex-m4"):
        run("quantize", "train.py:model", "--data", "x.npy", "--target", target, "-o", "t.aifes",
            cwd=folder)
        results.append(run("simulate", "t.aifes", "-i", "x.npy", "--json", cwd=folder))
    assert results[0] == results[1] == results[2]


def test_inspect_draws_the_arena(folder):
    text = run("inspect", "net.aifes", "--plot", "m.png", cwd=folder)
    assert "tanh_1" in text and "AAAA" in text and "lower bound 12" in text
    run("inspect", "net.aifes", "--plot", "m.svg", cwd=folder)
    assert (folder / "m.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (folder / "m.svg").read_text()
    found = json.loads(run("inspect", "net.aifes", "--json", cwd=folder))
    assert found["arena"] == found["arena_lower_bound"] == 12
    assert found["arena_blocks"][0]["length"] == 4


@pytest.mark.parametrize("layers", [1, 4, 5, 6, 12, 30, 60])
def test_labels_of_the_plot_are_apart(layers, tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rng = np.random.default_rng(layers)
    sizes = rng.integers(8, 40, layers + 1).tolist()
    ops = [dense(bytes(n * m), 0, [0] * m, 0, 0, 0, False) for n, m in zip(sizes, sizes[1:])]
    plan = Simulator(bytes(chain(ops, (0, 0), (0, 0)))).plan
    with monkeypatch.context() as patch:
        patch.setattr(plt, "close", lambda figure: None)
        memory_map.draw_picture(plan, tmp_path / "map.png", "net")
    figure = plt.gcf()
    figure.canvas.draw()
    axes, = figure.axes
    texts = [*axes.texts, *axes.get_xticklabels()]
    texts += [t for legend in figure.legends for t in legend.get_texts()]
    boxes = [t.get_window_extent() for t in texts]
    assert not [1 for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for b in boxes)
    assert all(figure.bbox.y0 <= b.y0 and b.y1 <= figure.bbox.y1 for b in boxes)
    plt.close(figure)


def test_simulate_equals_runtime(folder):
    run("simulate", "net.aifes", "-i", "x.csv", "-o", "out.npy", cwd=folder)
    net = aifes.load(str(folder / "net.aifes"))
    x = np.load(folder / "x.npy").astype(np.float32)
    assert np.load(folder / "out.npy").tolist() == [net.predict(row) for row in x.tolist()]
    found = json.loads(run("simulate", "net.aifes", "-i", "x.csv", "--json", cwd=folder))
    assert found["outputs"][0] == net.predict(x[0].tolist())
    assert "80 more" in run("simulate", "net.aifes", "-i", "x.csv", cwd=folder)


def test_export(folder):
    run("export", "net.aifes", "--to", "python", "-o", "net_model.py", cwd=folder)
    names = {}
    exec((folder / "net_model.py").read_text(), names)
    assert names["MODEL"] == (folder / "net.aifes").read_bytes()
    run("export", "net.aifes", "--to", "c", "-o", "net.h", cwd=folder)
    assert "0xa1, 0x66, 0x65, 0x73" in (folder / "net.h").read_text().lower()
    run("export", "train.py:model", "--to", "aifes-buffer", "--data", "x.csv", "-o", "p.bin",
        cwd=folder)
    by_hand = aifes.Sequential([aifes.Input(4), aifes.Dense(8), aifes.Tanh(), aifes.Dense(3),
                                aifes.Softmax()])
    by_hand.load_parameters((folder / "p.bin").read_bytes())
    run("export", "train.py:model", "--to", "aifes-c", "--data", "x.csv", "-o", "p.h",
        "--byte-order", "big", "--align", "2", cwd=folder)
    text = (folder / "p.h").read_text()
    assert "const uint16_t p[" in text
    run("export", "train.py:model", "--to", "aifes-buffer", "--data", "x.csv", "-o", "p.bin",
        "--byte-order", "big", "--align", "2", cwd=folder)
    buffer = (folder / "p.bin").read_bytes()
    assert f"const uint32_t p_size = {len(buffer)};" in text
    assert bytes.fromhex("".join(re.findall(r"0x(\w+),", text))) == buffer


def test_version():
    assert run("--version") == f"aifes {aifes.__version__}\n"


LONG = ["dense_with_a_name_as_long_as_exporters_make_them/MatMul;BiasAdd", "a" * 90]


@pytest.mark.parametrize("columns", ["80", "60"])
@pytest.mark.parametrize("names", [["dense_10", "softmax_11"], ["first_hidden_layer", "x" * 30],
                                   LONG])
def test_no_table_breaks_a_name(names, columns, tmp_path, monkeypatch):
    """Each name stands in one piece; no line without one is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    (tmp_path / "net.py").write_text(
        "import numpy as np\nfrom aifes_host import Dense, Softmax, sequential\n"
        f"a, b = {names!r}\nrng = np.random.default_rng(0)\n"
        "x = rng.normal(size=(40, 4)) * 1e3\n"
        "net = sequential(4, [Dense(rng.normal(size=(4, 3)), np.zeros(3), a),"
        " Softmax(name=b)], labels=[a, b, 'no'])\n"
        "big = sequential(4, [Dense(rng.normal(size=(4, 30)), np.zeros(30), a)])\n")
    for network in ("net", "big"):
        text = run("quantize", f"net.py:{network}", "--data", "net.py:x", "-o", "n.aifes",
                   cwd=tmp_path)
        outputs = run("simulate", "n.aifes", "-i", "net.py:x", cwd=tmp_path)
        checked = text[:text.index("Q7, AIfES")].splitlines() + outputs.splitlines()
        for name in names if network == "net" else names[:1]:
            assert any(name in line for line in checked), checked
        for line in checked:
            for name in names:
                line = line.replace(name, "")
            assert len(line.strip()) <= int(columns), line
        lines = run("inspect", "n.aifes", cwd=tmp_path).splitlines()
        assert any(line.startswith(names[0] + " ") for line in lines)
    assert "output 29" in outputs


def test_a_network_is_called_as_its_file(folder):
    for source, name in (("train.py:model", "train"), ("own.py:model", "gestures")):
        run("convert", source, cwd=folder)
        found = json.loads(run("inspect", f"{name}.aifes", "--json", cwd=folder))
        assert found["metadata"]["name"] == name and found["dtype"] == "float32"
    run("convert", "train.py:model", "--name", "a/b", cwd=folder)
    assert "a/b: 4 -> 3, float32" in run("inspect", "a_b.aifes", cwd=folder)


def test_float32_is_told_nothing_of_q7(folder):
    texts = [run("convert", "train.py:model", "-o", "f.aifes", cwd=folder),
             run("inspect", "f.aifes", cwd=folder), run("convert", "--help"),
             run("simulate", "f.aifes", "-i", "x.csv", cwd=folder),
             run("convert", "train.py:wrong", code=2, cwd=folder)]
    assert not [t for t in texts if "Q7" in t or "int8" in t]
    text = run("quantize", "train.py:model", "--data", "x.csv", "-o", "n.aifes", cwd=folder)
    assert text.index("Q7, AIfES's int8: a value is") == text.index("Q7")


def test_simulate_names_the_classes(folder):
    run("quantize", "own.py:model", "--data", "x.csv", "-o", "named.aifes", cwd=folder)
    args = ("simulate", "named.aifes", "-i", "x.csv", "--labels", "y.csv")
    text = run(*args[:4], cwd=folder)
    heading, _, first = text.splitlines()[:3]
    assert heading.split() == ["sample", "left", "right", "rest", "predicted"]
    found = json.loads(run(*args[:4], "--json", cwd=folder))
    assert found["names"] == ["left", "right", "rest"]
    assert found["predictions"][0] == found["names"][int(np.argmax(found["outputs"][0]))]
    assert first.split()[-1] == found["predictions"][0]
    found = json.loads(run("simulate", "net.aifes", *args[2:], "--json", cwd=folder))
    right = np.argmax(found["outputs"], 1) == np.arange(100) % 3
    assert found["accuracy"] == right.mean() and "predictions" not in found
    assert f"accuracy: {right.mean():.2%}".replace("%", " %") in run(
        "simulate", "net.aifes", *args[2:], cwd=folder)


@pytest.mark.parametrize("args, word", [
    (("quantize", "train.py:wrong", "--data", "x.csv"), "swish"),
    (("quantize", "train.py:nothing", "--data", "x.csv"), "nothing"),
    (("quantize", "nothing.json", "--data", "x.csv"), "nothing.json"),
    (("quantize", "net.tflite", "--data", "x.csv"), "FILE.py:NAME"),
    (("quantize", "train.py:model", "--data", "y.csv"), "columns"),
    (("quantize", "train.py:model", "--data", "train.py"), ".csv"),
    (("quantize", "fails.py:model", "--data", "x.csv"), "ZeroDivisionError"),
    (("quantize", "train.py:model", "--data", "net.npz"), "net.npz"),
    (("quantize", "train.py:named", "--data", "x.csv", "--labels", "y.csv"), "stand, walk"),
    (("quantize", "n.json", "--data", "x.csv"), "list of layers"),
    (("quantize", "m.json", "--data", "x.csv"), "layers"),
    (("quantize", "o.json", "--data", "x.csv"), "layer 0"),
    (("quantize", "p.json", "--data", "x.csv"), "not JSON"),
    (("inspect", "x.csv"), "not an AIfES model"),
    (("inspect", "nothing.aifes"), "nothing.aifes"),
    (("inspect", "net.aifes", "--plot", "a.txt"), ".svg"),
    (("simulate", "net.aifes", "-i", "y.csv"), "columns"),
    (("export", "train.py:model", "--to", "aifes-c", "-o", "p.h"), "--data"),
])
def test_errors_are_one_sentence(folder, args, word):
    text = run(*args, code=2, cwd=folder)
    assert word in text and len(text.strip().splitlines()) == 1


def test_help_teaches():
    text = run("--help")
    assert all(word in text for word in ("quantize", "inspect", "simulate", "export"))
    assert "FILE.py:NAME" in " ".join(run("quantize", "--help").split())

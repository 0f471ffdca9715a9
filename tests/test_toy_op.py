"""docs/architecture.md, "Adding an op": one file in each building and a line in each list.

The op of toy_op/ is put into a copy of the project; all that the frame does with ops is done there.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aifes_host.demo import find_micropython
from conftest import need

ROOT = Path(__file__).parents[1]
LISTS = {  # file: what becomes a line longer
    "device/aifes/ops/__init__.py": (r'(NAMES = \(.*)\)', r'\1, "reverse")'),
    "host/aifes_host/ops/__init__.py": (
        r'(from \. import .*)((?:.|\n)*ROOMS = \{[^}]*)\}', r'\1, reverse\2, "reverse": reverse}'),
    "native_module/ops/ops.h": (
        r'(#include "add.h")((?:.|\n)*OP\(add, ADD\))',
        r'\1\n#include "reverse.h"\2 OP(reverse, REVERSE)'),
    "host/aifes_host/boards/runtime.py": (r'(SEVERAL = .*"add")\)', r'\1, "reverse")'),
}
PROGRAM = """
import sys
import numpy as np
import aifes
from aifes_host import Add, Dense, Graph, Node, Tensor, float_model, quantize, search, finetune
from aifes_host import Simulator, memory_map
from aifes_host.layout import arrange
from aifes_host.ops.reverse import Reverse
from aifes_host.report import write_report

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (64, 5))
graph = Graph([Tensor("x", 5)], [
    Node(Dense(rng.normal(size=(5, 5)), rng.normal(size=5)), ("x",), ("a",)),
    Node(Reverse(), ("a",), ("b",)), Node(Add(), ("a", "b"), ("y",))], ["y"])
assert np.allclose(graph(x), graph(x)[:, ::-1])
result = quantize(graph, x)
assert [s for s in np.ravel(result.compare(x)["mean_error"]) if s < 0.05]
assert search(graph, x).model and finetune(graph, x, graph(x)).model
write_report(result, x, "r.html")
assert "reverse" in "".join(str(row) for row in memory_map.draw_text(Simulator(result.model).plan))
models = {"int8": arrange(result.model, "cortex-m4"), "float32": float_model(graph)}
for name, model in models.items():
    open(name + ".aifes", "wb").write(model)
    want = Simulator(model)(x)
    net = aifes.load(model, engine="python")
    assert np.array_equal([net.predict(list(v)) for v in x.astype("f").astype(float)], want), name
    np.savetxt(name + ".csv", np.concatenate([x.astype("f"), want], 1))
on_board = aifes.quantize(aifes.load(models["float32"], engine="python"), x.astype("f").tolist(),
                          report=None)
print("right", on_board.len)
"""
NATIVE = """
import os, sys
sys.path.append("tests")
import shared_library
for family, name in (("cnn", "_aifes_cnn"), ("f32", "_aifes_f32")):
    sys.modules[name] = shared_library.module(shared_library.build(os.getcwd(), family))
"""
ON_BOARD = """
import sys
import aifes
for name in ("int8", "float32"):
    for engine in sys.argv[1:]:
        net = aifes.load(name + ".aifes", engine=engine)
        for line in open(name + ".csv"):
            v = [float(n) for n in line.split()]
            assert net.predict(v[:5]) == v[5:], (name, engine, v, net.predict(v[:5]))
print("right")
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the project with the op in it."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("device", "host", "native_module"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("engine.c", "shared_library.py"):  # the engine in C for CPython
        (folder / "tests").mkdir(exist_ok=True)
        shutil.copy(ROOT / "tests" / name, folder / "tests")
    added = [p.relative_to(ROOT / "tests" / "toy_op")
             for p in sorted((ROOT / "tests" / "toy_op").rglob("*")) if p.suffix in (".py", ".h")]
    assert len(added) == 7, "one file in each building"
    for name in added:
        assert not (folder / name).exists()
        shutil.copy(ROOT / "tests" / "toy_op" / name, folder / name)
    for name, (old, new) in LISTS.items():
        text, n = re.subn(old, new, (folder / name).read_text(), count=1)
        assert n == 1, name
        (folder / name).write_text(text)
    return folder


def run(command, tree, **env):
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True,
                          env=dict(os.environ, **env))
    assert done.returncode == 0 and "right" in done.stdout, done.stdout + done.stderr


def test_toy_op(tree):
    """On the PC: quantizer, search, fine-tuning, report, simulator, Python engine, engine in C;
    quantized as on the board. Under MicroPython: the engines there."""
    path = os.pathsep.join((f"{tree}/host", f"{tree}/device"))
    run([sys.executable, "-c", PROGRAM], tree, PYTHONPATH=path)
    (tree / "on_board.py").write_text(ON_BOARD)
    need("gcc")
    run([sys.executable, "-c", NATIVE + ON_BOARD, "native"], tree, PYTHONPATH=path)
    run([find_micropython(), "on_board.py", "python", "viper"], tree,
        MICROPYPATH=f"{tree}/device:.frozen")

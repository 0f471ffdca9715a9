"""Random models on the MicroPython of this PC: every engine gives the simulator's bytes."""
import json
import sys

import numpy as np
import pytest
import random_models
from aifes_host import Simulator
from conftest import ROOT, micropython
from test_device import run

CASES = 150
SAMPLES = 2
CODE = """
import aifes, io, json
from array import array

def parts(values, sizes, typecode):
    # of samples one after another the buffer of each input or output
    n, at, found = sum(sizes), 0, []
    for m in sizes:
        found.append(array(typecode, [values[i + k] for i in range(at, len(values), n)
                                      for k in range(m)]))
        at += m
    return tuple(found) if len(found) > 1 else found[0]

def bits(values):
    f = array("f", [0.0] * len(values))
    io.BytesIO(bytes(values)).readinto(f)
    return f

def joined(ends, sizes):
    ends = ends if isinstance(ends, tuple) else (ends,)
    return [v for i in range(SAMPLES) for e, m in zip(ends, sizes) for v in e[m * i:m * i + m]]

for line in open("cases.json"):
    name, x, want, real, want_real = json.loads(line)
    model = open(name, "rb").read()
    for arena in (None, bytearray(5000)):
        net = aifes.load(model, arena, ENGINE)
        n, m = [len(v) for v in net.inputs], [len(v) for v in net.outputs]
        y = parts([0] * len(want), m, "b")
        net.run(parts(x, n, "b"), y)
        assert joined(y, m) == want, (name, arena)
        floats = parts(real, n, "I")
        floats = tuple([bits(v) for v in floats]) if len(n) > 1 else bits(floats)
        y = parts([0] * len(want), m, "f")
        net.run(floats, y)
        y = tuple([array("I", bytes(v)) for v in (y if len(m) > 1 else (y,))])
        assert joined(y, m) == want_real, (name, arena)
print("ok", net.engine)
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    rng = np.random.default_rng(11)
    lines = []
    for i in range(CASES):
        model = random_models.model(rng, branches=i % 2 == 1)
        simulator = Simulator(model)
        n = simulator.n_in
        x = np.stack([random_models.inputs(rng, n) for _ in range(SAMPLES)])
        real = (rng.normal(size=(SAMPLES, n)) * 2.0 ** rng.integers(-40, 41, (SAMPLES, n))).astype(
            np.float32)
        real.ravel()[rng.integers(0, 2 * n, 2)] = rng.choice(
            [np.nan, np.inf, -np.inf, -0.0, 1e-42, 3e38, -3e38], 2)
        (folder / f"{i}.aifes").write_bytes(model)
        lines.append(json.dumps([
            f"{i}.aifes", x.ravel().tolist(), simulator.run(x).ravel().tolist(),
            real.view(np.uint32).ravel().tolist(),
            simulator(real).astype(np.float32).view(np.uint32).ravel().tolist()]))
    (folder / "cases.json").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("engine", ["python", "viper", "native"])
def test_random_models(engine, cases, native_x64):
    code = CODE.replace("ENGINE", repr(engine)).replace("SAMPLES", str(SAMPLES))
    out = run(micropython(), ["-X", "heapsize=32m", "-c", code],
              f"{ROOT / 'device'}:{native_x64}", cases)
    assert out == f"ok {engine}\n"


FORMAT1 = ROOT / "tests" / "format1"
RESULTS = """
import aifes, json
from array import array
from binascii import hexlify, unhexlify
n = 0
for name, r in json.load(open("results.json")).items():
    net = aifes.load(name + ".aifes", engine=ENGINE)
    kind = net.input_dtype
    x, y = array(kind, unhexlify(r["x"])), array(kind, bytes(len(r["y"]) // 2))
    net.run(x, y)
    want = array(kind, unhexlify(r["y"]))
    # what overflows float32 is NaN or an infinity, as the engine has it
    if sum(want) - sum(want) == 0:
        assert hexlify(bytes(y)).decode() == r["y"], name
        n += 1
print(n)
"""


@pytest.mark.parametrize("interpreter, engine", [
    ("cpython", "python"), *[("micropython", e) for e in ("python", "viper", "native")]])
def test_files_of_format_1(interpreter, engine, native_x64):
    """What they computed in the release that made them, to the last bit."""
    binary = sys.executable if interpreter == "cpython" else micropython()
    out = run(binary, ["-c", RESULTS.replace("ENGINE", repr(engine))],
              f"{ROOT / 'device'}:{native_x64}", FORMAT1)
    assert int(out) == len(json.loads((FORMAT1 / "results.json").read_text())) - 1

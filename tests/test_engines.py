"""Random models on the MicroPython of this PC: every engine gives the simulator's bytes."""
import json

import numpy as np
import pytest
import random_models
from aifes_host import Simulator
from conftest import ROOT, micropython
from test_device import run

CASES = 150
CODE = """
import aifes, io, json
from array import array
for line in open("cases.json"):
    name, x, want, real, want_real = json.loads(line)
    model = open(name, "rb").read()
    for arena in (None, bytearray(5000)):
        net = aifes.load(model, arena, ENGINE)
        n = len(net.input)
        y = array("b", bytes(len(want)))
        net.run(array("b", x), y)
        assert list(y) == want, (name, arena)
        bits = array("I", real)
        f = array("f", [0.0] * len(bits))
        stream = io.BytesIO(bytes(bits))
        stream.readinto(f)
        out = array("f", [0.0] * len(want_real))
        net.run(f, out)
        assert list(array("I", bytes(out))) == want_real, (name, arena)
print("ok", net.engine)
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    rng = np.random.default_rng(11)
    lines = []
    for i in range(CASES):
        model = random_models.model(rng)
        simulator = Simulator(model)
        n = simulator.plan.ops[0].n_in
        x = np.stack([random_models.inputs(rng, n) for _ in range(2)])
        real = (rng.normal(size=(2, n)) * 2.0 ** rng.integers(-40, 41, (2, n))).astype(np.float32)
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
    out = run(micropython(), ["-X", "heapsize=32m", "-c", CODE.replace("ENGINE", repr(engine))],
              f"{ROOT / 'device'}:{native_x64}", cases)
    assert out == f"ok {engine}\n"

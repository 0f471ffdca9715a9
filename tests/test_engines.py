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

def run(net, typecode, xs, sizes):
    x = []
    for data in xs:
        x.append(array(typecode, bytes(len(data))))
        io.BytesIO(data).readinto(x[-1])
    y = tuple([array(typecode, bytes(n)) for n in sizes])
    net.run(tuple(x) if len(x) > 1 else x[0], y if len(y) > 1 else y[0])
    return [bytes(v) for v in y]

for line in open("cases.json"):
    name, pairs = json.loads(line)
    model = open(name, "rb").read()
    for arena in (None, bytearray(5000)):
        net = aifes.load(model, arena, ENGINE)
        for typecode, xs, want in pairs:
            want = [bytes.fromhex(v) for v in want]
            got = run(net, typecode, [bytes.fromhex(v) for v in xs], [len(v) for v in want])
            assert got == want, (name, typecode, arena)
print("ok", net.engine)
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    rng = np.random.default_rng(11)
    lines = []
    for i in range(CASES):
        model = random_models.model(rng, branches=i % 2 > 0)
        simulator = Simulator(model)
        sizes = [np.cumsum(n)[:-1] for n in random_models.ends(model)]
        n = sum(random_models.ends(model)[0])
        x = np.stack([random_models.inputs(rng, n) for _ in range(2)])
        real = (rng.normal(size=(2, n)) * 2.0 ** rng.integers(-40, 41, (2, n))).astype(np.float32)
        real.ravel()[rng.integers(0, 2 * n, 2)] = rng.choice(
            [np.nan, np.inf, -np.inf, -0.0, 1e-42, 3e38, -3e38], 2)
        (folder / f"{i}.aifes").write_bytes(model)
        pairs = [(kind, *[[part.tobytes().hex() for part in np.split(v, at, axis=1)]
                          for v, at in zip(values, sizes)])
                 for kind, values in (("b", (x, simulator.run(x))),
                                      ("f", (real, simulator(real).astype(np.float32))))]
        lines.append(json.dumps([f"{i}.aifes", pairs]))
    (folder / "cases.json").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("engine", ["python", "viper", "native"])
def test_random_models(engine, cases, native_x64):
    out = run(micropython(), ["-X", "heapsize=32m", "-c", CODE.replace("ENGINE", repr(engine))],
              f"{ROOT / 'device'}:{native_x64}", cases)
    assert out == f"ok {engine}\n"

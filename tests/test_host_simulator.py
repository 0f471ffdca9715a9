"""The simulator on every golden entry that is not a net: tutorial, activation maps, softmax; and on
files of format 1."""
import json
from pathlib import Path

import aifes
import make_device_data
import numpy as np
import pytest
from aifes_host import Simulator
from aifes_host.scales import quantize_values

FORMAT1 = Path(__file__).parent / "format1"
OLD = json.loads((FORMAT1 / "results.json").read_text())


def int8s(text):
    return np.frombuffer(bytes.fromhex(text), np.int8)


def activation(kind, alpha):
    kinds = {c.kind: c for c in (aifes.ReLU, aifes.LeakyReLU, aifes.ELU, aifes.Sigmoid,
                                 aifes.Tanh, aifes.Softsign)}
    return kinds[kind](*([tuple(alpha)] if alpha else []))


def test_activation_maps():
    compared = 0
    for r in make_device_data.maps():
        if not r["defined"]:
            continue
        q = tuple(r["q"])
        model = aifes.Sequential([aifes.Input(1, q), activation(r["act"], r["alpha"])]).to_bytes()
        want = int8s(r["want"]).copy()
        if r["act"] == "softsign":
            want[q[1] + 128] = 0  # AIfES stores its input's zero point there
        got = Simulator(bytes(model)).run(np.arange(-128, 128).astype(np.int8)[:, None])
        assert (got[:, 0] == want).all(), r
        compared += 1
    assert compared == 541


def test_softmax():
    for r in make_device_data.softmax():
        model = aifes.Sequential([aifes.Input(r["n"], (r["shift"], 0)), aifes.Softmax()]).to_bytes()
        x, want = (int8s(r[k]).reshape(-1, r["n"]) for k in ("x", "want"))
        assert (Simulator(bytes(model)).run(x) == want).all(), r


def test_tutorial_layers():
    for r in make_device_data.tutorial():
        wt = r["layer_kind"] == "DENSE_WT"
        net = aifes.Sequential([
            aifes.Input(3), aifes.Dense(3, transposed=wt), aifes.LeakyReLU(tuple(r["alpha"])),
            aifes.Dense(2, transposed=wt), aifes.Sigmoid()])
        for align, text in r["buffers"]:
            net.load_parameters(bytes.fromhex(text), align)
            for depth in range(1, 5):
                part = aifes.Sequential(net.layers[:depth + 1]).to_bytes()
                got = Simulator(bytes(part)).run(np.array(r["q7_inputs"], np.int8))
                assert got.tolist() == [v[depth] for v in r["q7_layers_per_input"]]


def test_quantize_values_as_the_c_library():
    for r in make_device_data.helpers():
        if "values" in r:
            values = np.frombuffer(bytes.fromhex(r["values"]), "<f4")
            got = quantize_values(values, *r["q"])
            for v, q, want, wraps in zip(values, got, r["want"], r["wraps"]):
                assert q == want if not wraps else q == (127 if v > 0 else -128)


@pytest.mark.parametrize("name", OLD)
def test_files_of_format_1(name):
    """They compute what they did when they were made."""
    simulator = Simulator((FORMAT1 / f"{name}.aifes").read_bytes())
    x, want = (np.frombuffer(bytes.fromhex(OLD[name][k]), "<f4" if simulator.is_float else np.int8)
               for k in "xy")
    x = x.reshape(-1, simulator.n_in)
    got = simulator.run(simulator.quantized(x) if simulator.is_float else x)
    assert np.array_equal(got.ravel(), want, equal_nan=simulator.is_float)

"""Every activation map of AIfES over all 256 inputs, and its softmax."""
from array import array

import aifes
import cases


def test_activation_maps():
    x = array("b", range(-128, 128))
    n = 0
    for r in cases.records("maps"):
        q = tuple(r["q"])
        net = aifes.Sequential([aifes.Input(1, q), cases.activation(r["act"], r["alpha"])])
        if not r["defined"]:
            assert "exact=True" in cases.raises(aifes.ModelError, net.to_bytes)
            continue
        want = cases.int8s(r["want"])
        if r["act"] == "softsign":
            want[q[1] + 128] = 0  # AIfES stores its input's zero point there
        model = aifes.load(net.to_bytes())
        assert cases.run_int8(model, x) == want, r
        assert (model.output_scale, model.output_zero_point) == (2.0 ** -r["out"][0], r["out"][1])
        n += 1
    assert n == 541, n


def test_softmax():
    n = 0
    for r in cases.records("softmax"):
        net = aifes.Sequential([aifes.Input(r["n"], (r["shift"], 0)), aifes.Softmax()])
        model = aifes.load(net.to_bytes())
        assert cases.run_int8(model, cases.int8s(r["x"])) == cases.int8s(r["want"]), r
        n += 1
    assert n == 72, n

"""Q7 helpers against AIfES's C library."""
import cases
from aifes import q7


def test_parameters_from_a_range():
    n = 0
    for r in cases.records("helpers"):
        if "range" in r:
            assert q7.params(*cases.floats(r["range"])) == tuple(r["q"]), r
            n += 1
    assert n == 314


def test_margin_and_symmetry():
    assert q7.params(-2.0, 1.0, symmetric=True) == q7.params(-2.0, 2.0) == (5, 0)
    assert q7.params(0.0, 1.0, 0.1) == q7.params(0.0, 1.1)
    assert "8 bits" in cases.raises(ValueError, q7.params, -1.0, 256.0)


def test_quantize_tensor():
    for r in cases.records("helpers"):
        if "values" not in r:
            continue
        values = cases.floats(r["values"])
        got = q7.quantize_tensor(values, *r["q"])
        for v, q, want, wraps in zip(values, got, r["want"], r["wraps"]):
            assert q == want if not wraps else q == (127 if v > 0 else -128), (v, q, want)


def test_dequantize():
    assert list(q7.dequantize_tensor(bytes([1, 2, 100]), 1, 4)) == [-1.5, -1.0, 48.0]
    for q in range(-128, 128):
        assert q7.quantize(q7.dequantize(q, 5, -9), 5, -9) == q
    assert list(q7.quantize_bias([0.5, -0.25, 3], 2)) == [2, -1, 12]

"""float32 <-> int8 on the bits, against arithmetic on real numbers."""
from array import array

import aifes
import cases
from aifes.layers.assemble import chain
from aifes.layers.map import table_map


def identity(shift, zero):
    """One element through an op that changes nothing."""
    draft = table_map(1, bytes([v & 255 for v in range(-128, 128)]))
    return aifes.load(chain([draft], (shift, zero), (shift, zero)))


def quantized(model, value):
    y = array("b", [0])
    model.run(array("f", [value]), y)
    return y[0]


def test_quantize():
    rng = cases.Random(3)
    for shift, zero in ((0, 0), (7, -70), (8, -128), (3, 127), (-4, 9), (20, 0), (32, -1)):
        model = identity(shift, zero)
        step = 2.0 ** -shift
        values = [0.0, -0.0]
        for k in range(-140, 141, 7):  # every step, half step, and both neighbours
            for offset in (0, 0.5, -0.5, 0.25, 0.501, 0.499):
                values.append((k + offset) * step)
        values += [(rng.below(999983) - 500000) / 1500 * step for _ in range(60)]
        for v in values:
            v = array("f", [v])[0]
            q = v / step
            want = int(q + 0.5) if q >= 0 else -int(0.5 - q)
            want = max(-128, min(127, want + zero))
            assert quantized(model, v) == want, (shift, zero, v, want)


def test_special_values():
    model = identity(4, -3)
    inf = float("inf")
    for v, want in ((inf, 127), (-inf, -128), (float("nan"), -3), (3e38, 127), (-3e38, -128),
                    (1e-40, -3), (-1e-40, -3), (1e9, 127), (-1e9, -128)):
        assert quantized(model, v) == want, v


def test_dequantize():
    for shift, zero in ((0, 0), (7, -70), (8, -128), (3, 127), (-4, 9), (32, 5)):
        model = identity(shift, zero)
        x = array("b", range(-128, 128))
        y = array("f", bytes(4 * 256))
        model.run(x, y)
        assert list(y) == [(q - zero) * 2.0 ** -shift for q in x], (shift, zero)

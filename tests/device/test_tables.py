"""Tables of activations, which no engine changes."""
from array import array

import aifes
import cases
from aifes.format import decode


def test_exact_activations_are_nearest():
    """Within half a step of the real function, everywhere, by a float reference."""
    real = {"sigmoid": lambda v: 1 / (1 + 2.718281828459045 ** -v),
            "tanh": lambda v: 2 / (1 + 2.718281828459045 ** (-2 * v)) - 1,
            "softsign": lambda v: v / (1 + abs(v))}
    for kind in real:
        for shift in (0, 2, 5, 8):
            net = aifes.Sequential([aifes.Input(1, (shift, -9)), cases.activation(kind)],
                                   exact=True)
            model = aifes.load(net.to_bytes())
            y = cases.run_int8(model, array("b", range(-128, 128)))
            for q in range(-128, 128):
                want = real[kind]((q + 9) * 2.0 ** -shift) / model.output_scale
                want = max(-128, min(127, want + model.output_zero_point))
                assert abs(y[q + 128] - want) <= 0.501, (kind, shift, q)


def test_activations_are_composed():
    """Several activations after one layer become one table."""
    net = aifes.Sequential([aifes.Input(1, (4, 3)), aifes.Tanh(), aifes.ReLU(), aifes.Sigmoid()])
    parts = []
    q = (4, 3)
    for layer in net.layers[1:]:
        parts.append(aifes.load(aifes.Sequential([aifes.Input(1, q), layer]).to_bytes()))
        q = (8, -128) if layer.kind == "sigmoid" else (7, 0)
    model = aifes.load(net.to_bytes())
    ops = decode(model._buf).ops
    assert ops[0].opcode == 2 and len(ops) == 1
    x = array("b", range(-128, 128))
    y = x
    for part in parts:
        y = cases.run_int8(part, y)
    assert cases.run_int8(model, x) == y

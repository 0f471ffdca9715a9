"""Each op with everything that the format allows, against plain integer arithmetic."""
import struct
from array import array

import aifes
import cases
from aifes.layers.assemble import chain
from aifes.layers.dense import dense
from aifes.layers.map import with_fields


def reference(x, w, bias, x_zero, w_zero, shifts, zeros, nearest):
    """Dense by its definition. w: [n_out][n_in]."""
    y = []
    for j in range(len(bias)):
        acc = bias[j]
        for k in range(len(x)):
            acc += (x[k] - x_zero) * (w[j * len(x) + k] - w_zero)
        s = shifts[j]
        if nearest and s:
            acc += 1 << (s - 1)
        y.append(max(-128, min(127, (acc >> s) + zeros[j])))
    return array("b", y)


def interleaved(draft, block, group):
    """The same Draft with its weights in blocks of `block` outputs and groups of inputs."""
    n, m = draft.n_in, draft.n_out
    w = bytearray([99] * (-(-m // block) * block * n))
    for j in range(m):
        for k in range(n):
            start = k // group * group
            inputs = min(group, n - start)
            w[j // block * block * n + start * block + j % block * inputs + k - start] = (
                draft.fields.weights[j * n + k])
    return with_fields(draft, weights=bytes(w), interleave=block, group=group)


def test_dense():
    rng = cases.Random(1)
    for case in range(60):
        n, m = rng.between(1, 20), rng.between(1, 12)
        w, x = rng.int8s(n * m), rng.int8s(3 * n)
        bias = [rng.between(-60000, 60000) for _ in range(m)]
        x_zero, w_zero = rng.between(-128, 127), rng.between(-128, 127)
        shifts = [rng.between(0, 14) for _ in range(m)]
        zeros = [rng.between(-128, 127) for _ in range(m)]
        if case % 2:
            shifts, zeros = [shifts[0]] * m, [zeros[0]] * m
        nearest = case % 3 == 0
        draft = dense(w, w_zero, bias, x_zero, shifts[0] if case % 2 else shifts,
                      zeros[0] if case % 2 else zeros, nearest)
        want = [reference(x[i * n:(i + 1) * n], w, bias, x_zero, w_zero, shifts, zeros, nearest)
                for i in range(3)]
        for block, group in ((1, 1), (4, 1), (8, 1), (m, 1), (4, 4), (3, 4)):
            model = aifes.load(chain([interleaved(draft, min(block, m), group)],
                                     (0, x_zero), (0, 0)))
            y = cases.run_int8(model, x)
            for i in range(3):
                assert y[i * m:(i + 1) * m] == want[i], (case, block, group, i)


def requantized(acc, multiplier, shift):
    """MultiplyByQuantizedMultiplier of TensorFlow Lite, step by step as it is written there."""
    product = acc * multiplier
    product += 1 << 30 if product >= 0 else 1 - (1 << 30)
    high = product >> 31 if product >= 0 else -(-product >> 31)  # toward zero
    mask = (1 << shift) - 1
    return (high >> shift) + ((high & mask) > (mask >> 1) + (high < 0))


def test_multipliers():
    """TensorFlow Lite's requantization, which no C engine has yet."""
    rng = cases.Random(8)
    for case in range(40):
        n, m = rng.between(1, 9), rng.between(1, 9)
        most = (50, 60000, (1 << 30) - (n << 16) - (n << 15) - 1)[case % 3]
        w, x = rng.int8s(n * m), rng.int8s(n)
        bias = [(rng.between(-999, 999) * most) // 999 for _ in range(m)]
        multipliers = [rng.between(1, 32767) << 16 | rng.between(0, 65535) for _ in range(m)]
        multipliers[0] = (1, 1 << 30, (1 << 31) - 1)[case % 3]
        shifts = [rng.between(0, 31 if case % 2 else 14) for _ in range(m)]
        draft = with_fields(dense(w, 3, bias, 0, 0, -9), shifts=bytes(shifts),
                            multipliers=struct.pack("<%dI" % m, *multipliers))
        if cases.ENGINE == "native":
            cases.raises(aifes.ModelError, aifes.load, chain([draft], (0, 0), (0, 0)))
            continue
        y = cases.run_int8(aifes.load(chain([draft], (0, 0), (0, 0))), x)
        for j in range(m):
            acc = bias[j]
            for k in range(n):
                acc += x[k] * (w[j * n + k] - 3)
            v = requantized(acc, multipliers[j], shifts[j]) - 9
            assert y[j] == max(-128, min(127, v)), (case, j, acc, multipliers[j], shifts[j])


def test_softmax_to_nearest():
    rng = cases.Random(2)
    for shift in range(0, 8):
        n = rng.between(1, 12)
        net = aifes.Sequential([aifes.Input(n, (shift, 5)), aifes.Softmax()], exact=True)
        model = aifes.load(net.to_bytes())
        x = rng.int8s(n)
        y = cases.run_int8(model, x)
        e = [2.718281828459045 ** ((v - max(x)) * 2.0 ** -shift) for v in x]
        for q, v in zip(y, e):
            assert abs(q + 128 - min(255, 256 * v / sum(e))) <= 0.51, (shift, q, v)


def test_scale_for_each_element():
    """Inputs and outputs with scales and zero points of their own."""
    weights = array("b", [1, 0, 0, 1])
    draft = dense(weights, 0, [0, 0], [-2000, 3], [0, 1], [100, -5])
    model = aifes.load(chain([draft], ((1, 4), (-2000, 3)), ((-3, 0), (700, -30000))))
    assert model.input_scale == (0.5, 0.0625) and model.input_zero_point == (-2000, 3)
    y = array("b", [0, 0])
    model.run(array("f", [1000.25, -0.5]), y)
    assert list(model.input) == [1, -5] and list(y) == [127, -9], (list(model.input), list(y))
    assert model.predict((950, 7)) == [(127 - 700) * 8.0, 51 + 30000.0]

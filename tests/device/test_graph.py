"""Networks that are no chain: sums, results read twice, several inputs and outputs."""
import gc
import struct
from array import array

import aifes
import cases
from aifes.format import FLOAT32, INT8, ModelError, Op, Tensor
from aifes.layers.add import add, float_add
from aifes.layers.assemble import assemble
from aifes.layers.dense import dense, float_dense
from aifes.layers.map import float_map, table_map
from small_nets import network

N, M = 3, 2  # elements of the inputs a and b
WEIGHTS = array("b", [3, -1, 2, 4, 0, -2])  # [M][N]
BIAS = [5, -7]
ADD = (3, 5), (4, -2)  # shift and zero point of both summands
OUT = 3, 10
NEGATED = bytes([max(-128, min(127, -v)) & 255 for v in range(-128, 128)])


def int8_graph():
    """t = dense(a), s = t + b, y = -t as outputs s and y."""
    drafts = (dense(WEIGHTS, 0, BIAS, 4, 2, ADD[0][1]), add(M, ADD, OUT), table_map(M, NEGATED))
    scales = (5, 4), ADD[1], OUT, (6, 1), ADD[0]
    return graph(drafts, INT8, 1, scales)


def float_graph():
    weights, bias = array("f", [v / 4 for v in WEIGHTS]), array("f", [v / 8 for v in BIAS])
    drafts = (float_dense(bytes(weights), bytes(bias), True), float_add(M),
              float_map("leaky_relu", M, -2))
    return graph(drafts, FLOAT32, 4, [(0, 0)] * 5)


def graph(drafts, dtype, item, scales):
    """Tensors: a, b, s, y, t. s lies where b lay, y where t lay."""
    places = (0, N), (N, M), (N, M), (N + M, M), (N + M, M)
    tensors = [Tensor(dtype, shift, zero, item * at, None, (n,))
               for (shift, zero), (at, n) in zip(scales, places)]
    ops = [Op(draft.opcode, draft.flags, x, y, draft.fields) for draft, x, y in zip(
        drafts, ((0,), (4, 1), (4,)), ((4,), (2,), (3,)))]
    return assemble(ops, tensors, 2, 2, item * (N + 2 * M))


def saturated(v):
    return max(-128, min(127, v))


def int8_results(a, b):
    """By the definition of each op, in real steps of the finest scale."""
    s, y = array("b"), array("b")
    for j in range(M):
        acc = BIAS[j]
        for k in range(N):
            acc += WEIGHTS[j * N + k] * (a[k] - 4)
        t = saturated((acc >> 2) + ADD[0][1])
        total = 2 * (t - ADD[0][1]) + b[j] - ADD[1][1]  # steps of 2**-4
        s.append(saturated((total + 1 >> 1) + OUT[1]))
        y.append(saturated(-t))
    return s, y


def test_int8():
    model = aifes.load(int8_graph())
    rng = cases.Random(4)
    for _ in range(50):
        a, b = rng.int8s(N), rng.int8s(M)
        s, y = array("b", bytes(M)), array("b", bytes(M))
        model.run((a, b), (s, y))
        assert (s, y) == int8_results(a, b), (a, b, s, y)
        model.inputs[0][:], model.inputs[1][:] = a, b
        model.forward()
        assert (array("b", bytes(model.outputs[0])), array("b", bytes(model.outputs[1]))) == (s, y)


def test_float32():
    model = aifes.load(float_graph())
    a, b = array("f", [1, -2, 0.5]), array("f", [0.25, 8])
    s, y = array("f", [0, 0]), array("f", [0, 0])
    model.run((a, b), (s, y))
    t = 0.75 + 0.5 + 0.25 + 0.625, 1 - 0.25 - 0.875
    assert list(s) == [t[0] + 0.25, t[1] + 8], list(s)
    assert list(y) == [t[0], -2 * t[1] if t[1] < 0 else t[1]], list(y)
    assert model.predict((a, b)) == [list(s), list(y)]


def test_batches_and_floats():
    model = aifes.load(int8_graph())
    rng = cases.Random(6)
    a, b = rng.int8s(4 * N), rng.int8s(4 * M)
    s, y = array("b", bytes(4 * M)), array("b", bytes(4 * M))
    model.run((a, b), (s, y))
    for i in range(4):
        want = int8_results(a[N * i:N * i + N], b[M * i:M * i + M])
        assert (s[M * i:M * i + M], y[M * i:M * i + M]) == want, i
    real = (array("f", [(v - 4) / 32 for v in a]), array("f", [(v + 2) / 16 for v in b]))
    got = array("f", bytes(16 * M)), array("b", bytes(4 * M))
    model.run(real, got)
    assert list(got[0]) == [(v - 10) / 8 for v in s] and got[1] == y
    assert model.predict((real[0][:N], real[1][:M])) == [
        [(v - 10) / 8 for v in s[:M]], [(v - 1) / 64 for v in y[:M]]]


def test_attributes():
    model = aifes.load(int8_graph())
    assert len(model.inputs) == len(model.outputs) == 2
    assert len(model.inputs[0]) == len(model.input) == N and len(model.outputs[1]) == M
    assert model.input_shape == ((N,), (M,)) and model.output_shape == ((M,), (M,))
    assert model.input_dtype == ("b", "b") and model.output_dtype == ("b", "b")
    assert model.input_scale == (1 / 32, 1 / 16) and model.input_zero_point == (4, -2)
    assert model.output_scale == (1 / 8, 1 / 64) and model.output_zero_point == (10, 1)
    text = str(model)
    for word in ("(3, 2)", "dense", "add", "map"):
        assert word in text, text
    assert len(aifes.load(float_graph()).inputs) == 2


def test_single_ends_are_tuples_too():
    model = network().schedule_inference_memory()
    assert len(model.inputs) == len(model.outputs) == 1
    model.input[0] = 7
    assert model.inputs[0][0] == 7 and len(model.outputs[0]) == 2


def test_what_is_refused():
    for make, typecode in ((int8_graph, "b"), (float_graph, "f")):
        model = aifes.load(make())
        a, b, y = array(typecode, [0] * N), array(typecode, [0] * M), array(typecode, [0] * M)
        for xs, ys in ((a, y), ((a, b), y), (a, (y, y)), ((a,), (y, y)), ((a, b), (y,)),
                       ((a, b, b), (y, y)), ((b, a), (y, y)), ((a, b), (y, a)), (None, None),
                       ((a, None), (y, y)), ((a, b), (y, 5)), ((a, b), (y, bytes(4 * M))),
                       ((a, "ab"), (y, y)), ((), ())):
            text = cases.raises(ModelError, model.run, xs, ys)
            assert "\n" not in text and len(text) < 200, text
        for values in (None, 5, a, (a,), (a, b, b), (b, a), ((1, 2, 3), (1, None))):
            cases.raises(ModelError, model.predict, values)
        cases.raises(ModelError, model.classify, (a, b))
        model.run((a, b), (y, y[:]))


def test_swap():
    a, b = aifes.load(int8_graph()), aifes.load(int8_graph())
    views = a.inputs[0], b.inputs[0]
    a.swap(b)
    a.inputs[0][0] = 9
    assert views[1][0] == 9
    other = network().schedule_inference_memory()
    assert "as many" in cases.raises(ModelError, a.swap, other)
    assert "as many" in cases.raises(ModelError, other.swap, a)


def test_no_allocation():
    if not hasattr(gc, "mem_alloc"):
        return
    for make, typecode in ((int8_graph, "b"), (int8_graph, "f"), (float_graph, "f")):
        model = aifes.load(make())
        if make is float_graph and model.engine == "python":
            continue  # its numbers are objects
        x = array(typecode, [0] * N), array(typecode, [0] * M)
        y = array(typecode, [0] * M), array(typecode, [0] * M)
        assert cases.allocated(model.run, x, y) == 0, (typecode, model.engine)
        assert cases.allocated(model.forward) == 0


def changed(buf, at, form, value):
    buf = bytearray(buf)
    struct.pack_into(form, buf, at, value)
    return cases.sign(buf)


def test_damaged_adds():
    """Fields of the record, and where its tensors lie."""
    tensors, sum_ = 40, 40 + 5 * 28 + 36
    for make, item in ((int8_graph, 1), (float_graph, 4)):
        good = make()
        aifes.load(changed(good, 0, "<B", 0xA1))
        for at, form, value in ((1, "<B", 1), (2, "<B", 0x11), (2, "<B", 0x13), (3, "<B", 4),
                                (3, "<B", 7), (4, "<H", 9), (6, "<H", 9), (8, "<H", 9),
                                (8, "<H", 0), (18, "<H", 1), (15, "<B", 32), (16, "<B", 17),
                                (17, "<B", 17), (20, "<i", 1 << 28), (20, "<i", -(1 << 31))):
            cases.raises(ModelError, aifes.load, changed(good, sum_ + at, form, value))
        # half across another
        for k, offset in ((2, N + 1), (2, N - 1), (1, N + 1)):
            cases.raises(ModelError, aifes.load, changed(
                good, tensors + 28 * k + 4, "<I", item * offset))

"""The API: sources, arenas, buffers of every kind, batches, attributes, the summary."""
import os
from array import array

import aifes
import cases
from small_nets import network

X = array("b", [-100, 100])
WANT = list(cases.run_int8(network().schedule_inference_memory(), X))


def check(model):
    y = array("b", [0, 0])
    model.run(X, y)
    assert list(y) == WANT, (list(y), WANT)


def test_sources():
    buf = network().to_bytes()
    for source in (buf, bytes(buf), memoryview(buf), memoryview(bytes(buf)),
                   bytes(buf) + b"padding of a flash page"):
        check(aifes.load(source))
    path = "two_test.aifes"
    with open(path, "wb") as f:
        f.write(buf)
    try:
        check(aifes.load(path))
    finally:
        os.remove(path)
    cases.raises(OSError, aifes.load, "nothing.aifes")


def test_arenas():
    net = network()
    need = net.inference_memory_size()
    assert need == 5
    for arena in (None, array("b", bytes(need)), bytearray(need), bytearray(need + 9),
                  memoryview(bytearray(need + 4))[2:2 + need]):
        check(net.schedule_inference_memory(arena))


def test_guards_of_the_arena():
    memory = bytearray([0x5A] * 15)
    check(network().schedule_inference_memory(memoryview(memory)[5:10]))
    assert memory[:5] == bytes([0x5A] * 5) and memory[10:] == bytes([0x5A] * 5)


def test_buffers():
    model = network().schedule_inference_memory()
    floats = array("f", [(v - 10) / 32 for v in X])
    for x in (X, bytearray([v & 255 for v in X]), memoryview(X), bytes([v & 255 for v in X]),
              floats, memoryview(floats)):
        for y in (array("b", [0, 0]), bytearray(2), memoryview(array("b", [0, 0]))):
            model.run(x, y)
            assert [((v + 128) & 255) - 128 for v in y] == WANT
        y = array("f", [0, 0])
        model.run(x, y)
        assert list(y) == [(v + 128) / 256 for v in WANT]
    assert model.predict(list(floats)) == model.predict(tuple(floats)) == list(y)


def test_forward():
    model = network().schedule_inference_memory(array("b", bytes(5)))
    model.input[0], model.input[1] = X[0], X[1]
    model.forward()
    assert list(model.output) == WANT


def test_batches():
    model = network().schedule_inference_memory()
    rng = cases.Random(5)
    x = rng.int8s(14)
    y = cases.run_int8(model, x)
    xf = array("f", [(v - 10) / 32 for v in x])
    yf = array("f", bytes(4 * 14))
    model.run(xf, yf)
    for i in range(7):
        one = cases.run_int8(model, x[2 * i:2 * i + 2])
        assert y[2 * i:2 * i + 2] == one
        assert list(yf)[2 * i:2 * i + 2] == [(v + 128) / 256 for v in one]


def test_attributes():
    net = network()
    model = net.schedule_inference_memory()
    assert model.len == len(net.to_bytes()) and model.ram >= 5
    assert model.input_shape == (2,) and model.output_shape == (2,)
    assert model.input_dtype == model.output_dtype == "b"
    assert (model.input_scale, model.input_zero_point) == (1 / 32, 10)
    assert (model.output_scale, model.output_zero_point) == (1 / 256, -128)
    assert model.engine == cases.ENGINE and model.labels is None


def test_summary():
    text = str(network().schedule_inference_memory())
    for word in ("two: 2 -> 2", "arena 5 bytes", "engine " + cases.ENGINE, "tanh", "softmax", "17",
                 "2^-5"):
        assert word in text, text
    text = str(network())
    assert "inference memory 5 bytes" in text and "parameter memory" in text


def test_shapes():
    net = aifes.Sequential([aifes.Input((2, 3, 4), (0, 0)), aifes.ReLU()])
    model = aifes.load(net.to_bytes())
    assert model.input_shape == (2, 3, 4) and model.output_shape == (2, 3, 4)

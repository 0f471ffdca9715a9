"""Networks of float32: AIfES's results, layer by layer, and what only they have to get right."""
import gc
from array import array
from binascii import unhexlify

import aifes
import cases


def network(record, parameters=True):
    """The Sequential of a golden record, its parameters layer by layer or not yet there."""
    layers, given = [aifes.Input(record["n_in"])], iter(record["params"])
    for kind, *arguments in record["layers"]:
        if kind == "dense":
            layers.append(aifes.Dense(arguments[0], *[unhexlify(next(given)) for _ in range(2)])
                          if parameters else aifes.Dense(arguments[0]))
        else:
            layers.append(cases.activation(kind, *arguments))
    return aifes.Sequential(layers, dtype="f")


def near(got, want, limit):
    assert len(got) == len(want)
    for a, b in zip(got, want):
        assert abs(a - b) <= limit, (list(got), want)


def test_every_layer_of_aifes():
    n = 0
    for r in cases.records("floats"):
        net = network(r)
        for depth in range(1, len(net.layers)):
            part = aifes.Sequential(net.layers[:depth + 1], dtype="f")
            size = part.inference_memory_size()
            model = part.schedule_inference_memory(
                array("f", bytes(size)) if depth % 2 else bytearray(size))
            limit = 0.02 if net.layers[depth].kind == "softmax" else 1e-4
            x, want = cases.floats(r["inputs"]), cases.floats(r["results"][depth - 1])
            y = array("f", bytes(4 * len(want)))
            model.run(x, y)
            near(y, want, limit)
            n += 1
    assert n == 16, n


def test_parameter_buffer_and_file():
    """The same from AIfES's parameter buffer, and from a file."""
    for r in cases.records("floats"):
        net = network(r, False)
        buffer = unhexlify(r["buffer"])
        assert net.parameter_memory_size() == len(buffer)
        assert "no parameters" in cases.raises(aifes.ModelError, net.to_bytes)
        net.load_parameters(array("f", buffer))
        words = net.to_bytes()
        net.load_parameters(buffer)
        assert net.to_bytes() == words
        aifes.load(net.to_bytes()).save("floats.aifes")
        model, by_hand = aifes.load("floats.aifes"), aifes.load(network(r).to_bytes())
        x = cases.floats(r["inputs"])[:r["n_in"]]
        assert model.predict(x) == by_hand.predict(x)


def small():
    return aifes.load(aifes.Sequential([
        aifes.Input(2), aifes.Dense(2, [1.0, 0.5, -1.0, 2.0], [0.25, -0.5]), aifes.LeakyReLU(0.5)],
        dtype="f").to_bytes())


def test_ways_to_run():
    model = small()
    assert (model.input_dtype, model.output_dtype) == ("f", "f")
    assert model.input_scale == 1.0 and model.output_zero_point == 0
    assert model.predict((1, 2)) == [-0.375, 4.0]
    x, y = array("f", (1, 2, -1, 0)), array("f", bytes(16))
    model.run(x, y)
    assert list(y) == [-0.375, 4.0, -0.375, -0.5]
    model.input[0], model.input[1] = 1, 2
    model.forward()
    assert list(model.output) == [-0.375, 4.0]
    other = small()
    model.swap(other)
    assert model.predict((1, 2)) == [-0.375, 4.0]


def test_numbers_that_are_not_finite():
    """NaN is 0, infinities are the largest number."""
    model = small()
    assert model.predict((float("nan"), 2)) == model.predict((0, 2))
    assert model.predict((float("inf"), 0))[0] > 3.4e38


def test_what_is_refused():
    model = small()
    for x, y in ((bytearray(2), array("f", (0, 0))), (array("f", (0, 0)), bytearray(2)),
                 (array("f", (0, 0, 0)), array("f", (0, 0))), ([0, 0], [0, 0])):
        assert cases.raises(aifes.ModelError, model.run, x, y)
    assert "arena" in cases.raises(aifes.ModelError, aifes.load, bytes(model._buf), bytearray(12))
    bad = bytes(model._buf)
    for at in range(32, len(bad), 5):
        cases.raises(aifes.ModelError, aifes.load, bad[:at] + b"\xff" + bad[at + 1:])


def test_no_allocation():
    """But for the Python engine, whose numbers are objects."""
    model = small()
    if hasattr(gc, "mem_alloc") and model.engine != "python":
        x, y = array("f", (1, 2)), array("f", (0, 0))
        assert cases.allocated(model.run, x, y) == 0
        assert cases.allocated(model.forward) == 0

"""Quantizing on the board: AIfES's parameters by its rule, the PC's model by the default rule."""
import gc
import os
from array import array
from binascii import hexlify, unhexlify

import aifes
import cases
from aifes.format import ModelError


def tutorial(record, samples, method, transposed=False):
    """The Quantizer of the tutorial's float network and what it makes of these samples."""
    layers = [aifes.Input(3), aifes.Dense(3, record["w1"], record["b1"]), aifes.LeakyReLU(0.01),
              aifes.Dense(2, record["w2"], record["b2"]), aifes.Sigmoid()]
    if transposed:
        for layer, n in ((layers[1], 3), (layers[3], 3)):
            layer.weights = [layer.weights[k * layer.n + j] for j in range(layer.n)
                             for k in range(n)]
            layer.transposed = True
    quantizer = aifes.Quantizer(aifes.Sequential(layers, dtype="f"), method)
    memory = bytearray(quantizer.parameter_memory_size())
    return quantizer, quantizer.run(samples, memory)


def records(kind):
    for r in cases.records("quantize"):
        if r["kind"] == kind:
            yield r


def test_parameters_of_aifes():
    n = 0
    for r in records("tutorial"):
        for kind, want in r["buffers"]:
            quantizer, model = tutorial(r, r["inputs"], "aifes", kind == "DENSE_WT")
            assert hexlify(quantizer.parameters()).decode() == want
            net = aifes.Sequential([aifes.Input(3), aifes.Dense(3), aifes.LeakyReLU(),
                                    aifes.Dense(2), aifes.Sigmoid()])
            assert net.parameter_memory_size() == len(want) // 2
            for x, y in zip(r["inputs"], r["outputs"]):
                assert model.predict(x) == y
            n += 1
    assert n == 2


def test_the_model_of_the_pc():
    n = 0
    for r in records("network"):
        layers = [aifes.Input(r["n"])]
        for kind, *arguments in r["layers"]:
            if kind == "dense":
                layers.append(aifes.Dense(arguments[0], unhexlify(arguments[1]),
                                          unhexlify(arguments[2]), transposed=True))
            else:
                layers.append(cases.activation(kind, *arguments))
        samples = array("f", unhexlify(r["samples"]))
        quantizer = aifes.Quantizer(aifes.Sequential(layers, dtype="f"))
        memory = bytearray(quantizer.parameter_memory_size())
        model = quantizer.run(samples, memory)
        end = model._plan.metadata[0]
        assert hexlify(model._buf[40:end]).decode() == r["want"], n
        model = memory = None
        gc.collect()
        n += 1
    assert n == 9, n


def test_networks_with_branches():
    """As on the PC, too."""
    n = 0
    for r in records("graph"):
        quantizer = aifes.Quantizer(aifes.load(unhexlify(r["model"])))
        memory = bytearray(quantizer.parameter_memory_size())
        model = quantizer.run(array("f", unhexlify(r["samples"])), memory)
        assert hexlify(model._buf[40:model._plan.metadata[0]]).decode() == r["want"], n
        model = memory = None
        gc.collect()
        n += 1
    assert n == 4, n


def test_save_and_load():
    for r in records("tutorial"):
        _, model = tutorial(r, array("f", [v for x in r["inputs"] for v in x]), "mse")
        assert model.metadata["layers"][1][0] == "dense"
        before = [model.predict(x) for x in r["inputs"]]
        for y, want in zip(before, ((1, 0), (0, 1), (0, 0))):
            assert abs(y[0] - want[0]) < 0.01 and abs(y[1] - want[1]) < 0.01
        model.save("quantized.aifes")
        model.save("quantized.aifes")  # the first one is kept
        assert os.stat("quantized.aifes.old")[6] == os.stat("quantized.aifes")[6]
        model = aifes.load("quantized.aifes")
        assert [model.predict(x) for x in r["inputs"]] == before


def test_what_is_refused():
    for r in records("tutorial"):
        quantizer, model = tutorial(r, r["inputs"], "mse")
        refused = [
            ("memory", quantizer.run, r["inputs"], bytearray(100)),
            ("float32 network", aifes.quantize, model, r["inputs"]),
            ("samples", quantizer.run, [[0, 0]]),
            ("samples", quantizer.run, array("f", (0, 0))),
            ("samples", quantizer.run, []),
            ("not finite", quantizer.run, [(0, 0, float("nan"))]),
            ("not a number", quantizer.run, [(0, 0, "a")]),
            ("method 'aifes'", quantizer.parameters),
            ("method", aifes.Quantizer, model, "best")]
        for words, *call in refused:
            message = cases.raises(aifes.ModelError, *call)
            assert words in message, (words, message)


def test_odd_arguments():
    from test_edges import floats, odd

    net, samples = floats(), array("f", [0.5, -0.25, 1, 1])
    need = aifes.Quantizer(net).parameter_memory_size()
    for memory in odd()[1:] + [bytes(need), bytearray(need - 1), array("b", bytes(need)),
                               array("H", bytes(2 * need))]:
        text = cases.raises(ModelError, aifes.quantize, net, samples, memory)
        assert "memory" in text, text
    for other in odd():
        cases.raises(ModelError, aifes.quantize, other, samples)
        if not isinstance(other, array):
            cases.raises(ModelError, aifes.quantize, net, other)
    aifes.quantize(net, samples, bytearray(need))


def test_quantize_shows_life():
    import aifes.quantizer.data as data
    from test_edges import floats

    lines, clock, real = [], [0], data.ticks_ms

    def ticks_ms():
        clock[0] += 1000
        return clock[0]

    data.ticks_ms = ticks_ms
    try:
        aifes.quantize(floats(), array("f", [0.5, -0.25, 1, 1] * 5), report=lines.append)
        aifes.quantize(floats(), array("f", [0.5, -0.25, 1, 1]), report=None)
    finally:
        data.ticks_ms = real
    assert len(lines) > 10 and lines[0].startswith("quantize: ranges, sample "), lines
    assert [1 for line in lines if line.startswith("quantize: layer 1 of 4, ")]

"""Quantizing on the board: AIfES's parameters by its rule, the PC's model by the default rule."""
import gc
from binascii import hexlify, unhexlify

import aifes
import cases


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
        gc.collect()  # the smallest boards have 140 kB of heap
        found, r = [r], None
        if found[0]["kind"] == kind:
            yield found.pop()


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
            quantizer = model = net = None
            gc.collect()
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
        samples, want = cases.floats(r["samples"]), unhexlify(r["want"])
        r = kind = arguments = None
        quantizer = aifes.Quantizer(aifes.Sequential(layers, dtype="f"))
        layers = None
        gc.collect()
        memory = bytearray(quantizer.parameter_memory_size())
        model = quantizer.run(samples, memory)
        end = model._plan.metadata[0]
        assert model._buf[40:end] == want, n
        samples = want = quantizer = model = memory = None
        gc.collect()
        n += 1
    assert n == 9, n


def test_networks_with_branches():
    """As on the PC, too."""
    n = 0
    lines = cases.records("branches")
    for text in lines:
        quantizer = aifes.Quantizer(aifes.load(unhexlify(text)))
        memory = bytearray(quantizer.parameter_memory_size())
        text, samples = None, cases.floats(next(lines))
        gc.collect()
        model = quantizer.run(samples, memory)
        want = unhexlify(next(lines))
        assert model._buf[40:model._plan.metadata[0]] == want, n
        want = quantizer = samples = None
        model = memory = None
        gc.collect()
        n += 1
    assert n == 5, n

"""Quantizing on the board as a user does it: saving, refusals, signs of life; test_quantize.py."""
import os
from array import array

import aifes
import cases
from aifes.format import ModelError
from small_nets import floats
from test_quantize import records, tutorial


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
    net, samples = floats(), array("f", [0.5, -0.25, 1, 1])
    need = aifes.Quantizer(net).parameter_memory_size()
    for memory in cases.odd()[1:] + [bytes(need), bytearray(need - 1), array("b", bytes(need)),
                               array("H", bytes(2 * need))]:
        text = cases.raises(ModelError, aifes.quantize, net, samples, memory)
        assert "memory" in text, text
    for other in cases.odd():
        cases.raises(ModelError, aifes.quantize, other, samples)
        if not isinstance(other, array):
            cases.raises(ModelError, aifes.quantize, net, other)
    aifes.quantize(net, samples, bytearray(need))


def test_quantize_shows_life():
    import aifes.quantizer.data as data
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

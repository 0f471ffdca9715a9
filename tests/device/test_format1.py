"""Files of format 1, made by the release before, give the same bits."""
import sys
from array import array
from binascii import hexlify, unhexlify

import aifes
import aifes.layers  # keeps in memory what checks a model: else each load would import it anew
import cases
from aifes.format import ModelError


def test_results():
    n = 0
    for r in cases.records("format1"):
        model = aifes.load(unhexlify(r["model"]))
        x = array(model.input_dtype, unhexlify(r["x"]))
        y = array(model.output_dtype, bytes(len(r["y"]) // 2))
        model.run(x, y)
        if model.input_dtype == "b" or sys.implementation.name != "circuitpython":
            assert hexlify(bytes(y)).decode() == r["y"], r["name"]
        assert "parameters" in str(model)
        n += 1
    assert n == 17, n


def test_damaged():
    """Each byte of header and records, changed, gives another model or one sentence."""
    for r in cases.records("format1"):
        if r["name"] in ("int8_5", "float32_5"):
            good = unhexlify(r["model"])
            for at in list(range(4, 8)) + list(range(16, 200, 3)):
                buf = bytearray(good)
                buf[at] ^= 0xA5
                cases.sign(buf)
                try:
                    aifes.load(buf)
                except ModelError as e:
                    assert "\n" not in str(e) and len(str(e)) < 200


def test_save():
    for r in cases.records("format1"):
        model = aifes.load(unhexlify(r["model"]))
        model.save("format1_test.aifes")
        with open("format1_test.aifes", "rb") as f:
            assert f.read() == unhexlify(r["model"])
        assert aifes.load("format1_test.aifes").len == model.len
        break

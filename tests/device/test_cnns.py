"""Networks with images against AIfES's results, their ops against NumPy's."""
import sys
from array import array
from binascii import unhexlify

import aifes
import cases
from aifes import BatchNorm, Conv2D, Dense, Flatten, Input, MaxPool2D, Sequential


def layer(record, first):
    """The layer of a record."""
    kind = record["type"]
    if kind == "conv2d":
        return Conv2D(record["filters"], record["kernel"], record["stride"], record["padding"],
                      record["dilation"], channels_first=first)
    if kind == "maxpool2d":
        return MaxPool2D(record["kernel"], record["stride"], record["padding"])
    if kind == "batch_norm":
        return BatchNorm(eps=record["eps"])
    if kind == "flatten":
        return Flatten(first)
    if kind == "dense":
        return Dense(record["n"])
    return cases.activation(kind, record.get("alpha"))


def test_aifes_networks():
    n = 0
    for record in cases.records("cnns"):
        net = Sequential([Input(record["shape"])] + [
            layer(r, record["first"]) for r in record["layers"]], dtype="f")
        params = unhexlify(record["params"])
        assert net.parameter_memory_size() == len(params) == record["bytes"], record["name"]
        net.load_parameters(params)
        arena = bytearray(net.inference_memory_size())
        model = net.schedule_inference_memory(arena)
        assert model.ram >= len(arena)
        x, want = [array("f", unhexlify(record[k])) for k in "xy"]
        y = array("f", want)
        for i in range(len(y)):
            y[i] = 99
        model.run(x, y)
        for a, b in zip(y, want):
            assert abs(a - b) < 1e-4, (record["name"], a, b)
        n += 1
    assert n == 16


def test_records():
    """To the bit, where floats have all of theirs."""
    n = 0
    for record in cases.records("images"):
        model = aifes.load(unhexlify(record["model"]))
        kind = "f" if record["float"] else "b"
        x, want = [array(kind, unhexlify(record[k])) for k in "xy"]
        assert model.output_shape == tuple(record["shape"])
        y = array(kind, [1] * len(want))
        model.run(x, y)
        if kind == "f" and sys.implementation.name == "circuitpython":
            for a, b in zip(y, want):
                assert abs(a - b) <= 1e-5 * max(1, abs(b)), (n, a, b)
        else:
            assert bytes(y) == bytes(want), (n, y, want)
        n += 1
    assert n == 60, n

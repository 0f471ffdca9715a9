"""Convolutions and poolings: by hand, against NumPy's results, and damaged."""
import sys
from array import array
from binascii import unhexlify

import aifes
import cases
from aifes.format import FLOAT32
from test_memory import allocated


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

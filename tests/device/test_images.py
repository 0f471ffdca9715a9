"""Convolutions and poolings: by hand, against NumPy's results, and damaged."""
from array import array
from binascii import unhexlify

import aifes
import cases
from aifes.format import FLOAT32
from test_memory import allocated


def test_records():
    """int8 to the bit, float32 of a convolution too; NumPy adds a mean up more exactly."""
    n = 0
    for record in cases.records("images"):
        model = aifes.load(unhexlify(record["model"]))
        kind = "f" if record["float"] else "b"
        x, want = [array(kind, unhexlify(record[k])) for k in "xy"]
        assert model.output_shape == tuple(record["shape"])
        y = array(kind, want)
        for i in range(len(y)):
            y[i] = 1
        model.run(x, y)
        if kind == "b":
            assert y == want, (n, y, want)
        else:
            for a, b in zip(y, want):
                assert abs(a - b) <= 1e-6 * max(1, abs(b)), (n, a, b)
        n += 1
    assert n == 60, n

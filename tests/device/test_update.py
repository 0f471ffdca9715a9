"""Changing the model of a running program: swap(), and the previous file of a path."""
import os
from array import array

import aifes
import cases


def net(weight):
    return aifes.Sequential([aifes.Input(2, (4, 0)), aifes.Dense(
        2, array("b", (weight, 0, 0, weight)), (0, 0), (4, 0), (4, 0))]).to_bytes()


def test_swap():
    a, b = aifes.load(net(16)), aifes.load(net(32))
    x, y = array("f", (1, -0.5)), array("f", (0, 0))
    views = a.input, b.input
    a.swap(b)
    assert a.predict(x) == [2, -1] and b.predict(x) == [1, -0.5]
    a.run(x, y)
    assert list(y) == [2, -1]
    a.input[:] = array("b", (16, 0))
    a.forward()
    assert list(a.output) == [32, 0]
    assert len(views[1]) == len(a.input) and a.len == len(net(32))
    a.swap(b)
    assert a.predict(x) == [1, -0.5]


def test_swap_allocates_nothing():
    a, b = aifes.load(net(16)), aifes.load(net(32), bytearray(4))
    if hasattr(__import__("gc"), "mem_alloc"):
        assert cases.allocated(a.swap, b) == 0


def test_swap_of_another_shape():
    a = aifes.load(net(16))
    other = aifes.Sequential([aifes.Input(3, (4, 0)), aifes.ReLU()]).to_bytes()
    assert "as many inputs" in cases.raises(aifes.ModelError, a.swap, aifes.load(other))
    assert a.predict((1, 1)) == [1, 1]


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def test_previous_model():
    """The file of a path is missing, damaged, of another version: the one before it runs."""
    path, good = "update_test.aifes", net(16)
    damaged = bytearray(good)
    damaged[-1] ^= 1
    newer = bytearray(good)
    newer[4] = 9
    write(path + ".old", good)
    for current in (None, damaged, newer, good[:50], b""):
        if current is not None:
            write(path, current)
        assert aifes.load(path).predict((1, 1)) == [1, 1]
    write(path, net(32))
    assert aifes.load(path).predict((1, 1)) == [2, 2]
    write(path, damaged)
    write(path + ".old", b"")
    assert "CRC" in cases.raises(aifes.ModelError, aifes.load, path)
    os.remove(path + ".old")
    assert "CRC" in cases.raises(aifes.ModelError, aifes.load, path)
    os.remove(path)
    try:
        aifes.load(path)
        raise AssertionError("no OSError")
    except OSError:
        pass

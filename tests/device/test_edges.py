"""Buffers that overlap, arguments that are none, classes, and what is no number."""
import os
import sys
from array import array

import aifes
import cases
from aifes.format import ModelError
from small_nets import floats, network

NAN, INF = float("nan"), float("inf")


def one_after_another(net, typecode, x, y):
    """What run(x, y) must do: a sample is read whole before its result is written.

    Moved as bytes: an interpreter with floats of 30 bits would round each.
    """
    for i in range(0, len(x), 2):
        one, result = [memoryview(array(typecode, [0, 0])) for _ in range(2)]
        one[:] = x[i:i + 2]
        net.run(one, result)
        y[i:i + 2] = result


def test_overlapping():
    """x and y of a batch in one buffer, and both in the arena."""
    for make, typecode in ((network, "b"), (floats, "f")):
        model = make().to_bytes()
        values = [3, -100, 7, 90, -5, 1, 0, 127, 4, -4, 9, 2]
        if typecode == "f":
            values = [v / 50 for v in values]
        for x_at, y_at in ((0, 0), (0, 1), (0, 2), (0, 4), (1, 0), (2, 0), (4, 0)):
            for in_arena in (False, True):
                found = []
                for step in (one_after_another, None):
                    memory, arena = array(typecode, values), array(typecode, values)
                    net = aifes.load(model, arena)
                    x = memoryview(arena if in_arena else memory)[x_at:x_at + 6]
                    y = memoryview(arena if in_arena else memory)[y_at:y_at + 6]
                    if step:
                        step(net, typecode, x, y)
                    else:
                        net.run(x, y)
                    found.append((list(memory), list(arena) if in_arena else 0))
                assert found[0] == found[1], (typecode, x_at, y_at, in_arena, found)


def test_input_and_output_of_the_net():
    for make, typecode, x in ((network, "b", (-100, 100)), (floats, "f", (0.5, -0.25))):
        x = array(typecode, x)
        net = aifes.load(make().to_bytes(), array(typecode, [0] * 8))
        want = array(typecode, [0, 0])
        net.run(x, want)
        net.run(x, net.output)
        assert list(net.output) == list(want)
        for y in (array(typecode, [0, 0]), net.output, net.input):
            net.input[:] = x
            net.run(net.input, y)
            assert list(y) == list(want), typecode
        net.run(x, x)
        assert list(x) == list(want)


def test_two_nets_in_one_arena():
    memory = bytearray(64)
    a, b = aifes.load(network().to_bytes(), memory), aifes.load(floats().to_bytes(), memory)
    want = a.predict((1, 2)), b.predict((1, 2))
    assert (a.predict((1, 2)), b.predict((1, 2))) == want


def test_swap_of_float32_in_bytes():
    a = aifes.load(floats().to_bytes(), bytearray(64))
    b, c = aifes.load(floats().to_bytes()), aifes.load(network().to_bytes())
    x = (0.5, -0.25)
    want, other = b.predict(x), c.predict(x)
    a.swap(b)
    assert a.predict(x) == b.predict(x) == want
    a.swap(c)
    assert a.predict(x) == other and c.predict(x) == want and a.input_dtype == "b"
    for wrong in (None, 5, "net", array("f", [0, 0])):
        cases.raises(ModelError, a.swap, wrong)


def of_another_type():
    """Flat buffers whose items only CPython knows to be neither bytes nor floats."""
    if hasattr(memoryview(b""), "format"):
        return [memoryview(bytearray(8)).cast("i"), memoryview(bytearray(2)).cast("?"),
                array("I", [1, 2])]
    return []


def test_odd_arguments():
    good = network().to_bytes()
    for make, x in ((network, array("b", [1, 2])), (floats, array("f", [1, 2]))):
        buf = make().to_bytes()
        net = aifes.load(buf)
        for other in cases.odd():
            for call in ((net.run, other, x), (net.run, x, other), (net.run, other, other)):
                cases.raises(ModelError, *call)
            if other is not None:
                cases.raises(ModelError, aifes.load, buf, other)
                cases.raises(ModelError, aifes.load, buf, None, other)
            if not isinstance(other, str):
                cases.raises(ModelError, aifes.load, other)
            cases.raises(ModelError, aifes.Model, other)
            if not isinstance(other, str) or not other:
                cases.raises(ModelError, net.save, other)
        for other in of_another_type():
            cases.raises(ModelError, net.run, other, x)
            cases.raises(ModelError, net.run, x, other)
        cases.raises(ModelError, net.run, x, bytes(8))
        for values in (None, 5, "ab", {1: 2, 3: 4}, [1, None], object()):
            cases.raises(ModelError, net.predict, values)
            cases.raises(ModelError, net.classify, values)
    if hasattr(memoryview(b""), "format"):
        cases.raises(ModelError, aifes.load, memoryview(bytes(2 * len(good)))[::2])


def test_a_callers_mistake_is_no_damaged_file():
    path = "edges_test.aifes"
    for name, net in ((path, network(), ), (path + ".old", floats(n=2))):
        with open(name, "wb") as f:
            f.write(net.to_bytes())
    try:
        for arena, engine in ((bytearray(2), None), (b"12345678", None), ("arena", None),
                              (None, "fast"), (None, 5)):
            cases.raises(ModelError, aifes.load, path, arena, engine)
        with open(path, "wb") as f:
            f.write(b"damaged")
        assert "needs" in cases.raises(ModelError, aifes.load, path, bytearray(4))
        assert aifes.load(path).input_dtype == "f"
    finally:
        os.remove(path)
        os.remove(path + ".old")
    try:
        aifes.load(path)
        raise AssertionError("no OSError")
    except OSError as e:
        assert path in str(e) and "deploy" in str(e) and e.args[0] == 2, e


class Disk:
    """Blocks of RAM for a file system."""

    def __init__(self, blocks):
        self.data = bytearray(512 * blocks)

    def readblocks(self, n, buf, offset=0):
        at = 512 * n + offset
        for i in range(len(buf)):
            buf[i] = self.data[at + i]

    def writeblocks(self, n, buf, offset=None):
        at = 512 * n + (offset or 0)
        self.data[at:at + len(buf)] = buf

    def ioctl(self, op, _):
        return len(self.data) // 512 if op == 4 else 512 if op == 5 else 0


def test_a_save_that_fails_leaves_nothing():
    """On a file system that is full, where the interpreter can make one."""
    if sys.implementation.name != "micropython" or not hasattr(os, "VfsLfs2"):
        print("skipped: no file system of its own here")
        return
    disk = Disk(20)
    os.VfsLfs2.mkfs(disk)
    os.mount(disk, "/full")
    try:
        net = aifes.load(network().to_bytes())
        net.save("/full/net.aifes")
        with open("/full/other", "wb") as f:
            f.write(bytes(4096))
        try:
            net.save("/full/net.aifes")
            net.save("/full/more.aifes")
            net.save("/full/most.aifes")
            raise AssertionError("no OSError")
        except OSError:
            pass
        assert not [n for n in os.listdir("/full") if n.endswith(".new")], os.listdir("/full")
        assert aifes.load("/full/net.aifes").predict((1, 2)) == net.predict((1, 2))
    finally:
        os.umount("/full")


def noted(net, **meta):
    """The model of a Sequential with other metadata."""
    import json
    import struct

    buf = bytes(net.to_bytes())
    at = struct.unpack_from("<I", buf, 32)[0]
    text = json.dumps(meta).encode()
    buf = bytearray(buf[:at] + text)
    struct.pack_into("<I", buf, 8, len(buf))
    struct.pack_into("<I", buf, 36, len(text))
    return aifes.load(cases.sign(buf))


def test_classify():
    for make in (network, floats):
        x = (1.5, -0.25)
        want = aifes.load(make().to_bytes()).predict(x)
        best = want.index(max(want))
        assert aifes.load(make().to_bytes()).classify(x) == (best, max(want))
        net = noted(make(), labels=["still", "wave"])
        for given in (x, list(x), array("f", x)):
            assert net.classify(given) == (("still", "wave")[best], max(want))
        assert noted(make(), labels=["one"]).classify(x)[0] == best
        assert noted(make(), labels=5).classify(x)[0] == best
    q = array("b", (58, 2))  # as quantized: 1.5, -0.25
    assert noted(network(), labels=["a", "b"]).classify(q)[1] == max(
        aifes.load(network().to_bytes()).predict((1.5, -0.25)))
    other = noted(floats(), labels=["c", "d"])
    net.swap(other)
    assert net.classify(x)[0] in "cd" and other.classify(x)[0] in ("still", "wave")


def test_classify_by_a_single_output():
    names = ["no", "yes"]
    for x in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        logit = aifes.load(floats(aifes.Softsign, 1).to_bytes()).predict(x)[0]
        p = aifes.load(floats(aifes.Sigmoid, 1).to_bytes()).predict(x)[0]
        assert noted(floats(aifes.Softsign, 1), labels=names).classify(x) == (
            names[logit > 0], logit)
        value = p if p > 0.5 else 1 - p
        assert noted(floats(aifes.Sigmoid, 1), labels=names).classify(x) == (names[p > 0.5], value)
        assert noted(floats(aifes.Sigmoid, 1)).classify(x) == (int(p > 0.5), value)
        assert noted(floats(aifes.Softsign, 1), boundary=0.5).classify(x)[0] == (logit > 0.5)
    q7 = aifes.Sequential([aifes.Input(1, (5, 0)), aifes.Dense(1, b"\x40", [0], (5, 0), (4, 0)),
                           aifes.Sigmoid()])
    plain = aifes.Sequential(q7.layers[:2])
    for v in (-1, -0.25, 0.25, 1):
        assert noted(q7, labels=names).classify((v,))[0] == names[v > 0]
        assert noted(plain, labels=names).classify((v,)) == (names[v > 0], 2 * v)


def test_finite():
    for good in (array("f", [0, 1, -3e38]), [1, 2], (0.5,), bytearray(5), array("b", [1]),
                 memoryview(array("f", [1, NAN]))[:1]):
        assert aifes.finite(good) is True
    for bad in (NAN, INF, -INF):
        for x in (array("f", [0, bad]), array("f", [bad, 0, 0]), [1, bad], (bad,)):
            assert aifes.finite(x) is False
    for other in (None, 5, "ab", [None], object()):
        cases.raises(ModelError, aifes.finite, other)
    net = aifes.load(network().to_bytes())
    y = array("f", [0, 0])
    net.run(array("f", [NAN, INF]), y)
    assert list(y) == net.predict((0, 100))


def test_finite_allocates_nothing():
    import gc

    if hasattr(gc, "mem_alloc"):
        x, finite = array("f", [0, 1, 2]), aifes.finite
        assert finite(x) and cases.allocated(finite, x) == 0


def test_odd_layers():
    for other in cases.odd() + [0, -1, NAN, 10 ** 12, ("a",), [None]]:
        if other != 5:
            for make in (aifes.Input, aifes.Dense):
                if not (make is aifes.Input and other in ([1, 2], (1, 2))):
                    cases.raises(ModelError, make, other)
        cases.raises(ModelError, aifes.Sequential, other)
        cases.raises(ModelError, aifes.Sequential, [aifes.Input(2), other])
    for weights, bias in (("abcdefgh", [0, 0]), ([1, 2, 3, 4], "ab"), ([1, 2, 3, None], [0, 0])):
        net = aifes.Sequential([aifes.Input(2), aifes.Dense(2, weights, bias)], dtype="f")
        cases.raises(ModelError, net.to_bytes)

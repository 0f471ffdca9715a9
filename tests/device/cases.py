"""What the tests share: the golden records, layers made from them, random numbers."""
import gc
import json
import struct
from array import array
from binascii import crc32, unhexlify

import aifes
import aifes.model as model
from aifes.format import FLOAT32, INT8

DATA = "."
ENGINE = None


def use_engine(name):
    """Let this engine be the only one there is."""
    global ENGINE
    ENGINE = name
    for dtype in (INT8, FLOAT32):
        found = model._engine(name, dtype == FLOAT32)
        for other in ("native", "viper", "python"):
            model._found[other, dtype] = found if other == name else None


def records(name):
    """The JSON records of a data file, one at a time; none is kept here."""
    with open(DATA + "/" + name + ".txt") as f:
        line = f.readline()
        while line:
            found = [json.loads(line)]
            line = None
            yield found.pop()
            line = f.readline()


def int8s(text):
    """array('b') of hex digits."""
    return array("b", unhexlify(text))


def floats(text):
    """array('f') of hex digits."""
    return array("f", unhexlify(text))


def activation(kind, alpha=None):
    """A layer by AIfES's name; alpha: its Q7 scalar as a list, or a number."""
    if kind in ("leaky_relu", "elu"):
        layer = aifes.LeakyReLU if kind == "leaky_relu" else aifes.ELU
        return layer(tuple(alpha) if isinstance(alpha, list) else alpha)
    return {"relu": aifes.ReLU, "sigmoid": aifes.Sigmoid, "tanh": aifes.Tanh,
            "softsign": aifes.Softsign, "softmax": aifes.Softmax}[kind]()


def run_int8(model, x):
    """Results of a batch of int8 inputs."""
    n = len(x) // len(model.input)
    y = array("b", bytes(n * len(model.output)))
    model.run(x, y)
    return y


def sign(buf):
    """The bytearray of a model, with the CRC that it should have."""
    struct.pack_into("<I", buf, 12, crc32(bytes(buf[16:])) & 0xFFFFFFFF)
    return buf


def raises(error, function, *arguments):
    """The message of the error that the call must raise."""
    try:
        function(*arguments)
    except error as e:
        return str(e)
    raise AssertionError("no " + error.__name__)


class Random:
    """A small generator, the same on every interpreter."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 1103 + 12345) % 999983
        return self.state % n

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def int8s(self, n):
        return array("b", [self.between(-128, 127) for _ in range(n)])


def allocated(function, *arguments):
    """Heap bytes that 100 calls leave behind, garbage included."""
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        for _ in range(100):
            function(*arguments)
        return gc.mem_alloc() - before
    finally:
        gc.enable()


def odd():
    """Arguments that are no buffer of bytes or floats."""
    found = [None, 5, 1.5, "ab", "", [1, 2], (1, 2), {1: 2}, b"", array("b"), array("h", [0, 0]),
             array("d", [0, 0]), object()]
    if hasattr(memoryview(b""), "format"):  # CPython
        view = memoryview(bytearray(16))
        found += [view[::2], view[::-1], view.cast("B", [4, 4]),
                  memoryview(array("f", bytes(16)))[::2]]
    return found

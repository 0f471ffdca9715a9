"""Every wrong model and wrong argument gives one sentence in a ModelError."""
import struct
from array import array

import aifes
import cases
from aifes.format import decode
from small_nets import network

GOOD = bytes(network().to_bytes())
TENSORS = 40
OPS = TENSORS + 4 * 28  # dense and dense of 36 bytes, softmax of 12
SOFTMAX = OPS + 2 * 36


def damaged(changes, fix_crc=True):
    """The test network with fields changed: (offset, struct format, value)."""
    buf = bytearray(GOOD)
    for at, form, value in changes:
        struct.pack_into(form, buf, at, value)
    return cases.sign(buf) if fix_crc else buf


def message(buf, arena=None):
    text = cases.raises(aifes.ModelError, aifes.load, buf, arena)
    return sentence(text)


def structure(buf):
    """What decode() says; an engine that does not look at all of it runs such a model safely."""
    text = cases.raises(aifes.ModelError, decode, buf)
    try:
        net = aifes.load(buf)
    except aifes.ModelError as error:
        sentence(str(error))
    else:
        assert net.engine == "native"
        net.forward()
    return sentence(text)


def sentence(text):
    assert 10 < len(text) < 200 and "\n" not in text, text
    return text


def test_is_a_value_error():
    assert issubclass(aifes.ModelError, ValueError)
    aifes.load(damaged([]))


def test_not_a_model():
    for other in (b"", b"TFL3", b"\xa1fe", b"PK" + bytes(200), bytes(100)):
        assert "not an AIfES model" in message(other)
    assert "signed" in message(array("b", GOOD))
    for other in (5, None, 1.5, [1, 2]):
        message(other)


def test_truncated():
    for n in (4, 16, 39, 40, 200, len(GOOD) - 1):
        assert "truncated" in message(GOOD[:n]), n


def test_crc():
    for at in (16, 41, 81, 200, len(GOOD) - 1):
        buf = bytearray(GOOD)
        buf[at] ^= 4
        assert "CRC" in message(buf)


def test_version():
    assert "format 3.0" in message(damaged([(4, "<H", 3)]))
    assert "update" in message(damaged([(6, "<H", 1)]))


def test_header_fields():
    for changes in ([(8, "<I", 3)], [(16, "<I", 1 << 30)], [(16, "<I", 1)], [(20, "<H", 0)],
                    [(20, "<H", 3)], [(20, "<H", 5)], [(20, "<H", 60000)], [(22, "<H", 0)],
                    [(22, "<H", 2)], [(22, "<H", 4)], [(22, "<H", 60000)], [(24, "<B", 0)],
                    [(24, "<B", 2)], [(24, "<B", 16)], [(25, "<B", 0)], [(25, "<B", 16)],
                    [(25, "<B", 3)], [(28, "<I", 40)], [(28, "<I", OPS)], [(28, "<I", 1 << 31)],
                    [(32, "<I", 1 << 31)], [(32, "<I", 80)], [(36, "<I", 1 << 31)]):
        structure(damaged(changes))
    assert "update" in structure(damaged([(26, "<H", 1)]))


def test_tensors():
    """Of the input, the output, one between them."""
    for i in (0, 1, 2):
        at = TENSORS + 28 * i
        for offset, form, value in (
                (0, "<B", 9), (0, "<B", 102), (1, "<B", 4), (1, "<B", 0), (2, "<b", 60),
                (4, "<I", 4), (4, "<I", 1 << 31), (8, "<I", 4), (8, "<I", 1 << 30),
                (8, "<I", len(GOOD) - 2), (12, "<I", 0), (12, "<I", 5), (12, "<I", 1 << 31),
                (16, "<I", 2), (20, "<I", 7), (20, "<I", 0)):
            structure(damaged([(at + offset, form, value)]))
        for offset in (24, 26):  # few rows, without end: of images only
            assert "rows of tensor" in structure(damaged([(at + offset, "<H", 1)]))


def test_records():
    assert "unknown opcode 77" in structure(damaged([(OPS, "<B", 77)]))
    assert "unknown opcode 0" in structure(damaged([(OPS, "<B", 0)]))
    for op in (OPS, OPS + 36, SOFTMAX):
        for offset, form, value in (
                (1, "<B", 128), (2, "<B", 0), (2, "<B", 0x12), (2, "<B", 0x21), (2, "<B", 0xFF),
                (3, "<B", 0), (3, "<B", 2), (3, "<B", 10), (3, "<B", 255), (0, "<B", 4)):
            structure(damaged([(op + offset, form, value)]))


def test_tensor_numbers():
    """0 -> 2 -> 3 -> 1: numbers that are none, reads before writes, writes twice, overlaps."""
    for op in (OPS, OPS + 36, SOFTMAX):
        for offset, value in ((4, 4), (4, 60000), (6, 4), (6, 65535), (6, 0)):
            structure(damaged([(op + offset, "<H", value)]))
    for changes in (
            [(OPS + 4, 2)], [(OPS + 4, 1)], [(OPS + 36 + 4, 1)], [(OPS + 36 + 4, 3)],  # not written
            [(OPS + 36 + 6, 2)], [(SOFTMAX + 6, 2)], [(SOFTMAX + 6, 3)],  # written twice
            [(SOFTMAX + 4, 0)]):  # another one's place by now
        structure(damaged([(at, "<H", value) for at, value in changes]))
    assert "nobody wrote" in structure(damaged([(OPS + 4, "<H", 3)]))
    assert "overlap" in structure(damaged([(TENSORS + 2 * 28 + 4, "<I", 0)]))  # over the input


def test_op_fields():
    for changes in ([(9, "<B", 1), (16, "<I", 0)], [(16, "<I", 1 << 30)], [(20, "<I", 0)],
                    [(20, "<I", 1 << 30)], [(20, "<I", len(GOOD))], [(24, "<I", 1)],
                    [(24, "<I", len(GOOD))], [(28, "<I", 1 << 31)], [(32, "<I", 1)],
                    [(14, "<H", 0)], [(14, "<H", 4)],
                    [(13, "<B", 0)], [(13, "<B", 2)], [(12, "<B", 32)],
                    [(10, "<b", 127), (11, "<b", -128)]):
        message(damaged([(OPS + at, form, value) for at, form, value in changes]))
    for at in (OPS + 16, OPS + 28, SOFTMAX + 8):  # in the header
        structure(damaged([(at, "<I", 8)]))
    for value in (0, len(GOOD) - 511, 1 << 31):
        message(damaged([(SOFTMAX + 8, "<I", value)]))


def test_accumulator_and_table():
    bias = struct.unpack_from("<I", GOOD, OPS + 20)[0]
    assert "overflow" in message(damaged([(bias, "<i", 1 << 30)]))
    assert "overflow" in message(damaged([(bias, "<i", -(1 << 31))]))
    assert "layer 0" in message(damaged([(OPS + 20, "<I", bias + 1)]))
    table = struct.unpack_from("<I", GOOD, SOFTMAX + 8)[0]
    assert "softmax" in message(damaged([(table, "<H", 0)]))


def test_arena():
    assert "4 bytes" in message(GOOD, bytearray(4)) and "needs 5" in message(GOOD, bytearray(4))
    for arena in (bytes(5), array("h", bytes(20)), 5, [0] * 5, "arena"):
        message(GOOD, arena)


def test_arguments_of_run():
    model = aifes.load(GOOD)
    x, y = array("b", [1, 2]), array("b", [0, 0])
    for a, b in ((array("b", [1]), y), (array("b", [1, 2, 3]), y), (x, array("b", [0])), (x, b""),
                 (array("b"), array("b")), ([1, 2], y), (x, [0, 0]), ((1, 2, 3, 4), bytearray(4)),
                 (x, bytes(2)), (5, y), (x, None), (None, None), (array("h", [1, 2]), y),
                 (x, array("h", [0, 0])), (array("d", [1, 2]), y)):
        text = cases.raises(aifes.ModelError, model.run, a, b)
        assert "\n" not in text
    for values in ((1,), (1, 2, 3), 5, None, ("a", "b"), (1, None)):
        cases.raises(aifes.ModelError, model.predict, values)
    if hasattr(x, "typecode"):  # CPython
        cases.raises(aifes.ModelError, model.run, array("i", [1, 2]), y)
        cases.raises(aifes.ModelError, model.run, x, memoryview(array("I", [1, 2])))
    model.run(x, y)


def test_building():
    dense, inp = aifes.Dense, aifes.Input
    for layers in ([], [inp(2)], [dense(2), aifes.ReLU()]):
        cases.raises(aifes.ModelError, aifes.Sequential, layers)
    for layers, word in (
            ([inp(2), aifes.ReLU()], "no scale"),
            ([inp(2, (0, 0)), dense(1)], "no parameters"),
            ([inp(2, (0, 0)), dense(1, b"abc", [0], (0, 0), (0, 0))], "takes 2 weights"),
            ([inp(2, (0, 0)), dense(1, b"ab", [0], (0, 0), (5, 0))], "shift by -5"),
            ([inp(2, (0, 0)), dense(1, b"ab", [1 << 30], (30, 0), (0, 0))], "too large"),
            ([inp(2, (0, 0)), aifes.Tanh()], "exact=True")):
        text = cases.raises(aifes.ModelError, aifes.Sequential(layers).to_bytes)
        assert word in text, text
    load = aifes.Sequential(
        [inp(3), dense(3), aifes.ReLU(), dense(2), aifes.ReLU()]).load_parameters
    for buffer, word in ((bytes(75), "75 bytes"), (array("I", bytes(80)), "80 bytes"),
                         (array("H", bytes(152)), "152 bytes"), (b"", "0 bytes"),
                         ("0" * 76, "array('I'"), ([0] * 19, "array('I'"), (76, "array('I'")):
        text = cases.raises(aifes.ModelError, load, buffer)
        assert word in text, text

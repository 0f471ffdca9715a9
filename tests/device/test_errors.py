"""Every wrong model and wrong argument gives one sentence in a ModelError."""
import struct
from array import array

import aifes
import cases
from test_run import network

GOOD = bytes(network().to_bytes())
TENSORS, OPS = 40, 40 + 4 * 28  # dense, dense, softmax


def damaged(changes, fix_crc=True):
    """The test network with fields changed: (offset, struct format, value)."""
    buf = bytearray(GOOD)
    for at, form, value in changes:
        struct.pack_into(form, buf, at, value)
    return cases.sign(buf) if fix_crc else buf


def message(buf, arena=None):
    text = cases.raises(aifes.ModelError, aifes.load, buf, arena)
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
    for at in (16, 40, 81, 200, len(GOOD) - 1):
        buf = bytearray(GOOD)
        buf[at] ^= 4
        assert "CRC" in message(buf)


def test_version():
    assert "format 3.0" in message(damaged([(4, "<H", 3)]))
    assert "update" in message(damaged([(6, "<H", 1)]))
    assert "update" in message(damaged([(26, "<H", 1)]))


def test_header_fields():
    for changes in ([(8, "<I", 3)], [(16, "<I", 1 << 30)], [(16, "<I", 1)], [(20, "<H", 0)],
                    [(20, "<H", 3)], [(20, "<H", 5)], [(20, "<H", 60000)], [(22, "<H", 0)],
                    [(22, "<H", 4)], [(22, "<H", 60000)], [(24, "<B", 0)],
                    [(24, "<B", 16)], [(25, "<B", 0)], [(25, "<B", 255)], [(28, "<I", 0)],
                    [(28, "<I", 1 << 31)],
                    [(32, "<I", 1 << 31)], [(32, "<I", 40)], [(36, "<I", 1 << 31)]):
        message(damaged(changes))


def test_tensors():
    for k in range(4):
        for at, form, value in ((0, "<B", 9), (0, "<B", 102), (4, "<I", 4), (4, "<I", 1 << 30),
                                (12, "<I", 0), (12, "<I", 7), (12, "<I", 1 << 31), (16, "<I", 0),
                                (16, "<I", 2), (20, "<I", 2), (24, "<H", 1), (26, "<H", 1)):
            message(damaged([(TENSORS + 28 * k + at, form, value)]))
    for k in range(2 if cases.ENGINE == "native" else 4):  # of others it does not look at these
        for at, form, value in ((1, "<B", 0), (1, "<B", 4), (2, "<b", 60), (2, "<b", -33),
                                (8, "<I", 8), (8, "<I", 1 << 31)):
            message(damaged([(TENSORS + 28 * k + at, form, value)]))


def test_op_fields():
    message(damaged([(OPS, "<B", 77)]))
    message(damaged([(OPS, "<B", 0)]))
    # flags, ends, words, tensors; then the fields of dense
    for changes in ([(1, "<B", 128)], [(2, "<B", 0x12)], [(2, "<B", 0x21)], [(2, "<B", 0)],
                    [(3, "<B", 0)], [(3, "<B", 8)], [(3, "<B", 255)], [(4, "<H", 4)],
                    [(4, "<H", 60000)], [(6, "<H", 0)], [(6, "<H", 1)],
                    [(6, "<H", 4)], [(10, "<b", 127), (11, "<b", -128)], [(12, "<B", 32)],
                    [(13, "<B", 0)], [(13, "<B", 2)], [(14, "<H", 0)], [(14, "<H", 4)],
                    [(16, "<I", 0)], [(16, "<I", 1 << 31)], [(20, "<I", 0)],
                    [(20, "<I", 1 << 30)], [(24, "<I", 1)], [(24, "<I", 1 << 31)],
                    [(28, "<I", 1 << 31)], [(32, "<I", 1)],
                    [(32, "<I", 1 << 31)]):
        message(damaged([(OPS + at, form, value) for at, form, value in changes]))
    softmax = OPS + 2 * 36
    for at, form, value in ((1, "<B", 2), (8, "<I", 0), (8, "<I", 1 << 31)):
        message(damaged([(softmax + at, form, value)]))


def test_what_a_c_engine_does_not_look_at():
    """It reads what nobody wrote, or a constant elsewhere, but nothing outside the model."""
    softmax = OPS + 2 * 36
    for at, form, value in ((22, "<H", 2), (24, "<B", 2), (28, "<I", 160), (OPS + 4, "<H", 1),
                            (OPS + 16, "<I", 1), (OPS + 28, "<I", 1), (softmax + 4, "<H", 0),
                            (softmax + 4, "<H", 1)):
        if cases.ENGINE != "native":
            message(damaged([(at, form, value)]))


def test_what_is_wrong():
    """The layer and the field; a C engine only refuses."""
    bias = struct.unpack_from("<I", GOOD, OPS + 20)[0]
    for at, form, value, words in (
            (OPS, "<B", 77, "unknown opcode 77"), (OPS, "<B", 0, "unknown opcode 0"),
            (bias, "<i", 1 << 30, "overflow"), (OPS + 20, "<I", bias + 1, "layer 0"),
            (OPS + 36 + 12, "<B", 32, "layer 1")):
        text = message(damaged([(at, form, value)]))
        assert words in text or cases.ENGINE == "native", text


def test_accumulator_and_table():
    bias = struct.unpack_from("<I", GOOD, OPS + 20)[0]
    for changes in ((bias, "<i", 1 << 30), (bias, "<i", -(1 << 31)), (OPS + 20, "<I", bias + 1)):
        message(damaged([changes]))
    table = struct.unpack_from("<I", GOOD, OPS + 2 * 36 + 8)[0]
    message(damaged([(table, "<H", 0)]))


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

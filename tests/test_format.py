"""docs/format.md: its example is what is built; files of format 1 give the bits of old."""
import json
import re
import struct
from array import array
from binascii import crc32
from pathlib import Path

import aifes
import pytest
from aifes import Dense, Input, ReLU, Sequential
from aifes.format import HEADER_SIZE, TENSOR_SIZE

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "format.md").read_text()
OLD = json.loads((ROOT / "tests" / "format1" / "results.json").read_text())


def test_example():
    """The bytes of the page, and what they compute."""
    buf = Sequential([Input(2, (5, 10)), Dense(1, array("b", (64, -32)), [100], (6, 0), (4, -3)),
                      ReLU()]).to_bytes()
    rows = re.findall(r"^    ((?:[0-9a-f]{2} *)+)(?:\s|$)", PAGE, re.M)
    given = bytes.fromhex("".join(rows))
    assert len(given) == 140
    assert bytes(buf[:140]) == given
    assert aifes.load(buf).predict((1.0, -1.0)) == [1.5]


def test_sizes():
    """Header, tensors and records have the sizes of the page."""
    assert f"header {HEADER_SIZE} bytes | tensors, {TENSOR_SIZE} bytes each" in PAGE


@pytest.mark.parametrize("name", sorted(OLD))
def test_format_1(name):
    """A file that a release of format 1 wrote gives the bits which that release computed."""
    case = OLD[name]
    net = aifes.load(str(ROOT / "tests" / "format1" / f"{name}.aifes"), engine="python")
    code = net.input_dtype
    x = array(code, bytes.fromhex(case["x"]))
    y = array(code, bytes(len(bytes.fromhex(case["y"]))))
    net.run(x, y)
    assert y.tobytes().hex() == case["y"]


def test_format_1_is_translated_whole():
    """What a file of format 1 says twice must agree: else it is damaged."""
    data = bytearray((ROOT / "tests" / "format1" / f"{sorted(OLD)[0]}.aifes").read_bytes())
    (n,) = struct.unpack_from("<H", data, 20)
    assert n > 1
    for at in (80 + 8, 80 + 16, 80 + 7, 80 + 48 + 8):  # x, n_in, reserved; x of the second op
        bad = bytearray(data)
        bad[at] ^= 1
        struct.pack_into("<I", bad, 12, crc32(bad[16:]) & 0xFFFFFFFF)
        with pytest.raises(aifes.ModelError, match="damaged|bad"):
            aifes.load(bytes(bad), engine="python")

"""Convolutions and poolings: by hand, batches, heap, and damaged."""
import gc
import struct
from array import array

import aifes
import cases
from aifes.format import FLOAT32, HEADER_SIZE, TENSOR_SIZE, ModelError, decode, frame
from aifes.layers.assemble import Draft, chain
from aifes.layers.conv import Geometry, conv, float_conv
from aifes.layers.map import with_fields
from aifes.layers.pool import pool
from aifes.ops.conv import FIELDS
from aifes.ops.pool import AVERAGE


def small(**changed):
    """A convolution of [4, 3, 2] to [3, 2, 4] in two groups, changed in its record."""
    weights = bytearray([(7 * k) % 256 for k in range(16)])
    draft = conv(Geometry((4, 3, 2), (3, 2, 4), (2, 2), groups=2), weights, [4, 5, -6, 7], 3, 2, 1)
    scratch = changed.pop("scratch", draft.scratch)
    draft = with_fields(Draft(*(draft[:6] + (scratch,))), **changed)
    return chain([draft], (0, 3), (0, 0), (4, 3, 2))


def average(flags=AVERAGE, shapes=((4, 4, 2), (2, 2, 2)), **changed):
    """A pooling, changed in its record."""
    draft = pool(*shapes, (2, 2), (2, 2), (0, 0), True, False, (3, 2), (4, 1))
    draft = with_fields(Draft(*(draft[:1] + (flags,) + draft[2:])), **changed)
    return chain([draft], (3, 2), (4, 1), shapes[0])


def test_damaged_convolutions():
    decode(small())
    for name, values in (
            ("group", (0, 2, 3, 8)), ("interleave", (0, 3)), ("kernel_rows", (0, 255)),
            ("kernel_columns", (0, 3)), ("stride_rows", (0,)), ("stride_columns", (0,)),
            ("dilation_rows", (0,)), ("dilation_columns", (0,)), ("spread_rows", (0,)),
            ("spread_columns", (0,)), ("reserved", (1,)), ("groups", (0, 3, 4, 65535)),
            ("shift", (32,)), ("low", (127,)), ("scratch", (1, 3)),
            ("bias", (struct.pack("<i", 1 << 30) * 4,)), ("shifts", (bytes([1, 2, 32, 3]),)),
            ("multipliers", (bytes(16),))):
        for value in values:
            buf = small(**({"low": value, "high": value - 1} if name == "low" else {name: value}))
            assert "bad" in cases.raises(ModelError, decode, buf), (name, value)


def test_constants_outside():
    """Offsets of the weights .. beyond the buffer, and the weights of the last group only."""
    buf = small()
    at = HEADER_SIZE + 3 * TENSOR_SIZE + 12 + struct.calcsize(FIELDS) - 20
    weights, bias = struct.unpack_from("<II", buf, at)
    assert buf[weights] == 128 and struct.unpack_from("<i", buf, bias + 4)[0] < 1 << 20
    for k, values in ((0, (0, 1, len(buf) - 15, 1 << 31)), (1, (0, bias + 1, len(buf) - 12)),
                      (2, (len(buf) - 3,)), (3, (len(buf) - 99,)), (4, (len(buf) - 15,))):
        for value in values:
            wrong = bytearray(buf)
            struct.pack_into("<I", wrong, at + 4 * k, value)
            text = cases.raises(ModelError, decode, cases.sign(wrong))
            assert "bad" in text, (k, value)


def test_damaged_poolings():
    decode(average())
    for flags in (2, 4, 255):
        assert "bad field" in cases.raises(ModelError, decode, average(flags)), flags
    for name, values in (
            ("up", (17, 255)), ("reserved", (1,)), ("reserved2", (1,)), ("kernel_rows", (0,)),
            ("kernel_columns", (0,)), ("stride_rows", (0, 4)), ("stride_columns", (0, 4)),
            ("top", (2, 65535)), ("left", (2,))):
        for value in values:
            assert "bad" in cases.raises(ModelError, decode, average(**{name: value})), (
                name, value)
    large = {"kernel_rows": 2048, "kernel_columns": 1024}
    assert "bad field" in cases.raises(ModelError, decode, average(**large))
    large = {"kernel_rows": 1024, "kernel_columns": 1024, "up": 2}
    assert "bad field" in cases.raises(ModelError, decode, average(**large))
    # the largest value has no scales
    assert "bad field" in cases.raises(ModelError, decode, average(0))
    decode(average(0, x_zero=0, zero_point=0, up=0))
    shapes = (4, 4, 2), (2, 2, 3)
    assert "bad shape" in cases.raises(ModelError, decode, average(shapes=shapes))
    for k in (0, 1):  # an end as a vector
        buf = small()
        buf[HEADER_SIZE + k * TENSOR_SIZE + 1] = 2
        assert "bad shape" in cases.raises(ModelError, decode, cases.sign(buf))


def test_by_hand():
    """A window over the edge: what lies outside has the value of the zero point."""
    # [3, 1, 2] with a row of padding on both sides, [1, 2; 3, -4; 0, 1] and [0, 0; 1, 1; 0, 0]
    weights = bytearray([1, 2, 3, 252, 0, 1, 0, 0, 1, 1, 0, 0])
    geometry = Geometry((3, 1, 2), (3, 1, 2), (3, 1), padding=(1, 0))
    model = aifes.load(chain([conv(geometry, weights, [10, -1], 2, 1, 5)], (0, 2), (0, 0),
                             (3, 1, 2)))
    y = cases.run_int8(model, array("b", [3, 1, 2, 2, -8, 7]))
    # x - 2: [1, -1], [0, 0], [-10, 5]; outside 0
    assert list(y) == [((10 + 3 + 4 + 0) >> 1) + 5, (-1 >> 1) + 5,
                       ((10 + 1 - 2 + 0 + 5) >> 1) + 5, (-1 >> 1) + 5,
                       ((10 + 0 - 30 - 20) >> 1) + 5, ((-1 - 10 + 5) >> 1) + 5]
    x = array("b", [5, 1, 2, 9, -7, 0, 3, 4, 6])
    for mean, want in ((False, [5, 2, 9, 6]), (True, [5, 2, 6, 1])):
        # 2 x 2 with a row above and a column at the left of a 3 x 3 image, by steps of 2
        draft = pool((3, 3, 1), (2, 2, 1), (2, 2), (2, 2), (1, 1), mean, False, (0, 0), (0, 0))
        y = cases.run_int8(aifes.load(chain([draft], (0, 0), (0, 0), (3, 3, 1))), x)
        assert list(y) == want, (mean, y)  # of 5; 1, 2; 9, 3; -7, 0, 4, 6


def chain_of_all(is_float):
    """A convolution, a depthwise one over the edge, both poolings: [4, 4, 2] to [1, 1, 2]."""
    shapes = (4, 4, 2), (4, 4, 2), (2, 2, 2), (1, 1, 2)
    first = Geometry(*shapes[:2], (3, 3), padding=(1, 1))
    each = Geometry(*shapes[:2], (3, 3), padding=(1, 1), groups=2)
    drafts = []
    for geometry in (first, each):
        n = 2 * geometry.n
        if is_float:
            drafts.append(float_conv(geometry, bytes(array("f", [k % 5 - 2 for k in range(n)])),
                                     bytes(array("f", (0.5, -1)))))
        else:
            drafts.append(conv(geometry, bytearray([37 * k % 256 for k in range(n)]), [7, -90], 0,
                               6, 0))
    for k in (1, 2):
        drafts.append(pool(*shapes[k:k + 2], (2, 2), (2, 2), (0, 0), k == 2))
    return chain(drafts, (0, 0), (0, 0), shapes[0], b"", *((FLOAT32,) if is_float else ()))


def test_batches_arenas_and_heap():
    """Any arena and any batch give the same; a sample of int8 leaves the heap as it was."""
    buf = chain_of_all(False)
    model = aifes.load(buf)
    rng = cases.Random(5)
    x = rng.int8s(3 * 32)
    want = array("b")
    for i in range(3):
        want.extend(cases.run_int8(model, x[32 * i:32 * i + 32]))
    need = frame(buf).arena
    for arena in (bytearray(need), array("b", bytes(need)), memoryview(bytearray(need + 8))):
        net = aifes.load(buf, arena)
        y = array("b", bytes(6))
        net.run(x, y)
        assert y == want, (arena, y, want)
        one = array("b", bytes(2))
        net.run(x[:32], one)
        sample = x[:32]
        assert not hasattr(gc, "mem_alloc") or cases.allocated(net.run, sample, one) == 0
        assert one == want[:2]
    assert "arena" in cases.raises(ModelError, aifes.load, buf, bytearray(need - 1))


def test_float_heap():
    """Also that of float32, but for the Python engine, whose floats are objects."""
    net = aifes.load(chain_of_all(True))
    x, y = array("f", [k % 7 - 3 for k in range(32)]), array("f", (0, 0))
    net.run(x, y)
    if hasattr(gc, "mem_alloc") and net.engine != "python":
        assert cases.allocated(net.run, x, y) == 0

"""Damaged buffers give ModelError or a model that stays inside its memory: nothing else.

Where the CRC was not repaired, damage must be refused; where it was (a hostile file), an accepted
buffer must run, leave the bytes around the arena alone and give the simulator's integers.
"""
import random
import struct
from array import array
from binascii import crc32

import aifes
import numpy as np
import pytest
from aifes import builder
from aifes.format import INPUT_AT, OP, OP_SIZE, OPS_AT, TENSOR, size
from aifes_host import Simulator, float_model, from_model, quantize
from hypothesis import given, settings
from hypothesis import strategies as st

GUARD = 0x5A
BULK = 4800  # mutants of each of the six models


def models():
    """Small models that use everything in the format."""
    rng = np.random.default_rng(0)
    dense = [rng.normal(size=s) for s in ((3, 5), (5,), (5, 4), (4,))]
    x = rng.normal(size=(50, 3)) * [1, 50, 0.1] + [0, 900, 0]
    w = bytes(range(40, 60))
    return {
        "softmax": quantize(from_model([("dense", *dense[:2]), "relu", ("dense", *dense[2:]),
                                        "softmax"]), x - x.mean(0)).model,
        "tables": quantize(from_model([("dense", *dense[:2]), "tanh", ("dense", *dense[2:]),
                                       ("elu", 0.5)]), (x - x.mean(0)) / 50, "aifes").model,
        "scale for each element": quantize(from_model([("dense", *dense[:2]), "tanh",
                                                       ("dense", *dense[2:])]), x).model,
        "shifts and interleave": bytes(builder.assemble([builder.dense_op(
            w, 3, [5, -6, 7, -8], -9, [3, 4, 5, 6], 2, True, False)], (4, -9), (3, 2))),
        "map": bytes(builder.assemble([builder.map_op(6, bytes(range(256)))], (4, 0), (4, 0),
                                      (1, 2, 3), b'{"name": "map"}')),
    }


def float32():
    rng = np.random.default_rng(0)
    return float_model(from_model([
        ("dense", rng.normal(size=(3, 5)), rng.normal(size=5)), ("elu", 0.5),
        ("dense", rng.normal(size=(5, 4)), rng.normal(size=4)), "tanh", "softmax"]))


MODELS = models()
ALL = {**MODELS, "float32": float32()}


def repaired(buf):
    buf = bytearray(buf)
    if len(buf) >= 16:
        struct.pack_into("<I", buf, 8, len(buf))
        struct.pack_into("<I", buf, 12, crc32(bytes(buf[16:])) & 0xFFFFFFFF)
    return bytes(buf)


def check(buf):
    """True if the buffer was accepted; then it ran inside its arena like the simulator."""
    try:
        need = aifes.format.decode(buf).arena
        memory = bytearray([GUARD] * (need + 16))
        net = aifes.load(buf, memoryview(memory)[8:8 + need])
    except aifes.ModelError as error:
        assert 10 < len(str(error)) < 200 and "\n" not in str(error)
        return False
    simulator = Simulator(buf)
    if simulator.is_float:
        x = np.random.default_rng(0).normal(size=size(net.input_shape)).astype(np.float32)
        got = array("f", bytes(4 * size(net.output_shape)))
        net.run(array("f", x.tobytes()), got)
        assert memory[:8] == memory[-8:] == bytes([GUARD] * 8)
        want = simulator(x[None])[0]
        assert ((np.array(got) == want) | ~np.isfinite(want)).all()
        return True
    n = len(net.input)
    x = np.random.default_rng(n).integers(-128, 128, n).astype(np.int8)
    y = bytearray(len(net.output))
    net.run(x.tobytes(), y)
    assert memory[:8] == memory[-8:] == bytes([GUARD] * 8)
    assert bytes(y) == simulator.run(x[None]).tobytes()
    str(net)
    return True


def mutate(buf, rng):
    """One to four random damages: bits, bytes, fields of header and ops, cuts, splices."""
    buf = bytearray(buf)
    for _ in range(rng.randint(1, 4)):
        kind, at = rng.randrange(7), rng.randrange(len(buf))
        if kind == 0:
            buf[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            buf[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            at = rng.randrange(16, 150) & ~3
            struct.pack_into("<I", buf, min(at, len(buf) - 4), rng.choice(
                (0, 1, 2, 3, len(buf), len(buf) - 1, 80, 128, 1 << 16, 1 << 31, (1 << 32) - 1)))
        elif kind == 3 and len(buf) > 40:
            del buf[-rng.randrange(1, 20):]
        elif kind == 4:
            buf[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))
        elif kind == 5:
            other = rng.randrange(len(buf))
            n = rng.randrange(1, 48)
            buf[at:at + n] = buf[other:other + n]
        elif len(buf) > OPS_AT + OP_SIZE:
            at = OPS_AT + rng.randrange(min(OP_SIZE, len(buf) - OPS_AT - 4))
            buf[at] = (buf[at] + rng.choice((-1, 1, 4))) & 255
    return bytes(buf)


@pytest.mark.parametrize("name", ALL)
def test_bulk(name):
    rng = random.Random(name)
    good = ALL[name]
    assert check(good)
    accepted = 0
    for _ in range(BULK // 2):
        assert not check_unrepaired(good, mutate(good, rng))
        accepted += check(repaired(mutate(good, rng)))
    print(f"{name}: {BULK} mutants, {accepted} accepted after the repair of length and CRC")
    assert 0 < accepted < BULK // 2


def check_unrepaired(good, buf):
    """Damage without a repaired CRC is refused; what follows the model's end does not count."""
    return buf[:len(good)] != good and check(buf)


OP_FIELDS = st.tuples(st.integers(0, 18), st.sampled_from(
    [-129, -128, -1, 0, 1, 2, 3, 31, 32, 127, 128, 255, 256, 65535, 1 << 24, 1 << 31]))


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from(sorted(ALL)), st.lists(OP_FIELDS, min_size=1, max_size=4),
       st.lists(st.tuples(st.integers(0, 8), st.integers(-200, 70000)), max_size=2),
       st.booleans())
def test_fields_set_to_extremes(name, op_fields, tensor_fields, relative):
    buf = bytearray(ALL[name])
    for form, at, changes in ((OP, OPS_AT, op_fields), (TENSOR, INPUT_AT, tensor_fields)):
        values = list(struct.unpack_from(form, buf, at))
        for i, value in changes:
            values[i] = values[i] + value if relative else value
            limits = {"B": (0, 255), "b": (-128, 127), "H": (0, 65535), "I": (0, 2 ** 32 - 1)}
            low, high = limits[form[1 + i]]
            values[i] = max(low, min(high, values[i]))
        struct.pack_into(form, buf, at, *values)
    check(repaired(buf))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes(data, headed):
    check(repaired(MODELS["map"][:16] + data) if headed else data)

"""Damaged buffers give ModelError or a model that stays inside its memory: nothing else.

Where the CRC was not repaired, damage must be refused; where it was (a hostile file), an accepted
buffer must run, leave the bytes around the arena alone and give the simulator's integers.
"""
import random
import struct

import aifes
import numpy as np
import pytest
import row_nets
from aifes.format import HEADER, HEADER_SIZE, TENSOR, TENSOR_SIZE
from aifes.layers.assemble import chain
from aifes.layers.dense import dense
from aifes.layers.map import table_map
from aifes_host import Simulator, float_model, from_model, quantize
from aifes_host.layout import by_rows
from graphs import on_device, residual, two_ends
from hostile_models import GUARD, mutate, repaired
from hypothesis import given, settings
from hypothesis import strategies as st

BULK = 3600  # mutants of each model


def models():
    """Small models that use everything in the format."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=s) for s in ((3, 5), (5,), (5, 4), (4,))]
    x = rng.normal(size=(50, 3)) * [1, 50, 0.1] + [0, 900, 0]
    w = bytes(range(40, 60))
    return {
        "softmax": quantize(from_model([("dense", *parts[:2]), "relu", ("dense", *parts[2:]),
                                        "softmax"]), x - x.mean(0)).model,
        "tables": quantize(from_model([("dense", *parts[:2]), "tanh", ("dense", *parts[2:]),
                                       ("elu", 0.5)]), (x - x.mean(0)) / 50, "aifes").model,
        "scale for each element": quantize(from_model([("dense", *parts[:2]), "tanh",
                                                       ("dense", *parts[2:])]), x).model,
        "shifts and interleave": bytes(chain([dense(
            w, 3, [5, -6, 7, -8], -9, [3, 4, 5, 6], 2, True, False)], (4, -9), (3, 2))),
        "map": bytes(chain([table_map(6, bytes(range(256)))], (4, 0), (4, 0), (1, 2, 3),
                           b'{"name": "map"}')),
        "branches": quantize(residual(rng), rng.normal(size=(50, 5))).model,
        "two ends": quantize(two_ends(rng), rng.normal(size=(50, 7))).model,
        "rows": by_rows(row_nets.quantized(row_nets.images(10), 10)[0]),
        "input by rows": by_rows(row_nets.quantized(row_nets.images(2), 2)[0], "rows"),
        "input without end": by_rows(row_nets.quantized(row_nets.signals(1)[0], 1)[0], "endless"),
    }


def floats():
    rng = np.random.default_rng(0)
    return {"float32": float_model(from_model([
        ("dense", rng.normal(size=(3, 5)), rng.normal(size=5)), ("elu", 0.5),
        ("dense", rng.normal(size=(5, 4)), rng.normal(size=4)), "tanh", "softmax"])),
        "two ends of float32": float_model(two_ends(rng))}


MODELS = models()
ALL = {**MODELS, **floats()}


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
    n = simulator.n_in
    rng = np.random.default_rng(n)
    if simulator.is_float:
        x = rng.normal(size=(1, n)).astype(np.float32)
    else:
        x = rng.integers(-128, 128, (1, n)).astype(np.int8)
    got = on_device(buf, x, net.engine, "f" if simulator.is_float else "b", net)
    assert memory[:8] == memory[-8:] == bytes([GUARD] * 8)
    want = simulator.run(x)
    assert ((got == want) | (~np.isfinite(want) if simulator.is_float else False)).all()
    str(net)
    return True


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


FIELDS = st.tuples(st.integers(0, 40), st.sampled_from(
    [-129, -128, -1, 0, 1, 2, 3, 31, 32, 127, 128, 255, 256, 65535, 1 << 24, 1 << 31]))


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from(sorted(ALL)), st.integers(0, 30), st.lists(FIELDS, min_size=1, max_size=4),
       st.booleans())
def test_fields_set_to_extremes(name, place, changes, relative):
    """Of the header, of a tensor, or of the records, byte for byte."""
    buf = bytearray(ALL[name])
    n_tensors, end = struct.unpack_from(HEADER, buf)[6], struct.unpack_from(HEADER, buf)[11]
    if place < 5:
        form, at = HEADER, 0
    elif place < 15:
        form, at = TENSOR, HEADER_SIZE + TENSOR_SIZE * (place % n_tensors)
    else:
        at = HEADER_SIZE + TENSOR_SIZE * n_tensors
        form = f"<{end - at}B"
    values = list(struct.unpack_from(form, buf, at))
    codes = [c for c in form if c in "bBHI"] if form in (HEADER, TENSOR) else ["B"] * len(values)
    first = len(values) - len(codes)  # the magic stays
    for i, value in changes:
        i = first + (i + 7 * place) % len(codes)
        values[i] = values[i] + value if relative else value
        limits = {"B": (0, 255), "b": (-128, 127), "H": (0, 65535), "I": (0, 2 ** 32 - 1)}
        low, high = limits[codes[i - first]]
        values[i] = max(low, min(high, values[i]))
    struct.pack_into(form, buf, at, *values)
    check(repaired(buf))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes(data, headed):
    check(repaired(MODELS["map"][:16] + data) if headed else data)

"""Convolutions and pooling in C against the Python engine: as a shared library, on chips."""
import random

import numpy as np
import pytest
import random_models
import shared_library
from aifes import format
from aifes.format import FLOAT32, HEADER_SIZE, INT8, TENSOR_SIZE
from conftest import need
from emulator import CHIPS, build, emulator
from hostile_models import GUARD, mutate, repaired


@pytest.fixture(scope="session", params=[(INT8, ()), (INT8, ("-DAIFES_WORK=300",)),
                                         (INT8, ("-DAIFES_SMALL=1",)),
                                         (FLOAT32, ("-DF32_SOFT=0",)),
                                         (FLOAT32, ("-DF32_SOFT=1", "-DAIFES_WORK=300"))],
                ids=["int8", "int8 in parts", "int8 small", "float32", "float32 soft, in parts"])
def images(request, tmp_path_factory):
    """(type of number, whether long ops return in the middle, library of a family with conv)."""
    need("gcc")
    dtype, options = request.param
    family = "cnn" if dtype == INT8 else "cnn_f32"
    return dtype, "-DAIFES_WORK=300" in options, shared_library.build(
        tmp_path_factory.mktemp("images"), family, options)


def image_case(rng, dtype):
    """(model, its inputs, its results by the Python engine); every other one of int8 by turns."""
    by_turns = dtype == INT8 and rng.integers(2)
    buf = random_models.rows(rng) if by_turns else random_models.images(rng, dtype)
    x = [rng.normal(size=n).astype(np.float32) if dtype == FLOAT32 else random_models.inputs(rng, n)
         for n in random_models.ends(buf)[0]]
    return buf, x, random_models.results(buf, x, "f" if dtype == FLOAT32 else "b")


def test_random_images_in_the_library(images):
    """Any geometry of conv and pool; in parts: a run that returns in the middle of an op, or is
    given up there, and others that begin anew."""
    dtype, in_parts, library = images
    rng = np.random.default_rng(dtype)
    middles = 0
    for case in range(400):
        buf, x, want = image_case(rng, dtype)
        memory = np.full(format.frame(buf).arena + 16, GUARD, np.uint8)
        model = np.frombuffer(buf, np.uint8).copy()
        net = shared_library.module(library).load(model, model, memory[8:-8])
        y = [np.zeros_like(v) for v in want]
        xs, ys = random_models.single(x), random_models.single(y)
        if in_parts and case % 2:
            net(xs, ys, 0)  # and left there
        at = net(xs, ys, 0)
        while at:
            assert at > 0
            middles += at >= shared_library.MIDDLE
            at = net(xs, ys, at)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(y, want, strict=True)), case
        assert (memory[:8] == GUARD).all() and (memory[-8:] == GUARD).all(), case
    assert middles > 100 if in_parts else middles < 100


def test_several_samples_of_images(images):
    """A batch, which may return in the middle of any of them."""
    dtype, in_parts, library = images
    rng = np.random.default_rng(7)
    for _ in range(30):
        buf, *_ = image_case(rng, dtype)
        (n,), sizes = random_models.ends(buf)
        kind = np.float32 if dtype == FLOAT32 else np.int8
        x = rng.integers(-128, 128, (3, n)).astype(kind)
        want = [random_models.results(buf, [v], "f" if dtype == FLOAT32 else "b") for v in x]
        model = np.frombuffer(buf, np.uint8).copy()
        net = shared_library.module(library).load(
            model, model, np.zeros(format.frame(buf).arena, np.uint8))
        y = [np.zeros(3 * m, kind) for m in sizes]
        at = net(x.ravel(), random_models.single(y), 0)
        while at:
            at = net(x.ravel(), random_models.single(y), at)
        for i, v in enumerate(y):
            assert v.tobytes() == b"".join([results[i].tobytes() for results in want])


@pytest.mark.parametrize("is_float", [False, True], ids=["int8", "float32"])
@pytest.mark.parametrize("chip", CHIPS)
def test_random_images_on_chips(chip, is_float, tmp_path):
    need(*CHIPS[chip].tools)
    elf = build(chip, tmp_path, is_float=is_float)
    rng = np.random.default_rng(6)
    for case in range(60 if is_float else 120):
        buf, x, want = image_case(rng, FLOAT32 if is_float else INT8)
        board = emulator(chip, elf, buf, offset=case % 5 if case % 3 == 0 and not is_float else 0)
        found = board.run([v.tobytes() for v in x], [len(y) for y in want], is_float)
        assert found == [y.tobytes() for y in want], case


@pytest.mark.parametrize("dtype", [INT8, FLOAT32], ids=["int8", "float32"])
def test_families_without_conv_refuse_it(dtype, small_library, tmp_path):
    library = small_library if dtype == INT8 else shared_library.build(tmp_path, "f32")
    rng = np.random.default_rng(1)
    for _ in range(20):
        buf = random_models.images(rng, dtype)
        ops = {op.opcode for op in format.decode(buf).ops}
        if ops & {random_models.CONV, random_models.POOL}:
            with pytest.raises(ValueError, match="bad model"):
                model = np.frombuffer(buf, np.uint8).copy()
                shared_library.module(library).load(
                    model, model, np.zeros(format.frame(buf).arena, np.uint8))


def run_whole(net, buf, is_float):
    """A sample through the net of a damaged model: one whose input comes row by row needs it."""
    n_inputs, n = buf[24], int(buf[24]) + int(buf[25])
    sizes = [np.prod(np.frombuffer(buf[HEADER_SIZE + TENSOR_SIZE * i:][12:24], "<u4"), dtype=int)
             for i in range(n)]
    if max(sizes) > 1 << 16:
        return
    ends = [np.zeros(k, np.float32 if is_float else np.int8) for k in sizes]
    x, y = (random_models.single(some) for some in (ends[:n_inputs], ends[n_inputs:]))
    at, turns = net(x, y, 0), 0
    while at > 0 and turns < 1000:
        at, turns = net(x, y, at), turns + 1
    assert at <= 0


@pytest.mark.parametrize("make", [
    lambda rng: random_models.images(rng, INT8, 100),
    lambda rng: random_models.images(rng, FLOAT32, 100), lambda rng: random_models.rows(rng, 100)],
    ids=["int8", "float32", "rows"])
def test_damaged_images_stay_inside(make, request, tmp_path):
    """As test_guard; and what changes after the check."""
    is_float = "float32" in request.node.name
    library = shared_library.build(tmp_path, "cnn_f32" if is_float else "cnn")
    rng, numbers = random.Random(2), np.random.default_rng(2)
    ran = refused = 0
    for case in range(3000):
        if case % 30 == 0:
            good = make(numbers)
        buf = mutate(good, rng)
        buf = np.frombuffer(repaired(buf) if rng.randrange(8) else buf, np.uint8).copy()
        arena = int.from_bytes(bytes(buf[16:20]), "little")
        if arena > 1 << 14 or len(buf) < 40:
            continue
        memory = np.full((arena + 16 + 3) & ~3, GUARD, np.uint8)
        try:
            net = shared_library.module(library).load(buf, buf, memory[8:8 + arena])
        except ValueError:
            refused += 1
            continue
        checked = buf.copy()
        for _ in range(case % 3):
            buf[rng.randrange(len(buf))] = rng.randrange(256)
        at = net(0)
        while at:
            at = net(at)
        run_whole(net, checked, is_float)
        ran += 1
        assert (memory[:8] == GUARD).all() and (memory[8 + arena:] == GUARD).all()
    assert ran > 100 and refused > 500

"""float32 models in C, with an FPU and without, against NumPy, to the last bit."""
import random
import struct

import aifes
import float_models
import numpy as np
import pytest
import shared_library
from aifes import format
from aifes.layers.assemble import chain
from aifes.layers.dense import float_dense
from bench.floats import FAMILY, NETS, measure
from conftest import ROOT, micropython, need
from emulator import ESP32, FLOAT_CHIPS, build, emulator
from hostile_models import GUARD, mutate, repaired
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import single
from test_device import run

# at most so many instructions for one inference of each net: what was once reached
REACH = {"M0+": (6600, 98000, 1300000), "M3": (3700, 53500, 700000), "M4": (650, 6300, 75000),
         "RV32": (4200, 56000, 720000), ESP32: (1500, 8400, 88000)}


@pytest.fixture(scope="session", params=["soft", "hard"])
def arithmetic(request, tmp_path_factory):
    """(whether soft, a stand-in for the module _aifes_f32)"""
    need("gcc")
    soft = request.param == "soft"
    library = shared_library.build(tmp_path_factory.mktemp("f32"), "f32", [f"-DF32_SOFT={soft:d}"])
    return soft, shared_library.module(library)


def load(module, buf, arena=None):
    if arena is None:
        arena = np.zeros(int.from_bytes(buf[16:20], "little") // 4, np.int32)
    return module.load(buf, buf, arena)


def check(arithmetic, layers, xs, outputs=None, seed=0):
    """Whether the results could be compared. xs: one array, or several."""
    soft, module = arithmetic
    xs = xs if isinstance(xs, list) else [xs]
    found, overflow = float_models.run(layers, xs, soft)
    buf = float_models.assemble(layers, [len(x) for x in xs], outputs, seed)
    want = [found[k] for k in outputs] if outputs else found[-1:]
    ys = [np.zeros(len(y), np.float32) for y in want]
    assert load(module, buf)(single(xs), single(ys), 0) == 0
    if not overflow or not soft and all(np.isfinite(y).all() for y in found):
        for y, right in zip(ys, want, strict=True):
            assert (y.view(np.int32) == right.view(np.int32)).all(), (layers, xs, ys, want)
    return not overflow


def test_random_models(arithmetic):
    """Graphs, with several inputs and outputs."""
    rng = np.random.default_rng(0)
    compared = several = 0
    for case in range(1500):
        layers, n_inputs, outputs = float_models.model(rng)
        several += len(n_inputs) > 1 and len(outputs) > 1
        compared += check(arithmetic, layers, [float_models.values(rng, n) for n in n_inputs],
                          outputs, case)
    assert compared > 600 and several > 300


@pytest.mark.parametrize("function", [*float_models.FUNCTIONS, "softmax"])
def test_activations(arithmetic, function):
    """All exponents; and every size where exp changes."""
    rng = np.random.default_rng(1)
    for x in (float_models.bits(rng, 3000), rng.normal(size=3000) * 30,
              np.linspace(-90, 90, 3000)):
        x = np.clip(x, -1e38, 1e38).astype(np.float32)
        assert check(arithmetic, [(function, np.float32(0.3))[:1 + (function != "softmax")]], x)


def test_operations(arithmetic):
    """b + x * w of operands of all sizes, many near one another."""
    rng = np.random.default_rng(2)
    compared = 0
    for _ in range(300):
        x = float_models.bits(rng, 1)
        w, b = float_models.bits(rng, (2, 400, 1))
        with np.errstate(over="ignore"):
            near = (x[0] * w).view(np.int32) + rng.integers(-3, 4, (400, 1)).astype(np.int32)
            near += (rng.integers(-26, 27, (400, 1)) * (rng.integers(3) == 0) << 23).astype(
                np.int32)
        near = near.view(np.float32)
        near = np.where(rng.integers(2, size=near.shape), near, np.negative(near))
        b = np.where(rng.integers(3, size=b.shape) & np.isfinite(near), near, b)
        fine = np.abs(x[0].astype(np.float64) * w) + np.abs(b.astype(np.float64)) < 3e38
        w, b = w[fine].reshape(-1, 1), b[fine]
        if len(w):
            compared += len(w) * check(arithmetic, [("dense", w, b, False)], x)
    assert compared > 50000


ANY = st.one_of(st.floats(width=32, allow_nan=False, allow_infinity=False),
                st.integers(0, 0xFFFFFFFF).map(
                    lambda i: float(np.uint32(i).view(np.float32))).filter(np.isfinite))


@settings(max_examples=1000, deadline=None)
@given(st.lists(ANY, min_size=3, max_size=20), st.sampled_from(float_models.FUNCTIONS))
def test_any_numbers(arithmetic, numbers, function):
    """Sums of products, in order, then an activation."""
    bias, *numbers = np.array(numbers, np.float32)
    half = len(numbers) // 2
    x, w = np.array(numbers[:half]), np.array(numbers[half:2 * half])
    for columns in (False, True):
        check(arithmetic, [("dense", w[None], bias[None], columns), (function, bias)], x)


def test_inputs_become_finite(arithmetic):
    x = np.array([np.nan, -np.nan, np.inf, -np.inf, 1, -0.0], np.float32)
    assert check(arithmetic, [("leaky_relu", np.float32(1))], x)


def test_parts_and_long_runs(arithmetic):
    """net(first, end); a long run returns between two layers and goes on where it was."""
    rng = np.random.default_rng(0)
    layers = [("dense", rng.normal(size=(800, 800)).astype(np.float32) / 30,
               rng.normal(size=800).astype(np.float32), bool(i)) for i in range(3)]
    drafts = [float_dense((w.T if columns else w).tobytes(), b.tobytes(), not columns)
              for _, w, b, columns in layers]
    buf = chain(drafts, (0, 0), (0, 0), dtype=format.FLOAT32)
    arena = np.zeros(1600, np.float32)
    net = load(arithmetic[1], buf, arena)
    x = rng.normal(size=1600).astype(np.float32)
    y, part = np.zeros(1600, np.float32), []
    stops = [net(x, y, 0)]
    while stops[-1]:
        stops.append(net(x, y, stops[-1]))
    assert stops == [1, 2, 3, 4, 5, 0]
    arena[:800] = x[800:]
    for i in range(3):
        assert net(i, i + 1) == 0
        part.append(arena[800 * (1 - i % 2):][:800].copy())
    assert (part[-1] == y[800:]).all() and (part[0] != part[-1]).any()
    for sample, result in zip(x.reshape(2, -1), y.reshape(2, -1)):
        assert (float_models.run(layers, [sample], arithmetic[0])[0][-1] == result).all()
    assert net(x, y[:-1], 0) == -1 and net(x, y.view(np.int32), 0) == -1


def test_alignment(arithmetic):
    buf = float_models.assemble([("relu", np.float32(0))], [2])
    memory = np.zeros(100, np.int32).view(np.uint8)
    model = np.frombuffer(b"    " + buf + b"    ", np.uint8).copy()
    for at in range(4):
        for m, a in ((at, 0), (0, at)):
            place = memoryview(model)[4 + m:]
            model[4 + m:4 + m + len(buf)] = np.frombuffer(buf, np.uint8)
            if at:
                with pytest.raises(ValueError, match="multiple of 4"):
                    load(arithmetic[1], place, memoryview(memory)[a:])
            else:
                load(arithmetic[1], place, memoryview(memory)[a:])


def test_guard(arithmetic):
    """It lets through what decode does; whatever it lets through stays inside its memory."""
    rng = random.Random(0)
    layers_rng = np.random.default_rng(3)
    valid = refused = hostile = 0
    for case in range(12000):
        if case % 100 == 0:
            good = float_models.assemble(*float_models.model(layers_rng, 8), case)
        buf = mutate(good, rng)
        if rng.randrange(4):
            buf = repaired(buf)
        try:
            plan = format.decode(buf)
        except aifes.ModelError:
            plan = None
        arena = int.from_bytes(buf[16:20], "little") if plan is None else plan.arena
        if arena > 1 << 16:
            continue
        memory = bytearray([GUARD]) * (arena + 16)
        try:
            net = load(arithmetic[1], bytearray(buf), memoryview(memory)[8:-8])
        except ValueError:
            assert plan is None
            refused += 1
            continue
        valid += plan is not None
        hostile += plan is None
        assert net(0) >= 0
        assert memory[:8] == memory[-8:] == bytes([GUARD]) * 8
    assert valid > 50 and refused > 1000 and hostile > 50


def test_what_changes_after_the_check_stays_inside(arithmetic):
    rng = random.Random(1)
    layers_rng = np.random.default_rng(4)
    for _ in range(300):
        buf = bytearray(float_models.assemble(*float_models.model(layers_rng, 8)))
        arena = int.from_bytes(buf[16:20], "little")
        memory = bytearray([GUARD]) * (arena + 16)
        net = load(arithmetic[1], buf, memoryview(memory)[8:-8])
        for _ in range(200):
            buf[rng.randrange(len(buf))] = rng.randrange(256)
        assert net(0) >= 0
        assert memory[:8] == memory[-8:] == bytes([GUARD]) * 8


@pytest.mark.parametrize("chip", FLOAT_CHIPS)
def test_random_models_on_chips(chip, tmp_path):
    """What is compiled for each chip: with its multiply, its registers, its FPU."""
    need(*FLOAT_CHIPS[chip].tools)
    elf = build(chip, tmp_path, is_float=True)
    rng = np.random.default_rng(5)
    compared = 0
    for case in range(150):
        layers, n_inputs, outputs = float_models.model(rng)
        xs = [float_models.values(rng, n) for n in n_inputs]
        found, overflow = float_models.run(layers, xs, chip not in ("M4", ESP32))
        want = [found[k].astype("<f4").tobytes() for k in outputs]
        board = emulator(chip, elf, float_models.assemble(layers, n_inputs, outputs, case))
        ys = board.run([x.tobytes() for x in xs], [len(found[k]) for k in outputs], True)
        compared += not overflow
        assert overflow or ys == want, (layers, xs)
    assert compared > 70


@pytest.mark.parametrize("chip", FLOAT_CHIPS)
def test_instructions(chip, tmp_path):
    need(*FLOAT_CHIPS[chip].tools)
    elf = build(chip, tmp_path, FAMILY, is_float=True)
    for name, limit in zip(NETS, REACH[chip]):
        assert measure(chip, elf, name) <= limit, name


ON_MICROPYTHON = """
import aifes, gc, micropython, struct
from array import array
f = open("cases.bin", "rb")
n = 0
def single(arrays):
    return arrays[0] if len(arrays) == 1 else arrays
def alike(y, want):
    assert [bytes(v) for v in y] == want, (n, want, y)
while True:
    length = f.read(4)
    if not length:
        break
    buf = f.read(struct.unpack("<I", length)[0])
    net = aifes.load(buf, engine=ENGINE)
    x = tuple([array("f", f.read(len(bytes(v)))) for v in net.inputs])
    want = [f.read(len(bytes(v))) for v in net.outputs]
    y = tuple([array("f", bytes(len(v))) for v in want])
    xs, ys = single(x), single(y)
    net.run(xs, ys)
    alike(y, want)
    for v in y:
        for i in range(len(v)):
            v[i] = 0.0
    if len(x) + len(y) == 2 or ENGINE == "native":
        micropython.heap_lock()
        net.run(xs, ys)
        net.forward()
        micropython.heap_unlock()
        alike(y, want)
    x2, y2 = tuple([v + v for v in x]), tuple([v + v for v in y])
    net.run(single(x2), single(y2))
    alike(y2, [v + v for v in want])
    n += 1
def refuses(f, *arguments):
    try:
        f(*arguments)
    except ValueError:
        return True
assert len(x) == len(y) == 1
n_in, n_out = len(xs), len(ys)
for a, b in ((array("b", bytes(n_in)), array("f", bytes(4 * n_out))), (xs, bytes(4 * n_out)),
             (xs, array("b", bytes(n_out))), (x2[0], y2[0][:-1]), (xs[:-1], ys[:-1]), (5, ys),
             (xs, None), (x, ys), (xs, y)):
    assert refuses(net.run, a, b), (a, b)
arena = bytearray(net._plan.arena + 1)
assert refuses(aifes.load, buf, memoryview(arena)[1:], ENGINE)
assert refuses(aifes.load, memoryview(bytes(1) + buf)[1:], None, ENGINE)
print(n, net.engine)
"""


@pytest.mark.parametrize("engine", ["native", "viper"])
def test_micropython(engine, native_x64, tmp_path):
    """The same bits, without any allocation; what does not fit is refused."""
    rng = np.random.default_rng(6)
    n = 0
    with (tmp_path / "cases.bin").open("wb") as file:
        while n < 300:
            layers, n_inputs, outputs = float_models.model(rng)
            if n == 299 and (len(n_inputs) > 1 or len(outputs) > 1):
                continue
            xs = [float_models.values(rng, size) for size in n_inputs]
            found, overflow = float_models.run(layers, xs, engine == "viper")
            if not overflow:
                buf = float_models.assemble(layers, n_inputs, outputs, n)
                ends = b"".join(v.astype("<f4").tobytes()
                                for v in [*xs, *[found[k] for k in outputs]])
                file.write(struct.pack("<I", len(buf)) + buf + ends)
                n += 1
    code = ON_MICROPYTHON.replace("ENGINE", repr(engine))
    out = run(micropython(), ["-X", "heapsize=8m", "-c", code], f"{ROOT / 'device'}:{native_x64}",
              tmp_path)
    assert out == f"300 {engine}\n"

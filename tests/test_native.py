"""The C engine against that in Python: its files, and what runs as a shared library and on emulated
chips. Images: test_native_images.py, inside MicroPython: test_native_micropython.py."""
import json
import os
import random
import struct
import subprocess

import aifes
import numpy as np
import pytest
import random_models
import shared_library
from aifes import format
from aifes.layers.assemble import Draft, chain
from aifes.ops import dense as dense_op
from aifes_host.layout import TARGETS
from bench.instructions import NETS, REACH, TARGET, measure, network
from conftest import NATIVE, PREBUILT, ROOT, build_native, need
from emulator import CHIPS, PORTABLE, build, emulator
from hostile_models import GUARD, MODELS, mutate, repaired

ARCHITECTURES = ("x64", "armv6m", "armv7m", "armv7emsp", "armv7emdp", "rv32imc", "xtensa",
                 "xtensawin")
# bytes of a file at most
FAMILIES = {"_aifes": 5000, "_aifes_cnn": 8192, "_aifes_f32": 5000, "_aifes_cnn_f32": 8192}


@pytest.mark.parametrize("is_float", [0, 1])
def test_structs_are_those_of_the_format(tmp_path, is_float):
    """Offsets and sizes in C, from the struct strings of format.py and of the rooms of ops."""
    need("gcc")
    lines = ['#include "engine.h"']

    def compare(struct, at, form, names, size):
        for code, name in zip(form[1:].replace("4s", "s"), names, strict=True):
            lines.append(f"_Static_assert(offsetof({struct}, {name}) == {at}, \"{name}\");")
            at += {"s": 4, "B": 1, "b": 1, "H": 2, "I": 4, "i": 4}[code]
        lines.append(f"_Static_assert(sizeof({struct}) == {size} && {size} == {at}, "
                     f"\"{struct}\");")

    compare("aifes_header", 0, format.HEADER, (
        "magic version reserved length crc arena n_tensors n_ops n_inputs n_outputs reserved2 "
        "constants metadata metadata_length").split(), format.HEADER_SIZE)
    compare("aifes_tensor", 0, format.TENSOR, (
        "dtype rank shift zero_point offset scales dims[0] dims[1] dims[2] rows flags").split(),
        format.TENSOR_SIZE)
    for opcode, name in enumerate(aifes.ops.NAMES):
        if opcode and not (is_float and name == "mean"):
            op = aifes.ops.room(opcode)
            at = 4 + (2 * sum(op.ENDS) + 3 & ~3)
            words = (at + struct.calcsize(op.FIELDS)) // 4
            compare(f"{name}_record", at, op.FIELDS, op.NAMES, 4 * words)
            ends = op.ENDS[0] | op.ENDS[1] << 4
            lines += [f"_Static_assert({name.upper()}_RECORD == AIFES_RECORD({opcode}, {ends}, "
                      f"{words}), \"{name}\");",
                      f"_Static_assert({name.upper()}_IN_PLACE == {op.IN_PLACE:d}, \"{name}\");"]
    lines += [f"_Static_assert({name} == {value}, \"{name}\");" for name, value in (
        ("AIFES_MAX_ARENA", format.MAX_ARENA), ("AIFES_MAX_OPS", format.MAX_OPS))]
    if is_float:
        lines += [f"_Static_assert(MAP_{name.upper()} == {i}, \"{name}\");"
                  for i, name in enumerate(aifes.ops.map.FUNCTIONS)]
    (tmp_path / "check.c").write_text("\n".join(lines) + "\n")
    subprocess.run(["gcc", "-std=c11", "-fsyntax-only", f"-DAIFES_FLOAT={is_float}",
                    "-DAIFES_SEVERAL=1", f"-I{NATIVE}", tmp_path / "check.c"], check=True)


def test_modules_of_all_architectures():
    """Each file is there, for its architecture, and small; a board would load it."""
    need("gcc", "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "xtensa-lx106-elf-gcc", "debian")
    text = build_native(*ARCHITECTURES)
    codes = [None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp",
             "xtensa", "xtensawin", "rv32imc"]
    for name in ARCHITECTURES:
        for module, most in FAMILIES.items():
            data = (PREBUILT / f"{name}_6.3" / f"{module}.mpy").read_bytes()
            assert data[:2] == b"M\x06" and data[2] & 3 == 3 and codes[data[2] >> 2] == name
            most += 1400 * (name == "x64")  # a PC, whose addresses have 64 bits
            assert len(data) <= most, (name, module, len(data))
        assert f"{name} " in text
    if "CI" in os.environ:  # with Debian 12's compilers; the clang for xtensawin changes daily
        subprocess.run(["git", "diff", "--exit-code", "--stat", "--", PREBUILT,
                        ":!*xtensawin*"], check=True, cwd=ROOT)


def engine(library, buf, arena, at=0):
    """A net of the shared library over a copy of the buffer that begins `at` bytes off."""
    memory = bytearray(at) + buf
    view = memoryview(memory)[at:]
    return shared_library.module(library).load(view, view, arena), memory


@pytest.mark.parametrize("branches", [False, True])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_random_models_in_the_library(library, small_library, at, branches):
    """Any order, odd sizes, extremes, graphs; at any address of the buffer."""
    rng = np.random.default_rng(at)
    for case in range(250):
        buf = random_models.model(rng, branches)
        sizes, out_sizes = random_models.ends(buf)
        samples = [[random_models.inputs(rng, n) for n in sizes] for _ in range(3)]
        x = random_models.single([np.concatenate(s) for s in zip(*samples)])
        want = [np.concatenate(s) for s in zip(*[random_models.results(buf, s) for s in samples])]
        real = [rng.normal(size=n).astype(np.float32) * 2.0 ** rng.integers(-40, 41) for n in sizes]
        real = [v.astype(np.float32) for v in real]
        real[0][rng.integers(0, sizes[0])] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
        want_real = random_models.results(buf, real, "f")
        for chosen in (library,) if branches else (library, small_library):
            arena = bytearray([GUARD]) * (format.frame(buf).arena + 16)
            net, _ = engine(chosen, buf, memoryview(arena)[8:-8], at)
            y = [np.zeros(3 * n, np.int8) for n in out_sizes]
            assert net(x, random_models.single(y), 0) == 0
            assert all((a == b).all() for a, b in zip(y, want, strict=True)), case
            y = [np.zeros(n, np.float32) for n in out_sizes]
            assert net(random_models.single(real), random_models.single(y), 0) == 0
            assert all((a == b).all() for a, b in zip(y, want_real, strict=True)), case
            assert arena[:8] == arena[-8:] == bytes([GUARD]) * 8


def test_the_small_family_refuses_what_it_has_not(library, small_library):
    """Several inputs or outputs, and adds; the other family takes them."""
    rng = np.random.default_rng(4)
    refused = 0
    for _ in range(200):
        buf = random_models.model(rng, True)
        plan = format.decode(buf)
        fits = plan.n_inputs == plan.n_outputs == 1 and all(op.opcode < 4 for op in plan.ops)
        engine(library, buf, bytearray(plan.arena))
        try:
            engine(small_library, buf, bytearray(plan.arena))
            assert fits
        except ValueError:
            assert not fits
            refused += 1
    assert 100 < refused < 200


def old_models():
    folder = ROOT / "tests" / "format1"
    for name, case in json.loads((folder / "results.json").read_text()).items():
        yield (name, (folder / f"{name}.aifes").read_bytes(), bytes.fromhex(case["x"]),
               bytes.fromhex(case["y"]))


def test_models_of_format_1(library, tmp_path):
    """Their bits, with the head that the device makes of them."""
    floats = shared_library.build(tmp_path, "f32")
    count = 0
    for name, buf, x, want in old_models():
        plan = format.frame(buf)
        is_float = plan.tensors[0].dtype == format.FLOAT32
        kind = np.float32 if is_float else np.int8
        module = shared_library.module(floats if is_float else library)
        net = module.load(plan.head, np.frombuffer(buf, np.uint8).copy(),
                          np.zeros(plan.arena // 4 + 1, np.int32))
        y = np.zeros(len(want) // kind().itemsize, kind)
        assert net(np.frombuffer(x, kind).copy(), y, 0) == 0
        assert y.tobytes() == want, name
        count += 1
    assert count == 43


@pytest.mark.parametrize("options", [(), (PORTABLE,)])
@pytest.mark.parametrize("chip", CHIPS)
def test_random_models_on_chips(chip, options, tmp_path):
    """The kernels of each chip, and the portable ones compiled for it."""
    need(*CHIPS[chip].tools)
    elf = build(chip, tmp_path, options)
    rng = np.random.default_rng(5)
    for case in range(120):
        buf = random_models.model(rng, case % 2 == 1)
        sizes, out_sizes = random_models.ends(buf)
        x = [random_models.inputs(rng, n) for n in sizes]
        want = [y.tobytes() for y in random_models.results(buf, x)]
        board = emulator(chip, elf, buf, offset=case % 5 if case % 3 == 0 else 0)
        assert board.run([v.tobytes() for v in x], out_sizes) == want, case


@pytest.mark.parametrize("chip", CHIPS)
def test_extreme_sums_on_chips(chip, tmp_path):
    """The largest sums beside the smallest, of many inputs, in the order that the chip wants: each
    bias takes its sum back to int8, so that all bits of it are seen."""
    need(*CHIPS[chip].tools)
    elf = build(chip, tmp_path)
    rng = np.random.default_rng(7)
    order = TARGETS[TARGET.get(chip, "any")]
    w = np.array([255 * (i >> j & 1) for i in range(16) for j in range(4)])
    for n in (1, 2, 255, 256, 257, 512, 513, 1000):
        for x in (np.full(n, -128), np.full(n, 127), rng.choice([-128, 127], n)):
            y = rng.integers(-128, 128, len(w))
            bias = (y - x.sum() * (w - 128)).astype("<i4").tobytes()
            fields = dense_op.Fields(
                0, 128, -128, 127, 0, order[1], order[0],
                random_models.ordered(np.tile(w, (n, 1)), *order), bias, None, None, None)
            buf = random_models.put_together(rng, [(1, 0, (0,), fields)], [n, len(w)], 1, [1])
            board = emulator(chip, elf, buf)
            assert board.run([x.astype(np.int8).tobytes()], [len(w)]) == [
                y.astype(np.int8).tobytes()], (n, x)


@pytest.mark.parametrize("name", MODELS)
def test_guard(library, name):
    """It lets through what decode does; whatever it lets through stays inside its memory."""
    rng = random.Random(name)
    valid = refused = 0
    for _ in range(3000):
        buf = mutate(MODELS[name], rng)
        if rng.randrange(2):
            buf = repaired(buf)
        try:
            plan = format.decode(buf)
        except aifes.ModelError:
            plan = None
        arena = int.from_bytes(buf[16:20], "little") if plan is None else plan.arena
        memory = bytearray([GUARD]) * (min(arena, 1 << 16) + 16)
        try:
            net, _ = engine(library, buf, memoryview(memory)[8:-8])
        except ValueError:
            assert plan is None or arena > 1 << 16
            refused += 1
            continue
        if plan is None:
            assert net(0) == 0
        else:
            valid += 1
            numbers = np.random.default_rng(valid)
            sizes, out_sizes = random_models.ends(buf)
            x = [random_models.inputs(numbers, n) for n in sizes]
            y = [np.zeros(n, np.int8) for n in out_sizes]
            assert net(random_models.single(x), random_models.single(y), 0) == 0
            want = random_models.results(buf, x)
            assert all((a == b).all() for a, b in zip(y, want, strict=True))
        assert memory[:8] == memory[-8:] == bytes([GUARD]) * 8
    assert valid > 10 and refused > 10


def test_what_changes_after_the_check_stays_inside(library):
    """A writable model that is damaged after load() gives wrong numbers, nothing worse."""
    rng = random.Random(1)
    for name, good in MODELS.items():
        memory = bytearray([GUARD]) * (format.frame(good).arena + 16)
        x, y = [random_models.single([np.zeros(n, np.int8) for n in sizes])
                for sizes in random_models.ends(good)]
        for _ in range(100):
            net, buf = engine(library, good, memoryview(memory)[8:-8])
            for _ in range(200):
                buf[rng.randrange(len(buf))] = rng.randrange(256)
            assert net(x, y, 0) == 0, name
            assert memory[:8] == memory[-8:] == bytes([GUARD]) * 8


def test_long_runs_come_back_between_layers(library):
    """After a million multiplications, and then go on where they were."""
    rng = np.random.default_rng(0)
    w = rng.integers(0, 256, (1000, 1000)).astype(np.uint8)
    draft = Draft(1, 0, 1000, 1000, dense_op.Fields(
        0, 128, -128, 127, 9, 1, 1, w.tobytes(), bytes(4000), None, None, None), None, 0)
    buf = bytes(chain([draft] * 3, (0, 0), (0, 0)))
    x = rng.integers(-128, 128, 2000).astype(np.int8)
    y = np.zeros(2000, np.int8)
    net, _ = engine(library, buf, bytearray(2000))
    stops = [net(x, y, 0)]
    while stops[-1]:
        stops.append(net(x, y, stops[-1]))
    assert len(stops) == 4
    x = x.reshape(2, -1)
    for _ in range(3):
        x = np.clip(x @ (w.astype(np.int64) - 128).T >> 9, -128, 127)
    assert (y == x.ravel()).all()


@pytest.mark.parametrize("chip", CHIPS)
def test_instructions(chip, tmp_path):
    """No kernel becomes slower than what was once reached, with the order that the chip wants."""
    need(*CHIPS[chip].tools)
    elf = build(chip, tmp_path, several=False)
    for name, limit in zip(NETS, REACH[chip]):
        assert measure(chip, elf, name, TARGET.get(chip, "any")) <= limit, name


def test_arena_of_model_c():
    """<= 192 bytes of C arena for 64-128-64-10: what its largest neighbours need."""
    assert format.decode(network("C")[0]).arena <= 192

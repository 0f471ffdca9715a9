"""The C engine against the simulator: as a shared library, on emulated chips, in MicroPython."""
import os
import random
import subprocess
import time

import aifes
import numpy as np
import pytest
import random_models
import shared_library
from aifes import format
from aifes_host import Simulator
from bench.instructions import NETS, REACH, TARGET, measure, network
from conftest import PREBUILT, ROOT, build_native, micropython, need
from emulator import CHIPS, Emulator, build
from test_device import run
from test_mutation import GUARD, MODELS, mutate, repaired

ARCHITECTURES = ("x64", "armv6m", "armv7m", "armv7emsp", "armv7emdp", "rv32imc", "xtensa",
                 "xtensawin")


def test_structs_are_those_of_the_format(tmp_path):
    """Offsets and sizes in aifes.h, from the struct strings of format.py."""
    need("gcc")
    op = ("opcode flags zero_point weight_zero low high shift reserved x y n_in n_out weights bias "
          "shifts table interleave group reserved2 reserved3")
    tensor = "dtype rank shift zero_point offset features dims[0] dims[1] dims[2]"
    header = ("magic version reserved length crc arena n_ops reserved2 metadata metadata_length")
    lines = ['#include "aifes.h"']
    structs = (("aifes_op", format.OP, op), ("aifes_tensor", format.TENSOR, tensor),
               ("aifes_header", format.HEADER, header))
    for struct, form, names in structs:
        codes = form[1:].replace("4s", "s")
        at = 0
        for code, name in zip(codes, names.split(), strict=True):
            lines.append(f"_Static_assert(offsetof({struct}, {name}) == {at}, \"{name}\");")
            at += {"s": 4, "B": 1, "b": 1, "H": 2, "I": 4}[code]
    for struct, size in (("aifes_op", format.OP_SIZE), ("aifes_header", format.OPS_AT),
                         ("aifes_tensor", 24)):
        lines.append(f"_Static_assert(sizeof({struct}) == {size}, \"{struct}\");")
    lines.append(f"_Static_assert(AIFES_MAGIC == {int.from_bytes(format.MAGIC, 'little')}, \"\");")
    lines += [f"_Static_assert(AIFES_{name} == {getattr(format, name)}, \"{name}\");" for name in (
        "VERSION", "MAX_ARENA", "MAX_OPS", "DENSE", "MAP", "SOFTMAX", "NEAREST")]
    (tmp_path / "check.c").write_text("\n".join(lines) + "\n")
    subprocess.run(["gcc", "-std=c11", "-fsyntax-only", f"-I{shared_library.NATIVE}",
                    tmp_path / "check.c"], check=True)


def test_modules_of_all_architectures():
    """Each file is there, for its architecture, and small; a board would load it."""
    for chip in ("gcc", *(chip.compiler for chip in CHIPS.values()), "xtensa-lx106-elf-gcc"):
        need(chip)
    text = build_native(*ARCHITECTURES)
    codes = [None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp",
             "xtensa", "xtensawin", "rv32imc"]
    for name in ARCHITECTURES:
        for module in ("_aifes", "_aifes_f32"):
            data = (PREBUILT / f"{name}_6.3" / f"{module}.mpy").read_bytes()
            assert data[:2] == b"M\x06" and data[2] & 3 == 3 and codes[data[2] >> 2] == name
            assert len(data) <= 5000, (name, module, len(data))
        assert f"{name} " in text
    if "CI" in os.environ:  # with Debian 12's compilers; the clang for xtensawin changes daily
        subprocess.run(["git", "diff", "--exit-code", "--stat", "--", PREBUILT,
                        ":!*xtensawin*"], check=True, cwd=ROOT)


def engine(library, buf, arena, at=0):
    """A net of the shared library over a copy of the buffer that begins `at` bytes off."""
    memory = bytearray(at) + buf
    return shared_library.module(library).load(memoryview(memory)[at:], arena), memory


@pytest.mark.parametrize("at", [0, 1, 2])
def test_random_models_in_the_library(library, at):
    """Any order, odd sizes, extremes; at any address of the buffer."""
    rng = np.random.default_rng(at)
    for case in range(300):
        buf = random_models.model(rng)
        simulator = Simulator(buf)
        arena = bytearray([GUARD]) * (simulator.plan.arena + 16)
        net, _ = engine(library, buf, memoryview(arena)[8:-8], at)
        n = len(simulator.run(random_models.inputs(rng, simulator.plan.ops[0].n_in)[None])[0])
        x = np.stack([random_models.inputs(rng, simulator.plan.ops[0].n_in) for _ in range(3)])
        y = np.zeros((3, n), np.int8)
        assert net(x.ravel(), y.ravel(), 0) == 0
        assert (y == simulator.run(x)).all(), case
        real = rng.normal(size=x.shape).astype(np.float32) * 2.0 ** rng.integers(-40, 41)
        real.ravel()[rng.integers(0, real.size)] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
        out = np.zeros((3, n), np.float32)
        assert net(real.astype(np.float32).ravel(), out.ravel(), 0) == 0
        assert (out == simulator(real)).all(), case
        assert arena[:8] == arena[-8:] == bytes([GUARD]) * 8


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("chip", CHIPS)
def test_random_models_on_chips(chip, portable, tmp_path):
    """The kernels of each chip, and the portable ones compiled for it."""
    need(CHIPS[chip].compiler)
    elf = build(chip, tmp_path, portable)
    rng = np.random.default_rng(5)
    for case in range(120):
        buf = random_models.model(rng)
        simulator = Simulator(buf)
        x = random_models.inputs(rng, simulator.plan.ops[0].n_in)
        want = simulator.run(x[None])[0]
        board = Emulator(chip, elf, buf, offset=case % 5 if case % 3 == 0 else 0)
        assert board.run(x.tobytes(), len(want)) == want.tobytes(), case


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
            assert plan is None
            refused += 1
            continue
        if arena > 1 << 16:
            continue
        if plan is None:
            assert net(0) == 0
        else:
            valid += 1
            x = np.random.default_rng(valid).integers(-128, 128, plan.ops[0].n_in).astype(np.int8)
            y = np.zeros(plan.ops[-1].n_out, np.int8)
            assert net(x, y, 0) == 0 and (y == Simulator(buf).run(x[None])[0]).all()
        assert memory[:8] == memory[-8:] == bytes([GUARD]) * 8
    assert valid > 10 and refused > 10


def test_what_changes_after_the_check_stays_inside(library):
    """A writable model that is damaged after load() gives wrong numbers, nothing worse."""
    rng = random.Random(1)
    for name, good in MODELS.items():
        plan = format.decode(good)
        memory = bytearray([GUARD]) * (plan.arena + 16)
        x, y = np.zeros(plan.ops[0].n_in, np.int8), np.zeros(plan.ops[-1].n_out, np.int8)
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
    ops = [format.Op(1, 0, 0, 128, -128, 127, 9, 0, 0, 1000, 1000, w.tobytes(), bytes(4000), None,
                     None, 1, 1)] * 3
    buf = bytes(aifes.builder.assemble(ops, (0, 0), (0, 0)))
    x = rng.integers(-128, 128, 2000).astype(np.int8)
    y = np.zeros(2000, np.int8)
    net, _ = engine(library, buf, bytearray(2000))
    stops = [net(x, y, 0)]
    while stops[-1]:
        stops.append(net(x, y, stops[-1]))
    assert stops == [2, 3, 5, 0]
    assert (y == Simulator(buf).run(x.reshape(2, -1)).ravel()).all()


HOSTILE = """
import _aifes, aifes, gc
from array import array
good = open("good.aifes", "rb").read()
def fails(error, f, *a):
    try:
        f(*a)
    except error:
        return
    raise AssertionError((f, a))
bad = bytearray(good)
bad[80 + 9] = 1                             # the first layer reads outside the arena
for model in (b"", bad, good[:-1], bytes(200), array("i", bytes(80))):
    fails(ValueError, _aifes.load, model, bytearray(100))
for arguments in ((good,), (5, bytearray(9)), (good, 5), (good, bytes(100)), (None, None)):
    fails(TypeError, _aifes.load, *arguments)
arena = bytearray(100)
net = _aifes.load(good, arena)
Net = type(net)
fails(TypeError, Net)                       # no nets but those of load()
fails(TypeError, Net, good, arena)
fails(AttributeError, lambda: net.model)
try:                                        # nor classes made of it
    class Forged(Net):
        pass
    fails(TypeError, Forged)
except TypeError:
    pass
fails(AttributeError, lambda: Net.__call__)
x, y = array("b", [1, 2]), array("b", [0, 0])
assert net(x, y, 0) == 0
want = bytes(y)
for at in (1, 2, 3, 77, (1 << 62), -1, -(1 << 40)):
    assert net(x, y, at) == 0
for a, b in ((x, array("b")), (x, bytes(2)), (5, y), (None, y), (x, None), ("ab", y), (x, "ab"),
             (x, array("h", [0, 0])), (array("d", [0, 0]), y), (x, array("f", [0])), (x, x[:1])):
    assert net(a, b, 0) < 0
for arguments in ((), (x, y, 0, 0), (x, y, None), (x, y, 1.5)):
    fails(TypeError, net, *arguments)
buf = bytearray(good)                       # memory that moves or shrinks under a net
moving = array("b", bytes(100))
net = _aifes.load(buf, moving)
for i in range(50):
    moving.extend(array("b", bytes(1000)))
    buf.extend(bytes(1000))
    gc.collect()
    assert net(x, y, 0) == 0 and bytes(y) == want
print("ok")
"""


def test_hostile_python(native_x64, tmp_path):
    """Whatever Python code tries, a buffer that was not checked does not run."""
    layers = [aifes.Input(2, (0, 0)), aifes.Dense(3, bytes(range(6)), [0] * 3, (2, 0), (2, 0)),
              aifes.Dense(2, bytes(range(6)), [0] * 2, (0, 0), (0, 0)), aifes.Softmax()]
    (tmp_path / "good.aifes").write_bytes(aifes.Sequential(layers).to_bytes())
    assert run(micropython(), ["-c", HOSTILE], f"{ROOT / 'device'}:{native_x64}",
               tmp_path) == "ok\n"


def test_interrupt(native_x64, tmp_path):
    """Ctrl-C ends a batch that would run for minutes."""
    rng = np.random.default_rng(0)
    op = random_models.dense(rng, 500)._replace(
        n_in=500, n_out=500, weights=rng.bytes(250000), bias=bytes(2000), shifts=None, table=None,
        interleave=1, group=1)
    (tmp_path / "long.aifes").write_bytes(aifes.builder.assemble([op], (0, 0), (0, 0)))
    code = ("import aifes\nfrom array import array\nnet = aifes.load('long.aifes')\n"
            "x = array('b', bytes(500 * 100000))\n"
            "try:\n print(net.engine)\n net.run(x, x)\n"
            "except KeyboardInterrupt:\n print('interrupted')\n")
    process = subprocess.Popen(
        [micropython(), "-X", "heapsize=200m", "-c", code], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, env={"MICROPYPATH": f"{ROOT / 'device'}:{native_x64}"})
    assert process.stdout.readline() == "native\n"
    time.sleep(0.5)  # by now it computes
    process.send_signal(2)
    out, _ = process.communicate(timeout=60)
    assert out == "interrupted\n"


@pytest.mark.parametrize("chip", CHIPS)
def test_instructions(chip, tmp_path):
    """No kernel becomes slower than what was once reached, with the order that the chip wants."""
    need(CHIPS[chip].compiler)
    elf = build(chip, tmp_path)
    for name, limit in zip(NETS, REACH[chip]):
        assert measure(chip, elf, name, TARGET.get(chip, "any")) <= limit, name


def test_arena_of_model_c():
    """<= 192 bytes of C arena for 64-128-64-10: what its largest neighbours need."""
    assert Simulator(network("C")[0]).plan.arena <= 192

"""What format.decode refuses for the sake of memory or arithmetic the guard in C refuses too."""
import itertools
import struct

import aifes
import float_models
import numpy as np
import pytest
import random_models
import shared_library
from aifes import format, ops
from aifes.format import HEADER_SIZE, TENSOR_SIZE
from aifes.layers.assemble import chain
from aifes.layers.softmax import softmax
from conftest import micropython
from hostile_models import MODELS, repaired
from test_device import run

# where a field lies in its record, and its type: all that decide about addresses
HEADER = {"arena": (16, "I"), "tensors": (20, "H"), "ops": (22, "H"), "inputs": (24, "B"),
          "outputs": (25, "B")}
TENSOR = {"type": (0, "B"), "offset": (4, "I"), "scales": (8, "I"), "dim 0": (12, "I"),
          "dim 1": (16, "I"), "dim 2": (20, "I"), "rows": (24, "H"), "flags": (26, "H")}
OP = {"opcode": (0, "B"), "flags": (1, "B"), "ends": (2, "B"), "words": (3, "B")}
ANY = (0, 1, 2, 3, 4, 5, 7, 8, 31, 32, 127, 255, 256, 65535, 1 << 14, 1 << 22, 1 << 24, 1 << 28,
       1 << 30, 1 << 31, (1 << 32) - 1)
# no danger: what nobody reads, and what is read before it was written
HARMLESS = ("metadata", "shape of tensor", "scale of tensor", "scales of tensor", "bad records",
            "nobody wrote", "written twice", "they overlap")


def records(model):
    """(offset, opcode, offset of the op's own fields) of each."""
    n_tensors, n_ops = struct.unpack_from("<HH", model, 20)
    at = HEADER_SIZE + TENSOR_SIZE * n_tensors
    for _ in range(n_ops):
        ends = (model[at + 2] & 15) + (model[at + 2] >> 4)
        yield at, model[at], at + 4 + (2 * ends + 3 & ~3)
        at += 4 * model[at + 3]


def fields(model):
    """(name, offset, type) of each field of header, tensors and records."""
    found = [(name, *field) for name, field in HEADER.items()]
    for i in range(struct.unpack_from("<H", model, 20)[0]):
        base = HEADER_SIZE + TENSOR_SIZE * i
        found += [(name, base + at, form) for name, (at, form) in TENSOR.items()]
    for base, opcode, own in records(model):
        found += [(name, base + at, form) for name, (at, form) in OP.items()]
        found += [("tensor", at, "H") for at in range(base + 4, own - 1, 2)]
        for name, form in zip(ops.room(opcode).NAMES, ops.room(opcode).FIELDS[1:], strict=True):
            found.append((name, own, form))
            own += struct.calcsize("<" + form)
    return found


def changed(model):
    """Copies of a model with a field changed, the checksum right."""
    for name, at, form in fields(model):
        (value,) = struct.unpack_from("<" + form, model, at)
        # what the guard does not mind: any address of int8's bias, an arena with a rest
        step = 4 if name == ("arena" if model[HEADER_SIZE] == format.FLOAT32 else "bias") else 1
        if name == "multipliers":
            step = 1 << 40  # no native family has them
        for other in {*ANY, *[value + step * d for d in range(-9, 10)]}:
            if other % step == value % step:
                buf = bytearray(model)
                try:
                    struct.pack_into("<" + form, buf, at, other)
                except struct.error:
                    continue
                yield f"{name} at {at}: {other}", repaired(buf)


def other_constants(model):
    """Copies of a model with constants that decide about overflows changed."""
    plan = format.decode(model)
    for op in plan.ops:
        f, n_out = op.fields, format.size(plan.tensors[op.outputs[0]].shape)
        n_in = format.size(plan.tensors[op.inputs[0]].shape)
        if op.opcode == 5:
            n_out = plan.tensors[op.outputs[0]].shape[2]
            n_in = ops.conv.scratch(op, [plan.tensors[op.inputs[0]]])
        limit, changes = (1 << 30) - (n_in << 16), []
        if plan.tensors[0].dtype == format.FLOAT32:
            bits = [0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFFFFFFF, 0x80000001]
            if op.opcode in (1, 5):
                changes = [(at, "I", v) for v in bits for at in
                           (f.weights, f.weights + 4 * (n_in * n_out - 1), f.bias,
                            f.bias + 4 * n_out - 4)]
            elif op.opcode == 2 and f.table:
                changes = [(f.table, "I", v) for v in bits]
        elif op.opcode in (1, 5):
            changes = [(f.bias + 4 * j, "i", sign * (limit + d)) for j in (0, n_out - 1)
                       for sign in (1, -1) for d in (-2, -1, 0, 1, 1000)]
            changes += [(f.shifts + j, "B", v) for j in (0, n_out - 1) for v in (31, 32, 255)
                        if f.shifts]
        elif op.opcode == 3:
            changes = [(f.table, "H", v) for v in (0, 1, 256)]
        for at, form, value in changes:
            buf = bytearray(model)
            struct.pack_into("<" + form, buf, at, value)
            yield f"{ops.NAMES[op.opcode]}, {value} at {at}", repaired(buf)


def overlapping(model):
    """Copies of a model in which each op writes near what it reads."""
    item = 4 if model[HEADER_SIZE] == format.FLOAT32 else 1
    plan = format.decode(model)
    for i, op in enumerate(plan.ops):
        for k, number in itertools.product(op.inputs, op.outputs):
            n_out = format.size(plan.tensors[number].shape)
            x = plan.tensors[k].offset
            n_in = format.size(plan.tensors[k].shape)
            for y in range(x - (n_out + 1) * item, x + (n_in + 1) * item + 1, item):
                if y < 0:
                    continue
                buf = bytearray(model)
                struct.pack_into("<I", buf, 16, 4096)
                struct.pack_into("<I", buf, HEADER_SIZE + TENSOR_SIZE * number + 4, y)
                yield f"layer {i} from {x} to {y}", repaired(buf)


def ends_are_inside(buf):
    """Scales of inputs and outputs lie in the buffer."""
    for i in range(buf[24] + buf[25]):
        scales, *dims = struct.unpack_from("<4I", buf, HEADER_SIZE + TENSOR_SIZE * i + 8)
        if scales and scales + 3 * dims[0] * dims[1] * dims[2] > len(buf):
            return False
    return True


@pytest.fixture
def anywhere(monkeypatch):
    """Decode lets constants lie where the guard does: anywhere in the buffer."""

    def constants(self, offsets, lengths, align=1):
        for at, n in zip(offsets, lengths, strict=True):
            self.check(0 < at and at + n <= len(self.buf) and not at % align if n else not at,
                       "constants outside the buffer")

    monkeypatch.setattr(ops.Look, "constants", constants)


def by_rows(buf):
    """Whether a tensor of a buffer says that only rows of it are in the arena, or has flags."""
    n = struct.unpack_from("<H", buf, 20)[0]
    return any(any(buf[at + 24:at + 28]) for at in range(
        HEADER_SIZE, min(HEADER_SIZE + TENSOR_SIZE * n, len(buf) - 28), TENSOR_SIZE))


def compare(load, cases):
    """How many both refuse; AssertionError if the guard lets pass what decode does not: in an order
    of rows that gives wrong numbers, but inside of the arena."""
    refused = 0
    for what, buf in cases:
        arena = np.zeros(1 << 16, np.uint8)
        try:
            plan = format.decode(buf)
        except aifes.ModelError as error:
            plan = None
            dangerous = not by_rows(buf) and not any(word in str(error) for word in HARMLESS)
            said = str(error)
        try:
            if plan is None or plan.arena <= len(arena):
                model = np.frombuffer(buf, np.uint8).copy()
                load(model, model, arena)
            passed = True
        except ValueError:
            passed = False
        assert passed or plan is None, what
        assert not (passed and plan is None and dangerous), f"{what}: {said}"
        assert not passed or plan is not None or buf[HEADER_SIZE] == format.FLOAT32 or (
            ends_are_inside(buf)), what
        refused += not passed
    return refused


@pytest.mark.parametrize("name", MODELS)
def test_int8(library, name, anywhere):
    load = shared_library.module(library).load
    assert compare(load, changed(MODELS[name])) > 100
    assert compare(load, other_constants(MODELS[name])) or name in ("map", "branches 3")
    assert compare(load, overlapping(MODELS[name])) or name == "map"


def test_random_int8(library, anywhere):
    load = shared_library.module(library).load
    rng = np.random.default_rng(9)
    for _ in range(15):
        model = random_models.model(rng, True, 8)
        assert compare(load, changed(model)) > 100
        compare(load, other_constants(model))
        compare(load, overlapping(model))


def test_float32(tmp_path, anywhere):
    load = shared_library.module(shared_library.build(tmp_path, "f32")).load
    rng = np.random.default_rng(8)
    refused = overlaps = values = 0
    for case in range(20):
        model = float_models.assemble(*float_models.model(rng, 8), case)
        refused += compare(load, changed(model))
        values += compare(load, other_constants(model))
        overlaps += compare(load, overlapping(model))
    assert refused > 1000 and overlaps > 100 and values > 100


@pytest.mark.parametrize("dtype", [format.INT8, format.FLOAT32], ids=["int8", "float32"])
def test_images(dtype, library, tmp_path, anywhere):
    if dtype == format.FLOAT32:
        library = shared_library.build(tmp_path, "cnn_f32")
    load = shared_library.module(library).load
    rng = np.random.default_rng(10)
    refused = overlaps = values = 0
    for _ in range(12):
        model = random_models.images(rng, dtype, 60)
        refused += compare(load, changed(model))
        values += compare(load, other_constants(model))
        overlaps += compare(load, overlapping(model))
    assert refused > 1000 and overlaps > 100 and values > 100


def too_long(what):
    """So many rows: decode goes through all of them."""
    name, _, value = what.rpartition(" ")
    return name.startswith("dim 0") and 1 << 9 < int(value) < 1 << 16


def test_rows(library, anywhere):
    """What the guard refuses decode does, too; what it lets pass, tests of damaged models run."""
    load = shared_library.module(library).load
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(6):
        model = random_models.rows(rng, 200)
        refused += compare(load, (case for case in changed(model) if not too_long(case[0])))
        compare(load, other_constants(model))
    assert refused > 1000


@pytest.mark.parametrize("x, y", [(0, 1), (1, 0)])
def test_softmax_over_a_part_of_itself(library, x, y):
    """Its second input, overwritten by its first result, would index before the table."""
    buf = bytearray(chain([softmax(2, bytes([1]) * 512)], (0, 0), (0, 0)))
    struct.pack_into("<I", buf, 16, 3)
    for i, offset in enumerate((x, y)):
        struct.pack_into("<I", buf, HEADER_SIZE + TENSOR_SIZE * i + 4, offset)
    buf = repaired(buf)
    with pytest.raises(aifes.ModelError, match="layer 0"):
        format.decode(buf)
    with pytest.raises(ValueError):
        shared_library.module(library).load(buf, buf, bytearray(3))


@pytest.mark.parametrize("module", ["_aifes", "_aifes_cnn", "_aifes_f32", "_aifes_cnn_f32"])
def test_the_module_keeps_its_type(native_x64, tmp_path, module):
    """Its globals hold the head of the block of heap that has all of the module's data: on a board
    whose code lies outside the heap the garbage collector sees nothing else of it."""
    code = (f"import {module} as m\nassert 'Net' in dir(m)\n"
            "assert id(m.Net) % 32 == 0 and id(m.load) // 32 > id(m.Net) // 32\nprint('ok')")
    assert run(micropython(), ["-c", code], native_x64, tmp_path) == "ok\n"

"""What format.decode refuses for memory's sake the guard in C refuses too, in both formats."""
import struct

import aifes
import float_models
import numpy as np
import pytest
import shared_library
from aifes import builder, format
from conftest import micropython
from test_device import run
from test_mutation import MODELS, repaired

# where a field lies in its record, and its type: all that decide about addresses
HEADER = {"arena": (16, "I"), "ops": (20, "H"), "metadata": (24, "I")}
TENSOR = {"offset": (4, "I"), "features": (8, "I"), "dim 0": (12, "I"), "dim 1": (16, "I"),
          "dim 2": (20, "I")}
OP = {"opcode": (0, "B"), "flags": (1, "B"), "low": (4, "b"), "high": (5, "b"), "x": (8, "I"),
      "y": (12, "I"), "n_in": (16, "I"), "n_out": (20, "I"), "weights": (24, "I"),
      "bias": (28, "I"), "shifts": (32, "I"), "table": (36, "I"), "interleave": (40, "H"),
      "group": (42, "B")}
ANY = (0, 1, 2, 3, 4, 5, 7, 8, 127, 255, 256, 65535, 1 << 14, 1 << 22, 1 << 24, 1 << 30, 1 << 31,
       (1 << 32) - 1)
# no danger for memory: numbers that would be wrong, or fields of no use there
HARMLESS = ("scale", "reserved", "overflow", "bad shift", "finite", "type of input", "shape",
            "bad softmax", "unknown opcode")


def fields(model):
    found = [(name, 0, *field) for name, field in HEADER.items()]
    for base in (format.INPUT_AT, format.OUTPUT_AT):
        found += [(name, base, *field) for name, field in TENSOR.items()]
    for i in range(struct.unpack_from("<H", model, 20)[0]):
        base = format.OPS_AT + i * format.OP_SIZE
        found += [(name, base, *field) for name, field in OP.items()]
    return [(name, base + at, form) for name, base, at, form in found]


def changed(model):
    """Copies of a model with a field changed, the checksum right."""
    for name, at, form in fields(model):
        (value,) = struct.unpack_from("<" + form, model, at)
        step = 4 if name == "bias" else 1  # the bias of int8 may lie at any address, for the guard
        for other in {*ANY, *[value + step * d for d in range(-9, 10)]}:
            if other % step == value % step:
                buf = bytearray(model)
                try:
                    struct.pack_into("<" + form, buf, at, other)
                except struct.error:
                    continue
                yield f"{name} at {at}: {other}", repaired(buf)


def overlapping(model, item):
    """Copies of a model in which each op writes near what it reads, all else fitting to it."""
    n_ops = struct.unpack_from("<H", model, 20)[0]
    for i in range(n_ops):
        at = format.OPS_AT + i * format.OP_SIZE
        x, _, n_in, n_out = struct.unpack_from("<4I", model, at + 8)
        for y in range(x - (n_out + 1) * item, x + (n_in + 1) * item + 1, item):
            if y < 0:
                continue
            buf = bytearray(model)
            struct.pack_into("<I", buf, 16, 1024)
            struct.pack_into("<I", buf, at + 12, y)
            reader = at + format.OP_SIZE + 8 if i + 1 < n_ops else format.OUTPUT_AT + 4
            struct.pack_into("<I", buf, reader, y)
            yield f"layer {i} from {x} to {y}", repaired(buf)


def compare(load, cases):
    """How many both refuse; AssertionError if the guard lets pass what decode does not."""
    refused = 0
    for what, buf in cases:
        arena = np.zeros(1 << 16, np.uint8)
        try:
            plan = format.decode(buf)
        except aifes.ModelError as error:
            plan = None
            dangerous = not any(word in str(error) for word in HARMLESS)
        try:
            if plan is None or plan.arena <= len(arena):
                load(np.frombuffer(buf, np.uint8).copy(), arena)
            passed = True
        except ValueError:
            passed = False
        assert passed or plan is None, what
        assert not (passed and plan is None and dangerous), what
        refused += not passed
    return refused


@pytest.mark.parametrize("name", MODELS)
def test_int8(library, name):
    load = shared_library.module(library).load
    assert compare(load, changed(MODELS[name])) > 100
    assert compare(load, overlapping(MODELS[name], 1)) or name == "map"


def test_float32(tmp_path):
    load = shared_library.f32_module(shared_library.build(tmp_path, "f32")).load
    rng = np.random.default_rng(8)
    refused = overlaps = 0
    for _ in range(40):
        model = float_models.assemble(*float_models.model(rng, 8))
        refused += compare(load, changed(model))
        overlaps += compare(load, overlapping(model, 4))
    assert refused > 1000 and overlaps > 100


@pytest.mark.parametrize("x, y", [(0, 1), (1, 0)])
def test_softmax_over_a_part_of_itself(library, x, y):
    """Its second input, overwritten by its first result, would index before the table."""
    op = builder.softmax_op(2, bytes([1]) * 512)
    buf = bytearray(builder.assemble([op], (0, 0), (0, 0)))
    struct.pack_into("<I", buf, 16, 3)
    for at, value in ((format.INPUT_AT + 4, x), (format.OUTPUT_AT + 4, y),
                      (format.OPS_AT + 8, x), (format.OPS_AT + 12, y)):
        struct.pack_into("<I", buf, at, value)
    buf = repaired(buf)
    with pytest.raises(aifes.ModelError, match="layer 0"):
        format.decode(buf)
    with pytest.raises(ValueError):
        shared_library.module(library).load(buf, bytearray(3))


@pytest.mark.parametrize("module", ["_aifes", "_aifes_f32"])
def test_the_module_keeps_its_type(native_x64, tmp_path, module):
    """Its globals hold the head of the block of heap that has all of the module's data: on a board
    whose code lies outside the heap the garbage collector sees nothing else of it."""
    code = (f"import {module} as m\nassert 'Net' in dir(m)\n"
            "assert id(m.Net) % 32 == 0 and id(m.load) // 32 > id(m.Net) // 32\nprint('ok')")
    assert run(micropython(), ["-c", code], native_x64, tmp_path) == "ok\n"

"""Arenas of convolutional nets, and instructions of one inference on emulated chips, beside other
libraries'. Fails if an arena is larger than its limit.

The nets have the shapes of MLPerf Tiny's (kws, ic, vww) and of two small ones (gest: three axes
over time, mnist), with random weights. The engine is the family _aifes_cnn. On Cortex-M4 its counts
are one or two percent too high: tests/emulator.py, `blocks`.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
from aifes.format import INT8, decode, size
from aifes.layers.conv import Geometry
from aifes.layers.pool import pool
from aifes.ops import add, dense, softmax
from aifes_host.layout import by_rows
from aifes_host.ops.dense import interleave
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
import random_models  # noqa: E402
import shared_library  # noqa: E402
from emulator import CHIPS, ESP32, build, emulator  # noqa: E402

# of weights: interleave, group
ORDER = {"M0+": (8, 1), "M4": (4, 4), "RV32": (1, 1), ESP32: (8, 1)}


# as native_module/Makefile has them for the loadable file
OPTIONS = {"M0+": ("-DAIFES_TIGHT=1", "-DAIFES_HAS_SUMS_4=0"), "M4": ("-DAIFES_TIGHT=1",),
           "RV32": ("-DAIFES_TIGHT=1", "-DAIFES_COMPACT=1"),
           ESP32: ("-DAIFES_TIGHT=1", "-DAIFES_HAS_SUMS_4=0", "-DAIFES_COMPACT=1")}


def conv(kernel, outputs, stride=1, groups=1):
    return "conv", kernel, outputs, (stride, stride), groups


def separable(outputs, stride=1):
    """Depthwise, pointwise."""
    return [conv((3, 3), None, stride, None), conv((1, 1), outputs)]


def residual(outputs, stride):
    """Two convs, beside them nothing or (stride 2) one; both are added."""
    beside = [("from", -3), conv((1, 1), outputs, stride)] if stride > 1 else []
    return [conv((3, 3), outputs, stride), conv((3, 3), outputs), *beside,
            ("add", -2 if stride > 1 else -3)]


NETS = {
    "kws": ((49, 10, 1), [conv((10, 4), 64, 2), *4 * separable(64), ("mean",), ("dense", 12),
                          ("softmax",)]),
    "ic": ((32, 32, 3), [conv((3, 3), 16), *residual(16, 1), *residual(32, 2), *residual(64, 2),
                         ("mean",), ("dense", 10), ("softmax",)]),
    "vww": ((96, 96, 3), [
        conv((3, 3), 8, 2), *separable(16), *separable(32, 2), *separable(32), *separable(64, 2),
        *separable(64), *separable(128, 2), *5 * separable(128), *separable(256, 2),
        *separable(256), ("mean",), ("dense", 2), ("softmax",)]),
    "gest": ((128, 1, 3), [conv((5, 1), 8), ("max", (2, 1)), conv((5, 1), 16), ("max", (2, 1)),
                           ("dense", 6), ("softmax",)]),
    "mnist": ((28, 28, 1), [conv((3, 3), 8), ("max", (2, 2)), conv((3, 3), 16), ("max", (2, 2)),
                            ("dense", 24), ("dense", 10), ("softmax",)]),
}
PRODUCTS = {"kws": 2656768, "ic": 12501632, "vww": 7489664, "gest": 59392, "mnist": 301296}
# the same shapes, gcc 12.2 -O2: measured with the libraries themselves
OTHERS = {
    "M0+": {"CMSIS-NN": (28989103, 97557123, 86892148, 787412, 3962583),
            "TinyMaix": (49.6e6, 147e6, 154e6, 1.45e6, 6.7e6),
            "TFLM reference": (67.1e6, 198e6, 162e6, 1.7e6, 9.9e6)},
    "M4": {"CMSIS-NN": (7393439, 29395873, 23137284, 292338, 1563361),
           "TinyMaix": (24.7e6, 75.3e6, 77.0e6, 770e3, 3.5e6),
           "TFLM reference": (38.0e6, 108e6, 94e6, 900e3, 5.2e6)},
    "RV32": {"CMSIS-NN (plain C)": (16282474, 65385162, 48711152, 471490, 2398842),
             "ESP-NN": (25.8e6, 96.4e6, 65.2e6, 840e3, 4.6e6),
             "TFLM reference": (48.8e6, 167e6, 127e6, 1.2e6, 6.5e6)},
}
AIM = {"M0+": (12500000, 49000000, 35000000, 330000, 1600000),
       "M4": (4800000, 20500000, 14000000, 168000, 810000),
       "RV32": (11000000, 45000000, 31000000, 290000, 1460000)}
# bytes of arena: the image in it, and read row by row
LIMITS = {"kws": (5500, 5500), "ic": (14000, 14000), "vww": (31000, 14000), "gest": (640, 640),
          "mnist": (2300, 2300)}
TFLM = {"kws": "about 22,000", "ic": "52,000", "vww": "98,000"}


def same(n, kernel, stride):
    """(places, padding before) of "same" padding."""
    places = -(-n // stride)
    return places, max((places - 1) * stride + kernel - n, 0) // 2


def network(name, order):
    """(the .aifes buffer, one int8 input) with weights in an order; as each the same numbers."""
    rng = np.random.default_rng(0)
    x, layers = NETS[name]
    shapes, nodes, source = [x], [], 0
    for kind, *arguments in layers:
        x, take, scratch, flags = shapes[source], (source,), 0, dense.NEAREST
        if kind == "from":
            source = len(shapes) + arguments[0]
            continue
        if kind == "conv":
            kernel, outputs, stride, groups = arguments
            groups, outputs = groups or x[2], outputs or x[2]
            (rows, top), (columns, left) = map(same, x[:2], kernel, stride)
            y = rows, columns, outputs
            g = Geometry(x, y, kernel, stride, (top, left), groups=groups)
            draft = g.draft(numbers(rng, g.n, outputs, order, groups), flags, 3)
            opcode, fields, scratch = draft.opcode, draft.fields, draft.scratch
        elif kind == "dense":
            y = arguments[0], 1, 1
            opcode, fields = random_models.DENSE, numbers(rng, size(x), y[0], order)
        elif kind == "add":
            y, take, flags = x, (len(shapes) + arguments[0], source), 0
            opcode, fields = random_models.ADD, add.Fields(0, -128, 127, 1, 0, 0, 0, 1)
        elif kind == "softmax":
            y, opcode, fields = x, random_models.SOFTMAX, softmax.Fields(bytes(range(256)) * 2)
        else:
            kernel = x[:2] if kind == "mean" else arguments[0]
            y = x[0] // kernel[0], x[1] // kernel[1], x[2]
            draft = pool(x, y, kernel, kernel, (0, 0), kind == "mean")
            opcode, flags, fields = draft.opcode, draft.flags, draft.fields
        nodes.append((opcode, flags, take, fields, y, scratch))
        shapes.append(y)
        source = len(shapes) - 1
    model = random_models.put_shapes_together(rng, nodes, shapes, [source], INT8)
    decode(model)
    return model, rng.integers(-128, 128, size(shapes[0])).astype(np.int8)


def numbers(rng, n, outputs, order, groups=1):
    """The fields of a dense layer, or of a conv, with shifts of its own for each output."""
    each = outputs // groups
    width, group = order if each >= order[0] else (1, 1)
    w = rng.integers(0, 256, (n, outputs)).astype(np.uint8)
    weights = b"".join(interleave(w[:, g * each:(g + 1) * each], width, group)
                       for g in range(groups))
    bias = rng.integers(-1000, 1000, outputs).astype("<i4").tobytes()
    shift = 7 + n.bit_length() // 2
    shifts = rng.integers(shift, shift + 2, outputs).astype(np.uint8).tobytes()
    return dense.Fields(-5, 128, -5, 127, 0, group, width, weights, bias, shifts, None, None)


def measure(chip, elf, model, x, library):
    """Instructions of one inference whose result was compared with the portable C's."""
    want = results(library, model, x)
    board = emulator(chip, elf, model, blocks=True)
    assert board.run([x.tobytes()], [len(want)]) == [want.tobytes()]
    return board.count


def arenas(name):
    """Bytes of arena, the layers one after another, by turns, and with the input row by row."""
    model, _ = network(name, (1, 1))
    return [decode(m).arena for m in (model, by_rows(model), by_rows(model, "rows"))]


def memory():
    """The table of arenas. Raises AssertionError if one is beyond its limit."""
    found = {name: arenas(name) for name in NETS}
    table = Table(title="bytes of arena")
    table.add_column("")
    for name in NETS:
        table.add_column(name, justify="right")
    for i, title in enumerate(("one layer after another", "by turns", "input row by row")):
        table.add_row(title, *[f"{found[name][i]:,}" for name in NETS])
        if i:
            table.add_row("at most", *[f"{LIMITS[name][i - 1]:,}" for name in NETS], style="bold")
    table.add_row("TFLM", *[TFLM.get(name, "") for name in NETS], style="dim")
    Console().print(table)
    for name, (_, *by_turns) in found.items():
        for bytes_, limit in zip(by_turns, LIMITS[name]):
            assert bytes_ <= limit, f"arena of {name}: {bytes_} bytes, more than {limit}"


def results(library, model, x):
    plan = decode(model)
    net = shared_library.module(library).load(model, model, np.zeros(plan.arena, np.uint8))
    y = np.zeros(size(plan.tensors[1].shape), np.int8)
    at = net(x, y, 0)
    while at:
        at = net(x, y, at)
    return y


def main():
    memory()
    with tempfile.TemporaryDirectory() as folder:
        library = shared_library.build(folder)
        for chip in CHIPS:
            table = Table(title=f"{CHIPS[chip].name}: instructions for one inference")
            table.add_column("")
            for name in NETS:
                table.add_column(name, justify="right")
            elf = build(chip, folder, OPTIONS[chip])
            nets = [network(name, ORDER[chip]) for name in NETS]
            whole = [measure(chip, elf, model, x, library) for model, x in nets]
            counts = [measure(chip, elf, by_rows(model), x, library) for model, x in nets]
            table.add_row("aifes, one layer after another", *[f"{n:,}" for n in whole])
            table.add_row("aifes, by turns", *[f"{n:,}" for n in counts])
            table.add_row("for each product", *[f"{n / PRODUCTS[name]:.2f}"
                                                for name, n in zip(NETS, counts)])
            if chip in AIM:
                table.add_row("to reach", *[f"{n:,}" for n in AIM[chip]], style="bold")
            for title, others in OTHERS.get(chip, {}).items():
                table.add_row(title, *[f"{n:,.0f}" for n in others], style="dim")
            Console().print(table)


if __name__ == "__main__":
    main()

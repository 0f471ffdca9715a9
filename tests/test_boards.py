"""The suite of tests/device and AIfES's golden data on every board, with every engine it has."""
import base64
import sys
import zlib
from pathlib import Path

import aifes
import pytest
from aifes_host.boards.deploy import TARGETS
from aifes_host.layout import arrange
from boards.interface import Local
from boards.qemu_board import MACHINES as QEMU
from conftest import BOARDS

sys.path.insert(0, str(Path(__file__).parent / "device"))
import cases  # noqa: E402
import run  # noqa: E402
import stream  # noqa: E402
import test_nets  # noqa: E402

GOLDEN = ("test_maps", "test_nets", "test_helpers")  # too large for a flash: test_golden instead
ONCE = ("test_quantize",)  # Python code that no engine changes: with the first engine of a board
MAPS = 541 + 72  # activations and softmax; layers and nets follow
PYTHON_EVERY = 10  # of them: the Python engine takes seconds for one on a Pico
BATCH = 2250  # bytes in one command to the board
WBITS = 10  # as in device/stream.py


def test_suite(board, engine):
    if engine not in board.engines:
        pytest.skip(f"{board.name} has no {engine} engine")
    for module in run.MODULES:
        if isinstance(board, Local) or module not in GOLDEN and (
                module not in ONCE or engine == board.engines[0]):
            # small heaps keep larger pieces if they are collected early
            first = "" if isinstance(board, Local) else "import gc\ngc.threshold(8192)\n"
            out = board.run(f"{first}import run\nrun.main([DATA, {engine!r}, {module!r}])", 300)
            print(out)
            assert " 0 failed" in out


def golden(data):
    """(model, x, want) of AIfES's reference data: maps, softmax, activations, nets from end to end.

    Dense layers run as parts of their nets; alone in those that differ from ours in softsign.
    """
    cases.DATA = str(data)
    every = bytes((v + 128 & 255) ^ 128 for v in range(-128, 128))
    for r in cases.records("maps"):
        if r["defined"]:
            net = aifes.Sequential([aifes.Input(256, tuple(r["q"])),
                                    cases.activation(r["act"], r["alpha"])])
            want = bytearray.fromhex(r["want"])
            if r["act"] == "softsign":
                want[r["q"][1] + 128] = 0  # AIfES stores its input's zero point there
            yield net.to_bytes(), every, want
    for r in cases.records("softmax"):
        net = aifes.Sequential([aifes.Input(r["n"], (r["shift"], 0)), aifes.Softmax()])
        yield net.to_bytes(), bytes.fromhex(r["x"]), bytes.fromhex(r["want"])
    for record in cases.records("nets"):
        q, x = tuple(record["q"]), cases.int8s(record["x"])
        layers, quirk = [aifes.Input(record["n"], q)], test_nets.is_quirk(record)
        for r in record["layers"]:
            layers.append(test_nets.layer_of(r))
            if quirk or r["act"] != "dense":
                net = aifes.Sequential([aifes.Input(len(x) // 16, q), layers[-1]])
                yield net.to_bytes(), bytes(x), bytes(test_nets.expected(r, x, q))
            q, x = tuple(r["out"]), cases.int8s(r["want"])
        if not quirk:
            yield aifes.Sequential(layers).to_bytes(), bytes.fromhex(record["x"]), bytes(x)


@pytest.mark.boards("pico", "pico-c", *QEMU)
def test_golden(board, data):
    """The golden data, built into buffers here and run there."""
    board.serial.reset()
    target = TARGETS.get(board.serial.info.arch, "any")
    batch, wanted, sent, n = [], [], bytearray(), 0
    last = None

    def flush():
        packer = zlib.compressobj(9, zlib.DEFLATED, -WBITS)
        text = base64.b64encode(packer.compress(sent) + packer.flush()).decode()
        got = board.serial.call(stream.run_all, text, batch, timeout=300)
        for engines, crcs, want in zip((b[2] for b in batch), got, wanted):
            assert crcs == [zlib.crc32(want)] * len(engines)
        for done in (batch, wanted, sent):
            done.clear()

    for n, (model, x, want) in enumerate(golden(data), 1):
        engines = [e for e in BOARDS.get(board.name, board.engines)
                   if e != "python" or n <= MAPS or n % PYTHON_EVERY == 0]
        model = bytes(arrange(model, target if n % 2 else "any"))
        if len(model) > BATCH:
            flush()
            board.serial.write("/large", model)
            model = b""
        inputs = b"" if x == last else x
        if len(sent) + len(model) + len(inputs) > BATCH and batch:
            flush()
        batch.append([len(model), len(inputs), engines])
        wanted.append(want)
        sent += model + inputs
        last = x
    flush()
    assert n == MAPS + 354 + 84, n

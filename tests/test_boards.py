"""The suite of tests/device and AIfES's golden data on every board, with every engine it has."""
import re

import golden_models
import pytest
import run
from aifes_host.boards.transport import BoardError
from boards.interface import Local
from boards.qemu_board import MACHINES as QEMU
from boards.tested import COLUMNS, PAGE, rows
from conftest import BOARDS

# too large for a flash; test_golden has those of int8
GOLDEN = ("test_maps", "test_nets", "test_helpers", "test_cnns")
# tests of all kinds of kernels, where the same code runs on another board all of the suite: the
# Python engine is the same bytecode everywhere, viper's code depends on the architecture
KERNELS = ("test_tutorial", "test_ops", "test_run", "test_float32", "test_image_layers",
           "test_format1")
PARTLY = {"python": ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33",
                     "esp32-class"),  # all: pico, rv32
          "viper": ("cortex-m0", "cortex-m4", "cortex-m7")}  # pico, cortex-m3 and the others
# Python code that no engine changes: with the first engine of a board
ONCE = ("test_quantize", "test_quantizer", "test_tables")


def collected_often(board):
    """Code to begin with: small heaps keep larger pieces that way."""
    threshold = 32768 if board.name.startswith("pico") else 8192
    return f"import gc\nif hasattr(gc, 'threshold'):\n gc.threshold({threshold})\n"


def test_suite(board, engine, record_property):
    if engine not in board.engines:
        pytest.skip(f"{board.name} has no {engine} engine")
    first, left_out = "", ()
    if not isinstance(board, Local):
        first = collected_often(board)
        once = engine == board.engines[0] and board.name != "pico-c"  # pico runs the same code
        left_out = GOLDEN if once else GOLDEN + ONCE
    modules = KERNELS if board.name in PARTLY.get(engine, ()) else run.MODULES
    passed, wrong = 0, []
    for module in modules:
        if module not in left_out:
            try:
                out = board.run(
                    f"{first}import run\nrun.main([DATA, {engine!r}, {module!r}])", 300)
            except BoardError as error:  # an unknown board gets as far as it can
                out = f"{module}: {error}"
            print(out)
            passed += int(re.search(r"(\d+) passed|$", out)[1] or 0)
            if " passed, 0 failed" not in out:
                wrong.append(next((line for line in out.splitlines() if "FAIL" in line), out))
    record_property("ran", (board.name, board.title, engine, passed))
    assert not wrong, "; ".join(wrong)


@pytest.mark.boards("pico", "pico-c", *QEMU)
def test_golden(board, data, record_property):
    """The golden data, built into models here and run there."""
    engines, right = BOARDS.get(board.name, board.engines), 0
    for contents, results in golden_models.files(data, board.arch, engines, board.room()):
        board.put({board.golden: contents})
        out = board.run(f"{collected_often(board)}import golden_file\n"
                        f"golden_file.run_file({board.golden!r})", 60)
        assert "wrong" not in out and f"\n{results} results\n" in "\n" + out, out
        right += results
    record_property("ran", (board.name, board.title, "golden", right))


def test_page():
    """docs/tested.md has a row for each board but one, and a number wherever it is tested."""
    found = rows(PAGE.read_text())
    golden = ("pico", "pico-c", *QEMU)
    assert set(found) == set(BOARDS) - {"circuitpython"}
    for name, (firmware, *numbers) in found.items():
        tested = [*BOARDS[name], *(["golden"] if name in golden else [])]
        assert [c for c, n in zip(COLUMNS, numbers) if n] == [c for c in COLUMNS if c in tested]
        assert "Python " in firmware

"""The suite of tests/device and AIfES's golden data on every board, with every engine it has."""
import golden_models
import pytest
import run
from boards.interface import Local
from boards.qemu_board import MACHINES as QEMU
from conftest import BOARDS

# too large for a flash; test_golden has those of int8
GOLDEN = ("test_maps", "test_nets", "test_helpers", "test_cnns")
# Python code that no engine changes: with the first engine of a board
ONCE = ("test_quantize", "test_quantizer")


def test_suite(board, engine):
    if engine not in board.engines:
        pytest.skip(f"{board.name} has no {engine} engine")
    first, left_out = "", ()
    if not isinstance(board, Local):
        # small heaps keep larger pieces that way
        threshold = 32768 if board.name.startswith("pico") else 8192
        first = f"import gc\ngc.threshold({threshold})\n"
        once = engine == board.engines[0] and board.name != "pico-c"  # pico runs the same code
        left_out = GOLDEN if once else GOLDEN + ONCE
    for module in run.MODULES:
        if module not in left_out:
            out = board.run(f"{first}import run\nrun.main([DATA, {engine!r}, {module!r}])", 300)
            print(out)
            assert " 0 failed" in out


@pytest.mark.boards("pico", "pico-c", *QEMU)
def test_golden(board, data):
    """The golden data, built into models here and run there."""
    engines = BOARDS.get(board.name, board.engines)
    for contents, results in golden_models.files(data, board.arch, engines, board.room()):
        board.put({board.GOLDEN: contents})
        out = board.run(f"import golden_file\ngolden_file.run_file({board.GOLDEN!r})", 60)
        assert "wrong" not in out and f"\n{results} results\n" in "\n" + out, out

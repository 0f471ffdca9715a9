"""What it costs on the real firmware of an emulated Raspberry Pi Pico.

Cycles are those of a Cortex-M0+ without flash wait states: exact and repeatable, but for code in
flash (MicroPython itself) a lower bound.
"""
import json

import numpy as np
import pytest
from aifes.format import size
from aifes_host import Simulator
from aifes_host.layout import arrange
from bench.instructions import network
from bench.pico import REACH, measure_run


@pytest.mark.boards("pico")
@pytest.mark.parametrize("name, kind, how", REACH)
def test_cost(board, name, kind, how):
    """The simulator's results, no allocation, and the cycles and bytes that were once reached."""
    model = arrange(network(name)[0], "cortex-m0" if how == "native" else "any")
    cycles, heap, output = measure_run(board, model, how, kind)
    print(f"{name} {how} {kind}: {cycles:,} cycles, {heap:,} bytes of heap")
    simulator = Simulator(model)
    x = np.ones((1, size(simulator.inputs[0].shape)), np.int8)
    if kind == "f":
        x = simulator.quantized(x)
    assert json.loads(output) == simulator.run(x)[0].view(np.uint8).tolist()
    most_cycles, most_heap = REACH[name, kind, how]
    assert cycles <= most_cycles and heap <= most_heap

"""Nothing is allocated per inference; measured where the interpreter can tell (not on CPython)."""
import gc
from array import array

import aifes
from test_run import network


def allocated(function, *arguments):
    """Heap bytes that 100 calls leave behind, garbage included."""
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        for _ in range(100):
            function(*arguments)
        return gc.mem_alloc() - before
    finally:
        gc.enable()


def test_no_allocation():
    if not hasattr(gc, "mem_alloc"):
        print("skipped: this interpreter has no gc.mem_alloc()")
        return
    for arena in (None, bytearray(5)):
        model = aifes.load(network().to_bytes(), arena)
        for x in (array("b", [1, 2]), array("f", [0.5, -3.0]), bytearray(2)):
            for y in (array("b", [0, 0]), array("f", [0, 0]), bytearray(2)):
                assert allocated(model.run, x, y) == 0, (arena, x, y)
        assert allocated(model.forward) == 0


def test_the_measure_sees_allocation():
    if hasattr(gc, "mem_alloc"):
        model = aifes.load(network().to_bytes())
        assert allocated(model.predict, (0.5, -3.0)) > 100

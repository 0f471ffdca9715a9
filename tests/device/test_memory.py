"""Nothing is allocated per inference; measured where the interpreter can tell (not on CPython)."""
import gc
from array import array

import aifes
import cases
from small_nets import network


def test_no_allocation():
    if not hasattr(gc, "mem_alloc"):
        print("skipped: this interpreter has no gc.mem_alloc()")
        return
    for arena in (None, bytearray(5)):
        model = aifes.load(network().to_bytes(), arena)
        for x in (array("b", [1, 2]), array("f", [0.5, -3.0]), bytearray(2)):
            for y in (array("b", [0, 0]), array("f", [0, 0]), bytearray(2)):
                assert cases.allocated(model.run, x, y) == 0, (arena, x, y)
        assert cases.allocated(model.forward) == 0


def test_the_measure_sees_allocation():
    if hasattr(gc, "mem_alloc"):
        model = aifes.load(network().to_bytes())
        assert cases.allocated(model.predict, (0.5, -3.0)) > 100

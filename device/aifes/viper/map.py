"""map: ops/map.py; for float32 a program of lanes.py."""
from array import array

import micropython

from ..model import size
from ..ops.map import FUNCTIONS


def int8(op, x, y):
    return map_, array("i", (x[0].offset, y[0].offset, op.fields.table)), size(x[0].shape)


@micropython.viper
def map_(buf: ptr8, arena: ptr8, p: ptr32, n: int):  # noqa: F821
    x = ptr8(int(arena) + p[0])  # noqa: F821
    y = ptr8(int(arena) + p[1])  # noqa: F821
    table = ptr8(int(buf) + p[2])  # noqa: F821
    i = 0
    while i < n:
        y[i] = table[x[i] ^ 128]
        i += 1


def float32(op, x, y, work):
    from . import lanes
    from .lanes import EXP, MINUS, MINUS_ZERO, ONE, SET, A, D, E, T, X, step

    macs = lanes.macs
    kind = FUNCTIONS[op.flags]
    x_by_d = lanes.divide, step(X, 0, X, D)
    if kind == "relu":
        program = (_choice(lanes, X, lanes.ZERO),)
    elif kind == "leaky_relu":
        program = (macs, step(T, MINUS_ZERO, X, SET)), _choice(lanes, X, T)
    elif kind == "elu":
        program = ((macs, step(A, MINUS_ZERO, X, ONE)),) + EXP + (
            (macs, step(E, MINUS, E, ONE)), (macs, step(T, MINUS_ZERO, E, SET)),
            _choice(lanes, X, T))
    elif kind == "softsign":
        program = (lanes.absolute, lanes.NONE), (macs, step(D, ONE, A, ONE)), x_by_d
    else:
        start = (lanes.absolute, lanes.NONE), (macs, step(A, MINUS_ZERO, A, MINUS))
        exp = EXP + ((macs, step(D, ONE, E, ONE)),)
        if kind == "sigmoid":
            program = start + exp + (_choice(lanes, ONE, E), x_by_d)
        else:
            program = start + ((macs, step(A, A, A, ONE)),) + exp + (
                (macs, step(E, ONE, E, MINUS)), (lanes.divide, step(E, 0, E, D)),
                (macs, step(T, MINUS_ZERO, E, MINUS)), _choice(lanes, E, T))
    return lanes.blocks, (work, op.fields.table >> 2, ((X, x[0].offset >> 2),), program, X,
                          y[0].offset >> 2), size(x[0].shape)


def _choice(lanes, yes, no):
    """The part of a program that takes yes where X > 0."""
    return lanes.pick, array("i", (yes, no))

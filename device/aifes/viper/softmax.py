"""softmax: ops/softmax.py."""
from array import array

import micropython

from ..model import size
from ..ops.softmax import NEAREST


def int8(op, x, y):
    return softmax, array("i", (x[0].offset, y[0].offset, op.fields.table,
                                op.flags & NEAREST)), size(x[0].shape)


@micropython.viper
def softmax(buf: ptr8, arena: ptr8, p: ptr32, n: int):  # noqa: F821
    x = p[0]
    y = p[1]
    table = p[2]
    top = 0
    i = 0
    while i < n:
        v = arena[x + i] ^ 128
        if v > top:
            top = v
        i += 1
    total = 0
    i = 0
    while i < n:
        at = table + 2 * (top - (arena[x + i] ^ 128))
        total += buf[at] | buf[at + 1] << 8
        i += 1
    half = 0
    if p[3]:
        half = total >> 1
    else:
        total += 1
    i = 0
    while i < n:
        at = table + 2 * (top - (arena[x + i] ^ 128))
        q = (((buf[at] | buf[at + 1] << 8) << 8) + half) // total
        if q > 255:
            q = 255
        arena[y + i] = q ^ 128
        i += 1


def float32(op, x, y, work):
    from . import lanes
    from .lanes import SET, A, E, X, step

    n, x, y = size(x[0].shape), x[0].offset, y[0].offset >> 2
    exp = work, 0, ((X, x >> 2),), (
        (lanes.macs, step(A, X, SET, lanes.MINUS)),) + lanes.EXP, E, y
    one = array("i", (4 * SET, 4 * lanes.ONE, 4 * E, 4 * SET, 0, 0, 0, 0, 0))
    total = work, 0, ((E, y),), ((_add, (lanes.macs, one)),), E, y
    divided = work, 0, ((X, y),), ((lanes.divide, step(X, 0, X, SET)),), X, y
    return float_softmax, (lanes, work, x, exp, total, divided), n


def float_softmax(buf, arena, p, n):
    """exp() of each less the largest, then their sum, by which they are divided."""
    lanes, work, x, exp, total, divided = p
    lanes.greatest(work, arena, x, n)
    lanes.blocks(buf, arena, exp, n)
    lanes.put(work, lanes.SET, work, lanes.ZERO, 1)
    lanes.blocks(buf, arena, total, n)
    lanes.blocks(buf, arena, divided, n)


def _add(source, work, p, n):
    """SET = SET + n elements of E."""
    macs, step = p
    step[4] = n
    macs(source, work, step, 1)

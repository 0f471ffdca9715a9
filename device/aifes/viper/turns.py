"""Models whose ops take turns, by the viper engine.

The file of an op with windows has turn(step, view, x, y): the n of a step, whose p it sets to what
Rows.place() says. The p of others, on elements, begins with the offsets of inputs and result.
"""
from array import array

import micropython

from ..rows import AT, ROW, THERE
from ..turns import ArenaRows


class Turns(ArenaRows):
    def __init__(self, net, plan, arena):
        from ..ops import room, windows  # not kept: model.forget

        super().__init__(net, plan, arena)
        self._view = array("i", bytes(24))
        self._kinds = []
        for op in plan.ops:
            x, y = [[plan.tensors[k] for k in ends] for ends in (op.inputs, op.outputs)]
            turn = None
            if windows(op, x, y):
                turn = getattr(room(op.opcode, "aifes.viper."), "turn", elements)
            self._kinds.append((turn, x, y))

    def row(self, i):
        net = self._net
        step, (turn, x, y) = net._steps[i], self._kinds[i]
        n = step[2]
        if turn:
            view = self._view
            view[0] = x[0].shape[0]
            self.place(i, view)
            n = turn(step, view, x, y)
        step[0](net._buf, self._arena, step[1], n)

    def move(self, i, by):
        s = self.states[i]
        moved(self._arena, s[AT], by, s[THERE] * s[ROW])

    def slot(self, i):
        super().slot(i)
        end, n = self._net._ends[0], self._n
        end[0], end[1] = self._net._tensors[0].offset + i * n, n


def elements(step, view, x, y):
    p, n = step[1], y[0].shape[1] * y[0].shape[2]
    p[0] = x[0].offset + view[2] * n
    p[len(x) - 1] = x[-1].offset + view[2 * len(x)] * n  # where the last one's window begins
    p[len(x)] = y[0].offset + view[3]
    return n


@micropython.viper
def moved(arena: ptr8, at: int, by: int, n: int):  # noqa: F821
    """n bytes from at + by to at."""
    to = ptr8(int(arena) + at)  # noqa: F821
    x = ptr8(int(to) + by)  # noqa: F821
    i = 0
    while i < n:
        to[i] = x[i]
        i += 1

"""Models whose ops take turns, by the Python engine."""
from ..rows import AT, ROW, THERE
from ..turns import ArenaRows
from .int8 import sign


class Turns(ArenaRows):
    def row(self, i):
        net = self._net
        run, op, x, y, raw = net._steps[i]
        if op.view:
            self.place(i, op.view)
        if net._mask > 0:
            sign(x, raw)
        run(net._buf, op, x, y, net._mask)

    def move(self, i, by):
        s, arena = self.states[i], self._arena
        for k in range(s[AT], s[AT] + s[THERE] * s[ROW]):
            arena[k] = arena[k + by]

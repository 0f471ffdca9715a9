"""Models whose ops take turns, by the Python engine."""
from ..rows import AT, ROW, THERE
from ..turns import ArenaRows


class Turns(ArenaRows):
    def row(self, i):
        net = self._net
        run, op, x, y, raw = net._steps[i]
        if op.outputs:
            self.place(i, op.outputs[-1])
        if net._mask > 0:
            net.signed(x, raw)
        run(net._buf, op, x, y, net._mask)

    def move(self, i, by):
        s, arena = self.states[i], self._arena
        for k in range(s[AT], s[AT] + s[THERE] * s[ROW]):
            arena[k] = arena[k + by]

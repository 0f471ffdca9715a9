"""Rows that are computed by an engine in Python, and samples that come in row by row."""
from .model import size
from .rows import AT, ROW, THERE, Rows

RESULT = 1 << 28  # native_module/rows.h


class Turns(Rows):
    """net: the engine: it has row(i), which computes the next row of op i, and moved(at, by, n),
    which moves n bytes of the arena from at + by to at."""

    def __init__(self, net, plan, arena):
        super().__init__(plan)
        self._net = net
        t = plan.tensors[0]
        self._x, self._at, self._row, self._rows = None, 0, 0, 0
        if t.rows:
            self._rows = t.shape[0]
            self._row = n = size(t.shape) // self._rows
            self._slots = [arena[at:at + n]
                           for at in range(t.offset, t.offset + n * t.rows, n)]

    def sample(self, x=None):
        """All of a sample: x, if the input comes in rows; else it lies in the arena."""
        self.reset()
        self._x, self._at = x, 0
        self.go(self._rows)
        self._x = None

    def push(self, x, at):
        """net(x, None, at | PUSH) of engines: a row."""
        if not self._net._item_size(x, self._row):
            return -1
        if not at & RESULT:
            self.reset(self.endless)
        self._x, self._at = x, None
        done = self.go(1)
        self._x = None
        return RESULT if done else 0

    def run(self, i):
        if i >= 0:
            return self._net.row(i)
        net, x = self._net, self._x
        if self._at is not None:
            x = memoryview(x)[self._at:self._at + self._row]
            self._at += self._row
        net.slot(self.states[-1][THERE], self._slots)
        item = net._item_size(x, self._row)  # leaves its bytes in the stream
        net._io.seek(0)
        if item == 4:
            net._quantize(0, x)
        else:
            net._io.readinto(net._views[0])

    def move(self, i, by):
        s = self.states[i]
        self._net.moved(s[AT], by, s[THERE] * s[ROW])

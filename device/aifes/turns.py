"""Rows that are computed by an engine in Python, and samples that come in row by row.

An engine has a file turns.py with a Turns(net, plan, arena), imported for a model that needs it.
"""
from .model import TELLS_TYPE, flat, size
from .rows import THERE, Rows

RESULT = 1 << 28  # native_module/rows.h


class ArenaRows(Rows):
    """net: the engine. A subclass has row(i): compute the next row of op i; move(i, by) of Rows;
    and slot(i): the next row of the input goes to row i of what is there of it."""

    def __init__(self, net, plan, arena):
        super().__init__(plan)
        self._net, self._arena = net, arena
        t = plan.tensors[0]
        self._x, self._at, self._rows = None, 0, 0
        self._n = size(t.shape)
        if t.rows:
            self._rows = t.shape[0]
            self._n //= self._rows  # elements of a row
            n = self._n
            self._slots = [arena[at:at + n]
                           for at in range(t.offset, t.offset + n * t.rows, n)]

    def forward(self, x=None):
        """All of a sample: x, if the input comes in rows; else it lies in the arena."""
        self.reset()
        self._x, self._at = x, 0
        self.go(self._rows)
        self._x = None

    def __call__(self, net, x, y, at):
        """net(x, y, at) of an engine whose input comes in rows; at: push.PUSH and more, or 0."""
        if TELLS_TYPE:
            x, y = (None if v is None else flat(v) for v in (x, y))
        if not at:
            return self._samples(x, y)
        if x is None:
            return self._output(y)
        if not net._item_size(x, self._n):
            return -1
        if not at & RESULT:
            self.reset(self.endless)
        self._x, self._at = x, None
        done = self.go(1)
        self._x = None
        return RESULT if done else 0

    def _samples(self, x, y):
        net = self._net
        n, m = self._n * self._rows, net._m
        count = len(x) // n
        if not count or count * n != len(x) or count * m != len(y):
            return -1
        if not net._item_size(memoryview(x)[:self._n], self._n):
            return -1
        if count == 1:
            if not self._writable(y):
                return -1
            self.forward(x)
            return self._output(y)
        x, y = memoryview(x), memoryview(y)
        for i in range(count):
            if self._samples(x[i * n:(i + 1) * n], y[i * m:(i + 1) * m]):
                return -1
        return 0

    def _writable(self, y):
        """Bytes of an item of an output's buffer, 0: it is none. TypeError if it is read-only."""
        net = self._net
        item = net._item_size(y, net._m)
        net._io.seek(0)
        net._io.readinto(y)  # its own bytes; a pointer would not refuse
        net._io.seek(0)
        return item

    def _output(self, y):
        item = self._writable(y)
        if item == 4:
            self._net._dequantize(1, y)
        elif item:
            self._net._move(self._net._views[1], y)
        return 0 if item else -1

    def run(self, i):
        if i >= 0:
            return self.row(i)
        net, x, n = self._net, self._x, self._n
        if self._at is not None:
            x = memoryview(x)[self._at:self._at + n]
            self._at += n
        self.slot(self.states[-1][THERE])
        item = net._item_size(x, n)  # leaves its bytes in the stream
        net._io.seek(0)
        if item == 4:
            net._quantize(0, x)
        else:
            net._io.readinto(net._views[0])

    def slot(self, i):
        self._net._views[0] = self._slots[i]

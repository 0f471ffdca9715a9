"""Models whose ops take turns, each a row of its result at a time: docs/format.md, "Rows".

A tensor with `rows` holds so many of its rows, from its offset on. Those that no window needs any
more go at once, and the others move to its beginning. Ops from the one that makes such a
tensor to the last that reads it belong together. Of them always the last one runs that can: the
rows of its windows are there, and its result has room.
"""
from array import array

from .model import size

# of a state: rows that are to be computed, that are there, for which there is room; whether the op
# takes turns with the one before; a window from its first to its last row, from one to the next,
# and by how much rows are spread; elements of a row; where they lie in the arena; rows in all, and
# where the first window begins; the last op of those that take turns which reads the result;
# where the next windows begin, in the first and the second input, relative to the rows that are
# there
LEFT = 0
THERE = 1
ROOM = 2
JOINED = 3
SPAN = 4
STRIDE = 5
SPREAD = 6
ROW = 7
AT = 8
ROWS = 9
START = 10
FAR = 11
TOP = 12


class Rows:
    """The order in which rows are computed.

    states: an array for each op, as above; the last one is of the input, if that comes in rows,
    which is number -1. makers: for each op the numbers of those that make its inputs, None: they
    are there; readers: for each (op, number of its input) that read its result. A subclass has
    run(i): compute the next row of op i, or take one of the input; and move(i, by): bring the rows
    of op i that are there to their place, `by` elements before.
    """

    def __init__(self, plan):
        from .ops import windows  # not kept: model.forget

        tensors = plan.tensors
        self.endless = tensors[0].endless
        self.n_ops = len(plan.ops)
        self.states, self.makers = [], []
        source = tensors[0].rows and state_of(tensors[0], tensors[0].shape[0])
        self.first = -1 if source else 0
        made = {0: -1} if source else {}
        for i, op in enumerate(plan.ops):
            x, y = [tensors[k] for k in op.inputs], [tensors[k] for k in op.outputs]
            window = windows(op, x, y)
            state = state_of(y[0], window[0] if window else 0)
            makers = [made.get(k) for k in op.inputs]
            state[JOINED] = self.endless
            if window:
                (_, state[START], state[SPAN], state[STRIDE], state[SPREAD]) = window
            else:  # all rows at once
                state[SPAN] = max([0] + [
                    (self.states[m] if m >= 0 else source)[ROWS] - 1 for m in makers
                    if m is not None])
            for k, maker in zip(op.inputs, makers):
                if tensors[k].rows:
                    for j in range(maker + 1, i):
                        self.states[j][JOINED] = 1
                    state[JOINED] = 1
            self.states.append(state)
            self.makers.append(makers)
            made[op.outputs[0]] = i
        if source:
            self.states.append(source)
            self.makers.append(())
        # what makes the first input, if that is a few rows
        self.rings = [makers[0] if tensors[op.inputs[0]].rows else None
                      for op, makers in zip(plan.ops, self.makers)]
        self.readers = [[] for _ in self.states]
        first = self.first
        for i in range(self.first, len(plan.ops)):
            state = self.states[i]
            state[FAR] = i
            if not state[JOINED]:
                first = i
            for k, maker in enumerate(self.makers[i]):
                if maker is not None:
                    self.readers[maker].append((i, k))
                    if maker >= first:
                        self.states[maker][FAR] = i
        self.reset()

    def place(self, i, view):
        """What a kernel is to compute, an array: rows of the input that its windows may look at,
        rows of the result, where the first window begins, where in the result these rows begin
        (elements), where the window of a second input begins, rows that are computed already."""
        s, maker = self.states[i], self.rings[i]
        if maker is not None:
            view[0] = self.states[maker][THERE]
        view[1] = 1
        view[2] = s[TOP]
        view[3] = s[THERE] * s[ROW]
        view[4] = s[TOP + 1]
        view[5] = s[THERE]

    def reset(self, endless=False):
        """Nothing is computed. endless: nor will all ever be."""
        for s in self.states:
            s[LEFT] = -1 if endless else s[ROWS]
            s[THERE] = 0
            s[TOP] = s[TOP + 1] = s[START]

    def go(self, given=0):
        """Let all ops run that can: True if all is done, False if a row of the input is missing.

        given: rows of the input that are there to be taken. Of an input without end: True if there
        is a new result.
        """
        states = self.states
        n = self.n_ops
        last = states[n - 1]
        if last[LEFT] < 0:
            last[THERE] = 0
        i = self.first
        while True:
            s = states[i]
            if (i >= 0 or given) and self._ready(i):
                self.run(i)
                if i < 0:
                    given -= 1
                if s[LEFT] > 0:
                    s[LEFT] -= 1
                s[THERE] += 1
                s[TOP] += s[STRIDE]
                s[TOP + 1] += s[STRIDE]
                self._shorten(i)
                for maker in self.makers[i]:
                    if maker is not None:
                        self._shorten(maker)
                i = s[FAR]
            elif i >= 0 and s[JOINED]:
                i -= 1
            else:
                if i < 0 and s[LEFT]:
                    return s[LEFT] < 0 and last[THERE] > 0
                i += 1
                while i < n and states[i][JOINED]:
                    i += 1
                if i == n:
                    return True

    def _ready(self, i):
        s = self.states[i]
        if not s[LEFT]:
            return False
        k = TOP
        for maker in self.makers[i]:
            if maker is not None:
                m = self.states[maker]
                if m[LEFT] and s[k] + s[SPAN] >= m[THERE] * s[SPREAD]:
                    return False
            k += 1
        return s[THERE] < s[ROOM]

    def _shorten(self, i):
        """Let rows go that no window needs."""
        s, states = self.states[i], self.states
        n = s[THERE]
        if s[ROOM] == s[ROWS] and s[LEFT] >= 0 or s[LEFT] < 0 and i == self.n_ops - 1:
            return  # all of them stay
        for j, k in self.readers[i]:
            reader = states[j]
            while n and reader[LEFT] and n * reader[SPREAD] > reader[TOP + k]:
                n -= 1
        if n:
            s[THERE] -= n
            for j, k in self.readers[i]:
                states[j][TOP + k] -= n * states[j][SPREAD]
            self.move(i, n * s[ROW])


def state_of(y, rows):
    """Of what makes a Tensor in so many turns, 0: at once; if it has not as many rows, all of them
    make one."""
    row = size(y.shape) // (rows or 1) if not rows or rows == y.shape[0] else 0
    return array("i", (0, 0, y.rows or rows if rows else 1, 0, 0, 1, 1, row, y.offset, rows or 1,
                       0, 0, 0, 0))

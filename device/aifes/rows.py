"""Models whose ops take turns, each a row of its result at a time: docs/format.md, "Rows".

A tensor with `rows` holds so many of its rows, from its offset on. When it is full, those that no
window needs any more go, and the others move to its beginning. Ops from the one that makes such a
tensor to the last that reads it belong together. Of them an op runs when the rows of its windows
are there and its result has room; the next one has its turn after it, else the one before.
"""
from array import array

from .format import check, size
from .ops import room

# of a State: rows that are to be computed, that are there, for which there is room; whether the op
# takes turns with the one before; a window from its first to its last row, from one to the next,
# and by how much rows are spread; elements of a row; where they lie in the arena; rows in all, and
# where the first window begins; where the next ones begin, in the first and the second input,
# relative to the rows that are there
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
TOP = 11


class Rows:
    """The order in which rows are computed.

    states: an array for each op, as above; the last one is of the input, if that comes in rows,
    which is number -1. makers: for each op the states of what makes its inputs, None: of parts.
    readers: (number of an op, of its input) that read what the op of a state makes. What runs it
    has move(i, by), which brings the rows that are there to their place, `by` bytes before, and
    gives go() a function run(i): the next row of op i is to be computed, or of the input taken.
    """

    def __init__(self, plan):
        tensors = plan.tensors
        self.endless = tensors[0].endless
        self.states, self.makers = [], []
        made = {}  # (number of the op, state) of tensors
        for k in range(plan.n_inputs):
            shape = tensors[k].shape
            made[k] = -1, _state(tensors[k], shape[0] if len(shape) == 3 else 1, self.endless)
            if not tensors[k].rows:
                made[k][1][THERE] = made[k][1][ROWS]
        for i, op in enumerate(plan.ops):
            x, y = [tensors[k] for k in op.inputs], [tensors[k] for k in op.outputs]
            window = room(op.opcode).window(op, x, y)
            state = _state(y[0], window[0] if window else 1, self.endless)
            makers = [made.get(k, (0, None)) for k in op.inputs]
            state[JOINED] = self.endless
            if window:
                (_, state[START], state[SPAN], state[STRIDE], state[SPREAD]) = window
            elif makers[0][1]:  # all rows at once
                state[SPAN] = makers[0][1][ROWS] - 1
                if self.endless:
                    state[SPAN] = x[0].shape[0] - 1 if len(x[0].shape) == 3 else 0
            for k, (maker, _) in zip(op.inputs, makers):
                if tensors[k].rows:
                    for j in range(maker + 1, i):
                        self.states[j][JOINED] = 1
                    state[JOINED] = 1
            self.states.append(state)
            self.makers.append(tuple([maker for _, maker in makers]))
            made[op.outputs[0]] = i, state
        self.first = 0
        if tensors[0].rows:
            self.first = -1
            self.states.append(made[0][1])
            self.makers.append(())
        self.readers = [self.of(state) for state in self.states]
        self.reset()

    def of(self, state):
        """The readers of what a state's op makes."""
        return [(i, k) for i, makers in enumerate(self.makers)
                for k, maker in enumerate(makers) if maker is state]

    def reset(self):
        """Nothing is computed."""
        for s in self.states:
            s[LEFT] = s[ROWS]
            s[THERE] = 0
            s[TOP] = s[TOP + 1] = s[START]

    def go(self, run, given=0):
        """Let all ops run that can: True if all is done, False if a row of the input is missing.

        given: rows of the input that are there to be taken. Of an input without end: True if there
        is a new result.
        """
        states = self.states
        last = states[len(states) + self.first - 1]
        if self.endless:
            last[THERE] = 0
        n = len(states) + self.first
        i = self.first
        while True:
            s = states[i]
            if (i >= 0 or given) and self._ready(i):
                run(i)
                if i < 0:
                    given -= 1
                if s[LEFT] > 0:
                    s[LEFT] -= 1
                s[THERE] += 1
                s[TOP] += s[STRIDE]
                s[TOP + 1] += s[STRIDE]
                if i + 1 < n and states[i + 1][JOINED]:
                    i += 1
            elif i >= 0 and s[JOINED]:
                i -= 1
            else:
                if i < 0 and s[LEFT]:
                    return self.endless and last[THERE] > 0
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
            if maker and maker[LEFT] and s[k] + s[SPAN] >= maker[THERE] * s[SPREAD]:
                return False
            k += 1
        return s[THERE] < s[ROOM] or self._shorten(i)

    def _shorten(self, i):
        """Let rows go that no window needs; whether there are any."""
        s, states = self.states[i], self.states
        n = s[THERE]
        for j, k in self.readers[i]:
            reader = states[j]
            while n and n * reader[SPREAD] > reader[TOP + k]:
                n -= 1
        if n:
            s[THERE] -= n
            for j, k in self.readers[i]:
                states[j][TOP + k] -= n * states[j][SPREAD]
            self.move(i, n * s[ROW])
        return n > 0


def _state(y, rows, endless):
    """Of what makes a Tensor by so many rows; where it has one only, they all are a part of it."""
    row = size(y.shape) // rows if rows == 1 or rows == y.shape[0] else 0
    return array("i", (0, 0, y.rows or rows, 0, 0, 1, 1, row, y.offset, -1 if endless else rows, 0,
                       0, 0))

"""What lies in the arena in each turn of a model whose ops take turns."""
from dataclasses import dataclass

from aifes.format import nbytes
from aifes.ops import room
from aifes.rows import JOINED, LEFT, ROW, SPAN, SPREAD, THERE, TOP, Rows
from aifes.rows_check import Check

RESULTS = 3  # of a model without end


@dataclass
class Turn:
    """op: which computes a row, -1: the input takes one; bytes: {tensor: (from, to)} of the arena
    that are needed then, no two of which overlap but where the op writes what it reads; least: how
    many they are wherever tensors lie."""

    op: int
    bytes: dict
    least: int


def groups(plan):
    """[(first op, end)] of a Plan: ops that take turns are together, others alone."""
    n = len(plan.ops)
    joined = ([s[JOINED] for s in Rows(plan).states] if any(t.rows for t in plan.tensors)
              else [0] * n)
    starts = [i for i in range(n) if not i or not joined[i]]
    return list(zip(starts, [*starts[1:], n]))


def turns(plan):
    """The Turns of one inference; of a model without end those to its third result."""
    return _Watch(plan).turns


class _Watch(Check):
    def __init__(self, plan):
        super().__init__(plan)
        self.turns = []
        if self.endless:
            self.reset(True)
            results = 0
            while results < RESULTS:
                results += self.go(1)
        else:
            self.go(plan.tensors[0].shape[0] if self.first else 0)

    def move(self, i, by):
        pass

    def run(self, i):
        s, tensors, ops = self.states[i], self._plan.tensors, self._plan.ops
        k, scratch = (ops[i].outputs[0], ops[i].outputs[1:]) if i >= 0 else (0, ())
        self._live.add(k)
        found = {j: self._needed(j) for j in self._live}
        start = found[k][0] if found[k][0] < found[k][1] else tensors[k].offset + s[THERE] * s[ROW]
        end = tensors[k].offset + (s[THERE] + 1) * s[ROW] if s[ROW] else (
            tensors[k].offset + nbytes(tensors[k]))
        found[k] = start, end
        sums = [ops[j].outputs[1] for _, j in self._sums
                if self.states[j][LEFT] and self.states[j][THERE]]
        for j in {*scratch, *sums}:
            found[j] = tensors[j].offset, tensors[j].offset + nbytes(tensors[j])
        found = {j: (a, b) for j, (a, b) in found.items() if a < b}
        over = 0  # what the result may be written over
        if i >= 0 and room(ops[i].opcode).IN_PLACE:
            over = max([self._over(j, i, *found[j]) for j in ops[i].inputs if j in found] or [0])
        self.turns.append(Turn(i, found, sum(b - a for a, b in found.values()) - over))

    def _needed(self, k, without=None):
        """(from, to) of the arena that tensor k fills, for others than op `without`."""
        state, t = self._made[k][1], self._plan.tensors[k]
        end = t.offset + (state[THERE] * state[ROW] if state[ROW] else nbytes(t))
        start = t.offset if k in self._kept else end
        for j, number in self._read[k]:
            s = self.states[j]
            if not s[LEFT]:
                continue
            row = s[TOP + number] if number is not None else 0
            first = max(row // s[SPREAD], 0)
            if j == without and number is not None:
                first += s[SPAN] + 1
            start = min(start, t.offset + first * state[ROW])
        return start, end

    def _over(self, k, i, start, end):
        """Bytes of tensor k, from .. to, that nothing needs but this row of op i."""
        free = min(self._needed(k, i)[0], end) - start
        s = self.states[i]
        return min(free, s[ROW] or nbytes(self._plan.tensors[self._plan.ops[i].outputs[0]]))


def strips(plan, columns=400):
    """{tensor: [[(from, to, low, high), ..], ..]}: what it fills of the arena, from low to high, at
    places of the axis on which op i begins at i and ops that take turns share their places; each
    list goes on without a gap. About so many columns in all; in one are several turns, if need be.
    """
    made = turns(plan)
    found, at = {}, 0
    for first, end in groups(plan):
        n = at
        while n < len(made) and made[n].op < end:
            n += 1
        count = max(min(n - at, columns * (end - first) // len(plan.ops)), end - first)
        for column in range(count):
            some = made[at + (n - at) * column // count:at + (n - at) * (column + 1) // count]
            edges = [first + (end - first) * (column + k) / count for k in (0, 1)]
            for k in sorted({k for turn in some for k in turn.bytes}):
                parts = [turn.bytes[k] for turn in some if k in turn.bytes]
                strip = (*edges, min(a for a, _ in parts), max(b for _, b in parts))
                if k in found and found[k][-1][-1][1] == edges[0]:
                    found[k][-1].append(strip)
                else:
                    found.setdefault(k, []).append([strip])
        at = n
    return found

"""The check of a model that is computed row by row: its whole order is gone through once.

All that is read was written, nothing is overwritten that is still needed, and all ends.
"""
from .format import check, nbytes
from .ops import NAMES, room, windows
from .rows import (
    AT,
    LEFT,
    ROW,
    ROWS,
    SPAN,
    SPREAD,
    START,
    THERE,
    TOP,
    Rows,
    state_of,
)

RESULTS = 3  # of a model without end: from then on all repeats
MAX_ROWS = 1 << 16


class Check(Rows):
    """_made: {tensor: (its op, -1: it is an input, and the state of that)}; _read: {tensor: [(op,
    number of its input, None: the tensor is a part of that)]}; _live: those that were written;
    _kept: those that stay; _parts: [(tensor, op that reads what it is a part of)]"""

    def __init__(self, plan):
        made = list(range(plan.n_inputs))
        for i, op in enumerate(plan.ops):
            for k in op.inputs:
                check(not plan.tensors[k].rows or k in made, "tensor, nobody wrote it, layer", i)
            for k in op.outputs[1:]:
                check(not plan.tensors[k].rows, "rows of scratch, layer", i)
            made.append(op.outputs[0])
        super().__init__(plan)
        self._plan, tensors, n = plan, plan.tensors, plan.n_inputs
        self._made = {op.outputs[0]: (i, self.states[i]) for i, op in enumerate(plan.ops)}
        check(len(self._made) == len(plan.ops) and min(self._made) >= n,
              "tensor, it is written twice")
        self._live = set()
        for k in range(n):
            t = tensors[k]
            if t.rows:
                self._made[k] = -1, self.states[-1]
                continue
            state = state_of(t, t.shape[0] if len(t.shape) == 3 else 0)
            state[THERE] = state[ROWS]
            self._made[k] = -1, state
            self._live.add(k)
        self._read = {k: [(i, number) for i, op in enumerate(plan.ops)
                          for number, other in enumerate(op.inputs) if k == other]
                      for k in self._made}
        self._kept = set(range(n, n + plan.n_outputs))
        self._parts = []
        self._sums = [(tensors[op.outputs[1]], i) for i, op in enumerate(plan.ops)
                      if NAMES[op.opcode] == "mean"]
        wanted = [(k, i) for i, op in enumerate(plan.ops) for k in op.inputs]
        for k, i in wanted + [(k, len(plan.ops)) for k in tuple(self._kept)]:
            if k not in self._made:
                self._whole(k, i)
            else:
                check(self._made[k][0] < i, "tensor, nobody wrote it, layer", i)

    def _whole(self, k, i):
        """Tensor k, which op i reads (the last: which is an output): others lie in it."""
        t = self._plan.tensors[k]
        at, end, n = t.offset, t.offset + nbytes(t), 0
        while at < end:
            parts = [(maker, j) for j, (maker, _) in self._made.items() if maker < i
                     and self._plan.tensors[j].offset == at and not self._plan.tensors[j].rows]
            check(parts, "tensor, nobody wrote it, layer", i)
            part = max(parts)[1]  # what was written there last
            at += nbytes(self._plan.tensors[part])
            n += 1
            self._parts.append((part, i))
            if i < len(self._plan.ops):
                self._read[part].append((i, None))
            else:
                self._kept.add(part)
        check(at == end and n > 1, "tensor, nobody wrote it, layer", i)

    def all(self):
        for i, op in enumerate(self._plan.ops):
            x, y = [[self._plan.tensors[k] for k in ends] for ends in (op.inputs, op.outputs)]
            check(windows(op, x, y) or all([not t.rows or t.rows == t.shape[0] for t in x + y]),
                  "rows of tensor, layer", i)
        if self.endless:
            check(not max([s[START] or s[SPREAD] > 1 for s in self.states]), "padding")
            self.reset(True)
            results = rows = 0
            while results < RESULTS:
                check(rows < MAX_ROWS, "order of rows")
                rows += 1
                results += self.go(1)
            self.reset()
            self._live.clear()
        check(self.go(self._plan.tensors[0].shape[0] if self.first else 0),
              "order of rows")
        for i, s in enumerate(self.states):
            check(not s[LEFT], "order of rows, layer", i)

    def move(self, i, by):
        s = self.states[i]
        self._write(s[AT], s[THERE] * s[ROW], i, self._plan.ops[i].outputs[0] if i >= 0 else 0)

    def run(self, i):
        s = self.states[i]
        k, n = 0, s[ROW]
        if i >= 0:
            op = self._plan.ops[i]
            k = op.outputs[0]
            for part, reader in self._parts:
                check(reader != i or not self._made[part][1][LEFT], "order of rows, layer", i)
            n = n or nbytes(self._plan.tensors[k])
        at = s[AT] + s[THERE] * s[ROW]
        if i >= 0:
            for j in op.outputs[1:]:
                t = self._plan.tensors[j]
                self._write(t.offset, nbytes(t), i, None)
                check(t.offset + nbytes(t) <= at or at + n <= t.offset, "arena, scratch, layer", i)
        self._write(at, n, i, k)
        self._live.add(k)

    def _write(self, at, n, i, written):
        """Bytes that op i writes: none of them is needed. written: its result, None: scratch"""
        for k in self._live:
            state, t = self._made[k][1], self._plan.tensors[k]
            start = end = t.offset + (state[THERE] * state[ROW] if state[ROW] else nbytes(t))
            if k in self._kept:
                start = t.offset
            for j, number in self._read[k]:
                s = self.states[j]
                if not s[LEFT]:
                    continue
                row = s[TOP + number] if number is not None else 0
                first = t.offset + max(row // s[SPREAD], 0) * state[ROW]
                if j == i and written is not None and number is not None and room(
                        self._plan.ops[i].opcode).IN_PLACE:
                    # it reads where it writes, or behind
                    behind = min(first + (s[SPAN] + 1) * state[ROW], end)
                    check(at <= first or behind <= at,
                          "arena, results overlap inputs, layer", i)
                    first = behind
                start = min(start, first)
            check(k == written or start >= end or at + n <= start or end <= at,
                  "arena, results overlap what is needed, layer", i)
        for t, j in self._sums:
            check(j == i or not self.states[j][THERE] or not self.states[j][LEFT]
                  or at + n <= t.offset or t.offset + nbytes(t) <= at,
                  "arena, results overlap what is needed, layer", i)


def check_rows(plan):
    """Raises ModelError if a Plan with ops in `turns` cannot be computed so."""
    Check(plan).all()

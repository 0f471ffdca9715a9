"""Row by row: which ops take turns, how many rows of a tensor there must be, and where they lie.

The planner knows tensors as wholes; here some of them are a few rows, for as long as ops take turns
(device/aifes/rows.py), and others overlap where one grows while another one is used up.
"""
import random
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from aifes.format import nbytes
from aifes.ops import NAMES, room, windows
from aifes.rows import LEFT, ROOM, ROW, ROWS, SPAN, SPREAD, THERE, TOP, Rows, state_of

TRIES = 100  # random orders of placing
MAX_OPS = 100  # beyond, the time that it takes is too long


@dataclass
class Rolled:
    """tensors: with rows and offsets; arena, lower_bound: bytes, as of planner.Placement."""

    tensors: list
    arena: int
    lower_bound: int


def roll(ops, tensors, n_inputs, n_outputs, parts, input_rows=False, endless=False):
    """The Rolled of a net, None if its ops cannot take turns.

    ops: aifes.format.Ops in the order of execution; tensors: their Tensors, offsets are not looked
    at; parts: {tensor that no op makes: those that lie in it}. input_rows: the only input comes row
    by row; endless: they never end.
    """
    net = _Net(ops, tensors, n_inputs, n_outputs, parts, input_rows, endless)
    if input_rows and 0 not in net.spans:
        return None
    if endless:
        return net.placed([(0, len(ops))])
    if len(ops) > MAX_OPS:
        return None
    best = None
    # with a cut more, less may overlap but what does may fit better
    ways = {tuple(groups): most for most, groups in map(net.groups, range(len(ops))) if groups}
    for groups, most in sorted(ways.items(), key=lambda way: way[1]):
        if best and best.arena <= most:
            break
        found = net.placed(groups)
        if found and (best is None or found.arena < best.arena):
            best = found
    return best


class _Net:
    def __init__(self, ops, tensors, n_inputs, n_outputs, parts, input_rows, endless):
        self.ops, self.tensors, self.parts = ops, tensors, parts
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        self.input_rows, self.endless = input_rows, endless
        self._known = {}
        self.windows = [windows(op, *[[tensors[k] for k in ends] for ends in (
            op.inputs, op.outputs)]) for op in ops]
        inner = {t for whole in parts.values() for t in whole}
        made = {op.outputs[0]: i for i, op in enumerate(ops) if self.windows[i]}
        if input_rows:
            made[0] = -1
        readers = {k: [i for i, op in enumerate(ops) if k in op.inputs] for k in made}
        outputs = range(n_inputs, n_inputs + n_outputs)
        # {tensor that may be a few rows: (its op, the last one that reads it)}
        self.spans = {k: (i, max(readers[k])) for k, i in made.items()
                      if readers[k] and k not in outputs and k not in parts and k not in inner
                      and len(tensors[k].shape) == 3
                      and (endless or all(self.windows[j] for j in readers[k]))}

    def groups(self, cut):
        """(the most bytes at once, [(first op, end)]): which take turns, so that these are fewest.

        cut: op that does not take turns with the one before.
        """
        n = len(self.ops)
        best = [(0, None)] + [(None, None)] * n
        # the first group has all ops that read an input which comes in rows
        start = self.spans[0][1] if self.input_rows else -1
        for end in range(max(start, 0) + 1, n + 1):
            for first in range(end - 1, -1, -1):
                if best[first][0] is None or first < cut < end or (
                        not all(self.windows[first:end]) and end > first + 1):
                    continue
                if best[end][0] is not None and best[first][0] >= best[end][0]:
                    continue
                bytes_ = self._bytes(first, end)
                if bytes_ is None:
                    continue
                most = max(best[first][0], bytes_)
                if best[end][0] is None or most < best[end][0]:
                    best[end] = most, first
        found, end = [], n if best[n][0] is not None else 0
        while end:
            found.append((best[end][1], end))
            end = best[end][1]
        return best[n][0], found[::-1]  # None: there is no way

    def _bytes(self, first, end):
        """The most bytes at once while the ops of a group run; None if they cannot take turns."""
        key = first, end
        if key not in self._known:
            trace = self._trace([key], self._rows([key], {}), first, end)
            self._known[key] = trace and trace.most
        return self._known[key]

    def _rows(self, groups, rooms):
        """{tensor: rows}, of those that are a few rows in these groups; all of them at first"""
        return {k: rooms.get(k, self.tensors[k].shape[0])
                for k, (maker, last) in self.spans.items()
                if any(first <= maker and last < end or maker < 0 == first and last < end
                       for first, end in groups)}

    def _plan(self, rows):
        tensors = [t._replace(rows=rows.get(k, 0), offset=0, endless=int(self.endless and not k))
                   for k, t in enumerate(self.tensors)]
        return SimpleNamespace(tensors=tensors, ops=self.ops, n_inputs=self.n_inputs,
                               n_outputs=self.n_outputs)

    def _trace(self, groups, rows, first=0, end=None):
        try:
            return _Trace(self._plan(rows), self, first, len(self.ops) if end is None else end)
        except _Stuck:
            return None

    def placed(self, groups):
        """The Rolled of groups; None if there are none that take turns."""
        rows = self._rows(groups, {})
        if not rows:
            return None
        trace = self._trace(groups, rows)
        if trace is None:
            return None
        rows = {k: min(n, trace.rooms.get(k, n)) for k, n in rows.items()}
        rows = {k: n for k, n in rows.items() if n < self.tensors[k].shape[0] or self.endless
                or k == 0 and self.input_rows}
        trace = rows and self._trace(groups, rows)
        if not trace:
            return None
        offsets, arena = trace.fit()
        tensors = [t._replace(offset=at) for t, at in zip(trace.plan.tensors, offsets)]
        return Rolled(tensors, arena, trace.most)


class _Stuck(Exception):
    """The order of rows does not end."""


class _Trace(Rows):
    """What lies where while rows are computed.

    rooms: {tensor: the most rows that are needed at once}; most: bytes at once; apart: {(a, b):
    least offset of b - offset of a, if b lies above a}.
    """

    def __init__(self, plan, net, first, end):
        self.plan, self._net = plan, net
        self.rooms, self.most, self._apart = {}, 0, {}
        super().__init__(plan)
        self._first, self._end = first, end
        tensors, n = plan.tensors, plan.n_inputs
        self._made = {op.outputs[0]: self.states[i] for i, op in enumerate(plan.ops)}
        for k in range(n):
            self._made[k] = self.states[-1]
            if not tensors[k].rows:
                shape = tensors[k].shape
                self._made[k] = state_of(tensors[k], shape[0] if len(shape) == 3 else 0)
                self._made[k][THERE] = self._made[k][ROWS]
        self._read = {k: [(i, number) for i, op in enumerate(plan.ops)
                          for number, other in enumerate(op.inputs) if k == other]
                      for k in self._made}
        self._kept = set(range(n, n + plan.n_outputs))
        self._homes = {}
        for whole in net.parts:
            for t in self._leaves(whole):
                self._homes[t] = self._outermost(whole)
                if whole in self._kept:
                    self._kept.add(t)
                self._read[t] = self._read.get(t, []) + [
                    (i, None) for i, op in enumerate(plan.ops) if whole in op.inputs]
        self._bytes = [nbytes(t) for t in tensors]
        self._live = {k for k in range(n) if not tensors[k].rows}
        if first or end < len(plan.ops):
            self._between(first, end)
        if self.endless:
            self.reset(True)
            results = 0
            for _ in range(4 * tensors[0].shape[0] + 64):
                results += self.go(1)
            if not results:
                raise _Stuck
            self.reset()
        if not self.go(tensors[0].shape[0] if self.first else 0) or any(
                s[LEFT] for s in self.states[first:end]):
            raise _Stuck

    def _leaves(self, t):
        parts = self._net.parts
        return [leaf for part in parts[t] for leaf in self._leaves(part)] if t in parts else [t]

    def _outermost(self, t):
        return next((self._outermost(whole) for whole, parts in self._net.parts.items()
                     if t in parts), t)

    def _between(self, first, end):
        """Only ops first .. end - 1 run: those before have."""
        for i, s in enumerate(self.states[:len(self.plan.ops)]):
            if i < first:
                s[LEFT], s[THERE] = 0, s[ROOM]
                self._live.add(self.plan.ops[i].outputs[0])
            elif i >= end:
                s[ROOM] = 0  # it has its rows to read, but no turn
        if self.first and first:
            self.states[-1][LEFT], self.states[-1][THERE] = 0, self.states[-1][ROOM]
            self.first = 0

    def move(self, i, by):
        s = self.states[i]
        k = self.plan.ops[i].outputs[0] if i >= 0 else 0
        self._write(k, 0, s[THERE] * s[ROW], i, s, False)

    def run(self, i):
        s = self.states[i]
        k = self.plan.ops[i].outputs[0] if i >= 0 else 0
        at = s[THERE] * s[ROW]
        scratch = self.plan.ops[i].outputs[1:] if i >= 0 else ()
        for t in scratch:
            self._write(t, 0, self._bytes[t], i, s, False)
            self._above(t, k, self._bytes[t] - at)
            self._above(k, t, at + (s[ROW] or self._bytes[k]))
        self._live.add(k)
        n = s[ROW] or self._bytes[k]
        total = self._write(k, at, at + n, i, s, True) + sum(self._bytes[t] for t in scratch)
        self.most = max(self.most, total)
        first = self._needed(k)[0] // s[ROW] if s[ROW] else 0
        self.rooms[k] = max(self.rooms.get(k, 1), s[THERE] + 1 - first)

    def _needed(self, k):
        """(from, to) of tensor k, relative to its offset."""
        state = self._made[k]
        end = state[THERE] * state[ROW] if state[ROW] else self._bytes[k]
        start = 0 if k in self._kept else end
        for j, number in self._read[k]:
            s = self.states[j]
            if s[LEFT]:
                row = s[TOP + number] if number is not None else 0
                start = min(start, max(row // s[SPREAD], 0) * state[ROW])
        return start, end

    def _write(self, k, low, high, i, state, is_result):
        """low .. high - 1 of tensor k are written by op i. Returns the bytes that are needed."""
        total, op = high - low, self.plan.ops[i] if i >= 0 else None
        in_place = is_result and op and room(op.opcode).IN_PLACE
        dead = []
        for j in self._live:
            if j == k:
                if is_result:
                    start, end = self._needed(j)
                    total += max(0, low - start)
                continue
            start, end = self._needed(j)
            if start >= end:
                if j not in self._kept and j < len(self._bytes) and all(
                        not self.states[r][LEFT] for r, _ in self._read[j]):
                    dead.append(j)
                    continue
                if not in_place:
                    continue
            if in_place and j in op.inputs:
                s = self._made[j]
                behind = min(start + (state[SPAN] + 1) * s[ROW], end)
                others = [v for v in self._read[j] if v[0] != i and self.states[v[0]][LEFT]]
                if not others and j not in self._kept:
                    self._above(k, j, low - start)
                    if behind < end:
                        self._above(k, j, high - behind)
                    self._above(j, k, end - low)
                    total += max(0, end - behind)
                    continue
            total += end - start
            self._above(k, j, high - start)
            self._above(j, k, end - low)
        self._live.difference_update(dead)
        for j, other in enumerate(self.plan.ops):
            if NAMES[other.opcode] == "mean" and j != i and self.states[j][LEFT] and (
                    self.states[j][THERE]):
                t = other.outputs[1]
                self._above(k, t, high)
                self._above(t, k, self._bytes[t] - low)
                total += self._bytes[t]
        return total

    def _above(self, a, b, least):
        key = a, b
        if least > self._apart.get(key, least - 1):
            self._apart[key] = least

    def fit(self):
        """(offsets of the tensors, bytes of the arena)"""
        n = len(self._bytes)
        read = {k for op in self.plan.ops for k in (*op.inputs, *op.outputs)} | set(
            range(self.plan.n_inputs + self.plan.n_outputs))
        homes = {t: (home, at) for home in set(self._homes.values())
                 for t, at in self._inside(home, 0)}
        blocks = sorted({homes.get(k, (k, 0))[0] for k in read})
        number = {b: i for i, b in enumerate(blocks)}
        m = len(blocks)
        apart = np.full((m, m), -1 << 30)
        for (a, b), least in self._apart.items():
            (a, inner_a), (b, inner_b) = homes.get(a, (a, 0)), homes.get(b, (b, 0))
            if a != b:
                i, j = number[a], number[b]
                apart[i, j] = max(apart[i, j], least + inner_a - inner_b)
        free = (apart == -1 << 30) & (apart.T == -1 << 30)
        sizes = np.array([self._bytes[b] for b in blocks])
        source, best = random.Random(0), None
        orders = [sorted(range(m), key=lambda i: -sizes[i]), list(range(m))]
        orders += [source.sample(range(m), m) for _ in range(TRIES)]
        for order in orders:
            placed = _lowest(order, apart, free, sizes)
            arena = int((placed + sizes).max())
            if best is None or arena < best[0]:
                best = arena, placed
            if arena <= self.most:
                break
        offsets = [0] * n
        for k in range(n):
            home, inner = homes.get(k, (k, 0))
            if home in number:
                offsets[k] = int(best[1][number[home]]) + inner
        return offsets, best[0]

    def _inside(self, t, at):
        yield t, at
        for part in self._net.parts.get(t, ()):
            yield from self._inside(part, at)
            at += self._bytes[part]


def _lowest(order, apart, free, sizes):
    """Offsets: each as low as it may lie."""
    placed = np.zeros(len(sizes), int)
    done = np.zeros(len(sizes), bool)
    for i in order:
        others = np.flatnonzero(done & ~free[i])
        above, below = placed[others] + apart[others, i], placed[others] - apart[i, others]
        tries = np.unique(np.concatenate([[0], above[above > 0]]))
        fits = ((tries[:, None] >= above) | (tries[:, None] <= below)).all(1)
        placed[i] = tries[np.argmax(fits)]
        done[i] = True
    return placed

"""The engine that runs anywhere: plain Python loops over buffer and arena, no allocation."""
from array import array

import aifes.floats as floats

from .format import DENSE, MAP, NEAREST, int8, int32, weight_offset
from .samples import Samples


def is_signed(arena):
    """Whether the items of a writable byte buffer read as -128..127 (else as 0..255)."""
    first = arena[0]
    try:
        arena[0] = -1
        signed = arena[0] < 0
    except (ValueError, OverflowError):
        signed = False
    arena[0] = first
    return signed


class Engine(Samples):
    """Runs a checked Plan over `buf` (unsigned bytes) in `arena` (a memoryview of bytes)."""

    def __init__(self, buf, plan, arena):
        signed = is_signed(arena)
        super().__init__(buf, plan, arena)
        self._mask = -1 if signed else 255
        self._word = bytearray(4)
        # MicroPython cannot view a bytearray as int8: there each layer's input is copied first
        scratch = None if signed else memoryview(array("b", bytes(
            max([op.n_in for op in plan.ops]))))
        self.ram += 0 if signed else len(scratch)
        self._steps = []
        for op in plan.ops:
            raw = arena[op.x:op.x + op.n_in]
            x = raw if signed else scratch[:op.n_in]
            self._steps.append((op, raw, x, arena[op.y:op.y + op.n_out]))

    def forward(self):
        """Run all layers once on what lies in the arena. Allocates nothing."""
        buf = self._buf
        mask = self._mask
        for step in self._steps:
            op, raw, x, y = step
            if mask > 0:
                for i in range(len(raw)):
                    x[i] = int8(raw[i])
            if op[0] == DENSE:
                dense(buf, op, x, y, mask)
            elif op[0] == MAP:
                table = op.table + 128
                for i in range(len(x)):
                    y[i] = int8(buf[table + x[i]]) & mask
            else:
                softmax(buf, op, x, y, mask)

    def _quantize(self, x):
        t = self._plan.input
        floats.quantize(self._io, self._word, self._input, self._mask,
                        t.shift, t.zero_point, self._buf, t.features)

    def _dequantize(self, y):
        t = self._plan.output
        floats.dequantize(self._output, self._io, self._word,
                          t.shift, t.zero_point, self._buf, t.features)
        self._io.seek(0)
        self._io.readinto(y)


def dense(buf, op, x, y, mask):
    """y[n_out] = table[clamp((bias + sum(x[n_in] * (w - weight_zero)) >> shift) + zero_point)].

    Weights are unsigned; their order: format.weight_offset.
    """
    (_, _, zero, weight_zero, low, high, shift, _, _, n_in, n_out,
     weights, bias, shifts, table, interleave, group) = op
    correction = 0
    for v in x:
        correction -= v
    correction *= weight_zero
    for j in range(n_out):
        acc = int32(buf, bias + 4 * j) + correction
        w = weights + (j - j % interleave) * n_in + j % interleave
        if group == 1:
            for v in x:
                acc += v * buf[w]
                w += interleave
        else:
            for k in range(n_in):
                acc += x[k] * buf[weights + weight_offset(j, k, n_in, interleave, group)]
        acc = (acc >> (buf[shifts + j] if shifts else shift)) + zero
        if acc < low:
            acc = low
        elif acc > high:
            acc = high
        if table:
            acc = int8(buf[table + 128 + acc])
        y[j] = acc & mask


def softmax(buf, op, x, y, mask):
    """e = table[max(x) - x] (uint16); y = 256 * e / sum(e) - 128, floored or to nearest."""
    table = op.table
    top = -128
    for v in x:
        if v > top:
            top = v
    total = 0
    for v in x:
        at = table + 2 * (top - v)
        total += buf[at] | buf[at + 1] << 8
    half = 0
    if op.flags & NEAREST:
        half = total >> 1
    else:
        total += 1
    for i in range(len(x)):
        at = table + 2 * (top - x[i])
        q = (((buf[at] | buf[at + 1] << 8) << 8) + half) // total
        if q > 255:
            q = 255
        y[i] = (q - 128) & mask

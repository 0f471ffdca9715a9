"""The engine for MicroPython without the file in C: machine code that MicroPython makes of this.

Never imported on CircuitPython, whose compiler refuses the decorator. Viper reads bytes as 0..255,
32-bit words of a 64-bit chip as positive: what may be negative is kept with 128 or 32 added.
"""
from array import array

import micropython

from .format import DENSE, MAP, NEAREST, size
from .samples import Samples


class Engine(Samples):
    """Runs a checked Plan over `buf` (unsigned bytes) in `arena` (a memoryview of bytes)."""

    def __init__(self, buf, plan, arena):
        super().__init__(buf, plan, arena)
        self._arena = arena
        self._steps = [array("i", (
            op.opcode, op.flags & NEAREST, op.zero_point + 128, op.weight_zero, op.low + 128,
            op.high + 128, op.shift) + tuple(op[7:])) for op in plan.ops]
        self._in, self._out = [array("i", (
            t.offset, size(t.shape), t.shift + 32, t.zero_point + 128, t.features))
            for t in (plan.input, plan.output)]
        self.ram += 80 * len(plan.ops) + 40

    def forward(self):
        for step in self._steps:
            kind = step[0]
            (dense if kind == DENSE else map_ if kind == MAP else softmax)(
                self._buf, self._arena, step)

    def _quantize(self, x):
        quantize(x, self._arena, self._buf, self._in)

    def _dequantize(self, y):
        dequantize(y, self._arena, self._buf, self._out)


@micropython.viper
def dense(buf: ptr8, arena: ptr8, op: ptr32):  # noqa: F821
    """engine_python.dense; four rows at a time where the weights lie in rows."""
    weight_zero = op[3]
    n_in = op[9]
    n_out = op[10]
    interleave = op[15]
    group = op[16]
    x = ptr8(int(arena) + op[7])  # noqa: F821
    total = 0
    k = 0
    while k < n_in:
        total += (x[k] ^ 128) - 128
        k += 1
    start = 0 - weight_zero * total
    rows = 4 if interleave == 1 and group == 1 else 1
    a1 = a2 = a3 = 0
    j = 0
    while j < n_out:
        a0 = start
        if rows == 4 and j + 4 <= n_out:
            w0 = ptr8(int(buf) + op[11] + j * n_in)  # noqa: F821
            w1 = ptr8(int(w0) + n_in)  # noqa: F821
            w2 = ptr8(int(w1) + n_in)  # noqa: F821
            w3 = ptr8(int(w2) + n_in)  # noqa: F821
            a1 = a2 = a3 = start
            k = 0
            while k < n_in:
                v = (x[k] ^ 128) - 128
                a0 += v * w0[k]
                a1 += v * w1[k]
                a2 += v * w2[k]
                a3 += v * w3[k]
                k += 1
            done = 4
        else:
            column = j % interleave
            w0 = ptr8(int(buf) + op[11] + (j - column) * n_in)  # noqa: F821
            k = 0
            while k < n_in:
                n = n_in - k
                at = column
                step = interleave
                if group != 1:
                    n = group if n > group else n
                    at = column * n
                    step = 1
                end = k + n
                w0 = ptr8(int(w0) + at)  # noqa: F821
                at = interleave * n - at
                i = 0
                while k < end:
                    a0 += ((x[k] ^ 128) - 128) * w0[i]
                    i += step
                    k += 1
                w0 = ptr8(int(w0) + at)  # noqa: F821
            done = 1
        while done:
            at = op[12] + 4 * j
            a0 += buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | (
                (buf[at + 3] ^ 128) - 128) << 24
            shift = op[6]
            if op[13]:
                shift = buf[op[13] + j]
            v = (a0 >> shift) + op[2]
            if v < op[4]:
                v = op[4]
            elif v > op[5]:
                v = op[5]
            if op[14]:
                v = buf[op[14] + v]
            else:
                v -= 128
            arena[op[8] + j] = v
            a0 = a1
            a1 = a2
            a2 = a3
            j += 1
            done -= 1


@micropython.viper
def map_(buf: ptr8, arena: ptr8, op: ptr32):  # noqa: F821
    """y = table[x]."""
    x = op[7]
    y = op[8]
    n = op[9]
    table = op[14]
    i = 0
    while i < n:
        arena[y + i] = buf[table + (arena[x + i] ^ 128)]
        i += 1


@micropython.viper
def softmax(buf: ptr8, arena: ptr8, op: ptr32):  # noqa: F821
    """engine_python.softmax."""
    x = op[7]
    y = op[8]
    n = op[9]
    table = op[14]
    top = 0
    i = 0
    while i < n:
        v = arena[x + i] ^ 128
        if v > top:
            top = v
        i += 1
    total = 0
    i = 0
    while i < n:
        at = table + 2 * (top - (arena[x + i] ^ 128))
        total += buf[at] | buf[at + 1] << 8
        i += 1
    half = 0
    if op[1]:
        half = total >> 1
    else:
        total += 1
    i = 0
    while i < n:
        at = table + 2 * (top - (arena[x + i] ^ 128))
        q = (((buf[at] | buf[at + 1] << 8) << 8) + half) // total
        if q > 255:
            q = 255
        arena[y + i] = q ^ 128
        i += 1


@micropython.viper
def quantize(x: ptr32, arena: ptr8, buf: ptr8, t: ptr32):  # noqa: F821
    """floats.quantize; x: the bits of float32."""
    y = t[0]
    n = t[1]
    shift = t[2] - 32
    zero_point = t[3] - 128
    features = t[4]
    i = 0
    while i < n:
        if features:
            at = features + n + 2 * i
            shift = (buf[features + i] ^ 128) - 128
            zero_point = buf[at] | ((buf[at + 1] ^ 128) - 128) << 8
        bits = x[i]
        exponent = (bits >> 23) & 255
        mantissa = bits & 0x7FFFFF | 0x800000
        down = 150 - exponent - shift
        q = 0
        if exponent != 255 or mantissa == 0x800000:
            if down < 1:
                q = 1 << 23
            elif down < 25:
                q = (mantissa + (1 << (down - 1))) >> down
        if (bits >> 31) & 1:
            q = 0 - q
        q += zero_point
        if q > 127:
            q = 127
        elif q < -128:
            q = -128
        arena[y + i] = q
        i += 1


@micropython.viper
def dequantize(y: ptr32, arena: ptr8, buf: ptr8, t: ptr32):  # noqa: F821
    """floats.dequantize; y: the bits of float32."""
    x = t[0]
    n = t[1]
    shift = t[2] - 32
    zero_point = t[3] - 128
    features = t[4]
    i = 0
    while i < n:
        if features:
            at = features + n + 2 * i
            shift = (buf[features + i] ^ 128) - 128
            zero_point = buf[at] | ((buf[at + 1] ^ 128) - 128) << 8
        d = (arena[x + i] ^ 128) - 128 - zero_point
        bits = 0
        if d:
            sign = 0
            if d < 0:
                d = 0 - d
                sign = 1
            exponent = 150 - shift
            while d < 0x800000:
                d <<= 1
                exponent -= 1
            bits = sign << 31 | exponent << 23 | d & 0x7FFFFF
        y[i] = bits
        i += 1

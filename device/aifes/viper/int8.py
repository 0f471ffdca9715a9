"""The viper engine for int8 models."""
from array import array

import micropython

from ..samples import Samples


class Engine(Samples):
    """Runs a model in `arena` (a memoryview of bytes). Allocates nothing after this."""

    def __init__(self, buf, plan, arena):
        from ..format import decode  # not kept: model.forget
        from ..ops import room, turns

        super().__init__(buf, plan, arena)
        plan = decode(buf)
        tensors = plan.tensors
        self._steps = [room(op.opcode, "aifes.viper.").int8(
            op, [tensors[k] for k in op.inputs], [tensors[k] for k in op.outputs])
            for op in plan.ops]
        self._ends = [array("i", (t.offset, n, t.shift + 32, t.zero_point + 128, t.scales))
                      for t, n in zip(self._tensors, self._sizes)]
        self.ram += 100 * len(plan.ops) + 40 * len(self._ends)
        turns(self, plan, arena, "viper")

    def forward(self):
        """Run all ops once on what lies in the arena."""
        buf, arena = self._buf, self._arena
        for run, p, n in self._steps:
            run(buf, arena, p, n)

    def _quantize(self, k, x):
        quantize(x, self._arena, self._buf, self._ends[k])

    def _dequantize(self, k, y):
        dequantize(y, self._arena, self._buf, self._ends[k])


@micropython.viper
def quantize(x: ptr32, arena: ptr8, buf: ptr8, t: ptr32):  # noqa: F821
    """floats.quantize; x: the bits of float32."""
    y = t[0]
    n = t[1]
    shift = t[2] - 32
    zero_point = t[3] - 128
    scales = t[4]
    i = 0
    while i < n:
        if scales:
            at = scales + n + 2 * i
            shift = (buf[scales + i] ^ 128) - 128
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
    scales = t[4]
    i = 0
    while i < n:
        if scales:
            at = scales + n + 2 * i
            shift = (buf[scales + i] ^ 128) - 128
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

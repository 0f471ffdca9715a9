"""The viper engine for float32 models: arithmetic on the bits, for chips with and without an FPU.

The same as native_module/f32_soft.h: subnormals count as zeros, no operation is fused. A dense
layer is one call of macs(). Activations are made of the same calls, each over up to LANES elements
that lie side by side in a work space, so that no float and no large int is ever an object.

Never imported on CircuitPython. Viper reads 32-bit words of a 64-bit chip as positive: signs are
taken out of them first, and no value that is computed needs more than 31 bits.
"""
from array import array

import micropython
from micropython import const

from .f32_format import ACTIVATION_F32, DENSE_F32, part
from .format import ModelError
from .samples import Samples

_LANES = const(8)
# the work space: constants, one that a layer sets (alpha, the largest, the total), then vectors
_CONSTANTS = (
    0x3F800000, 0xBF800000, 0, 0x80000000,  # 1, -1, 0, -0
    0x3FB8AA3B, 0xBF000000, 0xBF318000, 0x395E8083,  # log2(e), -1/2; -ln 2 in two parts
    0x3AB60B61, 0x3C088889, 0x3D2AAAAB, 0x3E2AAAAB, 0x3F000000)  # 1/720, 1/120 .. 1/2
_ONE = const(0)
_MINUS = const(1)
_ZERO = const(2)
_MINUS_ZERO = const(3)
_SET = const(13)
_X = const(16)
_A = const(24)
_T = const(32)
_K = const(40)
_R = const(48)
_E = const(56)
_D = const(64)
_WORDS = const(72)


def _step(y, acc, x, w):
    """What macs() and divide() take: y = acc + x * w (y = x / w) of vectors or constants."""
    return array("i", (4 * acc, 4 * w, 4 * x, 4 * y, 1, _LANES, 4 * (w >= _X), 0, 4 * (acc >= _X),
                       4 * (x >= _X)))


_REDUCE = (_step(_T, _MINUS_ZERO, _A, 4), _step(_T, 5, _T, _ONE))
_POLYNOMIAL = (_step(_R, _A, _T, 6), _step(_R, _R, _T, 7), _step(_E, 9, _R, 8),
               _step(_E, 10, _E, _R), _step(_E, 11, _E, _R), _step(_E, 12, _E, _R),
               _step(_E, _ONE, _E, _R), _step(_E, _ONE, _E, _R))
_MINUS_A = (_step(_A, _MINUS_ZERO, _A, _MINUS),)
_TWICE_A = (_step(_A, _A, _A, _ONE),)
_D_1_PLUS_A = (_step(_D, _ONE, _A, _ONE),)
_D_1_PLUS_E = (_step(_D, _ONE, _E, _ONE),)
_E_1_MINUS_E = (_step(_E, _ONE, _E, _MINUS),)
_E_MINUS_1 = (_step(_E, _MINUS, _E, _ONE),)
_T_MINUS_E = (_step(_T, _MINUS_ZERO, _E, _MINUS),)
_T_ALPHA_E = (_step(_T, _MINUS_ZERO, _E, _SET),)
_A_X_MINUS_TOP = (_step(_A, _X, _SET, _MINUS),)
_X_BY_D, _E_BY_D = _step(_X, _ZERO, _X, _D), _step(_E, _ZERO, _E, _D)
_X_BY_TOTAL = _step(_X, _ZERO, _X, _SET)


class Engine(Samples):
    """Runs a checked Plan over `buf` in `arena`, a view made by f32_format.view."""

    def __init__(self, buf, plan, arena):
        super().__init__(buf, plan, arena)
        if misaligned(buf) or misaligned(arena):
            raise ModelError("a float model and its arena must begin at a multiple of 4")
        self._arena = arena
        self._input, self._output = part(arena, plan.input), part(arena, plan.output)
        self._work = array("I", _CONSTANTS + (0,) * (_WORDS - len(_CONSTANTS)))
        self._total = array("i", (4 * _SET, 4 * _ONE, 4 * _E, 4 * _SET, 0, 1, 0, 0, 0, 0))
        self._steps = [self._dense_step(op) if op.opcode == DENSE_F32 else op for op in plan.ops]
        self.ram += 4 * _WORDS + 80 + 60 * len(plan.ops)

    def _dense_step(self, op):
        next_, step = (4 * op.n_in, 4) if op.interleave == 1 else (4, 4 * op.n_out)
        return array("i", (op.bias, op.weights, op.x, op.y, op.n_in, op.n_out, next_, step, 4, 0))

    def __call__(self, x, y=None, at=None):
        if at is None:
            self.forward(x, y)
            return 0
        return super().__call__(x, y, at)

    def forward(self, at=0, end=None):
        end = len(self._steps) if end is None else min(end, len(self._steps))
        while at < end:
            op = self._plan.ops[at]
            if op.opcode == DENSE_F32:
                macs(self._steps[at], self._buf, self._arena)
            elif op.opcode == ACTIVATION_F32:
                self._activation(op)
            else:
                self._softmax(op)
            at += 1

    def _item_size(self, buf, n):
        return 4 if super()._item_size(buf, n) == 4 else 0

    def _quantize(self, x):
        self._io.readinto(self._input)  # not from x, which may lie across it
        finite(self._arena, self._plan.input.offset, self._n_in)

    def _dequantize(self, y):
        self._move(self._output, y)

    def _activation(self, op):
        work, arena, kind = self._work, self._arena, op.flags
        i = 0
        if op.table:
            put(work, _SET, self._buf, op.table // 4, 1)
        while i < op.n_in:
            n = min(_LANES, op.n_in - i)
            put(work, _X, arena, op.x // 4 + i, n)
            if kind == 0:
                pick(work, _X, _ZERO, n)
            elif kind == 1:
                put(work, _E, work, _X, n)
                self._all(_T_ALPHA_E, n)
                pick(work, _X, _T, n)
            elif kind == 2:
                put(work, _A, work, _X, n)
                self._exp(n)
                self._all(_E_MINUS_1, n)
                self._all(_T_ALPHA_E, n)
                pick(work, _X, _T, n)
            else:
                absolute(work, n)
                self._squash(kind, n)
            put(arena, op.y // 4 + i, work, _X, n)
            i += n

    def _squash(self, kind, n):
        work = self._work
        if kind == 5:
            self._all(_D_1_PLUS_A, n)
            self._divide(_X_BY_D, n)
            return
        self._all(_MINUS_A, n)
        if kind == 4:
            self._all(_TWICE_A, n)
        self._exp(n)
        self._all(_D_1_PLUS_E, n)
        if kind == 3:
            pick(work, _ONE, _E, n)
            self._divide(_X_BY_D, n)
            return
        self._all(_E_1_MINUS_E, n)
        self._divide(_E_BY_D, n)
        self._all(_T_MINUS_E, n)
        pick(work, _E, _T, n)

    def _softmax(self, op):
        work, arena, total = self._work, self._arena, self._total
        greatest(work, arena, op.x, op.n_in)
        i = 0
        while i < op.n_in:
            n = min(_LANES, op.n_in - i)
            put(work, _X, arena, op.x // 4 + i, n)
            self._all(_A_X_MINUS_TOP, n)
            self._exp(n)
            put(arena, op.y // 4 + i, work, _E, n)
            i += n
        put(work, _SET, work, _ZERO, 1)
        for divided in (False, True):
            i = 0
            while i < op.n_in:
                n = min(_LANES, op.n_in - i)
                put(work, _X if divided else _E, arena, op.y // 4 + i, n)
                if divided:
                    self._divide(_X_BY_TOTAL, n)
                    put(arena, op.y // 4 + i, work, _X, n)
                else:
                    total[4] = n
                    macs(total, work, work)
                i += n

    def _exp(self, n):
        """E = exp(A), A <= 0 or the result is not wanted."""
        self._all(_REDUCE, n)
        truncate(self._work, n)
        self._all(_POLYNOMIAL, n)
        scale(self._work, n)

    def _all(self, steps, n):
        for step in steps:
            step[5] = n
            macs(step, self._work, self._work)

    def _divide(self, step, n):
        step[5] = n
        divide(step, self._work)


@micropython.viper
def macs(p: ptr32, source: ptr8, target: ptr8):  # noqa: F821
    """y[j] = acc[j] + x[0] * w[j][0] + x[1] * w[j][1] ..: p as _step() and _dense_step() make it.

    acc and w lie in source, x and y in target. The sum is (-1)^sign * m * 2^(e - 156), m of 30
    bits, or 0 with an exponent that any product replaces: native_module/f32_soft.h.
    """
    n_in = p[4]
    step = p[7] >> 2
    j = 0
    while j < p[5]:
        m = ptr32(int(source) + p[0] + j * p[8])[0]  # noqa: F821
        w = ptr32(int(source) + p[1] + j * p[6])  # noqa: F821
        x = ptr32(int(target) + p[2] + j * p[9])  # noqa: F821
        sign = (m >> 31) & 1
        e = (m >> 23) & 255
        m = (m & 0x7FFFFF | 0x800000) << 6
        if e == 0:
            m = 0
            e = -1000
        k = 0
        while k < n_in:
            a = x[k]
            b = w[k * step]
            k += 1
            flip = ((a ^ b) >> 31) & 1
            down = (a >> 23) & 255
            t = (b >> 23) & 255
            p_e = down + t - 127
            if down == 0 or t == 0:
                p_e = 0
            t = 0
            if p_e >= 0:
                # product: high * 2**24 + low
                a = a & 0x7FFFFF | 0x800000
                b = b & 0x7FFFFF | 0x800000
                t = (a >> 12) * (b & 0xFFF) + (a & 0xFFF) * (b >> 12)
                low = (a & 0xFFF) * (b & 0xFFF) + ((t & 0xFFF) << 12)
                t = (a >> 12) * (b >> 12) + (t >> 12) + (low >> 24)
                low &= 0xFFFFFF
                if t >> 23:
                    p_e += 1
                else:
                    t = t << 1 | low >> 23
                    low = (low << 1) & 0xFFFFFF
                if low > 0x800000 - (t & 1):
                    t += 1
                t <<= 6
            if p_e <= 0:
                if m == 0:
                    sign &= flip  # -0.0 only if both are
                continue
            down = e - p_e
            if down < 0:  # the larger one is the sum
                a = m
                m = t
                t = a
                a = sign
                sign = flip
                flip = a
                e = p_e
                down = 0 - down
            if down > 25:
                continue  # less than a quarter of the last bit
            a = t
            t >>= down
            if a != t << down:
                t |= 1
            if sign == flip:
                m += t
                if m >> 30:
                    m = m >> 1 | m & 1
                    e += 1
            else:
                m -= t
                if m <= 0:
                    if m == 0:
                        sign = 0
                        e = -1000
                        continue
                    m = 0 - m
                    sign = flip
                while m >> 29 == 0:
                    m <<= 1
                    e -= 1
                if e <= 0:
                    m = 0
                    e = -1000
                    continue
            m += 31 + ((m >> 6) & 1)
            m = m >> 6 << 6
        sign <<= 31
        if m:
            if e >= 255:
                e = 255
                m = 1 << 29
            sign |= ((e - 1) << 23) + (m >> 6)
        ptr32(int(target) + p[3] + 4 * j)[0] = sign  # noqa: F821
        j += 1


@micropython.viper
def divide(p: ptr32, work: ptr8):  # noqa: F821
    """y[j] = x[j] / w[j]; a number / 0 is infinite."""
    j = 0
    while j < p[5]:
        a = ptr32(int(work) + p[2] + j * p[9])[0]  # noqa: F821
        b = ptr32(int(work) + p[1] + j * p[6])[0]  # noqa: F821
        y = (((a ^ b) >> 31) & 1) << 31
        e = (a >> 23) & 255
        i = (b >> 23) & 255
        if e:
            if i == 0:
                e = 255
            else:
                e += 126 - i
                a = a & 0x7FFFFF | 0x800000
                b = b & 0x7FFFFF | 0x800000
                if a >= b:
                    e += 1
                else:
                    a <<= 1
                q = 0
                i = 0
                while i < 25:
                    q <<= 1
                    if a >= b:
                        a -= b
                        q += 1
                    a <<= 1
                    i += 1
                a = (q + 1) >> 1
            if e >= 255:
                e = 255
                a = 0x800000
            if e > 0:
                y |= ((e - 1) << 23) + a
        ptr32(int(work) + p[3] + 4 * j)[0] = y  # noqa: F821
        j += 1


@micropython.viper
def truncate(work: ptr32, n: int):  # noqa: F821
    """T = the integer part of T, K = its absolute value."""
    j = 0
    while j < n:
        v = work[_T + j]
        places = 150 - ((v >> 23) & 255)
        k = 0
        if 0 <= places and places <= 23:
            k = (v & 0x7FFFFF | 0x800000) >> places
            v = v >> places << places
        else:
            v = 0
        work[_T + j] = v
        work[_K + j] = k
        j += 1


@micropython.viper
def scale(work: ptr32, n: int):  # noqa: F821
    """E = E / 2^K; 0 where A < -86."""
    limit = 0x42AC
    limit <<= 16  # 86.0; as one number it would be an object
    top = 1
    top <<= 31
    j = 0
    while j < n:
        v = work[_E + j] - (work[_K + j] << 23)
        a = work[_A + j]
        if (a >> 31) & 1 and (a & (top - 1)) > limit:
            v = 0
        work[_E + j] = v
        j += 1


@micropython.viper
def pick(work: ptr32, yes: int, no: int, n: int):  # noqa: F821
    """X = yes where X > 0, else no: vectors or constants."""
    j = 0
    while j < n:
        v = work[_X + j]
        at = no
        if v and (v >> 31) & 1 == 0:
            at = yes
        if at >= _X:
            at += j
        work[_X + j] = work[at]
        j += 1


@micropython.viper
def absolute(work: ptr32, n: int):  # noqa: F821
    """A = |X|."""
    sign = 1
    sign <<= 31
    j = 0
    while j < n:
        work[_A + j] = work[_X + j] & (sign - 1)
        j += 1


@micropython.viper
def greatest(work: ptr32, arena: ptr8, x: int, n: int):  # noqa: F821
    """The constant _SET = the largest of n floats."""
    p = ptr32(int(arena) + x)  # noqa: F821
    sign = 1
    sign <<= 31
    best = 0
    found = 0
    j = 0
    while j < n:
        v = p[j]
        key = v & (sign - 1)
        if (v >> 31) & 1:
            key = -1 - key
        if j == 0 or key > best:
            best = key
            found = v
        j += 1
    work[_SET] = found


@micropython.viper
def put(to: ptr32, at: int, source: ptr32, first: int, n: int):  # noqa: F821
    """Copy n words."""
    j = 0
    while j < n:
        to[at + j] = source[first + j]
        j += 1


@micropython.viper
def finite(arena: ptr8, offset: int, n: int):  # noqa: F821
    """Of n floats NaN becomes 0, an infinity the largest float."""
    x = ptr32(int(arena) + offset)  # noqa: F821
    j = 0
    while j < n:
        v = x[j]
        if (v >> 23) & 255 == 255:
            x[j] = 0 if v & 0x7FFFFF else v - 1
        j += 1


@micropython.viper
def misaligned(buf: ptr8) -> int:  # noqa: F821
    return int(buf) & 3

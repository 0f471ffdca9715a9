"""Activations of int8 as tables of 256 results for the inputs -128..127, stored as bytes.

`exact_*` round the real function correctly (halves away from zero); `aifes_*` give AIfES's own
piecewise values (floor shifts), saturated where AIfES wraps around.
"""
from array import array

from .q7 import fixed, ratio, saturate

BITS = 60  # behind the point of exp: far beyond what rounds a table correctly
OUT_SCALE = {"sigmoid": (8, -128), "softmax": (8, -128), "tanh": (7, 0), "softsign": (7, 0)}


def _table(function):
    table = bytearray(256)
    for i in range(256):
        table[i] = saturate(function(i - 128)) & 255
    return bytes(table)


def exact_table(kind, alpha, shift, zero_point, out_shift, out_zero):
    """Table of the activation from (shift, zero_point) into (out_shift, out_zero).

    In integers of many digits: the same on every interpreter. alpha: taken as a float32.
    """
    alpha = fixed(array("f", (alpha or 0,))[0], 40)
    e, one = 1 << BITS, 1 << BITS
    down = exp_fixed(2 if kind == "tanh" else 1, shift, BITS)
    table = bytearray(256)
    for d in range(384):  # of the input, in steps from zero; e = exp(-d), for tanh exp(-2d)
        for n in (d, -d):
            if -128 <= n + zero_point <= 127:
                y, unit = _real(kind, alpha, n, shift, e, one)
                y, unit = _scaled(y, out_shift), _scaled(unit, -out_shift)
                table[n + zero_point + 128] = saturate(ratio(y, unit) + out_zero) & 255
        e = e * down + (one >> 1) >> BITS or 1  # never 0: which side of a tie counts
    return bytes(table)


def _scaled(n, bits):
    return n << bits if bits > 0 else n


def _real(kind, alpha, n, shift, e, one):
    """(y, unit): the activation of n * 2**-shift is y / unit."""
    if kind in ("relu", "leaky_relu") or kind == "elu" and n >= 0:
        y = n if n >= 0 else 0 if kind == "relu" else n * alpha
        return _scaled(y, -shift), _scaled(1 << 40 if n < 0 else 1, shift)
    if kind == "elu":
        return alpha * (e - one), one << 40
    if kind == "softsign":
        y, unit = _scaled(n, -shift), _scaled(1, shift)
        return y, unit + abs(y)
    if kind == "tanh":
        return (one - e if n >= 0 else e - one), one + e
    if kind == "sigmoid":
        return (one if n >= 0 else e), one + e
    raise ValueError(kind)


def exp_fixed(n, shift, bits):
    """exp(-n * 2**-shift) * 2**bits for n >= 0, to the nearest int or the one beside it."""
    work = bits + 24
    halved = 0
    while shift + halved < 4 or n >> (shift + halved - 4):  # below 1/16 the series is short
        halved += 1
    x = (n << work) >> (shift + halved)
    total = term = 1 << work
    k = 1
    while term:
        term = (term * x >> work) // k
        total += -term if k & 1 else term
        k += 1
    for _ in range(halved):
        total = total * total >> work
    return total + (1 << 23) >> 24


def exact_softmax_table(shift):
    """uint16 exp(-d * 2**-shift) * 65535 for d = 0..255, as 512 bytes."""
    e, half = 1 << BITS, 1 << BITS - 1
    down = exp_fixed(1, shift, BITS)
    values = []
    for _ in range(256):
        values.append(65535 * e + half >> BITS)
        e = e * down + half >> BITS
    return _words(values)


def aifes_table(kind, alpha, shift, zero_point):
    """Table as AIfES computes it; alpha: a Q7 scalar (value, shift, zero point) or None.

    The result has OUT_SCALE[kind], or the input's scale. q7-spec of AIfES; docs/arithmetic.md.
    """
    z = zero_point
    if kind == "relu":
        return _table(lambda q: max(q, z))
    if kind == "leaky_relu":
        a, a_shift, a_zero = alpha
        return _table(lambda q: q if q > z else ((a - a_zero) * (q - z) >> a_shift) + z)
    if kind == "elu":
        a, a_shift, a_zero = alpha
        return _table(lambda q: q if q > z else
                      (_elu(q - z, shift) * (a - a_zero) >> a_shift) + z)
    if kind == "softsign":
        return _table(lambda q: _softsign(q - z, shift))
    if kind == "tanh":
        return _table(lambda q: _sigmoid(q - z, shift - 1))
    if kind == "sigmoid":
        return _table(lambda q: _sigmoid(q - z, shift))
    raise ValueError(kind)


def aifes_softmax_table(shift):
    """AIfES's piecewise exp for d = 0..255 steps below the maximum, as 512 bytes of uint16."""
    return _words([_exp(-d, shift) + 128 for d in range(256)])


def _words(values):
    return bytes(array("H", values))  # every supported chip is little-endian


def _fixed(value, bits, shift):
    """A constant with `bits` fraction bits in units of 2**-shift."""
    return value << (shift - bits) if shift >= bits else value >> (bits - shift)


def _elu(x, shift):
    if x > -_fixed(32, 5, shift):
        return 20 * x >> 5
    if x > -_fixed(64, 5, shift):
        return (8 * x >> 5) - _fixed(12, 5, shift)
    if x > -_fixed(96, 5, shift):
        return (3 * x >> 5) - _fixed(22, 5, shift)
    if x > -_fixed(127, 5, shift):
        return (x >> 5) - _fixed(28, 5, shift)
    return -_fixed(32, 5, shift)


def _sigmoid(x, shift):
    a = abs(x)
    if shift < 4:
        a = a << (4 - shift)
        shift = 4
    b = 8 - shift
    if a < _fixed(16, 4, shift):
        y = _power(a, b - 2)
    elif a < _fixed(38, 4, shift):
        y = _power(a, b - 3) + 31
    elif a < _fixed(80, 4, shift):
        y = _power(a, b - 5) + 87
    else:
        y = 127
    return -y if x < 0 else y


def _power(a, n):
    """a * 2**n, floored."""
    return a << n if n >= 0 else a >> -n


def _softsign(x, shift):
    y = (abs(x) << 7) // (abs(x) + (1 << shift))
    return -y if x < 0 else y


def _exp(x, shift):
    if x > -_fixed(16, 4, shift):
        return (161 * x >> shift) + 127
    if x > -_fixed(32, 4, shift):
        return (59 * x >> shift) + 26
    if x > -_fixed(48, 4, shift):
        return (23 * x >> shift) - 46
    if x > -_fixed(80, 4, shift):
        return (6 * x >> shift) - 96
    return -128

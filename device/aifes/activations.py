"""Activations of int8 as tables of 256 results for the inputs -128..127, stored as bytes.

`exact_*` round the real function correctly (halves away from zero); `aifes_*` give AIfES's own
piecewise values (floor shifts), saturated where AIfES wraps around.
"""
from array import array
from math import exp

from .q7 import nearest, saturate

OUT_SCALE = {"sigmoid": (8, -128), "softmax": (8, -128), "tanh": (7, 0), "softsign": (7, 0)}


def _table(function):
    table = bytearray(256)
    for i in range(256):
        table[i] = saturate(function(i - 128)) & 255
    return bytes(table)


def real(kind, x, alpha=0.0):
    """The activation of a real number."""
    if kind == "relu":
        return max(x, 0.0)
    if kind == "leaky_relu":
        return x if x > 0 else alpha * x
    if kind == "elu":
        return x if x > 0 else alpha * (exp(x) - 1)
    if kind == "softsign":
        return x / (1 + abs(x))
    if kind == "tanh":
        e = exp(-2 * abs(x))
        return (1 - e) / (1 + e) if x > 0 else (e - 1) / (1 + e)
    if kind == "sigmoid":
        e = exp(-abs(x))
        return (1 if x > 0 else e) / (1 + e)
    raise ValueError(kind)


def exact_table(kind, alpha, shift, zero_point, out_shift, out_zero):
    """Table of real(kind, x, alpha) from (shift, zero_point) into (out_shift, out_zero)."""
    scale = 2.0 ** out_shift
    return _table(lambda q: nearest(
        scale * real(kind, (q - zero_point) * 2.0 ** -shift, alpha)) + out_zero)


def exact_softmax_table(shift):
    """uint16 exp(-d * 2**-shift) * 65535 for d = 0..255, as 512 bytes."""
    return _words([nearest(65535 * exp(-d * 2.0 ** -shift)) for d in range(256)])


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

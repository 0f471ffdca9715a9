"""Q7 numbers: real = (q - zero_point) * 2**-shift, q an int8, shift 0..32.

The rules are AIfES's; every rounding is to nearest with halves away from zero.
"""
from array import array
from math import floor, frexp, ldexp

from ..format import ModelError


def params(low, high, margin=0.0, symmetric=False, min_shift=0):
    """(shift, zero_point) for the real range [low, high]: the finest that covers it, centred.

    margin: widens both ends by this share of their distance from 0 (AIfES: 0.1 for results), in
    whole hundredths. symmetric: uses (-m, m) with m = max(|low|, |high|), so that zero_point is 0
    (for weights). In integers, so that every interpreter finds the same.
    Raises ModelError if the range does not fit 8 bits at min_shift (0 in AIfES).
    """
    percent = 100 + nearest(100 * margin)
    largest = frexp(max(-low, high, 0.0))[1]
    a = min(fixed(low, 30 - largest), 0) * percent
    b = max(fixed(high, 30 - largest), 0) * percent
    if symmetric:
        b = max(-a, b)
        a = -b
    if a == b:
        return 0, 0
    e = max(largest, -24)
    while 100 << (e + 30 - largest) <= b - a:
        e += 1
    if e > 8 - min_shift:
        raise ModelError(f"the range {low} to {high} does not fit 8 bits: scale the data down")
    width = 100 << (e + 30 - largest)
    return 8 - e, min(ratio((width - a - b) << 7, width) - 128, 127)


def fixed(value, bits):
    """The int nearest to value * 2**bits, halves away from zero."""
    n = int(ldexp(abs(value), bits + 1)) + 1 >> 1
    return -n if value < 0 else n


def ratio(n, d):
    """The int nearest to n / d for d > 0, halves away from zero."""
    q = (2 * abs(n) + d) // (2 * d)
    return -q if n < 0 else q


def nearest(value):
    """The nearest int, halves away from zero."""
    return floor(value + 0.5) if value >= 0 else -floor(0.5 - value)


def saturate(q):
    """The int in -128..127 that is closest."""
    return -128 if q < -128 else 127 if q > 127 else q


def quantize(value, shift, zero_point):
    """The int8 of a real number, saturated."""
    scaled = value * 2.0 ** shift
    if not -512.0 < scaled < 512.0:
        return 127 if scaled > 0 else -128 if scaled < 0 else zero_point
    return saturate(fixed(value, shift) + zero_point)


def dequantize(q, shift, zero_point):
    """The real number of an int8."""
    return (q - zero_point) * 2.0 ** -shift


def quantize_tensor(values, shift, zero_point):
    """array('b') of a sequence of real numbers."""
    return array("b", [quantize(v, shift, zero_point) for v in values])


def dequantize_tensor(qs, shift, zero_point):
    """array('f') of a sequence of int8."""
    return array("f", [dequantize(q, shift, zero_point) for q in qs])


def quantize_bias(values, shift):
    """array('i') of real biases; shift = the weights' plus the layer input's, zero point 0."""
    return array("i", [fixed(v, shift) for v in values])

"""The Draft of an elementwise sum; a chain by hand has no use for it, the quantizers have."""
from ..format import ModelError
from ..ops.add import MAX_BIAS, MAX_LEFT, Fields
from .assemble import Draft

OPCODE = 4


def add(n, x_scales, y_scale, low=-128, high=127):
    """The Draft of int8; x_scales: (shift, zero point) of both inputs; y_scale: of the result.

    It rounds to nearest. n: elements. Raises ModelError if the scales are too far from each other.
    """
    (s1, z1), (s2, z2) = x_scales
    fine = max(s1, s2)
    shift = fine - y_scale[0]
    up = max(0, -shift)  # a finer result than both: shifted up
    left1, left2, shift = fine - s1 + up, fine - s2 + up, shift + up
    bias = -(z1 << left1) - (z2 << left2) + (1 << shift >> 1)
    if max(left1, left2) > MAX_LEFT or shift > 31 or abs(bias) >= MAX_BIAS:
        raise ModelError("a sum of values in steps of 2^-{} and 2^-{} as one in steps of 2^-{}: "
                         "scale one of its inputs".format(s1, s2, y_scale[0]))
    return Draft(OPCODE, 0, n, n, Fields(
        y_scale[1], low, high, shift, left1, left2, 0, bias), None, 0)


def float_add(n):
    """The Draft of float32."""
    return Draft(OPCODE, 0, n, n, Fields(0, 0, 0, 0, 0, 0, 0, 0), None, 0)

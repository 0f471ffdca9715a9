"""The Draft of an elementwise product; a chain by hand has no use for it, the quantizers have."""
from ..format import ModelError
from ..ops.multiply import MAX_SHIFT, Fields
from .assemble import Draft

OPCODE = 8


def multiply(n, x_scales, y_scale, low=-128, high=127):
    """The Draft of int8; x_scales: (shift, zero point) of both inputs; y_scale: of the result.

    It rounds to nearest. n: elements. Raises ModelError if the result is finer than the products,
    or too far from them.
    """
    (s1, z1), (s2, z2) = x_scales
    shift = s1 + s2 - y_scale[0]
    if not 0 <= shift <= MAX_SHIFT:
        raise ModelError("a product of values in steps of 2^-{} and 2^-{} as one in steps of 2^-{}:"
                         " scale one of its inputs".format(s1, s2, y_scale[0]))
    return Draft(OPCODE, 0, n, n, Fields(y_scale[1], low, high, shift, z1, z2, 0), None, 0)


def float_multiply(n):
    """The Draft of float32."""
    return Draft(OPCODE, 0, n, n, Fields(0, 0, 0, 0, 0, 0, 0), None, 0)

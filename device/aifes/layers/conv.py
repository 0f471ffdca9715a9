"""The Draft of a convolution: what is constant is folded into the bias, as for dense."""
from ..ops.conv import Fields
from . import dense
from .assemble import Draft

OPCODE = 5


class Geometry:
    """Where windows lie, ops/conv.py. Pairs: (of rows, of columns).

    x, y: shapes [rows, columns, channels]; kernel, stride, dilation, spread: pairs; padding: (top,
    left). n: elements of a window; each: outputs of a group.
    """

    def __init__(self, x, y, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), spread=(1, 1),
                 groups=1):
        self.x, self.y = tuple(x), tuple(y)
        self.numbers = tuple(kernel) + tuple(stride) + tuple(dilation) + tuple(spread) + tuple(
            padding)
        self.groups = groups
        self.n = kernel[0] * kernel[1] * (x[2] // groups)
        self.each = y[2] // groups

    def draft(self, dense_fields, flags, pad):
        """The Draft with the fields of a dense layer from a window to all outputs."""
        f = tuple(dense_fields)
        n_in, n_out = [a * b * c for a, b, c in (self.x, self.y)]
        return Draft(OPCODE, flags, n_in, n_out, Fields(*(
            f[:7] + self.numbers + (pad, 0, self.groups) + f[7:])), (self.x, self.y), self.n)


def conv(geometry, weights, bias, x_zero, shift, zero_point, nearest=False, weight_zero=0):
    """The Draft of int8.

    weights: int8 [outputs][kernel rows][kernel columns][channels of the group] in one buffer; the
    rest as layers.dense.dense() has it. Raises ModelError if a bias is too large.
    """
    draft = dense.dense(weights, weight_zero, bias, x_zero, shift, zero_point, nearest)
    return geometry.draft(draft.fields, draft.flags, x_zero)


def float_conv(geometry, weights, bias):
    """The Draft of float32; weights, bias: bytes, in the same order."""
    return geometry.draft(dense.float_dense(weights, bias, True).fields, 0, 0)

"""The Drafts of pooling."""
from ..format import ModelError
from ..ops.pool import AVERAGE, MAX_SUM, WHOLE, Fields
from .assemble import Draft

OPCODE = 6


def pool(x, y, kernel, stride, padding, average=False, whole=False, x_scale=(0, 0),
         y_scale=(0, 0)):
    """The Draft of int8, and of float32 with the scales left out.

    x, y: shapes [rows, columns, channels]; kernel, stride: (rows, columns); padding: (top, left).
    average: the mean, whole: of all of the window. x_scale, y_scale: (shift, zero point); of the
    largest both are the same. Raises ModelError if the scales do not fit.
    """
    up = zero_point = x_zero = 0
    if average:
        up, zero_point, x_zero = y_scale[0] - x_scale[0], y_scale[1], x_scale[1]
        if not 0 <= up <= 16 or kernel[0] * kernel[1] * 255 << up > MAX_SUM:
            raise ModelError("the mean of {} values in steps of 2^-{} as one in steps of 2^-{}: "
                             "its result must be finer, by 2^16 at most".format(
                                 kernel[0] * kernel[1], x_scale[0], y_scale[0]))
    elif x_scale != y_scale:
        raise ModelError("the largest value has the scale of the input")
    n_in, n_out = [a * b * c for a, b, c in (x, y)]
    flags = (AVERAGE | WHOLE if whole else AVERAGE) if average else 0
    return Draft(OPCODE, flags, n_in, n_out, Fields(
        zero_point, x_zero, up, 0, kernel[0], kernel[1], padding[0], padding[1], stride[0],
        stride[1], 0), (tuple(x), tuple(y)), 0)

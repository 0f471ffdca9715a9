"""How pooling is quantized: the largest keeps its scale, the mean gets the one that loses least."""
from ..format import ModelError
from ..layers.pool import pool
from ..ops.pool import AVERAGE, MAX_SUM, WHOLE
from .data import Seen

BY_ELEMENT = False
RANGE = True


def passes(work, op):
    return True


def keeps(work, op):
    return not op.flags & AVERAGE


def quantize(work, i):
    if not work.exact:
        raise ModelError(f"layer {i}: AIfES has no pooling in int8; use method 'mse'")
    op = work.plan.ops[i]
    f, y = op.fields, op.outputs[0]
    out = scale = work.scales[op.inputs[0]]
    if op.flags & AVERAGE:
        out, most = work.shared(y), 0
        while most < 16 and f.kernel_rows * f.kernel_columns * 255 << most + 1 <= MAX_SUM:
            most += 1
        if not out or not scale[0] <= out[0] <= scale[0] + most:  # what the op can
            seen = Seen(work, i)
            out = seen.best_scale()
            shift = min(max(out[0], scale[0]), scale[0] + most)
            if shift != out[0]:
                out = seen.best_scale(shift - out[0])
    x_shape, y_shape = [work.plan.tensors[k].shape for k in (op.inputs[0], y)]
    work.put(i, pool(x_shape, y_shape, (f.kernel_rows, f.kernel_columns),
                     (f.stride_rows, f.stride_columns), (f.top, f.left), bool(op.flags & AVERAGE),
                     bool(op.flags & WHOLE), scale, out), out)

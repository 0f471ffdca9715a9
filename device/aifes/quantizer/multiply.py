"""How a product of two tensors is quantized: at the scale of its result that loses least, as fine
as the products at most."""
from ..format import ModelError, size
from ..layers.multiply import multiply
from .data import Seen

BY_ELEMENT = False
RANGE = True


def quantize(work, i):
    if not work.exact:
        raise ModelError(f"layer {i}: AIfES has no product of two tensors; use method 'mse'")
    op = work.plan.ops[i]
    y = op.outputs[0]
    scales = [work.scales[t] for t in op.inputs]
    finest = scales[0][0] + scales[1][0]
    out = work.shared(y)
    if not out or out[0] > finest:
        seen = Seen(work, i)
        out = seen.best_scale()
        if out[0] > finest:
            out = seen.best_scale(finest - out[0])
    work.put(i, multiply(size(work.plan.tensors[y].shape), scales, out), out)

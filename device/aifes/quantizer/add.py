"""How a sum of two tensors is quantized: at the scale of its result that loses least."""
from ..format import ModelError, size
from ..layers.add import add
from .data import Seen

BY_ELEMENT = False
RANGE = True


def quantize(work, i):
    if not work.exact:
        raise ModelError(f"layer {i}: AIfES has no sum of two tensors; use method 'mse'")
    op = work.plan.ops[i]
    y = op.outputs[0]
    out = work.shared(y) or Seen(work, i).best_scale()
    work.put(i, add(size(work.plan.tensors[y].shape), [work.scales[t] for t in op.inputs], out),
             out)

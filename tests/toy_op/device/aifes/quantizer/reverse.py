"""How reverse is quantized: at the scale of its input."""
from ..format import size
from ..layers.reverse import reverse

BY_ELEMENT = False
RANGE = False


def quantize(work, i):
    op = work.plan.ops[i]
    t = op.inputs[0]
    work.put(i, reverse(size(work.plan.tensors[t].shape)), work.scales[t])

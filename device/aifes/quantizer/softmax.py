"""How softmax is quantized: a table of exp."""
from ..format import size
from ..layers import activations
from ..layers.softmax import softmax
from . import scales

BY_ELEMENT = False
RANGE = False


def most(work, i):
    return 512 + 4


def stands_for(work, op):
    """(kind, alpha) of the activation that stands for what it needs of its input."""
    start = scales.softmax_start(work.data.peak[op.inputs[0]])
    return (None, 0) if start is None else ("clamp", start)


def quantize(work, i):
    op = work.plan.ops[i]
    t = op.inputs[0]
    make = activations.exact_softmax_table if work.exact else activations.aifes_softmax_table
    work.put(i, softmax(size(work.plan.tensors[t].shape), make(work.scales[t][0]), work.exact),
             activations.OUT_SCALE["softmax"])

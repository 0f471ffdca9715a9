"""How softmax is quantized: a table of exp."""
from ..format import size
from ..layers import activations
from ..layers.softmax import softmax

BY_ELEMENT = False
RANGE = False


def most(work, i):
    return 512 + 4


def quantize(work, i):
    op = work.plan.ops[i]
    t = op.inputs[0]
    make = activations.exact_softmax_table if work.exact else activations.aifes_softmax_table
    work.put(i, softmax(size(work.plan.tensors[t].shape), make(work.scales[t][0]), work.exact),
             activations.OUT_SCALE["softmax"])

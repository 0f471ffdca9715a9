"""How an activation is quantized: a table, inside the op before it where that can be."""
import struct
from array import array

import aifes.layers.q7 as q7

from ..format import size
from ..layers import activations
from ..layers.map import fuse_clamp, fuse_map
from ..ops.map import FUNCTIONS
from . import scales

BY_ELEMENT = False
RANGE = False


def most(work, i):
    op = work.plan.ops[i]
    if FUNCTIONS[op.flags] == "relu" and work.clamps(op):
        return 0
    return 256 + 4


def keeps(work, op):
    return FUNCTIONS[op.flags] == "relu"


def stands_for(work, op):
    """(kind, alpha) of an op of the float32 model."""
    at = op.fields.table
    return FUNCTIONS[op.flags], struct.unpack_from("<f", work.buf, at)[0] if at else 0


def quantize(work, i):
    op = work.plan.ops[i]
    t = op.inputs[0]
    shift, zero = work.scales[t]
    n = size(work.plan.tensors[t].shape)
    kind, alpha = stands_for(work, op)
    if kind == "relu":
        work.fuse(i, lambda drafts: fuse_clamp(drafts, n, zero, 127), (shift, zero))
        return
    out = activations.OUT_SCALE.get(kind)
    if work.exact:
        out = work.shared(op.outputs[0]) or out or _scale(work, t, n, kind, alpha)
        table = activations.exact_table(kind, alpha, shift, zero, *out)
    else:
        a_shift, a_zero = q7.params(-abs(alpha), abs(alpha))
        scalar = q7.quantize(alpha, a_shift, a_zero), a_shift, a_zero
        out = out or (shift, zero)
        table = activations.aifes_table(kind, scalar, shift, zero)
    work.fuse(i, lambda drafts: fuse_map(drafts, n, table), out)


def _scale(work, t, n, kind, alpha):
    """(shift, zero point) for the results of an activation of tensor t, of n elements."""
    scale = work.scales[t]
    counts = array("I", bytes(1024))
    for q in work.data.quantized(t, work.model(t), scale, n):
        for v in q:
            counts[v + 128] += 1
    value = scales.behind(kind, alpha, scales.table_bits(scale[0]))
    return scales.table_scale(counts, value, scale)

"""How a dense layer is quantized: the scale that loses least, weights by output, exact means."""
import struct
from array import array

import aifes.layers.q7 as q7

from ..format import ModelError, size
from ..layers.dense import dense
from . import scales
from .data import Seen

BY_ELEMENT = True  # its input and its result may have a scale for each element
RANGE = True  # the range of its result on the samples is asked for
WEIGHTS = True  # factors of the channels of its input and its result can go into them


def most(work, i):
    """Bytes of its int8 constants at most."""
    n_in, n_out = _sizes(work, i)
    return n_in * n_out + 5 * n_out + 8


def buffer(work, i):
    """For the weights."""
    n_in, n_out = _sizes(work, i)
    return n_in * n_out


def _sizes(work, i):
    op = work.plan.ops[i]
    return size(work.plan.tensors[op.inputs[0]].shape), size(work.plan.tensors[op.outputs[0]].shape)


def quantize(work, i):
    """Add the int8 op of op i of the float32 model."""
    op, data = work.plan.ops[i], work.data
    t, y = op.inputs[0], op.outputs[0]
    n_in, n_out = _sizes(work, i)
    in_shift, in_zero = work.scales[t]
    row_shifts = None
    if not isinstance(in_shift, int):  # the inputs' scales go into the rows of the weights
        row_shifts, in_shift = in_shift, 0
    correct = work.exact and data.count >= scales.FEW
    if work.exact:
        own = work.per_element and work.is_end(y)
        if correct or not own:
            seen = Seen(work, i, correct)
        shift, zero = data.element_scales(y) if own else work.scale(y, seen)
        w_shifts = [scales.weight_shift(_weights(work, op, j, n_in, n_out, row_shifts))
                    for j in range(n_out)]
    else:
        shift, zero = wanted = work.range(min(data.low[y]), max(data.high[y]))
        largest = max([max([abs(w) for w in _weights(work, op, j, n_in, n_out)])
                       for j in range(n_out)])
        w_shifts = [q7.params(-largest, largest)[0]] * n_out
    biases = work.biases(op, n_out)
    shift, w_shifts = scales.fit(w_shifts, biases, in_shift, shift)
    if not work.exact and shift < wanted[0]:
        raise ModelError(f"layer {i}: AIfES's rule gives it a finer result than its "
                         "accumulator has; use method 'mse'")
    weights = work.buffers[i]
    bias, down = [], []
    for j in range(n_out):
        data.show("output", j, n_out)
        at, total = j * n_in, 0
        for v in _weights(work, op, j, n_in, n_out, row_shifts):
            q = q7.saturate(q7.fixed(v, w_shifts[j]))
            weights[at] = q & 255
            if correct:
                total += q * seen.inputs[at - j * n_in]
            at += 1
        bits = in_shift + w_shifts[j]
        bias.append(scales.corrected_bias(
            seen.real[j], seen.real_bits, total, bits, data.count)
            if correct else q7.fixed(biases[j], bits))
        down.append(bits - (shift if isinstance(shift, int) else shift[j]))
    if not work.exact:
        work.found_dense.append((op.fields.interleave == 1, n_in, weights, bias,
                                 (w_shifts[0], 0), (shift, zero)))
    if down == down[:1] * n_out:
        down = down[0]
    work.put(i, dense(weights, 0, bias, in_zero, down, zero, work.exact), (shift, zero))


def _weights(work, op, j, n, n_out, row_shifts=None):
    """array('f') of the weights of output j, with the factors of its channels, less the shifts of
    the inputs' scales."""
    buf, at = work.buf, op.fields.weights
    if op.fields.interleave == 1:
        w = array("f", bytes(buf[at + 4 * j * n:at + 4 * (j + 1) * n]))
    else:
        w = array("f", [struct.unpack_from("<f", buf, at + 4 * (k * n_out + j))[0]
                        for k in range(n)])
    own, given = work.factors.get(op.outputs[0]), work.factors.get(op.inputs[0])
    if own:
        for k in range(n):
            w[k] = w[k] * own[j % len(own)]
    if given:
        for k in range(n):
            w[k] = w[k] / given[k % len(given)]
    if row_shifts:
        for k in range(n):
            w[k] = w[k] * 2.0 ** -row_shifts[k]
    return w

"""dense: x @ weights + bias."""
from dataclasses import dataclass, replace

import numpy as np
from aifes.format import size
from aifes.layers import q7
from aifes.layers.dense import dense, float_dense
from aifes.ops.dense import weights_size
from aifes.quantizer import scales

from ..graph import ConversionError
from ..scales import (
    element_scales,
    nearest,
    quantize_values,
    result_shifts,
    rounded,
    weight_shifts,
)
from .float32 import CHUNK, F
from .weighted import Weighted


@dataclass
class Dense(Weighted):
    """weights: [inputs, outputs], bias: [outputs], float; image: the shape of a result that is read
    as one."""

    weights: np.ndarray
    bias: np.ndarray
    name: str = ""
    image: tuple = None

    kind = "dense"
    by_element = in_aifes = True

    def __post_init__(self):
        self.take_parameters(("inputs", "outputs"))
        if not self.weights.size:
            raise ConversionError(f"dense layer {self.name!r} has {self.weights.shape[0]} inputs "
                                  f"and {self.weights.shape[1]} outputs: it needs one of each")

    @property
    def label(self):
        return self.weights.shape[1]

    def shape(self, x):
        n = size(x)
        if n != len(self.weights):
            raise ConversionError(f"dense layer {self.name!r} takes {len(self.weights)} inputs "
                                  f"but gets {n}")
        return self.image or self.weights.shape[1:]

    def __call__(self, x):
        return x @ self.weights + self.bias

    def scaled(self, inputs=1.0, results=1.0):
        """The same layer, of inputs that were divided by a factor, its results times another."""
        factor = inputs * results
        return replace(self, weights=self.weights * factor, bias=self.bias * results)

    def of_inputs(self, channels):
        return np.resize(channels, len(self.weights))[:, None]

    def __repr__(self):
        return "Dense({} -> {}, {!r})".format(*self.weights.shape, self.name)

    def quantize(self, walk, node):
        x, choice = walk.values[node.inputs[0]], walk.choice(node)
        real = walk.real[node.output]
        behind = walk.behind(node.output)
        in_shift, in_zero = x.shift, x.zero_point
        weights = self.weights.astype(np.float32).astype(float)
        biases = self.bias.astype(np.float32).tolist()
        if isinstance(in_shift, np.ndarray):  # the inputs' scales go into the rows of the weights
            weights = np.ldexp(weights, -in_shift[:, None])
            in_shift, in_zero = 0, in_zero.tolist()
        if walk.exact:
            own = walk.per_element and walk.takes_scales(node.output)
            shift, zero = (element_scales(real) if own
                           else walk.scale(node))
            w_shift = weight_shifts(weights)
            if choice.weights == "results":
                seen = np.ldexp(x.q - np.array(in_zero, float), -in_shift)
                w_shift = result_shifts(weights, w_shift, lambda w: seen @ w, real)
        else:
            shift, zero = walk.range(real.min(), real.max())
            common = q7.params(weights.min(), weights.max(), symmetric=True)[0]
            w_shift = np.full(len(biases), common)
        shift, w_shift = scales.fit(w_shift.tolist(), biases, in_shift,
                                    shift if isinstance(shift, int) else shift.tolist())
        if not walk.exact and shift < walk.range(real.min(), real.max())[0]:
            raise ConversionError(f"layer {self.name!r}: AIfES's rule gives it a finer result "
                                  "than its accumulator has; use method 'mse'")
        w = quantize_values(weights, np.array(w_shift), 0)
        acc_shift = [in_shift + s for s in w_shift]
        if walk.exact and len(x.q) >= scales.FEW:
            inputs = x.q.sum(0, dtype=np.int64) - len(x.q) * np.array(in_zero)
            bias = corrected(real, inputs @ w.astype(np.int64), acc_shift)
        else:
            bias = [q7.fixed(b, s) for b, s in zip(biases, acc_shift)]
        draft = dense(w.T.tobytes(), 0, bias, in_zero, shifts_down(acc_shift, shift),
                      zero if isinstance(zero, int) else zero.tolist(), walk.exact)
        walk.put(node, draft, shift if isinstance(shift, int) else np.array(shift), zero, behind)

    def float_op(self, n):
        return float_dense(self.weights.T.astype("<f4").tobytes(),
                           self.bias.astype("<f4").tobytes(), by_output=True)

    def float32(self, x):
        return in_order(x, self.weights.astype(F), self.bias.astype(F))

    def gradients(self, x, y, g):
        return [g @ self.weights.T]

    def parameter_gradients(self, x, g):
        """For each of `trained`, of the inputs x and the gradient g of the result."""
        return x[0].T @ g, g.sum(0)

    def stored_shifts(self):
        """With which int8 hold the weights: what as_stored() takes."""
        return weight_shifts(self.weights)

    def as_stored(self, shifts):
        """The layer with its weights as int8 hold them, and for each of `trained` where a value is
        within the range of int8."""
        weights, inside = rounded(self.weights, shifts, 0)
        return replace(self, weights=weights), (inside, True)


def corrected(real, seen, acc_shift):
    """The biases that make the mean of each result right.

    real: float results [.., outputs]; seen: the sum of what each gives without a bias.
    """
    first = q7.params(float(real.min()), float(real.max()), min_shift=-32)[0]
    bits = first + scales.MEAN_BITS
    return [scales.corrected_bias(r, bits, v, s, len(real)) for r, v, s in zip(
        nearest(real, bits).sum(0).tolist(), seen.tolist(), acc_shift)]


def shifts_down(acc_shift, shift):
    """From accumulators to results: an int for all, or a list; shift: of the results, likewise."""
    down = [s - v for s, v in zip(acc_shift, np.broadcast_to(shift, len(acc_shift)).tolist())]
    return down[0] if len(set(down)) == 1 else down


def in_order(x, w, bias):
    """bias + x @ w, one input after another: the order of the sums is fixed."""
    y = np.tile(bias, (len(x), 1))
    for first in range(0, len(x), CHUNK):
        rows = slice(first, first + CHUNK)
        for k in range(len(w)):
            y[rows] += x[rows, k:k + 1] * w[k]
    return y


def _sizes(op, tensors):
    return [size(tensors[k].shape) for k in (op.inputs[0], op.outputs[0])]


def stored_weights(buf, f, at, n_in, n_out):
    """The uint8 weights [n_in, n_out] at an offset of a buffer (array of uint8); f: of the op."""
    blocks = -(-n_out // f.interleave)
    w = buf[at:at + weights_size(n_in, n_out, f.interleave)].reshape(blocks, -1)
    whole = n_in - n_in % f.group  # inputs in full groups; the rest forms a smaller one
    parts = [w[:, start * f.interleave:][:, :n * f.interleave].reshape(
        blocks, -1, f.interleave, wide).transpose(1, 3, 0, 2).reshape(n, -1)
        for start, n, wide in ((0, whole, f.group), (whole, n_in - whole, n_in - whole)) if n]
    return np.concatenate(parts)[:, :n_out]


def _weights(buf, op, tensors):
    return stored_weights(buf, op.fields, op.fields.weights, *_sizes(op, tensors))


def int8(buf, op, tensors):
    w = _weights(buf, op, tensors).astype(np.float64)
    w -= op.fields.weight_zero  # products and sums stay below 2**53: exact in BLAS's float64
    finish = finished(buf, op.fields, w.shape[1])
    return lambda q: finish(q.astype(np.float64) @ w)


def finished(buf, f, n_out):
    """The function from sums of products [.., n_out] to int8 results; f: fields of the op."""
    bias = buf[f.bias:f.bias + 4 * n_out].view("<i4")
    shift = (buf[f.shifts:f.shifts + n_out].astype(np.int32) if f.shifts
             else np.int32(f.shift))
    table = buf[f.table:f.table + 256].view(np.int8) if f.table else None
    multipliers = (buf[f.multipliers:f.multipliers + 4 * n_out].view("<i4").astype(np.int64)
                   if f.multipliers else None)

    def run(sums):
        acc = sums.astype(np.int32) + bias
        acc = acc >> shift if multipliers is None else _scaled(acc, multipliers, shift)
        y = np.clip(acc + f.zero_point, f.low, f.high)
        return y.astype(np.int8) if table is None else table[y + 128]

    return run


def _scaled(acc, multipliers, shift):
    """acc * multiplier / 2**(31 + shift), rounded twice as TensorFlow Lite Micro does."""
    acc = acc * multipliers + (1 << 30) >> 31  # halves up
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift, 1) - 1, 0)
    return np.sign(acc) * (np.abs(acc) + half >> shift)  # halves away from zero


def float32(buf, op, tensors):
    f, (n_in, n_out) = op.fields, _sizes(op, tensors)
    w = buf[f.weights:f.weights + 4 * n_in * n_out].view(F)
    w = w.reshape(n_out, n_in).T if f.interleave == 1 else w.reshape(n_in, n_out)
    bias = buf[f.bias:f.bias + 4 * n_out].view(F)
    return lambda x: in_order(x, w, bias)


def arranged(buf, op, tensors, width, group):
    """The weights in blocks of `width` outputs, `group` inputs together; narrow layers in rows."""
    if _sizes(op, tensors)[1] < width:
        width, group = 1, 1
    weights = interleave(_weights(buf, op, tensors), width, group)
    return {"weights": weights, "interleave": width, "group": group}


def interleave(weights, block, group=1):
    """bytes of uint8 weights [n_in, n_out] in blocks of outputs, the last one padded with 128."""
    n_in, n_out = weights.shape
    blocks = -(-n_out // block)
    padded = np.full((n_in, blocks * block), 128, np.uint8)
    padded[:, :n_out] = weights
    parts = [padded[k:k + group].reshape(-1, blocks, block).transpose(1, 2, 0).reshape(blocks, -1)
             for k in range(0, n_in, group)]
    return np.concatenate(parts, 1).tobytes()


def products(op, tensors):
    n_in, n_out = _sizes(op, tensors)
    return n_in * n_out


def instructions(op, tensors, chip):
    return priced(*_sizes(op, tensors), op.fields.interleave, chip)


def priced(n_in, n_out, interleave, chip):
    """Instructions for the outputs of one vector of inputs."""
    outputs = -(-n_out // interleave) * interleave  # the last block is padded
    product = chip.product if interleave > 1 else chip.product_rows
    return outputs * (n_in * product + chip.output)


def boundary(op):
    return 0


CLASSES = False

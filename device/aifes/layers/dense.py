"""The dense layer by hand, and its Drafts: what is constant is folded into the bias."""
import struct

from ..format import ModelError, size
from ..ops.dense import ACC_LIMIT, NEAREST, Fields
from .assemble import Draft
from .given import count, raw

OPCODE = 1


def dense(weights, weight_zero, bias, x_zero, shift, zero_point, nearest=False, by_output=True):
    """The Draft of int8: what is constant goes into the bias, engines compute sum(x * w) only.

    weights: n_in * n_out int8 in one buffer, output by output ([n_out][n_in]) if by_output, else
        [n_in][n_out]; they keep their order, stored plus 128: in a bytearray in place, which the
        Draft then has, else in a copy.
    bias: n_out ints in units of the accumulator. x_zero: the input's zero point, or n_in.
    shift, zero_point: of the result, or n_out of them each.
    Raises ModelError if a bias is too large.
    """
    n_out = len(bias)
    n_in = len(weights) // n_out
    stored = weights if isinstance(weights, bytearray) else bytearray(len(weights))
    for i in range(len(weights)):
        stored[i] = (weights[i] & 255) ^ 128
    one_shift, one_zero = isinstance(shift, int), isinstance(zero_point, int)
    folded = bytearray(4 * n_out)
    for j in range(n_out):
        s = shift if one_shift else shift[j]
        total = bias[j]
        at, step = (j * n_in, 1) if by_output else (j, n_out)
        if isinstance(x_zero, int):
            w = 0
            for _ in range(n_in):
                w += stored[at]
                at += step
            total -= x_zero * (w - n_in * (128 + weight_zero))
        else:
            for k in range(n_in):
                total -= x_zero[k] * (stored[at] - 128 - weight_zero)
                at += step
        if nearest and s:
            total += 1 << (s - 1)
        if not one_zero:
            total += zero_point[j] << s
        struct.pack_into("<i", folded, 4 * j, _bounded(total, n_in, s, j))
    return Draft(OPCODE, NEAREST if nearest else 0, n_in, n_out, Fields(
        zero_point if one_zero else 0, 128 + weight_zero, -128, 127, shift if one_shift else 0, 1,
        1 if by_output else n_out, stored, bytes(folded), None if one_shift else bytes(shift), None,
        None), None, 0)


def _bounded(bias, n_in, shift, j):
    """The bias, cut where an output saturates for every input anyway."""
    limit = ACC_LIMIT - (n_in << 16) - 1
    if -limit <= bias <= limit:
        return bias
    if limit < 0 or (limit - (n_in << 15)) >> shift < 256:
        raise ModelError(f"the bias of output {j} is too large for its scale: scale the layer down")
    return limit if bias > 0 else -limit


def float_dense(weights, bias, by_output=False):
    """The Draft of float32; weights: bytes, [n_out][n_in] if by_output, else [n_in][n_out]."""
    n_out = len(bias) // 4
    return Draft(OPCODE, 0, len(weights) // len(bias), n_out, Fields(
        0, 0, 0, 0, 0, 1, 1 if by_output else n_out, weights, bias, None, None, None), None, 0)


class Dense:
    """y[n] = x @ weights + bias, quantized with result_q.

    weights: n_in * n int8 as array('b') or bytes, row after row of [inputs x outputs], or of
        [outputs x inputs] if transposed (AIfES's DENSE_WT). weights_q: their scale.
    bias: n ints of 32 bits; their shift is the weights' plus the input's, their zero point 0.
    In a network of float32 weights and bias are real numbers: array('f'), a sequence, or float32
    in bytes; there are no scales.
    """

    kind = "dense"

    def __init__(self, n, weights=None, bias=None, weights_q=None, result_q=None, transposed=False):
        self.n = count(n, "Dense")
        self.weights = weights
        self.bias = bias
        self.weights_q = weights_q
        self.result_q = result_q
        self.transposed = transposed

    def result(self, x):
        return (self.n,)

    def tensors(self, x):
        return ("weights", size(x) * self.n), ("bias", self.n)

    def scratch(self, x):
        return 0

    def lower(self, drafts, x, q, exact, number):
        """Add the Drafts of int8; the scale of the result. x: the input's shape, q: its scale."""
        weights, shift = q7_parameters(self, x, q, f"dense layer {number}")
        if isinstance(weights, bytearray):
            weights = bytes(weights)  # dense() would change the caller's
        drafts.append(dense(weights, self.weights_q[1], self.bias, q[1], shift,
                            self.result_q[1], exact, self.transposed))
        return self.result_q

    def lower_float(self, drafts, x, number):
        """Add the Draft of float32."""
        if self.weights is None or self.bias is None:
            raise ModelError(f"dense layer {number} has no parameters yet: give weights and bias, "
                             "or call load_parameters()")
        what = f"dense layer {number}"
        drafts.append(float_dense(raw(self.weights, size(x) * self.n, what),
                                  raw(self.bias, self.n, what), self.transposed))


def q7_parameters(layer, x, q, what):
    """(weights, shift) of a Dense or Conv2D of int8; ModelError if they do not fit.

    x: the input's shape, q: its scale.
    """
    if not (layer.weights and layer.bias and layer.weights_q and layer.result_q):
        raise ModelError(f"{what} has no parameters yet: give weights, bias, weights_q and "
                         "result_q, or call load_parameters()")
    (_, n), (_, m) = layer.tensors(x)
    if len(layer.weights) != n or len(layer.bias) != m:
        raise ModelError("{} takes {} weights and {} biases, not {} and {}".format(
            what, n, m, len(layer.weights), len(layer.bias)))
    shift = q[0] + layer.weights_q[0] - layer.result_q[0]
    if not 0 <= shift <= 31:
        raise ModelError(f"{what} would shift by {shift}: the input's shift plus the weights' "
                         "minus the result's must be 0 to 31")
    return layer.weights, shift

"""int8 tables of all elementwise activations, correctly rounded (halves away from zero).

Those that float32 models have are made as on the board, in integers; the others here, with decimal
numbers of far more digits than a table has.
"""
import functools
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

import numpy as np
from aifes.layers import activations
from aifes.ops.map import FUNCTIONS as ON_BOARDS  # those that float32 models have
from aifes.quantizer import scales

from .functions import FUNCTIONS, SELU_ALPHA, SELU_SCALE

DIGITS = Context(prec=80, rounding=ROUND_HALF_UP)
LEAST = Decimal("1e-30")  # exp is never less: it decides on which side of a tie a result lies
ROOT_PI = Decimal("1.77245385090551602729816748334114518279754945612238712821380778985291128459")
LOWEST = 0.25 / 256  # what log_softmax takes for a probability that softmax rounded to 0


def exact_table(layer, scale, out):
    """256 bytes: an elementwise Activation from one (shift, zero point) to another."""
    if layer.kind in ON_BOARDS:
        return activations.exact_table(layer.kind, layer.alpha, *scale, *out)
    return _table(layer.kind, layer.alpha, layer.beta, *scale, *out)


@functools.lru_cache(maxsize=64)
def _table(kind, alpha, beta, shift, zero, out_shift, out_zero):
    with localcontext(DIGITS):
        step, out_step = Decimal(2) ** -shift, Decimal(2) ** out_shift
        a, b = Decimal(alpha), Decimal(beta)
        results = [_REAL[kind](n * step, a, b) * out_step for n in range(-128 - zero, 128 - zero)]
        return bytes(saturated(y, out_zero) & 255 for y in results)


def log_table(out_shift, out_zero, lowest):
    """256 bytes: the logarithm of softmax's results; `lowest`: of those that it rounded to 0."""
    with localcontext(DIGITS):
        scale = Decimal(2) ** out_shift
        results = [Decimal(lowest)] + [(Decimal(p) / 256).ln() for p in range(1, 256)]
        return bytes(saturated(y * scale, out_zero) & 255 for y in results)


def saturated(y, zero):
    """The int8 of a Decimal in steps of its scale."""
    y = y.to_integral_value() + zero
    return int(max(-128, min(127, y)))


def behind(layer, bits):
    """scales.behind() of an Activation; of those that only the PC knows in floats."""
    if layer.kind in ON_BOARDS:
        return scales.behind(layer.kind, layer.alpha, bits)
    function, alpha, beta = FUNCTIONS[layer.kind], layer.alpha, layer.beta

    @functools.cache
    def value(n):
        return float(np.ldexp(function(np.ldexp(float(n), -bits), alpha, beta), bits))

    return value


def result_scale(layer, q, scale):
    """(shift, zero point) for an Activation's results on the int8 array q: as on the board."""
    counts = np.bincount(q.ravel().astype(int) + 128, minlength=256).tolist()
    value = behind(layer, scales.table_bits(scale[0]))
    return scales.table_scale(counts, lambda n: round(value(n)), scale)


def _exp(x):
    """exp of x <= 0"""
    return max(x.exp(), LEAST) if x > -100 else LEAST


def _sigmoid(x):
    e = _exp(-abs(x))
    return (1 if x > 0 else e) / (1 + e)


def _softplus(x):
    return max(x, Decimal(0)) + (1 + _exp(-abs(x))).ln()


def _normal(x):
    """The share of the normal distribution below x."""
    if abs(x) > 12:
        tail = LEAST
    else:  # erf(z) = 2 / sqrt(pi) exp(-z^2) (z + 2/3 z^3 + 4/15 z^5 + ..), all of one sign
        z = abs(x) / Decimal(2).sqrt()
        total = term = z
        k = 1
        while term > total * Decimal("1e-70"):
            k += 2
            term = term * 2 * z * z / k
            total += term
        tail = (1 - 2 / ROOT_PI * (-z * z).exp() * total) / 2
    return 1 - tail if x > 0 else tail


def _gelu_tanh(x):
    u = Decimal(2).sqrt() / ROOT_PI * (x + Decimal("0.044715") * x ** 3)
    return x * _sigmoid(2 * u)  # (1 + tanh(u)) / 2


def _mish(x):
    """x tanh(log(1 + exp(x)))"""
    e = _exp(-abs(x))
    if x > 0:
        return x * (1 + 2 * e) / (1 + 2 * e + 2 * e * e)
    return x * (e * e + 2 * e) / (e * e + 2 * e + 2)


def _clamp(x, low, high):
    return max(low, min(x, high))


_REAL = {
    "clamp": _clamp,
    "hard_sigmoid": lambda x, a, b: _clamp(a * x + b, Decimal(0), Decimal(1)),
    "hard_swish": lambda x, a, b: x * _clamp(x + 3, Decimal(0), Decimal(6)) / 6,
    "gelu": lambda x, a, b: x * _normal(x),
    "gelu_tanh": lambda x, a, b: _gelu_tanh(x),
    "silu": lambda x, a, b: x * _sigmoid(x),
    "selu": lambda x, a, b: Decimal(SELU_SCALE) * (
        x if x > 0 else Decimal(SELU_ALPHA) * (_exp(x) - 1)),
    "celu": lambda x, a, b: x if x > 0 else a * (_exp(x / a) - 1),
    "softplus": lambda x, a, b: _softplus(x),
    "mish": lambda x, a, b: _mish(x),
    "log_sigmoid": lambda x, a, b: -_softplus(-x),
}

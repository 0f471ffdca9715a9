"""What aifes.scales decides by, gathered with NumPy: the same integers as on the board."""
import functools

import numpy as np
from aifes import q7, scales

from . import tables
from .graph import LARGEST, Activation
from .simulator import dequantize_values, quantize_values


@functools.lru_cache(maxsize=256)
def _behind(kind, alpha, beta, bits):
    value = scales.behind(None, 0, bits) if kind is None else tables.behind(
        Activation(kind, alpha, beta), bits)
    return functools.cache(value)


def best_scale(real, activation=None, finer=0):
    """(shift, zero point) of a result that loses least, measured behind the activation.

    real: float32 results [samples, outputs]; activation: the layer that follows, elementwise;
    finer: added to the best shift, for which the best zero point is taken.
    """
    kind, alpha, beta = ((activation.kind, float(activation.alpha), float(activation.beta))
                         if activation else (None, 0.0, 0.0))
    first, centred = q7.params(float(real.min()), float(real.max()), min_shift=-32)
    bins = np.floor(np.ldexp(real.astype(float), first + scales.UNIT - scales.BIN)).astype(int)
    low = int(bins.min())
    counts = np.bincount((bins - low).ravel())
    filled = np.flatnonzero(counts)
    counts = counts[filled]
    centres = (filled + low << scales.BIN) + (1 << scales.BIN - 1)
    value = _behind(kind, alpha, beta, first + scales.UNIT)
    wanted = np.array([value(int(c)) for c in centres])

    def loss(shift, zero, _):
        bits = scales.UNIT - (shift - first)
        q = np.clip((centres + (1 << bits >> 1) >> bits) + zero, -128, 127)
        least = int(q.min())
        seen = np.array([value((v - zero) << bits) for v in range(least, int(q.max()) + 1)])
        return (counts * (seen[q - least] - wanted) ** 2).sum().item()

    start = {"relu": 0.0, "clamp": None if alpha < -LARGEST else alpha}.get(kind)
    return scales.best_scale(first, centred, low, int(bins.max()), kind, start, loss, finer)


def element_scales(values, margin=0.0):
    """(shifts, zero points), int arrays, of the range of each column."""
    found = [scales.element_scale(float(low), float(high), margin)
             for low, high in zip(values.min(0), values.max(0))]
    return tuple(np.array(v) for v in zip(*found))


def weight_shifts(weights):
    """The shift for each output's weights (int array); outputs without weights get the largest."""
    shifts = [scales.weight_shift(column) for column in weights.T.tolist()]
    used = [s for s in shifts if s is not None]
    return np.array([max(used, default=0) if s is None else s for s in shifts])


def nearest(values, bits):
    """int64 of values * 2**bits, halves away from zero."""
    values = np.ldexp(np.asarray(values, float), bits)
    return np.trunc(values + np.copysign(0.5, values)).astype(np.int64)


def result_shifts(weights, shifts, x, real):
    """Of shifts - 1, shifts and shifts + 1 the ones that lose least of x @ weights (int array).

    x: what the layer gets in Q7, real numbers; real: [samples, outputs], up to an offset, which
    the bias takes.
    """
    tried = np.stack([shifts, shifts - 1, shifts + 1])
    losses = [(x @ dequantize_values(quantize_values(weights, s, 0), s, 0) - real).var(axis=0)
              for s in tried]
    return np.choose(np.argmin(losses, axis=0), tried)

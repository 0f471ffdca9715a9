"""Scales of int8, and what aifes.quantizer.scales decides them by, gathered with NumPy: the same
integers as on the board."""
import functools

import numpy as np
from aifes.layers import q7
from aifes.quantizer import scales


def quantize_values(x, shift, zero_point):
    """int8 of real values as the runtime reads float32: halves away from zero, NaN as 0."""
    x = np.nan_to_num(np.asarray(x, np.float32).astype(np.float64), posinf=1e30, neginf=-1e30)
    q = np.ldexp(x, shift)
    q = np.trunc(q + np.copysign(0.5, q)) + zero_point
    return np.clip(q, -128, 127).astype(np.int8)


def dequantize_values(q, shift, zero_point):
    """Real values of int8."""
    return np.ldexp(q.astype(np.float64) - zero_point, -np.asarray(shift))


def rounded(values, shift, zero):
    """The values as Q7 holds them, and where they are within its range."""
    low, high = (np.ldexp(np.float64(q) - zero, -np.asarray(shift)) for q in (-128, 127))
    return (dequantize_values(quantize_values(values, shift, zero), shift, zero),
            (values >= low) & (values <= high))


@functools.cache
def _nothing_behind(bits):
    return functools.cache(scales.behind(None, 0, bits))


def best_scale(real, activation=None, finer=0):
    """(shift, zero point) of a result that loses least, measured behind the activation.

    real: float32 results [samples, outputs]; activation: the elementwise layer that follows, of
    ops.map; finer: added to the best shift, for which the best zero point is taken.
    """
    if activation:
        real = activation.seen(real)
        if activation.kind == "relu" and real.max() > 0:
            real = np.maximum(real, 0)
    first, centred = q7.params(float(real.min()), float(real.max()), min_shift=-32)
    bins = np.floor(np.ldexp(real.astype(float), first + scales.UNIT - scales.BIN)).astype(int)
    low = int(bins.min())
    counts = np.bincount((bins - low).ravel())
    filled = np.flatnonzero(counts)
    counts = counts[filled]
    centres = (filled + low << scales.BIN) + (1 << scales.BIN - 1)
    bits = first + scales.UNIT
    value = activation.behind(bits) if activation else _nothing_behind(bits)
    wanted = np.array([value(int(c)) for c in centres])

    def loss(shift, zero, _):
        bits = scales.UNIT - (shift - first)
        q = np.clip((centres + (1 << bits >> 1) >> bits) + zero, -128, 127)
        least = int(q.min())
        seen = np.array([value((v - zero) << bits) for v in range(least, int(q.max()) + 1)])
        return (counts * (seen[q - least] - wanted) ** 2).sum().item()

    return scales.best_scale(first, centred, low, int(bins.max()),
                             activation and activation.kind, activation and activation.start,
                             loss, finer)


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


def result_shifts(weights, shifts, product, real):
    """Of shifts - 1, shifts and shifts + 1 the ones that lose least of a product (int array).

    product: makes results [.., outputs] of weights, with what the layer gets in Q7; real: the float
    ones, up to an offset, which the bias takes.
    """
    tried = np.stack([shifts, shifts - 1, shifts + 1])
    losses = [(product(dequantize_values(quantize_values(weights, s, 0), s, 0)) - real).var(axis=0)
              for s in tried]
    return np.choose(np.argmin(losses, axis=0), tried)

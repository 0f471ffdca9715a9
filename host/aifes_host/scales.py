"""Scales of inputs, weights and results: the powers of two, and zero points, that lose least."""
import numpy as np
from aifes import q7

from .simulator import dequantize_values, quantize_values

SEARCH_SAMPLES = 4000  # values looked at when a scale is searched


def identity(x):
    return x


def element_scales(values, margin=0.0):
    """(shifts, zero points), int arrays: the finest scale that covers each column's own range.

    Unlike AIfES's rule a range need not include 0; zero points are int16.
    """
    shifts, zeros = [], []
    for low, high in zip(values.min(0), values.max(0)):
        centre, half = (low + high) / 2, (high - low) / 2 * (1 + margin)
        # 2**e > the range; and the centre, in steps, within int16
        e = np.ceil(np.log2(max(2 * half * (1 + 1e-9), abs(centre) / 120, 2.0 ** -24)))
        shifts.append(int(8 - e))
        zeros.append(round(-centre * 2.0 ** shifts[-1]))
    return np.array(shifts), np.array(zeros)


def weight_shifts(weights):
    """The shift for each output's weights (int array) that loses least, clipping allowed."""
    shifts = np.array([q7.params(-abs(c).max(), abs(c).max(), min_shift=-32)[0] for c in weights.T])
    used = weights.any(axis=0)
    shifts[~used] = shifts[used].max() if used.any() else 0

    def loss(s):
        return ((dequantize_values(quantize_values(weights, s, 0), s, 0) - weights) ** 2).sum(0)

    return np.where(loss(shifts + 1) < loss(shifts), shifts + 1, shifts)


def result_shifts(weights, shifts, x, real):
    """Of shifts - 1, shifts and shifts + 1 the ones that lose least of x @ weights (int array).

    x: what the layer gets in Q7, real numbers; real: [samples, outputs], up to an offset, which
    the bias takes.
    """
    tried = np.stack([shifts, shifts - 1, shifts + 1])
    losses = [(x @ dequantize_values(quantize_values(weights, s, 0), s, 0) - real).var(axis=0)
              for s in tried]
    return np.choose(np.argmin(losses, axis=0), tried)


def best_scale(real, behind, finer=0):
    """(shift, zero point) of a result that loses least, measured behind the activation.

    real: float results [samples, outputs]; behind: what follows them, an elementwise function;
    finer: added to the best shift, for which the best zero point is taken.
    """
    values = np.sort(real.ravel())
    values = values[np.linspace(0, len(values) - 1, min(len(values), SEARCH_SAMPLES)).astype(int)]
    wanted = behind(values)
    first, centred = q7.params(values[0], values[-1], min_shift=-32)

    def at(shift):
        """(loss, shift, zero point): the best one with this shift."""
        steps = np.linspace(values[0], values[-1] - 2.0 ** (8 - shift), 17)
        zeros = {centred} if shift == first else {
            int(np.clip(round(-low * 2.0 ** shift) - 128, -128, 127)) for low in steps}
        if getattr(behind, "kind", "") == "relu":
            zeros.add(-128)
        return min((((behind(dequantize_values(quantize_values(values, shift, zero), shift, zero))
                      - wanted) ** 2).mean(), shift, zero) for zero in sorted(zeros))

    _, shift, zero = min(at(shift) for shift in range(first, min(first + 4, 32) + 1))
    return at(min(shift + finer, 32))[1:] if finer else (shift, zero)

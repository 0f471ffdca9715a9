"""Weights of a convolution rounded together, as on the board: aifes.quantizer.rounding, which says
why."""
import numpy as np
from aifes.quantizer import rounding

from .scales import nearest


def windows(where, q, zero, groups):
    """[groups, elements of a window, windows] of int8 inputs, less the zero point and the means.

    where: ops.windows.Windows; q: [samples, elements].
    """
    n, pixels = len(q), int(np.prod(where.y[:2]))
    m = rounding.number(n, where.elements // pixels)
    taken = [i for i in range(n) if rounding.is_taken(i, n, m)]
    found = []
    for part, columns in where.columns(q[taken], np.int8(zero), groups):
        columns = columns.reshape(groups, -1, pixels, columns.shape[2])
        found += [columns[:, k, i * rounding.STRIDE % pixels] for k, i in enumerate(taken[part])]
    x = np.stack(found, axis=2).astype(np.int64) - zero
    total = x.sum(2, keepdims=True)
    mean = np.sign(total) * ((2 * np.abs(total) + m) // (2 * m))
    return x - mean


def rounded(weights, shifts, x):
    """int8 of weights [elements of a window, outputs]; x: of windows()."""
    values = nearest(weights, np.asarray(shifts) + rounding.BITS)
    each = values.shape[1] // len(x)
    return np.concatenate([_rounded(values[:, g * each:(g + 1) * each], x[g])
                           for g in range(len(x))], axis=1)


def _rounded(values, x):
    """rounding.rounded() of the weights of several outputs [elements, outputs] at once."""
    n, one = len(values), 1 << rounding.BITS
    power = (x * x).sum(1)
    damp = power.sum() // n + 1
    found = np.clip(_ratio(values, one), -128, 127)
    lost = x.T @ (values - found * one)
    lows = values >> rounding.BITS
    for _ in range(rounding.TURNS):
        before = found.copy()
        for k in range(n):
            own = values[k] - found[k] * one
            total = x[k] @ lost - own * power[k]
            best = _ratio(values[k] + _ratio(total, power[k] + damp), one)
            best = np.clip(np.clip(best, lows[k], lows[k] + 1), -128, 127)
            lost += np.outer(x[k], (found[k] - best) * one)
            found[k] = best
        if (found == before).all():
            break
    return found.astype(np.int8)


def _ratio(n, d):
    """aifes.layers.q7.ratio of arrays."""
    return np.sign(n) * ((2 * np.abs(n) + d) // (2 * d))

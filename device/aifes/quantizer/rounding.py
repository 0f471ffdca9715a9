"""Weights of a convolution are rounded together: a weight goes up or down as what all of them lose
of the sums over windows of the samples gets smaller, not by what it loses itself.

Pixels beside one another are alike, channels depend on one another: errors can cancel.
"""
from ..layers.q7 import ratio, saturate

BITS = 6  # of a weight behind its step
WINDOWS, LEAST = 64, 16  # how many windows, where they are large
ROOM = 8192  # elements of all windows, if that leaves LEAST
TURNS = 3  # at most, through all weights
STRIDE = 7919  # from the pixel of a window to that of the next sample's


def number(samples, size):
    """How many windows of so many elements are looked at."""
    return min(samples, max(LEAST, min(WINDOWS, ROOM // size)))


def is_taken(i, samples, windows):
    """Whether sample i gives one of the windows."""
    return i * windows % samples < windows


def rounded(values, x, m):
    """The int8 (a list) of the weights of one output.

    values: the weights, ints with BITS bits behind a step; x: of the first weight its m inputs,
    less their mean, then of the next one.
    """
    n = len(values)
    power = [sum([x[i] * x[i] for i in range(k * m, (k + 1) * m)]) for k in range(n)]
    damp = sum(power) // n + 1  # windows are few: what they do not tell counts as much
    found = [saturate(ratio(v, 1 << BITS)) for v in values]
    lost = [0] * m
    for k in range(n):
        _add(lost, values[k] - (found[k] << BITS), x, k * m)
    for _ in range(TURNS):
        before = list(found)
        for k in range(n):
            own, at = values[k] - (found[k] << BITS), k * m
            total = -own * power[k]
            for i in range(m):
                total += lost[i] * x[at + i]
            low = values[k] >> BITS
            best = ratio(values[k] + ratio(total, power[k] + damp), 1 << BITS)
            best = saturate(max(low, min(low + 1, best)))
            if best != found[k]:
                _add(lost, found[k] - best << BITS, x, at)
                found[k] = best
        if found == before:
            break
    return found


def _add(lost, factor, x, at):
    if factor:
        for i in range(len(lost)):
            lost[i] += factor * x[at + i]

"""What the quantizer decides of what it has seen: in integers, so that board and PC decide alike.

The results of a layer are counted in bins. Their unit is 2**-(first + UNIT), where `first` is the
shift whose 256 steps cover the whole range.
"""
from array import array
from math import floor, frexp

from ..format import ModelError
from ..layers.activations import exp_fixed
from ..layers.q7 import fixed, ratio, saturate

UNIT = 6  # bits of a unit behind a step of `first`
BIN = 3  # a bin is 2**BIN units wide
FINER = 4  # how many shifts beyond `first` are tried: results cut off may cost little
MEAN_BITS = 20  # of a result in a sum, behind a step of `first`
ERROR_BITS = 8  # of an output in its error, behind its own step
MARGIN = 0.25  # headroom for inputs outside the samples; measured: costs nothing in range
FAR = 12  # so much below the largest of its inputs, softmax gives 1/160,000 and less
FEW = 32  # samples; with fewer, means are not corrected
BETTER = 8  # tenths of the error that scales for each element must leave to be taken
# activations behind which much of a layer's range may make no difference
CUTTING = (None, "relu", "sigmoid", "tanh", "softsign", "clamp", "hard_sigmoid")


def best_scale(first, centred, low_bin, high_bin, kind, start, loss, finer=0):
    """(shift, zero point) of a layer's results that loses least behind what follows.

    first, centred: q7.params of the range; kind: of the activation that follows, or None. start: a
    number below which it needs nothing, or None. loss(shift, zero_point, limit): the sum of squared
    errors, any sum beyond `limit` if that is exceeded. finer: added to the best shift, for which
    the best zero point is taken.
    """
    best = None
    # what is cut off before the others comes out wrong, and data do not hold all that will come
    tenths = 10 if kind in CUTTING else 5
    for shift in range(first, min(first + FINER, 32) + 1):
        found = _best_zero(first, shift, centred, low_bin, high_bin, start, loss, best)
        if best is None or 10 * found[0] < tenths * best[0]:
            best = found
    if finer:
        best = _best_zero(first, min(best[1] + finer, 32), centred, low_bin, high_bin, start, loss,
                          None)
    return best[1:]


def table_bits(shift):
    """Of the units in which a table of inputs with this shift is judged."""
    return min(shift + 12, 38)


def table_scale(counts, value, scale):
    """(shift, zero point) of a table's results: that of the inputs, or of the results' range.

    The one that loses less, by what it cuts and what it rounds. counts: how often the data give
    each of the 256 inputs; scale: theirs. value: the function, from units of 2**-bits to such
    units, for bits = table_bits(shift).
    """
    shift, zero = scale
    bits = table_bits(shift)
    up = bits - shift
    results = [0] * 256  # at once: a list that grows needs its memory twice
    for i in range(256):
        if counts[i]:
            results[i] = value(i - 128 - zero << up)
    low, high = min(results), max(results)
    low, high = min(low, 0), max(high, 0)
    if low == high:
        return scale
    e = max(bits - 24, 0)
    while 1 << e <= high - low:
        e += 1
    if bits + 8 - e < -32:
        raise ModelError("the results of an activation are too large: scale the data down")
    own = bits + 8 - e, min(ratio((1 << e) - low - high << 7, 1 << e) - 128, 127)
    losses = []
    for shift, zero in (scale, own):
        down = bits + 8 - shift
        total = 0
        for i in range(256):
            if counts[i]:
                y = results[i] << 8
                q = saturate(ratio(y, 1 << down) + zero)
                total += counts[i] * ((q - zero << down) - y) ** 2
        losses.append(total)
    return own if losses[1] < losses[0] else scale


def _best_zero(first, shift, centred, low_bin, high_bin, start, loss, best):
    """(loss, shift, zero point): the best one with this shift, or `best` if that is not worse."""
    zeros = [centred]
    if shift != first:  # 17 windows from one end of the range to the other
        low = low_bin << BIN
        step = 1 << UNIT - (shift - first)
        spare = (high_bin + 1 << BIN) - low - 256 * step
        zeros = [max(-128, min(127, -ratio(16 * low + i * spare, 16 * step) - 128))
                 for i in range(17)]
    if start is not None:
        zeros.append(max(-128, min(127, -128 - fixed(start, shift))))
    last = None
    for zero in sorted(zeros):
        if zero != last:
            error = loss(shift, zero, best and best[0])
            if best is None or error < best[0]:
                best = error, shift, zero
        last = zero
    return best


def behind(kind, alpha, bits):
    """The activation as a function from units of 2**-bits to ints of one scale.

    alpha: of a clamp the lower end; it has no other.
    """
    alpha = fixed(array("f", (alpha or 0,))[0], 16)
    low = alpha >> 16 - bits if bits < 16 else alpha << bits - 16
    steps = []  # exp(-2**(i - bits)) with 24 bits behind the point
    one = 1 << 24

    def exp(n):
        e = one
        i = 0
        while n:
            if i == len(steps):
                steps.append(exp_fixed(1, bits - i, 24))
            if n & 1:
                e = e * steps[i] >> 24
            n >>= 1
            i += 1
        return e

    def value(n):
        if kind is None or kind in ("relu", "leaky_relu", "elu") and n >= 0:
            return n
        if kind == "relu":
            return 0
        if kind == "clamp":
            return max(n, low)
        if kind == "leaky_relu":
            return alpha * n >> 16
        size = abs(n)
        if kind == "elu":
            return alpha * (exp(size) - one) >> 40 - bits
        if kind == "softsign":
            size <<= max(-bits, 0)
            y = (size << 16) // (size + (1 << max(bits, 0)))
        elif kind == "tanh":
            e = exp(2 * size)
            y = (one - e << 16) // (one + e)
        else:
            return ((one if n >= 0 else exp(size)) << 16) // (one + exp(size))
        return y if n >= 0 else -y

    return value


def factors(highs):
    """What makes each channel of a ReLU's results fill the range that all share, in 64ths.

    highs: the largest result of each; one far below the others is not taken for what will come.
    """
    top = max(highs)
    if top <= 0:
        return [1.0] * len(highs)
    bits = 20 - frexp(top)[1]
    least = 2 * fixed(top, bits) // 3
    return [max(64, (255 << 18) // max(fixed(max(h, 0.0), bits), least)) / 64 for h in highs]


def margin(shape):
    """Headroom of an input of this shape; an image has none: its pixels have ends."""
    return 0.0 if len(shape) == 3 and min(shape[:2]) > 1 else MARGIN


def softmax_start(peak):
    """The int above which softmax needs its inputs; None if they are too large for one.

    peak: the smallest of the samples' largest inputs.
    """
    return floor(peak) - FAR if abs(peak) < 1 << 20 else None


def element_scale(low, high, margin=0.0):
    """(shift, zero point) of an element of its own: unlike q7.params, a range without 0 stays so.

    The zero point is an int16.
    """
    largest = frexp(max(abs(low), abs(high)))[1]
    a, b = fixed(low, 30 - largest), fixed(high, 30 - largest)
    e = -24
    percent = 100 + fixed(100 * margin, 0)
    while True:  # 2**e above the range; the centre within 120 times that
        width = 1 << max(e + 30 - largest, 0)
        if 100 * width > percent * (b - a) and 240 * width >= abs(a + b):
            return 8 - e, ratio(-(a + b) << 7, width)
        e += 1


def weight_shift(weights):
    """The shift for the weights of one output that loses least, clipping allowed; None if all 0."""
    largest = max([abs(w) for w in weights])
    if not largest:
        return None
    shift = 8 - max(frexp(largest)[1] + 1, -24)
    if shift < -32:
        raise ModelError("weights are too large: scale the layer down")
    loss = finer = 0
    for w in weights:
        w = fixed(w, shift + 12)
        loss += ((saturate(ratio(w, 1 << 12)) << 12) - w) ** 2
        finer += ((saturate(ratio(w, 1 << 11)) << 11) - w) ** 2
    return shift + (finer < loss)


def fit(shifts, biases, in_shift, shift):
    """(shift, shifts): the result's and each output's weights', as the accumulator allows them.

    shift: an int, or one for each output. A bias far above what the weights contribute sets the
    accumulator's scale, which has 30 bits.
    """
    used = [s for s in shifts if s is not None]
    zeros = max(used) if used else 0
    shifts = [min(zeros if s is None else s,
                  28 - in_shift - (frexp(b)[1] if abs(b) > 1e-30 else -99))
              for s, b in zip(shifts, biases)]
    if isinstance(shift, int):
        shift = min(shift, in_shift + min(shifts))
    found = []
    for j in range(len(shifts)):
        least = (shift if isinstance(shift, int) else shift[j]) - in_shift
        found.append(max(least, min(least + 24, shifts[j])))
    return shift, found


def corrected_bias(real, real_bits, seen, seen_bits, samples):
    """The bias (int, seen_bits behind the point) that makes the mean of the results right.

    real: sum of the layer's results; seen: sum of what it computes without a bias.
    """
    up = seen_bits - real_bits
    if up >= 0:
        return ratio((real << up) - seen, samples)
    return ratio(real - (seen << -up), samples << -up)


def error(sums, samples):
    """What a network loses, from each output's (sum of squared errors, sum, sum of squares)."""
    return sum([(d * samples << 24) // (samples * squares - total * total + 1)
                for d, total, squares in sums])


def is_worth(common, own):
    """Whether scales for each element, of which one is four times as fine, are worth a trial."""
    return max(own) - common >= 2

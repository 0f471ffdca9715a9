"""What the quantizer on the board sees: samples, run through the float32 network layer by layer."""
from array import array
from math import ldexp

import aifes.q7 as q7
import aifes.scales as scales

from .f32_format import DENSE_F32, floats
from .format import ModelError, size
from .model import Model
from .seldom import flat

try:
    from time import ticks_diff, ticks_ms
except ImportError:  # not MicroPython
    from time import monotonic_ns

    def ticks_ms():
        return monotonic_ns() // 1000000

    def ticks_diff(a, b):
        return a - b

BINS = 2050  # at most, of a layer's results
PAGE = 256  # bins that are counted in one piece of memory: on a board large pieces are rare


class Data:
    """Representative samples and the network that they go through.

    samples: a sequence of samples, each a sequence of numbers, or one array('f') with all of them.
    x: the sample at hand, array('f'). low, high: of each input and each output of the dense
    layers, by the number of the op, -1 for the input.
    """

    def __init__(self, net, samples, report):
        self.report, self.stage, self._shown = report, "ranges", ticks_ms()
        plan = net._plan
        n = size(plan.input.shape)
        self.samples = samples
        self.is_flat = isinstance(samples, (array, memoryview))
        try:
            self.count = len(samples)
            if isinstance(samples, memoryview):
                flat(samples)
            if self.is_flat:
                self.count = self.count // n if self.count % n == 0 else 0
            elif [1 for s in samples if len(s) != n]:
                self.count = 0
        except TypeError:
            self.count = 0
        if not self.count:
            raise ModelError(f"the samples are a sequence with {n} numbers for each, or one "
                             "array('f') of them all")
        self.ops = plan.ops
        self.x = array("f", bytes(4 * n))
        # an arena of its own, in which the results can be read as floats
        arena = array("f", bytes(plan.arena))
        self._net = Model(net._buf, arena, net.engine)._net
        arena = memoryview(arena)
        self._input = floats(arena, plan.input.offset, n)
        self._results = [floats(arena, op.y, op.n_out) for op in self.ops]
        self._find_ranges()

    def show(self, what, i, n):
        """A line about a long run, two seconds after the one before it."""
        if self.report and ticks_diff(ticks_ms(), self._shown) >= 2000:
            self._shown = ticks_ms()
            self.report(f"quantize: {self.stage}, {what} {i + 1} of {n}")

    def each(self):
        """Put one sample after the other into x and into the network's input."""
        x, n = self.x, len(self.x)
        for i in range(self.count):
            self.show("sample", i, self.count)
            try:
                for k in range(n):
                    x[k] = self.samples[i * n + k] if self.is_flat else self.samples[i][k]
            except (TypeError, OverflowError, LookupError):
                raise ModelError(f"sample {i} has a value that is not a number")
            for k in range(n):
                if x[k] - x[k] != 0:
                    raise ModelError(f"sample {i} has a value that is not finite")
                self._input[k] = x[k]
            yield i

    def results(self, end, begin=0):
        """The results of op end - 1, after the ops from `begin` on have run; a view."""
        self._net(begin, end)
        return self._results[end - 1]

    def _find_ranges(self):
        self.low, self.high = {}, {}
        for _ in self.each():
            self._widen(-1, self.x)
            for i in range(len(self.ops)):
                result = self.results(i + 1, i)
                if self.ops[i].opcode == DENSE_F32:
                    self._widen(i, result)

    def _widen(self, i, values):
        if i not in self.low:
            self.low[i], self.high[i] = array("f", values), array("f", values)
        low, high = self.low[i], self.high[i]
        for k in range(len(values)):
            v = values[k]
            if v - v != 0:
                raise ModelError(f"the results of layer {i} overflow float32: scale the data down")
            if v < low[k]:
                low[k] = v
            elif v > high[k]:
                high[k] = v


class Seen:
    """What a dense layer, op i, computes with the samples: counted and summed.

    model: the Q7 network up to this layer, None if it is the first; scale: of its result.
    pages: [counts, what the bins should give] of PAGE bins each, from low_bin on (scales.py); None
    if empty. If sums are wanted: real, of each result, scales.MEAN_BITS behind the point of
    `first`; inputs, of each Q7 input less its zero point.
    """

    def __init__(self, data, i, model, scale, sums):
        op = data.ops[i]
        self.first, self.centred = q7.params(
            min(data.low[i]), max(data.high[i]), min_shift=-32)
        bits = self.first + scales.UNIT - scales.BIN
        self.low_bin = _floor(min(data.low[i]), bits)
        self.high_bin = _floor(max(data.high[i]), bits)
        self.pages = [None] * ((self.high_bin - self.low_bin) // PAGE + 1)
        self.real = [0] * op.n_out
        self.inputs = [0] * op.n_in
        y = array("b", bytes(op.n_in))
        shifts, zeros = [v if isinstance(v, (list, tuple)) else [v] * op.n_in for v in scale]
        for _ in data.each():
            if model:
                model.run(data.x, y)
            for k in range(op.n_in if sums else 0):
                q = y[k] if model else q7.saturate(q7.fixed(data.x[k], shifts[k]) + zeros[k])
                self.inputs[k] += q - zeros[k]
            j = 0
            for v in data.results(i + 1):
                at = _floor(v, bits) - self.low_bin
                if not self.pages[at // PAGE]:
                    self.pages[at // PAGE] = [array("I", bytes(4 * PAGE)), None]
                self.pages[at // PAGE][0][at % PAGE] += 1
                if sums:
                    self.real[j] += q7.fixed(v, self.first + scales.MEAN_BITS)
                    j += 1

    def best_scale(self, kind, alpha):
        """(shift, zero point) that loses least behind the activation that follows, if any."""
        value = scales.behind(kind, alpha, self.first + scales.UNIT)
        start = 0 if kind == "relu" else None
        centre = (self.low_bin << scales.BIN) + (1 << scales.BIN - 1)
        for i in range(len(self.pages)):  # what each bin should give
            if self.pages[i]:
                wanted = self.pages[i][1] = array("i", bytes(4 * PAGE))
                for k in range(PAGE):
                    if self.pages[i][0][k]:
                        wanted[k] = value(centre + (i * PAGE + k << scales.BIN))

        def loss(shift, zero, limit):
            bits = scales.UNIT - (shift - self.first)
            start = centre + (1 << bits >> 1)
            total = 0
            last = y = None
            for i in range(len(self.pages)):
                if not self.pages[i]:
                    continue
                counts, wanted = self.pages[i]
                for k in range(PAGE):
                    if counts[k]:
                        q = q7.saturate((start + (i * PAGE + k << scales.BIN) >> bits) + zero)
                        if q != last:
                            last = q
                            y = value((q - zero) << bits)
                        total += counts[k] * (y - wanted[k]) ** 2
                        if limit is not None and total > limit:
                            return total
            return total

        return scales.best_scale(self.first, self.centred, self.low_bin, self.high_bin, kind,
                                 start, loss)


def _floor(value, bits):
    """The int below value * 2**bits."""
    value = ldexp(value, bits)
    n = int(value)
    return n - (n > value)

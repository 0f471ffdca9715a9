"""What the quantizer on the board sees: samples, run through the float32 network layer by layer."""
from array import array
from math import ldexp

import aifes.layers.q7 as q7

from ..float32 import part
from ..format import ModelError, size
from ..model import Model, flat
from . import scales

try:
    from time import ticks_diff, ticks_ms
except ImportError:  # not MicroPython
    from time import monotonic_ns

    def ticks_ms():
        return monotonic_ns() // 1000000

    def ticks_diff(a, b):
        return a - b

BINS = 2050  # at most, of a layer's results
PAGE = 128  # bins that are counted in one piece of memory: on a board large pieces are rare


class Data:
    """Representative samples and the network that they go through.

    samples: a sequence of samples, each a sequence of numbers, or one array('f') with all of them.
    ranged: the tensors whose ranges are asked for, beside the inputs.
    x: the sample at hand, array('f'). low, high: of each element of these tensors, by number;
    peak: of each tensor that is read, the smallest of the samples' largest elements.
    """

    def __init__(self, net, plan, samples, report, ranged):
        self.report, self.stage, self._shown = report, "ranges", ticks_ms()
        inputs = plan.tensors[:plan.n_inputs]
        n = sum([size(t.shape) for t in inputs])
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
        self.plan = plan
        self._pages = {}
        self.x = array("f", bytes(4 * n))
        # an arena of its own, in which the results can be read as floats
        arena = array("f", bytes(plan.arena))
        self._net = Model(net._buf, arena, net.engine)._net
        arena = memoryview(arena)
        self._values = [part(arena, t) for t in plan.tensors]
        self.xs, at = [], 0
        for t in inputs:
            self.xs.append(memoryview(self.x)[at:at + size(t.shape)])
            at += size(t.shape)
        self._find_ranges(ranged)

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
            for source, target in zip(self.xs, self._values):
                for k in range(len(source)):
                    target[k] = source[k]
            yield i

    def value(self, t):
        """What lies where tensor t of the float32 network has its place; a view."""
        return self._values[t]

    def page(self, i):
        """Two arrays for page i of Seen, the first of zeros: kept for the next layer, too, so that
        the heap stays in large pieces."""
        if i not in self._pages:
            self._pages[i] = array("I", bytes(4 * PAGE)), array("i", bytes(4 * PAGE))
        counts = self._pages[i][0]
        for k in range(PAGE):
            counts[k] = 0
        return self._pages[i]

    def results(self, end, begin=0):
        """The result of op end - 1, after the ops from `begin` on have run; a view."""
        while True:  # an engine may come back in between
            begin = self._net(begin, end)
            if not begin:
                break
        return self._values[self.plan.ops[end - 1].outputs[0]]

    def run(self, model, ys):
        """The Q7 model with the sample at hand; ys: a tuple of array('b') for its outputs."""
        model.run(self.x if len(self.xs) == 1 else tuple(self.xs), ys if len(ys) > 1 else ys[0])

    def quantized(self, t, model, scale, n):
        """int8 of tensor t, array('b'), for each sample.

        model: the Q7 network up to tensor t, None for an input; scale: the tensor's; n: how many
        elements are asked for, all or 0.
        """
        y = array("b", bytes(n))
        shifts, zeros = by_element(scale, n)
        for _ in self.each():
            if model:
                self.run(model, (y,))
            else:
                x = self.xs[t] if n else ()
                for k in range(n):
                    y[k] = q7.saturate(q7.fixed(x[k], shifts[k]) + zeros[k])
            yield y

    def element_scales(self, t, margin=0.0):
        """(shifts, zero points) of the elements of a tensor whose ranges are known."""
        found = [scales.element_scale(low, high, margin)
                 for low, high in zip(self.low[t], self.high[t])]
        return [s for s, _ in found], [z for _, z in found]

    def _find_ranges(self, ranged):
        self.low, self.high, self.peak = {}, {}, {}
        for _ in self.each():
            for t in range(len(self.xs)):
                self._widen(t, self.xs[t], "the input")
            for i, op in enumerate(self.plan.ops):
                for t in op.inputs:
                    largest = max(self.value(t))
                    self.peak[t] = min(self.peak.get(t, largest), largest)
                result = self.results(i + 1, i)
                if op.outputs[0] in ranged:
                    self._widen(op.outputs[0], result, i)

    def _widen(self, t, values, i):
        if t not in self.low:
            self.low[t], self.high[t] = array("f", values), array("f", values)
        low, high = self.low[t], self.high[t]
        for k in range(len(values)):
            v = values[k]
            if v - v != 0:
                raise ModelError(f"the results of layer {i} overflow float32: scale the data down")
            if v < low[k]:
                low[k] = v
            elif v > high[k]:
                high[k] = v


def by_element(scale, n):
    """(shifts, zero points) of n elements that have this scale."""
    return [v if isinstance(v, (list, tuple)) else [v] * n for v in scale]


class Seen:
    """What op i, which has a range of its own, computes with the samples: counted and summed.

    pages: [counts, what the bins should give] of PAGE bins each, from low_bin on (scales.py); None
    if empty. What a clamp or ReLU behind the op cuts is counted where it cuts. If sums are wanted:
    real, of each result, real_bits behind the point; inputs, of each Q7 input less its zero point.
    y: of a tensor that is whole after op i. take: called with the Q7 input of each sample.
    """

    def __init__(self, work, i, sums=False, y=None, take=None):
        data = work.data
        t = data.plan.ops[i].inputs[0]
        y = data.plan.ops[i].outputs[0] if y is None else y
        self.kind, self.alpha = work.behind(y)
        low, high = work.seen_range(y)
        if self.kind == "relu" and high > 0:
            low = max(low, 0)
        self.first, self.centred = q7.params(low, high, min_shift=-32)
        bits = self.first + scales.UNIT - scales.BIN
        self.low_bin, self.high_bin = _floor(low, bits), _floor(high, bits)
        self.pages = [None] * ((self.high_bin - self.low_bin) // PAGE + 1)
        n = size(data.plan.tensors[t].shape) if sums else 0
        self.real = [0] * size(data.plan.tensors[y].shape)
        self.inputs = [0] * n
        model, scale = (work.model(t), work.scales[t]) if sums else (None, (0, 0))
        zeros = by_element(scale, n)[1]
        if sums:
            self.real_bits = scales.MEAN_BITS + q7.params(*work.ends(y), min_shift=-32)[0]
        factors, one = work.factors.get(y), array("f", (0,))
        for q in data.quantized(t, model, scale, n):
            for k in range(n):
                self.inputs[k] += q[k] - zeros[k]
            if take:
                take(q)
            j = 0
            data.results(i + 1)
            for v in data.value(y):
                if factors:
                    one[0] = v * factors[j % len(factors)]
                    v = one[0]
                at = max(_floor(v, bits) - self.low_bin, 0)
                if not self.pages[at // PAGE]:
                    self.pages[at // PAGE] = data.page(at // PAGE)
                self.pages[at // PAGE][0][at % PAGE] += 1
                if sums:
                    self.real[j] += q7.fixed(v, self.real_bits)
                j += 1

    def best_scale(self, finer=0):
        """(shift, zero point) that loses least behind the activation that follows, if any; finer:
        added to the shift."""
        value = scales.behind(self.kind, self.alpha, self.first + scales.UNIT)
        start = 0 if self.kind == "relu" else self.alpha if self.kind == "clamp" else None
        centre = (self.low_bin << scales.BIN) + (1 << scales.BIN - 1)
        for i in range(len(self.pages)):  # what each bin should give
            if self.pages[i]:
                wanted = self.pages[i][1]
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

        return scales.best_scale(self.first, self.centred, self.low_bin, self.high_bin, self.kind,
                                 start, loss, finer)


def _floor(value, bits):
    """The int below value * 2**bits."""
    value = ldexp(value, bits)
    n = int(value)
    return n - (n > value)

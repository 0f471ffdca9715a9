"""How a convolution is quantized: as a dense layer is, of which each pixel is a sample."""
from array import array

import aifes.layers.q7 as q7

from ..format import ModelError
from ..layers.conv import Geometry, conv
from ..ops.conv import scratch
from . import rounding, scales
from .data import Seen

BY_ELEMENT = False
RANGE = True
WEIGHTS = True


def most(work, i):
    n, n_out = _sizes(work, i)
    return n * n_out + 5 * n_out + 8


def buffer(work, i):
    """For the weights."""
    n, n_out = _sizes(work, i)
    return n * n_out


def windows(work, i):
    n, _ = _sizes(work, i)
    n *= work.plan.ops[i].fields.groups
    return n * rounding.number(rounding.WINDOWS, n)


def keeps(work, op):
    """Whether each result is one element of the input, or 0: padding, or upsampling."""
    f = op.fields
    n_out = work.plan.tensors[op.outputs[0]].shape[2]
    if scratch(op, [work.plan.tensors[op.inputs[0]]]) != f.kernel_rows * f.kernel_columns or (
            f.groups, f.kernel_rows, f.kernel_columns) != (n_out, f.spread_rows, f.spread_columns):
        return False
    n = f.kernel_rows * f.kernel_columns * n_out
    return _floats(work, f.weights, n) == array("f", [1] * n) and _floats(
        work, f.bias, n_out) == array("f", [0] * n_out)


passes = keeps


def _floats(work, at, n):
    return array("f", bytes(work.buf[at:at + 4 * n]))


def _ends(work, i):
    op = work.plan.ops[i]
    return [work.plan.tensors[k[0]].shape for k in (op.inputs, op.outputs)]


def _sizes(work, i):
    """Elements of a window, outputs of a pixel."""
    op = work.plan.ops[i]
    return scratch(op, [work.plan.tensors[op.inputs[0]]]), _ends(work, i)[1][2]


def quantize(work, i):
    if not work.exact:
        raise ModelError(f"layer {i}: AIfES has no convolution in int8; use method 'mse'")
    op, data = work.plan.ops[i], work.data
    f = op.fields
    x, y = _ends(work, i)
    n, n_out = _sizes(work, i)
    each, pixels = n_out // f.groups, y[0] * y[1]
    in_shift, in_zero = work.scales[op.inputs[0]]
    correct = data.count >= scales.FEW
    windows = _Windows(work, i)
    seen = Seen(work, i, correct, take=windows.take if correct else None)
    shift, zero = work.scales[op.inputs[0]] if keeps(work, op) else work.scale(op.outputs[0], seen)
    w_shifts = [scales.weight_shift(_weights(work, op, j, n)) for j in range(n_out)]
    biases = work.biases(op, n_out)
    shift, w_shifts = scales.fit(w_shifts, biases, in_shift, shift)
    inputs = _of_windows(seen.inputs, f, x, y) if correct else None
    weights, at = work.buffers[i], 0
    bias, down = [], []
    for j in range(n_out):
        data.show("output", j, n_out)
        total, k = 0, j // each * n
        w = _weights(work, op, j, n)
        if correct:
            found = windows.rounded([q7.fixed(v, w_shifts[j] + rounding.BITS) for v in w],
                                    j // each)
        else:
            found = [q7.saturate(q7.fixed(v, w_shifts[j])) for v in w]
        for q in found:
            weights[at] = q & 255
            if correct:
                total += q * inputs[k]
                k += 1
            at += 1
        bits = in_shift + w_shifts[j]
        bias.append(scales.corrected_bias(
            sum([seen.real[p * n_out + j] for p in range(pixels)]), seen.real_bits,
            total, bits, data.count * pixels) if correct else q7.fixed(biases[j], bits))
        down.append(bits - shift)
    if down == down[:1] * n_out:
        down = down[0]
    geometry = Geometry(
        x, y, (f.kernel_rows, f.kernel_columns), (f.stride_rows, f.stride_columns),
        (f.top, f.left), (f.dilation_rows, f.dilation_columns), (f.spread_rows, f.spread_columns),
        f.groups)
    work.put(i, conv(geometry, weights, bias, in_zero, down, zero, True), (shift, zero))


def _weights(work, op, j, n):
    """array('f') of the weights of output j, with the factors of its channels."""
    f, own, given = op.fields, work.factors.get(op.outputs[0]), work.factors.get(op.inputs[0])
    w = _floats(work, f.weights + 4 * j * n, n)
    if own:
        for k in range(n):
            w[k] = w[k] * own[j]
    if given:
        per = len(given) // f.groups
        first = j // (work.plan.tensors[op.outputs[0]].shape[2] // f.groups) * per
        for k in range(n):
            w[k] = w[k] / given[first + k % per]
    return w


class _Windows:
    """Inputs of windows of the samples, a pixel of each, that rounding.py looks at."""

    def __init__(self, work, i):
        self.f = work.plan.ops[i].fields
        self.x, self.y = _ends(work, i)
        self.n = _sizes(work, i)[0]
        self.zero = work.scales[work.plan.ops[i].inputs[0]][1]
        self.samples = work.data.count
        self.m = rounding.number(self.samples, self.n * self.f.groups)
        self.found = memoryview(work.windows)
        self.seen = self.taken = 0

    def take(self, q):
        """The Q7 input of the next sample."""
        i, self.seen = self.seen, self.seen + 1
        if not rounding.is_taken(i, self.samples, self.m):
            return
        f, (rows, columns, channels) = self.f, self.x
        row, column = divmod(i * rounding.STRIDE % (self.y[0] * self.y[1]), self.y[1])
        row, column = row * f.stride_rows - f.top, column * f.stride_columns - f.left
        at, per = self.taken, channels // f.groups
        for g in range(f.groups):
            for i in range(f.kernel_rows):
                r = _place(row + i * f.dilation_rows, f.spread_rows, rows)
                for j in range(f.kernel_columns):
                    c = _place(column + j * f.dilation_columns, f.spread_columns, columns)
                    for k in range(g * per, (g + 1) * per):
                        self.found[at] = 0 if None in (r, c) else q[
                            (r * columns + c) * channels + k] - self.zero
                        at += self.m
        self.taken += 1
        if self.taken == self.m:
            self._centre()

    def _centre(self):
        found, m = self.found, self.m
        for at in range(0, self.f.groups * self.n * m, m):
            mean = q7.ratio(sum(found[at:at + m]), m)
            for k in range(at, at + m):
                found[k] -= mean

    def rounded(self, values, group):
        """rounding.rounded() of the weights of an output of this group."""
        n = self.n * self.m
        return rounding.rounded(values, self.found[group * n:(group + 1) * n], self.m)


def _of_windows(sums, f, x, y):
    """Of each element of a window, group after group, the sum over all pixels of the result."""
    rows, columns, channels = x
    per, found = channels // f.groups, []
    for g in range(f.groups):
        for i in range(f.kernel_rows):
            here = _places(y[0], f.stride_rows, i * f.dilation_rows - f.top, f.spread_rows, rows)
            for j in range(f.kernel_columns):
                there = _places(y[1], f.stride_columns, j * f.dilation_columns - f.left,
                                f.spread_columns, columns)
                for k in range(g * per, (g + 1) * per):
                    total = 0
                    for r in here:
                        for c in there:
                            total += sums[(r * columns + c) * channels + k]
                    found.append(total)
    return found


def _places(n, stride, first, spread, size):
    """Which rows, or columns, of the input a row of a kernel meets."""
    found = []
    for at in range(first, first + n * stride, stride):
        place = _place(at, spread, size)
        if place is not None:
            found.append(place)
    return found


def _place(at, spread, size):
    """The row, or column, of the input, between whose pixels 0 lies; None if there is none."""
    return at // spread if at >= 0 and not at % spread and at // spread < size else None

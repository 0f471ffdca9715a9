"""dense: ops/dense.py."""


def weight_offset(j, k, n_in, interleave, group):
    """Where the weight of output j for input k lies: docs/format_ops.md."""
    column = j % interleave
    start = k - k % group
    return ((j - column) * n_in + start * interleave
            + column * min(group, n_in - start) + k - start)


def int32(buf, at):
    """The little-endian int32 at `at`, without allocating while it fits a small int."""
    return buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | ((buf[at + 3] ^ 128) - 128) << 24


def int8(buf, op, x, y, mask):
    y = y[0]
    outputs(buf, op.fields, x[0], y, 0, len(y), 0, op.fields.weights, mask)


def outputs(buf, f, x, y, at, n, first, weights, mask):
    """y[at] .. y[at + n - 1]: acc = bias + sum(x[n_in] * (w - weight_zero)).

    first: which of all outputs the first one is; weights: where theirs are, unsigned, in their
    order. Four outputs share a loop over the inputs.
    """
    a = v = w = b = c = d = left = 0  # MicroPython is faster with the first 16 names
    interleave = f.interleave
    group = f.group
    zero = f.zero_point
    low = f.low
    high = f.high
    shift = f.shift
    shifts = f.shifts
    table = f.table
    multipliers = f.multipliers
    n_in = len(x)
    at_b = n_in if interleave == 1 else 1  # from an output's weights to the next one's
    at_c = at_b + at_b
    at_d = at_c + at_b
    start = 0
    for v in x:
        start -= v
    start *= f.weight_zero
    for j in range(n):
        if left:
            left -= 1
            a = b
            b = c
            c = d
        else:
            a = start
            w = weights + (j - j % interleave) * n_in + j % interleave
            if group > 1 or interleave > 1 and interleave & 3:
                for k in range(n_in):
                    a += x[k] * buf[weights + weight_offset(j, k, n_in, interleave, group)]
            elif j + 4 <= n:
                left = 3
                b = c = d = start
                for v in x:
                    a += v * buf[w]
                    b += v * buf[w + at_b]
                    c += v * buf[w + at_c]
                    d += v * buf[w + at_d]
                    w += interleave
            else:
                for v in x:
                    a += v * buf[w]
                    w += interleave
        k = first + j
        a += int32(buf, f.bias + 4 * k)
        if multipliers:
            a = scaled(a, int32(buf, multipliers + 4 * k), buf[shifts + k])
        else:
            a >>= buf[shifts + k] if shifts else shift
        a += zero
        if a < low:
            a = low
        elif a > high:
            a = high
        if table:
            a = (buf[table + 128 + a] ^ 128) - 128
        y[at + j] = a & mask


def scaled(acc, multiplier, shift):
    """acc * multiplier / 2**(31 + shift), rounded twice as TensorFlow Lite Micro does."""
    acc = acc * multiplier + (1 << 30) >> 31  # halves up
    if shift:
        half = 1 << (shift - 1)
        acc = acc + half >> shift if acc >= 0 else -(half - acc >> shift)  # halves away from zero
    return acc


def float32(buf, op, x, y, work):
    """Summed in the order of the inputs, each operation rounded."""
    x, y, f = x[0], y[0], op.fields
    n = len(y)
    if f.interleave == 1:
        float_outputs(buf, f, x, y, 0, n, 0, f.weights, work)
        return
    product, row = work.word, work.row[:n]
    work.copy(buf[f.bias:f.bias + 4 * n], y)
    for k in range(len(x)):
        at = f.weights + 4 * k * n
        work.copy(buf[at:at + 4 * n], row)
        for j in range(n):
            product[0] = x[k] * row[j]
            y[j] = y[j] + product[0]


def float_outputs(buf, f, x, y, at, n, first, weights, work):
    """outputs() of float32, whose weights are rows."""
    n_in = len(x)
    product, row = work.word, work.row[:n_in]
    work.copy(buf[f.bias + 4 * first:f.bias + 4 * (first + n)], y[at:at + n])
    for j in range(at, at + n):
        work.copy(buf[weights:weights + 4 * n_in], row)
        weights += 4 * n_in
        for k in range(n_in):
            product[0] = x[k] * row[k]
            y[j] = y[j] + product[0]

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
    """acc = bias + sum(x[n_in] * (w - weight_zero)). Weights are unsigned, in their order."""
    # four outputs share a loop over the inputs; MicroPython is faster with the first 16 names
    a = v = w = b = c = d = left = 0
    (zero, weight_zero, low, high, shift, group, interleave,
     weights, bias, shifts, table, multipliers) = op.fields
    x, y = x[0], y[0]
    n_in, n_out = len(x), len(y)
    at_b = n_in if interleave == 1 else 1  # from an output's weights to the next one's
    at_c = at_b + at_b
    last = n_out - 3
    start = left = 0
    if weight_zero:
        for v in x:
            start -= v
        start *= weight_zero
    for j in range(n_out):
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
            elif j <= last:
                left = 3
                b = c = d = start
                at_d = at_c + at_b if j < last else 0
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
        a += int32(buf, bias + 4 * j)
        if multipliers:
            a = scaled(a, int32(buf, multipliers + 4 * j), buf[shifts + j])
        else:
            a >>= buf[shifts + j] if shifts else shift
        a += zero
        if a < low:
            a = low
        elif a > high:
            a = high
        if table:
            a = (buf[table + 128 + a] ^ 128) - 128
        y[j] = a & mask


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
    n_in, n_out = len(x), len(y)
    product = work.word
    work.copy(buf[f.bias:f.bias + 4 * n_out], y)
    rows = f.interleave == 1
    width = n_in if rows else n_out
    row = work.row[:width]
    for i in range(n_out if rows else n_in):
        at = f.weights + 4 * i * width
        work.copy(buf[at:at + 4 * width], row)
        for k in range(width):
            j = i if rows else k
            product[0] = x[k if rows else i] * row[k]
            y[j] = y[j] + product[0]

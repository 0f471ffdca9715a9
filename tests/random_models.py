"""Random buffers that use all of the format: for comparing engines."""
from array import array

import aifes
import numpy as np
from aifes.format import FLOAT32, INT8, Op, Tensor, frame, size
from aifes.layers.assemble import assemble
from aifes.ops import add as add_op
from aifes.ops import conv as conv_op
from aifes.ops import dense as dense_op
from aifes.ops import map as map_op
from aifes.ops import multiply as multiply_op
from aifes.ops import pool as pool_op
from aifes.ops import room
from aifes.ops import softmax as softmax_op
from aifes.python.dense import weight_offset
from aifes_host.graph import ConversionError
from aifes_host.layout import by_rows

WHOLE, DENSE, MAP, SOFTMAX, ADD, CONV, POOL, _, MULTIPLY = range(9)


def model(rng, branches=False, most=40):
    """A chain of one to four random ops in random orders of weights; branches: of up to seven, with
    sums, products, several inputs and outputs."""
    sizes = [int(rng.integers(1, most)) for _ in range(rng.integers(1, 4) if branches else 1)]
    n_inputs, nodes = len(sizes), []
    for _ in range(rng.integers(1, 8 if branches else 5)):
        x = len(sizes) - 1
        if branches and rng.integers(3) == 0:
            x = int(rng.integers(len(sizes)))
        n = m = sizes[x]
        kind = rng.choice(["dense", "dense", "dense", "map", "softmax",
                           *["add", "multiply"] * 2 * branches])
        if kind == "dense":
            again = branches and rng.integers(2)
            m = int(rng.choice(sizes) if again else rng.integers(1, most))
            nodes.append((DENSE, 0, (x,), dense(rng, n, m)))
        elif kind == "map":
            nodes.append((MAP, 0, (x,), map_op.Fields(rng.bytes(256))))
        elif kind == "add":
            other = int(rng.choice([i for i in range(len(sizes)) if sizes[i] == n]))
            nodes.append((ADD, 0, (x, other), add(rng)))
        elif kind == "multiply":
            other = int(rng.integers(len(sizes)))
            nodes.append((MULTIPLY, 0, (x, other), multiply(rng)))
        else:
            table = np.sort(rng.integers(0, 65536, 256))[::-1].astype("<u2")
            table[0] = max(table[0], 1)
            nodes.append((SOFTMAX, int(rng.integers(2)), (x,), softmax_op.Fields(table.tobytes())))
        sizes.append(m)
    return put_together(rng, nodes, sizes, n_inputs,
                        some_outputs(rng, n_inputs, len(sizes), branches))


def images(rng, dtype=INT8, most=600):
    """A chain of one to four random ops on an image or a series, mostly conv and pool: any
    geometry, sometimes with another op, and one between two of them that is an output, too, or
    what the last two gave, one after the other.

    most: elements of a tensor.
    """
    shapes, nodes, outputs = [image_shape(rng)], [], []
    for _ in range(rng.integers(1, 5)):
        x = shapes[-1]
        kind = rng.choice(["conv", "conv", "conv", "pool", "other"])
        if kind == "conv":
            flags, fields, y, scratch = conv(rng, x, dtype, most)
            nodes.append((CONV, flags, (len(shapes) - 1,), fields, y, scratch))
        elif kind == "pool":
            flags, fields, y = pool(rng, x, dtype, most)
            nodes.append((POOL, flags, (len(shapes) - 1,), fields, y, 0))
        elif rng.integers(2):
            y = x
            nodes.append((MULTIPLY, 0, (len(shapes) - 1,) * 2, multiply(rng, dtype), y, 0))
        elif dtype == FLOAT32:
            y = x
            nodes.append((MAP, 0, (len(shapes) - 1,), map_op.Fields(None), y, 0))
        elif rng.integers(2):
            y = x
            nodes.append((MAP, 0, (len(shapes) - 1,), map_op.Fields(rng.bytes(256)), y, 0))
        else:
            y = (int(rng.integers(1, 20)), 1, 1)
            nodes.append((DENSE, int(rng.integers(2)), (len(shapes) - 1,),
                          dense(rng, size(x), y[0]), y, 0))
        shapes.append(y)
        if not rng.integers(4):
            outputs.append(len(shapes) - 1)
        if not rng.integers(4) and all(node[0] != WHOLE for node in nodes[-2:]):
            a, b = shapes[-2:]
            alike = a[1:] == b[1:]
            shapes.append((a[0] + b[0], *a[1:]) if alike else (size(a) + size(b), 1, 1))
            nodes.append((WHOLE, 0, (), None, shapes[-1], 0))
    if len(shapes) - 1 not in outputs:
        outputs.append(len(shapes) - 1)
    return put_shapes_together(rng, nodes, shapes, outputs, dtype)


def rows(rng, most=600):
    """images() whose ops take turns, the input in the arena or row by row."""
    while True:
        model, pushed = images(rng, most=most), "rows" if rng.integers(2) else None
        try:
            found = by_rows(model, pushed)
        except ConversionError:
            continue  # the first op takes its input as a whole
        if found != model:
            return found


def image_shape(rng):
    """[rows, columns, channels], sometimes one column or one pixel."""
    kind = rng.integers(6)
    rows = 1 if kind == 0 else int(rng.integers(1, 12))
    columns = 1 if kind < 3 else int(rng.integers(1, 12))
    return rows, columns, int(rng.choice([1, 2, 3, 4, 8, rng.integers(1, 18)]))


def _axis(rng, n):
    """(kernel, stride, dilation, spread, padding before, places) along an axis of n."""
    while True:
        kernel = int(rng.choice([1, 2, 3, 3, 5, rng.integers(1, 14), min(n, 255)]))
        stride = int(rng.choice([1, 1, 2, 3, rng.integers(1, 9)]))
        dilation = int(rng.choice([1, 1, 1, 2, rng.integers(1, 5)]))
        spread = int(rng.choice([1, 1, 1, 1, 2, 3]))
        before, after = rng.integers(0, rng.choice([1, 2, kernel + 2]), 2).tolist()
        free = (n - 1) * spread + 1 + before + after - dilation * (kernel - 1) - 1
        if free >= 0:
            return kernel, stride, dilation, spread, before, free // stride + 1


def conv(rng, x, dtype=INT8, most=600):
    """(flags, fields with bytes, output's shape, elements of scratch) of a conv on shape x."""
    channels = x[2]
    while True:
        ways = [_axis(rng, n) for n in x[:2]]
        groups = int(rng.choice([1, 1, channels, rng.choice(
            [g for g in range(1, channels + 1) if channels % g == 0])]))
        each = int(rng.choice([1, 1, 2, 4, 8, rng.integers(1, 18)]))
        n_out = groups * each
        y = ways[0][5], ways[1][5], n_out
        n = ways[0][0] * ways[1][0] * (channels // groups)
        if size(y) <= most and n <= most and n * n_out <= 8000:
            break
    kernel, stride, dilation, spread, padding, _ = [list(pair) for pair in zip(*ways)]
    numbers = kernel + stride + dilation + spread + padding
    if dtype == FLOAT32:
        weights = rng.normal(size=n * n_out) * 2.0 ** rng.integers(-3, 4)
        fields = (0, 0, 0, 0, 0, 1, 1, *numbers, 0, 0, groups, weights.astype("<f4").tobytes(),
                  rng.normal(size=n_out).astype("<f4").tobytes(), None, None, None)
        return 0, conv_op.Fields(*fields), y, n
    f = dense(rng, n, n_out)
    block, group = [(1, 1), (4, 4), (8, 1), (each, 1), (3, 4), (5, 1)][rng.integers(6)]
    block = min(block, each)
    w = rng.integers(0, 256, (n, n_out)) if rng.integers(4) else rng.choice([0, 255], (n, n_out))
    weights = b"".join(ordered(w[:, g * each:(g + 1) * each], block, group)
                       for g in range(groups))
    fields = (*f[:5], group, block, *numbers, int(rng.integers(-128, 128)), 0, groups, weights,
              *f[8:])
    return int(rng.integers(2)), conv_op.Fields(*fields), y, n


def pool(rng, x, dtype=INT8, most=600):
    """(flags, fields, output's shape) of a pool on shape x."""
    rows, columns, channels = x
    while True:
        ways = []
        for n in (rows, columns):
            kernel = int(rng.choice([1, 2, 2, 3, n, rng.integers(1, 14)]))
            stride = int(rng.choice([1, 2, 2, min(kernel, 255), rng.integers(1, 9)]))
            before = int(rng.integers(0, kernel)) * int(rng.integers(2))
            places = int(rng.integers(1, (n + before - 1) // stride + 2))
            ways.append((kernel, stride, before, places))
        kernel, stride, padding, places = zip(*ways)
        y = places[0], places[1], channels
        if size(y) <= most:
            break
    flags = int(rng.choice([0, pool_op.AVERAGE, pool_op.AVERAGE | pool_op.WHOLE]))
    zero_point = x_zero = up = 0
    if flags and dtype == INT8:
        zero_point, x_zero = rng.integers(-128, 128, 2).tolist()
        up = int(rng.choice([0, 1, 2, rng.integers(0, 17)]))
        while kernel[0] * kernel[1] * 255 << up > pool_op.MAX_SUM:
            up -= 1
    return flags, pool_op.Fields(zero_point, x_zero, up, 0, *kernel, *padding, *stride, 0), y


def put_shapes_together(rng, nodes, shapes, outputs, dtype):
    """The buffer of a chain of nodes (opcode, flags, inputs, fields with bytes, shape of the
    result, elements of scratch): put_together() for ops that heed shapes and have scratch."""
    unit = 4 if dtype == FLOAT32 else 1
    order = [0, *outputs, *[k for k in range(1, len(shapes)) if k not in outputs]]
    number = {k: i for i, k in enumerate(order)}
    offsets, end = [], 0
    for k, shape in enumerate(shapes):  # side by side, nothing is overwritten
        if k and nodes[k - 1][0] == WHOLE:
            offsets.append(offsets[k - 2])
            continue
        offsets.append(end)
        end += size(shape)
        if nodes[k + 1:] == [] or nodes[k + 1][0] != WHOLE:
            end += int(rng.integers(0, 3))
    tensors = []
    for i, k in enumerate(order):
        scale = rng.integers(-32, 33), rng.integers(-128, 128)
        shift, zero = map(int, scale) if dtype == INT8 and i <= len(outputs) else (0, 0)
        tensors.append(Tensor(dtype, shift, zero, unit * offsets[k], None, shapes[k]))
    ops, arena = [], end
    for i, (opcode, flags, x, fields, _, scratch) in enumerate(nodes):
        y = (number[i + 1],)
        if opcode == WHOLE:
            continue
        if scratch:
            n = scratch + int(rng.integers(0, 3))
            y = *y, len(tensors)
            at = end + int(rng.integers(0, 3))
            tensors.append(Tensor(dtype, 0, 0, unit * at, None, (n,)))
            arena = max(arena, at + n)
        ops.append(Op(opcode, flags, tuple(number[k] for k in x), y, fields))
    return bytes(assemble(ops, tensors, 1, len(outputs), unit * arena,
                          rng.bytes(int(rng.integers(0, 9)))))


def some_outputs(rng, n_inputs, n_tensors, several):
    """Which tensors are outputs: the last one; several: also some of those before, in any order."""
    outputs = [n_tensors - 1]
    if several:
        outputs += [k for k in range(n_inputs, n_tensors - 1) if not rng.integers(3)]
        rng.shuffle(outputs)
    return outputs


def put_together(rng, nodes, sizes, n_inputs, outputs, dtype=INT8):
    """The buffer of nodes (opcode, flags, inputs, fields with bytes); results follow the n_inputs
    first tensors, sizes: elements of all of them."""
    offsets, arena = place(rng, nodes, sizes, n_inputs, outputs)
    order = [*range(n_inputs), *outputs]
    order += [k for k in range(n_inputs, len(sizes)) if k not in outputs]
    number = {k: i for i, k in enumerate(order)}
    unit, tensors = 4 if dtype == FLOAT32 else 1, []
    for i, k in enumerate(order):
        shift = zero = scales = 0
        if dtype == INT8 and i < n_inputs + len(outputs):
            if rng.integers(3):
                shift, zero = int(rng.integers(-32, 33)), int(rng.integers(-128, 128))
            else:
                scales = (rng.integers(-32, 33, sizes[k]).tolist(),
                          rng.integers(-32768, 32768, sizes[k]).tolist())
        tensors.append(Tensor(dtype, shift, zero, unit * offsets[k], scales, (sizes[k],)))
    ops = [Op(opcode, flags, tuple(number[k] for k in x), (number[n_inputs + i],), fields)
           for i, (opcode, flags, x, fields) in enumerate(nodes)]
    return bytes(assemble(ops, tensors, n_inputs, len(outputs), unit * arena,
                          rng.bytes(int(rng.integers(0, 9)))))


def place(rng, nodes, sizes, n_inputs, outputs):
    """(offsets, arena) of the tensors: any places that are free, often in place where it may be."""
    last = list(range(-n_inputs, len(nodes)))  # of each tensor: the node that reads it last
    for i, (_, _, x, _) in enumerate(nodes):
        for k in x:
            last[k] = i
    for k in outputs:
        last[k] = len(nodes)
    offsets = {}
    for i in range(-n_inputs, len(nodes)):
        y = n_inputs + i
        live = [k for k in offsets if last[k] >= i or i < 0]
        if i >= 0 and room(nodes[i][0]).IN_PLACE and rng.integers(3):
            dying = [k for k in nodes[i][2] if last[k] == i and sizes[k] == sizes[y]]
            if dying:
                offsets[y] = offsets[dying[0]]
                continue
        gap = int(rng.integers(0, 3))
        free = [at for at in [gap, *[offsets[k] + sizes[k] + gap for k in live]]
                if all(at >= offsets[k] + sizes[k] or at + sizes[y] <= offsets[k] for k in live)]
        offsets[y] = int(rng.choice(free))
    return offsets, max(offsets[k] + sizes[k] for k in offsets)


def dense(rng, n, m):
    limit = dense_op.ACC_LIMIT - (n << 16) - 1
    most = int(rng.choice([100, 10000, 1 << 20, limit]))
    bias = np.clip(rng.integers(-most, most + 1, m), -limit, limit).astype("<i4")
    w = rng.integers(0, 256, (n, m)) if rng.integers(4) else rng.choice([0, 255], (n, m))
    block, group = [(1, 1), (4, 4), (8, 1), (m, 1), (3, 4), (5, 1)][rng.integers(6)]
    block = min(block, m)
    low, high = sorted(rng.integers(-128, 128, 2).tolist()) if rng.integers(2) else (-128, 127)
    shifts = rng.integers(0, 32, m).astype(np.uint8).tobytes() if rng.integers(2) else None
    return dense_op.Fields(
        int(rng.integers(-128, 128)), int(rng.integers(0, 256)), low, high,
        int(rng.integers(0, 32)), group, block, ordered(w, block, group), bias.tobytes(), shifts,
        rng.bytes(256) if rng.integers(2) else None, None)


def ordered(w, block, group):
    """The bytes of weights [n_in, n_out] in an order of the format."""
    n, m = w.shape
    found = bytearray(dense_op.weights_size(n, m, block))
    for j in range(m):
        for k in range(n):
            found[weight_offset(j, k, n, block, group)] = w[k, j]
    return bytes(found)


def add(rng):
    low, high = sorted(rng.integers(-128, 128, 2).tolist()) if rng.integers(2) else (-128, 127)
    most = int(rng.choice([100, 1 << 20, add_op.MAX_BIAS - 1]))
    left = rng.integers(0, int(rng.choice([3, 17])), 2)
    return add_op.Fields(int(rng.integers(-128, 128)), low, high,
                         int(rng.choice([rng.integers(0, 12), rng.integers(0, 32)])),
                         *left.tolist(), 0, int(rng.integers(-most, most + 1)))


def multiply(rng, dtype=INT8):
    if dtype == FLOAT32:
        return multiply_op.Fields(*[0] * 7)
    low, high = sorted(rng.integers(-128, 128, 2).tolist()) if rng.integers(2) else (-128, 127)
    shift = int(rng.choice([rng.integers(0, 12), rng.integers(0, multiply_op.MAX_SHIFT + 1)]))
    zeros = rng.integers(-128, 128, 3).tolist()
    return multiply_op.Fields(zeros[0], low, high, shift, *zeros[1:], 0)


def inputs(rng, n):
    """int8 inputs, sometimes all extreme."""
    return (rng.integers(-128, 128, n) if rng.integers(3) else rng.choice([-128, 127], n)).astype(
        np.int8)


def ends(buf):
    """The elements of a buffer's inputs, and of its outputs."""
    plan = frame(buf)
    sizes = [size(t.shape) for t in plan.tensors]
    return sizes[:plan.n_inputs], sizes[plan.n_inputs:]


def single(buffers):
    """x or y of run(): one buffer itself, several as a tuple."""
    return buffers[0] if len(buffers) == 1 else tuple(buffers)


def results(buf, xs, out="b"):
    """What the Python engine makes of the arrays xs, one sample: NumPy arrays of int8, or "f"."""
    x = [array("f" if v.dtype == np.float32 else "b", v.tobytes()) for v in xs]
    ys = [array(out, bytes(n * array(out).itemsize)) for n in ends(buf)[1]]
    aifes.load(buf, engine="python").run(single(x), single(ys))
    return [np.array(y, np.float32 if out == "f" else np.int8) for y in ys]

"""Random buffers that use all of the format: for comparing engines."""
from array import array

import aifes
import numpy as np
from aifes.format import FLOAT32, INT8, Op, Tensor, frame, size
from aifes.layers.assemble import assemble
from aifes.ops import add as add_op
from aifes.ops import dense as dense_op
from aifes.ops import map as map_op
from aifes.ops import room
from aifes.ops import softmax as softmax_op
from aifes.python.dense import weight_offset

DENSE, MAP, SOFTMAX, ADD = 1, 2, 3, 4


def model(rng, branches=False, most=40):
    """A chain of one to four random ops in random orders of weights; branches: of up to seven, with
    adds and several inputs and outputs."""
    sizes = [int(rng.integers(1, most)) for _ in range(rng.integers(1, 4) if branches else 1)]
    n_inputs, nodes = len(sizes), []
    for _ in range(rng.integers(1, 8 if branches else 5)):
        x = len(sizes) - 1
        if branches and rng.integers(3) == 0:
            x = int(rng.integers(len(sizes)))
        n = m = sizes[x]
        kind = rng.choice(["dense", "dense", "dense", "map", "softmax", *["add"] * 3 * branches])
        if kind == "dense":
            again = branches and rng.integers(2)
            m = int(rng.choice(sizes) if again else rng.integers(1, most))
            nodes.append((DENSE, 0, (x,), dense(rng, n, m)))
        elif kind == "map":
            nodes.append((MAP, 0, (x,), map_op.Fields(rng.bytes(256))))
        elif kind == "add":
            other = int(rng.choice([i for i in range(len(sizes)) if sizes[i] == n]))
            nodes.append((ADD, 0, (x, other), add(rng)))
        else:
            table = np.sort(rng.integers(0, 65536, 256))[::-1].astype("<u2")
            table[0] = max(table[0], 1)
            nodes.append((SOFTMAX, int(rng.integers(2)), (x,), softmax_op.Fields(table.tobytes())))
        sizes.append(m)
    return put_together(rng, nodes, sizes, n_inputs,
                        some_outputs(rng, n_inputs, len(sizes), branches))


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
            dying = [k for k in nodes[i][2] if last[k] == i]
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

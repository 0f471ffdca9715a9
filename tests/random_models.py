"""Random buffers that use all of the format: for comparing engines."""
import numpy as np
from aifes import builder
from aifes.format import ACC_LIMIT, Op
from aifes_host.layout import TARGETS, arrange, interleave


def model(rng):
    """A chain of one to four random ops, in a random order of weights."""
    n = int(rng.integers(1, 40))
    ops = []
    for _ in range(rng.integers(1, 5)):
        kind = rng.choice(["dense", "dense", "dense", "map", "softmax"])
        if kind == "dense":
            ops.append(dense(rng, n))
            n = ops[-1].n_out
        elif kind == "map":
            ops.append(builder.map_op(n, rng.bytes(256)))
        else:
            table = np.sort(rng.integers(0, 65536, 256))[::-1].astype("<u2")
            table[0] = max(table[0], 1)
            ops.append(builder.softmax_op(n, table.tobytes(), bool(rng.integers(2))))
    scales = [scale(rng, size) for size in (ops[0].n_in, n)]
    buf = bytes(builder.assemble(ops, *scales, metadata=rng.bytes(int(rng.integers(0, 9)))))
    return arrange(buf, str(rng.choice(list(TARGETS)))) if rng.integers(2) else buf


def scale(rng, n):
    if rng.integers(3):
        return int(rng.integers(-32, 33)), int(rng.integers(-128, 128))
    return rng.integers(-32, 33, n).tolist(), rng.integers(-32768, 32768, n).tolist()


def dense(rng, n):
    m = int(rng.integers(1, 40))
    limit = ACC_LIMIT - (n << 16) - 1
    size = int(rng.choice([100, 10000, 1 << 20, limit]))
    bias = np.clip(rng.integers(-size, size + 1, m), -limit, limit).astype("<i4")
    w = rng.integers(0, 256, (n, m)) if rng.integers(4) else rng.choice([0, 255], (n, m))
    block, group = [(1, 1), (4, 4), (8, 1), (m, 1), (3, 4), (5, 1)][rng.integers(6)]
    block = min(block, m)
    low, high = sorted(rng.integers(-128, 128, 2).tolist()) if rng.integers(2) else (-128, 127)
    each = rng.integers(2)
    return Op(1, 0, int(rng.integers(-128, 128)), int(rng.integers(0, 256)), low, high,
              int(rng.integers(0, 32)), 0, 0, n, m, interleave(w.astype(np.uint8), block, group),
              bias.tobytes(), rng.integers(0, 32, m).astype(np.uint8).tobytes() if each else None,
              rng.bytes(256) if rng.integers(2) else None, block, group)


def inputs(rng, n):
    """int8 inputs, sometimes all extreme."""
    return (rng.integers(-128, 128, n) if rng.integers(3) else rng.choice([-128, 127], n)).astype(
        np.int8)

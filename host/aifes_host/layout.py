"""The order of the weights in a buffer: what a chip reads fastest. Results do not depend on it."""
import numpy as np
from aifes import builder
from aifes.format import DENSE, FLOAT32, SOFTMAX, decode

from .simulator import Simulator, stored_weights

# (interleave, group) of the weights: rows serve every chip; the kernel of the Cortex-M0 reads the
# weights of eight outputs at a time, that of the M4 four inputs of four outputs
TARGETS = {"any": (1, 1), "cortex-m0": (8, 1), "cortex-m4": (4, 4)}


def arrange(model, target):
    """The same .aifes buffer (bytes) with the weights in the order for a target of TARGETS.

    A layer with fewer outputs than the target interleaves stays in rows; so do float32 models.
    """
    plan = decode(memoryview(model))
    if plan.input.dtype == FLOAT32:
        return bytes(model)
    buf = np.frombuffer(model, np.uint8)
    width, group = TARGETS[target]

    def cut(at, n):
        return buf[at:at + n].tobytes() if at else None

    ops = []
    for op in plan.ops:
        if op.opcode == DENSE:
            order = (width, group) if op.n_out >= width else (1, 1)
            weights = interleave(stored_weights(buf, op), *order)
            data = (weights, cut(op.bias, 4 * op.n_out), cut(op.shifts, op.n_out),
                    cut(op.table, 256))
        else:
            order = (0, 0)
            data = (None, None, None, cut(op.table, 512 if op.opcode == SOFTMAX else 256))
        ops.append(op._replace(weights=data[0], bias=data[1], shifts=data[2], table=data[3],
                               interleave=order[0], group=order[1]))
    at, n = plan.metadata
    simulator = Simulator(model)
    scales = [tuple(v.tolist() if isinstance(v, np.ndarray) else v for v in simulator.scale(t))
              for t in (plan.input, plan.output)]
    return bytes(builder.assemble(ops, *scales, plan.input.shape, bytes(model[at:at + n])))


def interleave(weights, block, group=1):
    """bytes of uint8 weights [n_in, n_out] in blocks of outputs, the last one padded with 128."""
    n_in, n_out = weights.shape
    blocks = -(-n_out // block)
    padded = np.full((n_in, blocks * block), 128, np.uint8)
    padded[:, :n_out] = weights
    parts = [padded[k:k + group].reshape(-1, blocks, block).transpose(1, 2, 0).reshape(blocks, -1)
             for k in range(0, n_in, group)]
    return np.concatenate(parts, 1).tobytes()

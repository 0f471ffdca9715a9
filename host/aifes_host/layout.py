"""The order of the weights in a buffer: what a chip reads fastest. Results do not depend on it."""
import numpy as np
from aifes.layers.assemble import assemble
from aifes.ops import NAMES
from aifes.ops import room as device_room

from .ops import room
from .simulator import Simulator

# (interleave, group) of the weights: rows serve every chip; the kernel of the Cortex-M0 reads the
# weights of eight outputs at a time, that of the M4 four inputs of four outputs
TARGETS = {"any": (1, 1), "cortex-m0": (8, 1), "cortex-m4": (4, 4)}


def arrange(model, target):
    """The same .aifes buffer (bytes), of the format of today, with the weights in the order for a
    target of TARGETS.

    A layer with fewer outputs than the target interleaves stays in rows; so do float32 models.
    """
    simulator = Simulator(model)
    plan, buf = simulator.plan, np.frombuffer(model, np.uint8)
    ops = []
    for op in plan.ops:
        unplaced = with_constants(model, plan, op)
        arranged = getattr(room(NAMES[op.opcode]), "arranged", None)
        if arranged and not simulator.is_float:
            unplaced = arranged(buf, unplaced, op, plan.tensors, *TARGETS[target])
        ops.append(unplaced)
    tensors = [t._replace(scales=[v.tolist() for v in simulator.scale(t)] if t.scales else None)
               for t in plan.tensors]
    at, n = plan.metadata
    return bytes(assemble(ops, tensors, plan.n_inputs, plan.n_outputs, plan.arena,
                          bytes(model[at:at + n])))


def with_constants(model, plan, op):
    """An op with the bytes of its constants in place of their offsets."""
    x, y = [plan.tensors[k] for k in op.inputs], [plan.tensors[k] for k in op.outputs]
    lengths = device_room(op.opcode).lengths(op, x, y)
    n = len(op.fields) - len(lengths)
    found = [bytes(model[at:at + m]) if m else None for at, m in zip(op.fields[n:], lengths)]
    return op._replace(fields=type(op.fields)(*op.fields[:n], *found))


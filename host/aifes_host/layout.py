"""The order of the weights in a buffer: what a chip reads fastest. Results do not depend on it."""
import numpy as np
from aifes import ops as device
from aifes.layers.assemble import assemble

from .ops import ROOMS
from .simulator import Simulator

# (interleave, group) of the weights: rows serve every chip; the kernels of the Cortex-M0 and of
# ESP32 read the weights of eight outputs at a time, that of the M4 four inputs of four outputs
TARGETS = {"any": (1, 1), "cortex-m0": (8, 1), "cortex-m4": (4, 4), "esp32": (8, 1)}


def arrange(model, target):
    """The same .aifes buffer (bytes) with the weights in the order for a target of TARGETS.

    A layer with fewer outputs than the target interleaves stays in rows; so do float32 models. A
    file of format 1 becomes one of format 2.
    """
    simulator = Simulator(model)
    plan, buf = simulator.plan, np.frombuffer(model, np.uint8)
    ops, tensors, metadata = parts(simulator, model)
    for i, op in enumerate(plan.ops):
        ours = ROOMS[device.NAMES[op.opcode]]
        if hasattr(ours, "arranged") and not simulator.is_float:
            ops[i] = ops[i]._replace(fields=ops[i].fields._replace(
                **ours.arranged(buf, op, plan.tensors, *TARGETS[target])))
    return bytes(assemble(ops, tensors, plan.n_inputs, plan.n_outputs, plan.arena, metadata))


def parts(simulator, model):
    """(ops, tensors, metadata) of a prepared model (bytes), as assemble() takes them."""
    plan, buf = simulator.plan, np.frombuffer(model, np.uint8)
    ops = [op._replace(fields=op.fields._replace(**_constants(buf, op, plan.tensors)))
           for op in plan.ops]
    tensors = [t._replace(scales=tuple(v.tolist() for v in simulator.scale(t)) if t.scales
                          else None) for t in plan.tensors]
    at, n = plan.metadata
    return ops, tensors, bytes(model[at:at + n])


def _constants(buf, op, tensors):
    """{field: bytes, or None} of an op."""
    theirs = device.room(op.opcode)
    lengths = theirs.lengths(op, *[[tensors[k] for k in ends] for ends in (op.inputs, op.outputs)])
    names = theirs.NAMES[len(theirs.NAMES) - theirs.CONSTANTS:]
    return {name: buf[getattr(op.fields, name):][:n].tobytes() if n else None
            for name, n in zip(names, lengths)}

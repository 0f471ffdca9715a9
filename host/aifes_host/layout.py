"""What a buffer's results do not depend on: the order of its weights, and where tensors lie."""
import numpy as np
from aifes import ops as device
from aifes.format import Op, nbytes, size
from aifes.layers.assemble import assemble
from aifes.ops import mean, pool, windows

from .graph import ConversionError
from .ops import ROOMS
from .planner import plan as planned
from .rolling import roll
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


def by_rows(model, pushed=None):
    """The same .aifes buffer (bytes), its ops by turns where that needs a smaller arena.

    pushed: "rows": the input comes row by row; "endless": its rows never end, and each one that
    completes a window of the model's shape brings a result. Float32 models stay as they are.
    Raises ConversionError if the model cannot be pushed.
    """
    simulator = Simulator(model)
    old = simulator.plan
    if pushed and (simulator.is_float or old.n_inputs > 1 or old.n_outputs > 1
                   or len(old.tensors[0].shape) != 3):
        raise ConversionError("only a quantized model with one input, an image or a signal, and "
                              "one output can take it row by row")
    if simulator.is_float:
        return model
    ops, tensors, metadata = parts(simulator, model)
    tensors = [t._replace(rows=0, endless=0) for t in tensors]
    if pushed == "endless":
        _check_endless(ops, tensors)
    else:
        ops, tensors = _with_means(ops, tensors)
    found = roll(ops, tensors, old.n_inputs, old.n_outputs, simulator.parts, bool(pushed),
                 pushed == "endless")
    if pushed and not found:
        raise ConversionError("the first layer of this model takes its input as a whole: it cannot "
                              "be pushed row by row")
    if not found or not pushed and found.arena >= old.arena:
        return model
    return bytes(assemble(ops, found.tensors, old.n_inputs, old.n_outputs, found.arena, metadata))


def _check_endless(ops, tensors):
    """ConversionError unless all windows lie inside of the input."""
    for i, op in enumerate(ops):
        name = device.NAMES[op.opcode]
        x, y = [tensors[k] for k in op.inputs], [tensors[k] for k in op.outputs]
        window = windows(op, x, y)
        if name == "mean" or window and (
                window[1] or window[4] > 1
                or (window[0] - 1) * window[3] + window[2] >= x[0].shape[0]):
            raise ConversionError(
                f"layer {i}, {name}, of this model looks beyond the beginning or the end of its "
                "input, which a signal without end does not have: train it without padding over "
                "time (\"valid\")")


def _with_means(ops, tensors):
    """Poolings over the whole image by the op that takes it row by row."""
    tensors, found = list(tensors), []
    for op in ops:
        f, x, y = op.fields, tensors[op.inputs[0]], tensors[op.outputs[0]]
        if (device.NAMES[op.opcode] == "pool" and op.flags & pool.AVERAGE and not f.top | f.left
                and (f.kernel_rows, f.kernel_columns) == x.shape[:2] and size(y.shape[:2]) == 1):
            op = Op(device.NAMES.index("mean"), 0, op.inputs, (*op.outputs, len(tensors)),
                    mean.Fields(f.zero_point, f.x_zero, f.up, 0))
            tensors.append(x._replace(shift=0, zero_point=0, shape=(mean.scratch(op, [x]),)))
        found.append(op)
    return found, tensors


def whole(model):
    """The same .aifes buffer (bytes), each op after the other: no tensor is a few rows only."""
    simulator = Simulator(model)
    old = simulator.plan
    if not any(t.rows for t in old.tensors):
        return model
    if old.tensors[0].endless:
        raise ConversionError("a model that never ends keeps what it has seen of its input")
    ops, tensors, metadata = parts(simulator, model)
    tensors = [t._replace(rows=0) for t in tensors]
    placed = planned([nbytes(t) for t in tensors],
                     [(op.inputs, op.outputs, device.room(op.opcode).IN_PLACE) for op in ops],
                     old.n_inputs, range(old.n_inputs, old.n_inputs + old.n_outputs),
                     simulator.parts)
    tensors = [t._replace(offset=at) for t, at in zip(tensors, placed.offsets)]
    return bytes(assemble([ops[i] for i in placed.order], tensors, old.n_inputs, old.n_outputs,
                          placed.arena, metadata))


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

"""The rarer attributes of a Model, classes, its printed summary: loaded only when asked for."""
import io
import struct
from array import array

from .model import ModelError, size

_stream = io.BytesIO()
_word = bytearray(4)
_BUFFERS = (array, bytes, bytearray, memoryview)
_PROBABILITIES = ((2, 3), (3, 0))  # (opcode, flags) of sigmoid and softmax


def attribute(model, name):
    """input_shape, output_dtype, .. as Model documents them; AttributeError for other names."""
    if name in ("_buf", "_plan"):
        raise AttributeError(name)
    buf, plan = model._buf, model._plan
    if name == "len":
        return plan.length
    if name == "ram":
        return plan.arena + _engine_ram(model)
    if name in ("metadata", "labels"):
        from .format import metadata

        found = metadata(buf, plan)
        return found if name == "metadata" else found.get("labels")
    if name in ("push", "reset"):
        raise AttributeError("this model takes its input as a whole: quantize it with --push")
    if name == "classify":
        return lambda x: classify(model, x)
    ends = model._ends or (model.input, model.output)
    end, _, what = name.partition("_")
    first, last = (0, plan.n_inputs) if end in ("input", "inputs") else (plan.n_inputs, len(ends))
    if name in ("inputs", "outputs"):
        return ends[first:last]
    if end not in ("input", "output") or what not in ("shape", "dtype", "scale", "zero_point"):
        raise AttributeError(name)
    found = tuple([_of_tensor(buf, t, what) for t in plan.tensors[first:last]])
    return found if model._ends else found[0]


def _of_tensor(buf, t, what):
    if what == "shape":
        return t.shape
    if what == "dtype":
        return chr(t.dtype)
    shifts, zero_points = scales(buf, t)
    if what == "scale":
        return tuple([2.0 ** -s for s in shifts]) if t.scales else 2.0 ** -t.shift
    return zero_points if t.scales else t.zero_point


def classify(model, x):
    """(name or number of the class of one sample, value), as docs/device_api.md has it.

    x: what predict() takes, or a buffer as for run().
    """
    if model._ends:
        raise ModelError("classify() takes a network with one input and one output: use run()")
    if model._floats is None:
        model._floats = [array("f", bytes(4 * size(t.shape))) for t in model._plan.tensors]
    known = model._floats[2:]
    if not known or known[0] is not model._buf:  # parsed once; swap() changes it
        from .format import metadata

        meta = metadata(model._buf, model._plan)
        labels = meta.get("labels")
        model._floats = model._floats[:2] + [
            model._buf, labels if isinstance(labels, list) else (), _boundary(model, meta)]
    _, y, _, names, boundary = model._floats
    if isinstance(x, _BUFFERS):
        model.run(x, y)
    else:
        model.predict(x)
    best = 0
    if len(y) == 1:
        value = y[0]
        best = 1 if value > boundary else 0
        if boundary and not best:
            value = 1 - value
    else:
        for i in range(1, len(y)):
            if y[i] > y[best] or y[best] != y[best]:  # NaN is no result
                best = i
        value = y[best]
    return (names[best] if len(names) == max(len(y), 2) else best), value


def _boundary(model, meta):
    """What divides the two classes of a single output: 0.5 of a probability, 0 of a logit."""
    found = meta.get("boundary")
    if isinstance(found, (int, float)):
        return found
    plan = model._plan  # a file that is older than this entry
    output = plan.tensors[plan.n_inputs]
    if chr(output.dtype) == "f":
        return 0.5 if _last(plan.head) in _PROBABILITIES else 0
    return 0.5 if (output.shift, output.zero_point) == (8, -128) else 0


def _last(head):
    """(opcode, flags) of the last op; on a board with the native engine nothing else decodes it."""
    tensors, ops = struct.unpack_from("<HH", head, 20)
    from .format import HEADER_SIZE, TENSOR_SIZE

    at = HEADER_SIZE + TENSOR_SIZE * tensors
    for _ in range(ops - 1):
        at += 4 * head[at + 3]
    return head[at], head[at + 1]


def finite(x):
    """Whether all of x are numbers: no NaN, no infinity. Of array('f') it allocates nothing.

    x: a buffer of float32, or a sequence of numbers. Raises ModelError for anything else.
    """
    try:
        if not isinstance(x, _BUFFERS):
            for v in x:
                if v - v != 0:
                    return False
            return True
        _stream.seek(0)
        n = _stream.write(x)
        if n == len(x):
            return True  # int8
        if n != 4 * len(x) or (hasattr(x, "typecode") and x.typecode != "f"):
            raise TypeError
    except TypeError:
        raise ModelError("finite(x) takes a buffer of float32 (array 'f') or a sequence of numbers")
    _stream.seek(0)
    for _ in range(n >> 2):
        _stream.readinto(_word)
        if _word[3] & 127 == 127 and _word[2] > 127:
            return False
    return True


def _engine_ram(model):
    if model.engine != "native" or model._plan.pieces:
        return model._net.ram
    return native_ram(model._plan)


def native_ram(plan):
    """Bytes of net_obj_t of module.h and what follows it, on a 32-bit board."""
    head, is_float = plan.head, chr(plan.tensors[0].dtype) == "f"
    n, ends = head[22] | head[23] << 8, head[24] + head[25]
    at, step = 40 + 28 * (head[20] | head[21] << 8), 28 if is_float else 44
    for _ in range(n):
        # what only files with all ops have: conv and more, of int8 several ends, add
        if head[at] > 4 or not is_float and (head[at] == 4 or ends > 2):
            return 52 + 16 * ends + (step + 136) * (n + 1)
        at += 4 * head[at + 3]
    return 44 + 16 * ends + step * n


def scales(buf, tensor):
    """The shifts and the zero points of a tensor whose elements have their own."""
    if not tensor.scales:
        return (), ()
    n = size(tensor.shape)
    return (struct.unpack_from("<%db" % n, buf, tensor.scales),
            struct.unpack_from("<%dh" % n, buf, tensor.scales + n))


def summary(model):
    """Layers, shapes, parameters and memory of a Model, as text."""
    from .format import decode, metadata

    plan = model._plan
    meta = metadata(model._buf, plan)
    try:
        rows = meta.get("layers") or (() if plan.pieces else rows_of(decode(model._buf)))
    except ImportError:  # no ops on this board
        rows = []
    dtype = "float32" if chr(plan.tensors[0].dtype) == "f" else "int8"
    title = "{}: {} -> {}, {}, {} bytes, arena {} bytes, {} bytes of RAM, engine {}".format(
        meta.get("name") or "network", _shape(model.input_shape), _shape(model.output_shape),
        dtype, model.len, plan.arena, model.ram, model.engine)
    if plan.pieces:
        title += ", read in pieces"
    t = plan.tensors[0]
    if t.rows:
        title += ", input comes row by row" + (" without end" if t.endless else "")
    try:
        return title + "\n" + table(rows) if rows else title
    except (TypeError, ValueError):  # metadata are not checked: they are for people
        return title


def table(rows):
    """Rows [layer, elements, parameters, shift, zero point] as aligned text with a sum."""
    width = max([len(str(row[0])) for row in rows] + [9]) + 1
    line = "{:<" + str(width) + "}{:>9}{:>12}{:>8}{:>8}"
    lines = [line.format("layer", "elements", "parameters", "scale", "zero")]
    total = 0
    for name, n, parameters, shift, zero in rows:
        total += parameters
        lines.append(line.format(name, n, parameters or "",
                                 "" if shift is None else "2^{}".format(-shift),
                                 "" if zero is None else zero))
    lines.append(line.format("total", "", total, "", ""))
    return "\n".join(lines)


def rows_of(plan):
    """What can be said without metadata, of a whole Plan."""
    from .ops import NAMES, room

    rows = [["input", size(t.shape), 0, None, None] for t in plan.tensors[:plan.n_inputs]]
    for op in plan.ops:
        x, y = [plan.tensors[k] for k in op.inputs], [plan.tensors[k] for k in op.outputs]
        rows.append([NAMES[op.opcode], size(y[0].shape), room(op.opcode).parameters(op, x, y), None,
                     None])
    return rows


def _shape(shape):
    """1x2, of several tensors (1x2, 3); of an image what its dimensions are."""
    if shape and isinstance(shape[0], tuple):
        return "({})".format(", ".join([_shape(s) for s in shape]))
    text = "x".join([str(d) for d in shape])
    return text + " (rows x columns x channels)" if len(shape) == 3 else text

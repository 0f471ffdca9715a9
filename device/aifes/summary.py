"""The rarer attributes of a Model and its printed summary: loaded only when asked for."""
import json
import struct

from .format import DENSE, FLOAT32, OP_NAMES, size


def attribute(model, name):
    """input_shape, output_dtype, .. as Model documents them; AttributeError for other names."""
    if name in ("_buf", "_plan"):
        raise AttributeError(name)
    buf, plan = model._buf, model._plan
    if name == "len":
        return plan.length
    if name == "ram":
        return plan.arena + _engine_ram(model)
    if name == "metadata":
        return metadata(buf, plan)
    if name == "labels":
        return metadata(buf, plan).get("labels")
    end, _, what = name.partition("_")
    t = {"input": plan.input, "output": plan.output}.get(end)
    if t and what == "shape":
        return t.shape
    if t and what == "dtype":
        return chr(t.dtype)
    if t and what in ("scale", "zero_point"):
        shifts, zero_points = scales(buf, t)
        if what == "scale":
            return tuple([2.0 ** -s for s in shifts]) if t.features else 2.0 ** -t.shift
        return zero_points if t.features else t.zero_point
    raise AttributeError(name)


def _engine_ram(model):
    if model.engine != "native":
        return model._net.ram
    return 120 + 76 * len(model._plan.ops)  # net_obj_t of module.h, on a 32-bit board


def scales(buf, tensor):
    """The shifts and the zero points of a tensor whose elements have their own."""
    if not tensor.features:
        return (), ()
    n = size(tensor.shape)
    return (struct.unpack_from("<%db" % n, buf, tensor.features),
            struct.unpack_from("<%dh" % n, buf, tensor.features + n))


def metadata(buf, plan):
    """The metadata as a dict, empty if there are none that can be read."""
    at, n = plan.metadata
    try:
        found = json.loads(str(bytes(buf[at:at + n]), "utf-8"))
    except (ValueError, RuntimeError):
        found = {}
    return found if isinstance(found, dict) else {}


def summary(model):
    """Layers, shapes, parameters and memory of a Model, as text."""
    plan = model._plan
    meta = metadata(model._buf, plan)
    rows = meta.get("layers") or rows_of(plan)
    dtype = "float32" if plan.input.dtype == FLOAT32 else "int8"
    title = "{}: {} -> {}, {}, {} bytes, arena {} bytes, {} bytes of RAM, engine {}".format(
        meta.get("name") or "network", _shape(model.input_shape), _shape(model.output_shape),
        dtype, model.len, plan.arena, model.ram, model.engine)
    return title + "\n" + table(rows)


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
    """What can be said without metadata."""
    names, first = OP_NAMES, DENSE
    if plan.input.dtype == FLOAT32:
        from .f32_format import DENSE_F32 as first
        from .f32_format import OP_NAMES as names
    rows = [["input", size(plan.input.shape), 0, None, None]]
    for op in plan.ops:
        dense = op.opcode == first
        name = names[op.opcode] + (" + table" if dense and op.table else "")
        rows.append([name, op.n_out, op.n_out * (op.n_in + 1) if dense else 0, None, None])
    return rows


def _shape(shape):
    return "x".join([str(d) for d in shape])

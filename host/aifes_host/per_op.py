"""What each op of a model does: shapes, what of the input its result sees, what it costs."""
from dataclasses import dataclass

from aifes.ops import NAMES
from aifes.ops import room as device_room

from .cost import CHIPS, estimate
from .ops import ROOMS
from .simulator import Simulator
from .turns import groups


@dataclass
class OpFacts:
    """name: of the op; reads: shapes of what it reads; shape: of its result.

    sees: rows and columns of the input image that one element of the result depends on, its
    receptive field; None: of all of it. products: of weight and input.
    instructions: {name of a cost.Chip: estimate}, empty for float32.
    turns: (first, last) of the ops that take turns with it, row by row, itself among them; or None.
    """

    name: str
    reads: list
    shape: tuple
    sees: tuple
    products: int
    instructions: dict
    turns: tuple = None


def _through(spans, windows):
    """What each row and each column of a result sees of the input: [rows, columns] of (first,
    last), for those of the image that `windows` reads; (1, 0) if it is nothing."""
    found = []
    for k in range(2):
        spread, along = windows.spread[k], []
        for at in range(windows.y[k]):
            first = at * windows.stride[k] - windows.padding[k]
            places = [first + i * windows.dilation[k] for i in range(windows.kernel[k])]
            seen = [spans[k][p // spread] for p in places
                    if 0 <= p < windows.x[k] * spread and not p % spread]
            along.append(_joined(seen))
        found.append(along)
    return found


def _whole(tensor, parts):
    """The same of images one below another; None: everything."""
    if None in parts or len(tensor.shape) != 3:
        return None
    rows = [span for part_rows, _ in parts for span in part_rows]
    return [rows, [_joined(at) for at in zip(*[columns for _, columns in parts])]]


def _joined(spans):
    """The (first, last) of several, of which some may be nothing."""
    spans = [s for s in spans if s[0] <= s[1]]
    return (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else (1, 0)


def shape_text(shape):
    return "x".join(map(str, shape))


def per_op(model):
    """The OpFacts of each op of an .aifes buffer."""
    simulator = Simulator(model)
    plan = simulator.plan
    tensors = plan.tensors
    costs = [] if simulator.is_float else [estimate(model, chip) for chip in CHIPS]
    spans = {k: [[(i, i) for i in range(n)] for n in t.shape[:2]]
             for k, t in enumerate(tensors[:plan.n_inputs]) if len(t.shape) == 3}
    found, together = [], groups(plan)
    for i, op in enumerate(plan.ops):
        name, y = NAMES[op.opcode], op.outputs[0]
        for k in op.inputs:
            if k in simulator.parts:  # a concatenation
                spans[k] = _whole(tensors[k], [spans.get(part) for part in simulator.parts[k]])
        spans[y] = _result(op, name, tensors, [spans.get(k) for k in op.inputs])
        found.append(OpFacts(
            name, [tensors[k].shape for k in op.inputs], tensors[y].shape,
            spans[y] and tuple(max(b - a + 1 for a, b in along) for along in spans[y]),
            ROOMS[name].products(op, tensors), {c.chip.name: c.ops[i] for c in costs},
            next(((a, b - 1) for a, b in together if a <= i < b and b > a + 1), None)))
    return found


def table(facts):
    """(titles, rows) for people; what no op has is left out."""
    chips = list(facts[0].instructions)
    columns = [
        ("op", [f"{i} {f.name}" for i, f in enumerate(facts)]),
        ("reads", [" ".join(map(shape_text, f.reads)) for f in facts]),
        ("result", [shape_text(f.shape) for f in facts]),
        ("turns", ["{}–{}".format(*f.turns) if f.turns else "" for f in facts]),
        ("sees", ["all" if f.sees is None else shape_text(f.sees) for f in facts]),
        ("products", [f"{f.products:,}" for f in facts]),
        *((chip, [f"{f.instructions[chip]:,}" for f in facts]) for chip in chips)]
    columns = [(title, cells) for title, cells in columns if not (
        title == "sees" and set(cells) == {"all"} or title == "turns" and not any(cells))]
    return [title for title, _ in columns], list(zip(*(cells for _, cells in columns)))


def _result(op, name, tensors, spans):
    """What rows and columns of an op's result see, for those of its inputs; None: everything."""
    if None in spans:
        return None
    if hasattr(ROOMS[name], "windows_of"):
        return _through(spans[0], ROOMS[name].windows_of(op, tensors))
    if ROOMS[name].CLASSES or not device_room(op.opcode).IN_PLACE:
        return None
    return [[_joined(at) for at in zip(*along)] for along in zip(*spans)]  # element by element

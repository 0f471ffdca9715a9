"""Graphs of operations on named values, as PyTorch and ONNX keep them, made into Values."""
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import ConversionError
from . import elementwise
from .builder import Builder
from .elementwise import FUNCTIONS, GRID
from .folding import MOST
from .order import in_turns
from .value import Value

LONGEST = 12  # operations by which exporters write one activation
MOST_NODES = 2000  # that a network needs
MOST_IN_A_ROW = 64  # operations on each element between two others
JOINING = ("Concat", "cat", "concat", "concatenate")  # ONNX's, PyTorch's
SELECTING = ("Gather", "Slice")  # ONNX's, which may take the other sizes out of a shape


class Ref(str):
    """The name of a value, among a node's arguments."""


@dataclass
class Node:
    """One operation. args, options: Refs, numbers, lists; layer: the name that the user knows.

    op: in elementwise.FUNCTIONS with args as there, or the framework's own, which is `called` in
    any case. source: the framework's own node, if it is needed again.
    """

    op: str
    args: list
    options: dict = field(default_factory=dict)
    name: str = ""
    layer: str = ""
    source: object = None
    called: str = ""

    def __post_init__(self):
        self.called = self.called or self.op

    def refs(self):
        return _refs([self.args, list(self.options.values())])


def _refs(value):
    if isinstance(value, Ref):
        return [value]
    return [r for v in value for r in _refs(v)] if isinstance(value, (list, tuple)) else []


def build(nodes, constants, starts, source, outputs, fold, apply, measure, allowed, name,
          labels=lambda values: ()):
    """The Graph of what leads from those of `starts` that are needed to the outputs.

    constants: a function of a name: an array or None. source(builder, start): the Value of an
    input; outputs: those chosen, of outputs.py. fold(node) computes a node whose arguments are
    constants; apply(x, node) what it makes of the Value x, which is among its arguments;
    measure(node, x) is the constant of a node that only asks for x's shape (-1: the batch), None
    for all others. allowed: what the user may use, for messages; labels: a function of the Values
    of the outputs.
    """
    ends = [o.value for o in outputs]
    nodes = needed(nodes, ends)
    if len(nodes) > MOST_NODES:
        raise ConversionError(f"the network has {len(nodes)} operations: more than a board can run")
    wanted = {str(r): None for node in nodes for r in node.refs()}
    used = [s for s in starts if s in wanted or s in ends]
    if not used:
        raise ConversionError("the network's output does not depend on its input")

    def make(orders):
        values, builder = _Constants(constants, wanted, used), Builder(orders)
        flow = _Flow({s: source(builder, s) for s in used}, allowed)
        _run(nodes, values, flow, fold, apply, measure)
        for output in outputs:
            if output.value not in flow:
                raise ConversionError(f"the output {output.name!r} does not depend on the "
                                      "network's input")
        found = {o.name: flow.make(o.value) for o in outputs}
        return builder.graph(found, name, labels(list(found.values())))

    with np.errstate(all="ignore"):
        return in_turns(make)


def _run(nodes, values, flow, fold, apply, measure):
    """Add what the nodes make to the constants and to the flow."""
    for node in nodes:
        if node.name in values or node.name in flow:
            raise ConversionError(f"the value {node.name!r} is made twice: export the network "
                                  "again")
        flowing = list(dict.fromkeys(r for r in node.refs() if r not in values))
        lost = next((r for r in flowing if r not in flow), None)
        if lost is not None:
            raise ConversionError(f"layer {node.layer!r} ({node.called}) reads {str(lost)!r}, "
                                  "which no operation before it makes: export the network "
                                  "again")
        asked = measure(node, flow.base(flowing[0])) if len(flowing) == 1 else None
        if asked is not None:
            values.add(node.name, asked, batch=True)
        elif not flowing:
            values.add(node.name, fold(replace(
                node, args=_resolved(node.args, values, None),
                options=_resolved(node.options, values, None))), values.of_batch(node),
                node.op in SELECTING)
        else:
            if values.of_batch(node) and node.op in FUNCTIONS:
                raise ConversionError(f"layer {node.layer!r} ({node.called}) computes with the "
                                      "number of samples: use a constant")
            flow.add(node, flowing, values, apply)


def _resolved(value, values, flow):
    """An argument with constants and Values in the places of names."""
    if isinstance(value, Ref):
        return values[value] if value in values else flow.make(value)
    if isinstance(value, dict):
        return {k: _resolved(v, values, flow) for k, v in value.items()}
    return [_resolved(v, values, flow) for v in value] if isinstance(value, (list, tuple)) \
        else value


def needed(nodes, ends):
    """The nodes on which the values `ends` depend, in their order."""
    wanted, kept = set(ends), []
    for node in reversed(nodes):
        if node.name in wanted:
            kept.append(node)
            wanted.update(node.refs())
    return kept[::-1]


class _Constants:
    """The constants that are needed, and those computed of them; together of limited size."""

    def __init__(self, constants, wanted, starts):
        self.known, self.batch, self.size = {}, set(), 0
        for name in wanted:
            value = None if name in starts else constants(name)
            if value is not None:
                self.add(name, value)

    def __contains__(self, name):
        return name in self.known

    def __getitem__(self, name):
        return self.known[name]

    def add(self, name, value, batch=False, selected=False):
        """batch: the value tells the number of samples, a -1; selected: if that was selected."""
        self.size += np.size(value)
        if self.size > MOST:
            raise ConversionError(f"the network's constants have more than {MOST} numbers: more "
                                  "than a board holds")
        self.known[name] = value
        if batch and not (selected and np.all(np.asarray(value) >= 0)):
            self.batch.add(name)

    def of_batch(self, node):
        return any(r in self.batch for r in node.refs())


class _Flow:
    """What is made of the inputs: Values, and operations on each element that wait to become some.

    Of an operation on each element, and all those before it, the Value is called its base. Only
    when something needs its result it is made, so that operations that are one layer together,
    one after another or side by side, are seen as that.
    """

    def __init__(self, values, allowed):
        self.values, self.allowed = values, allowed
        self.waiting = {}  # name: (its number, node, the base's name)

    def __contains__(self, name):
        return name in self.values or name in self.waiting

    def _root(self, name):
        return self.waiting[name][2] if name in self.waiting else name

    def base(self, name):
        """The Value of whose elements this one's are functions; it has the same shape."""
        return self.values[self._root(name)]

    def add(self, node, flowing, constants, apply):
        """One more node; flowing: the values that it reads and that are no constants."""
        roots = {self._root(r) for r in flowing}
        if node.op in FUNCTIONS and len(roots) == 1:
            x = self.base(flowing[0])
            numbers = [a if isinstance(a, Ref) and a not in constants else elementwise.single(
                x, constants[a] if isinstance(a, Ref) else a) for a in node.args]
            if None not in numbers:
                for a in node.args:
                    if isinstance(a, Ref) and a in constants and x.shape is not None:
                        elementwise.fitting(x, constants[a], node.layer)
                self.waiting[node.name] = (len(self.waiting), replace(node, args=numbers),
                                           *roots)
                return
        if node.op in JOINING:
            made = self._joined(node, constants)
        elif len(flowing) > 1:
            made = self._combined(node)
        else:
            known = replace(node, args=_resolved(node.args, constants, self),
                            options=_resolved(node.options, constants, self))
            x = self.make(flowing[0])
            made = self._arithmetic(x, known) if node.op in FUNCTIONS else apply(x, known)
        self.values[node.name] = made

    def _arithmetic(self, x, node):
        if node.op == "leaky_relu":
            raise ConversionError(f"layer {node.layer!r} is a PReLU with a slope for each value: "
                                  "use one slope for all")
        made = elementwise.arithmetic(x, node)
        if made is None:
            raise unknown(node, self.allowed)
        return made

    def _joined(self, node, constants):
        names = _refs(node.args)
        if any(name in constants for name in names):
            raise ConversionError(f"layer {node.layer!r} ({node.called}) joins values with "
                                  "constants: leave the constants to the layer that reads them")
        x, *others = (self.make(name) for name in names)
        return x.concat(others, node.options.get("axis", node.options.get("dim", 0)), node.layer)

    def _combined(self, node):
        combine = {"add": Value.plus, "sub": Value.minus, "mul": Value.times}.get(node.op)
        if not combine or not all(isinstance(a, Ref) for a in node.args):
            raise ConversionError(f"layer {node.layer!r} ({node.called}) combines several values "
                                  "of the network: only a sum, a difference or a product of two "
                                  "and a concatenation can be converted")
        a, b = (self.make(a) for a in node.args)
        return combine(a, b, node.layer)

    def make(self, name):
        """The Value of a name."""
        if name in self.values:
            return self.values[name]
        nodes = self._since_base(name)
        at = {node.name: i for i, node in enumerate(nodes)}
        at[self._root(name)] = -1
        reads = [min(at[r] for r in node.refs()) for node in nodes]
        # cuts: the values by which all goes that comes after them
        cuts, first = [], len(nodes)
        for i in reversed(range(len(nodes))):
            if first >= i:
                cuts.insert(0, i)
            first = min(first, reads[i])
        i = max((i for i in cuts if nodes[i].name in self.values), default=-1)
        while i < len(nodes) - 1:
            x = self._root(name) if i < 0 else nodes[i].name
            i, made = self._step(nodes, x, i, cuts)
            self.values[nodes[i].name] = made
        return self.values[name]

    def _since_base(self, name):
        """The operations on each element that make a value of its base, in their order."""
        found, left = {}, [name]
        while left:
            name = left.pop()
            if name in found or name not in self.waiting:
                continue
            number, node, _ = self.waiting[name]
            found[name] = number, node
            left += node.refs()
            if len(found) > MOST_IN_A_ROW:
                raise ConversionError(f"layer {node.layer!r} is one of more than {MOST_IN_A_ROW} "
                                      "operations on each element in a row: more than a board can "
                                      "run")
        return [node for _, node in sorted(found.values(), key=lambda pair: pair[0])]

    def _step(self, nodes, x, i, cuts):
        """As much as is one layer of what follows node i, whose value is x: (last number, Value)"""
        base = self.values[x]
        ends = [c for c in cuts if i < c <= i + LONGEST] or [min(c for c in cuts if c > i)]
        values = {x: GRID}
        for node in nodes[i + 1:ends[-1] + 1]:
            values[node.name] = FUNCTIONS[node.op](*(
                values[a] if isinstance(a, Ref) else a for a in node.args))
        for end in reversed(ends):
            node = nodes[end]
            if end == i + 1 and (node.op in elementwise.ARITHMETIC
                                 or node.op in elementwise.ACTIVATIONS):
                break
            found = elementwise.recognize(values[node.name])
            if found is not None:
                named = [n for n in nodes[i + 1:end + 1] if n.op != "identity"] or [node]
                return end, elementwise.layers(base, *found, named[-1].layer)
        node = nodes[ends[0]]
        if ends[0] > i + 1 or node.args.count(x) > 1:
            return ends[0], self._combined(node)
        args = [base if isinstance(a, Ref) else a for a in node.args]
        if node.op in elementwise.ACTIVATIONS and args[0] is base:
            return ends[0], base.activation(node.op, node.layer, *args[1:])
        return ends[0], self._arithmetic(base, replace(node, args=args))


def unknown(node, allowed):
    return ConversionError(f"layer {node.layer!r} ({node.called}) cannot be converted: use "
                           f"{', '.join(allowed)}")

"""Graphs of operations on named values, as PyTorch and ONNX keep them, made into a Chain."""
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import ConversionError
from . import elementwise
from .chain import MOST
from .elementwise import FUNCTIONS, GRID

LONGEST = 12  # operations by which exporters write one activation
MOST_NODES = 2000  # that a network needs
MOST_IN_A_ROW = 64  # operations on each element between two others
SELECTING = ("Gather", "Slice")  # ONNX's, which may take the other sizes out of a shape


class Ref(str):
    """The name of a value, among a node's arguments."""


X = object()  # what a rule gets in the place of the value that flows through the network


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


def build(nodes, constants, starts, chain, end, fold, apply, measure, allowed):
    """Fill the Chain with what leads from the one of `starts` that is needed to the value `end`.

    constants: a function of a name: an array or None. chain: a function of the start's name: an
    empty Chain. fold(node) computes a node whose arguments are constants; apply(chain, node) adds
    what a node does to X; measure(node, shape) is the constant of a node that only asks for X's
    shape (-1: the batch), None for all others. allowed: what the user may use, for messages.
    """
    nodes = needed(nodes, end)
    if len(nodes) > MOST_NODES:
        raise ConversionError(f"the network has {len(nodes)} operations: more than a board can run")
    wanted = {str(r): None for node in nodes for r in node.refs()}
    used = [s for s in starts if s in wanted or s == end]
    if len(used) != 1:
        raise ConversionError(
            f"the output needs {len(used)} inputs, {', '.join(map(repr, used))}: a network must "
            "have one: join them before it" if used else
            "the network's output does not depend on its input")
    start, = used
    chain = chain(start)
    values = _Values(constants, wanted, start)
    run = _Run(start, chain, allowed)
    shapes = {start: chain.shape}
    with np.errstate(all="ignore"):
        for node in nodes:
            if node.name in values or node.name in shapes:
                raise ConversionError(f"the value {node.name!r} is made twice: export the network "
                                      "again")
            flowing = list(dict.fromkeys(r for r in node.refs() if r not in values))
            lost = next((r for r in flowing if r not in shapes), None)
            if lost is not None:
                raise ConversionError(f"layer {node.layer!r} ({node.called}) reads {str(lost)!r}, "
                                      "which no operation before it makes: export the network "
                                      "again")
            asked = measure(node, shapes[flowing[0]]) if len(flowing) == 1 else None
            if asked is not None:
                values.add(node.name, asked, batch=True)
            elif not flowing:
                values.add(node.name, fold(_known(node, values)), values.of_batch(node),
                           node.op in SELECTING)
            else:
                if values.of_batch(node) and node.op in FUNCTIONS:
                    raise ConversionError(f"layer {node.layer!r} ({node.called}) computes with the "
                                          "number of samples: use a constant")
                _flow(node, run, values, apply)
                shapes[node.name] = chain.shape
        run.end(end, None)
    return chain


def _flow(node, run, values, apply):
    chain = run.chain
    if node.op in FUNCTIONS:
        numbers = [a if isinstance(a, Ref) and a not in values else elementwise.single(
            chain, values[a] if isinstance(a, Ref) else a) for a in node.args]
        if None not in numbers:
            for a in node.args:
                if isinstance(a, Ref) and a in values and chain.shape is not None:
                    elementwise.fitting(chain, values[a], node.layer)
            run.add(replace(node, args=numbers))
            return
    flowing = {r for r in node.refs() if r not in values}
    head = next((r for r in flowing if r in run), min(flowing))
    if len(flowing) > 1:
        raise _no_chain(node, min(flowing - {head}))
    run.end(head, node)
    known = _known(node, values)
    if node.op not in FUNCTIONS:
        apply(chain, known)
    elif node.op == "leaky_relu":
        raise ConversionError(f"layer {node.layer!r} is a PReLU with a slope for each value: use "
                              "one slope for all")
    elif not elementwise.arithmetic(chain, known, X):
        raise unknown(node, run.allowed)
    run.start(node.name)


def _known(node, values):
    return replace(node, args=_resolve(node.args, values), options={
        k: _resolve(v, values) for k, v in node.options.items()})


def _resolve(value, values):
    if isinstance(value, Ref):
        return values[value] if value in values else X
    return [_resolve(v, values) for v in value] if isinstance(value, (list, tuple)) else value


def needed(nodes, end):
    """The nodes on which `end` depends, in their order."""
    wanted, kept = {end}, []
    for node in reversed(nodes):
        if node.name in wanted:
            kept.append(node)
            wanted.update(node.refs())
    return kept[::-1]


class _Values:
    """The constants that are needed, and those computed of them; together of limited size."""

    def __init__(self, constants, wanted, start):
        self.known, self.batch, self.size = {}, set(), 0
        for name in wanted:
            value = None if name == start else constants(name)
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


class _Run:
    """Operations on each element, one after another or side by side, since the value `base`."""

    def __init__(self, base, chain, allowed):
        self.chain, self.allowed = chain, allowed
        self.start(base)

    def start(self, base):
        self.base, self.nodes, self.at = base, [], {base: -1}

    def __contains__(self, name):
        return name in self.at

    def add(self, node):
        for r in node.refs():
            if r not in self.at:
                raise _no_chain(node, r)
        self.at[node.name] = len(self.nodes)
        self.nodes.append(node)
        if len(self.nodes) > MOST_IN_A_ROW:
            raise ConversionError(f"layer {node.layer!r} is the {len(self.nodes)}th operation on "
                                  "each element in a row: more than a board can run")

    def end(self, name, reader):
        """Add to the chain what makes the value `name`, which the node `reader` reads."""
        if name not in self.at:
            if reader is None:
                raise ConversionError("the network's output is not the last of a chain of layers")
            raise _no_chain(reader, name)
        nodes = needed(self.nodes, name)
        at = {node.name: i for i, node in enumerate(nodes)}
        at[self.base] = -1
        reads = [min(at[r] for r in node.refs()) for node in nodes]
        # cuts: the values by which all goes that comes after them
        cuts, first = [], len(nodes)
        for i in reversed(range(len(nodes))):
            if first >= i:
                cuts.insert(0, i)
            first = min(first, reads[i])
        i = -1
        while i < len(nodes) - 1:
            i = self._step(nodes, at, i, cuts)

    def _step(self, nodes, at, i, cuts):
        """Add what follows the value of node i, as much as is one layer; the last one's number."""
        chain, x = self.chain, self.base if i < 0 else nodes[i].name
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
                elementwise.layers(chain, *found, named[-1].layer)
                return end
        node = nodes[ends[0]]
        if ends[0] > i + 1 or node.args.count(x) > 1:
            other = next((r for r in node.refs() if r != x), x)
            raise _no_chain(node, other)
        args = [X if isinstance(a, Ref) else a for a in node.args]
        if node.op in elementwise.ACTIVATIONS and args[0] is X:
            chain.activation(node.op, node.layer, *args[1:])
        elif not elementwise.arithmetic(chain, replace(node, args=args), X):
            raise unknown(node, self.allowed)
        return ends[0]


def _no_chain(node, name):
    return ConversionError(f"layer {node.layer!r} ({node.called}) reads {str(name)!r}, not the "
                           "layer before it alone: only a chain of layers can be converted")


def unknown(node, allowed):
    return ConversionError(f"layer {node.layer!r} ({node.called}) cannot be converted: use "
                           f"{', '.join(allowed)}")

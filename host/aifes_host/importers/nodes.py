"""Graphs of operations on named values, as PyTorch and ONNX keep them, made into a Chain."""
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import ConversionError
from .chain import Chain


class Ref(str):
    """The name of a value, among a node's arguments."""


X = object()  # what a rule gets in the place of the value that flows through the network


@dataclass
class Node:
    """One operation. args, options: Refs, numbers, lists; layer: the name that the user knows.

    source: the framework's own node, if it is needed again.
    """

    op: str
    args: list
    options: dict = field(default_factory=dict)
    name: str = ""
    layer: str = ""
    source: object = None

    def refs(self):
        return _refs([self.args, list(self.options.values())])


def _refs(value):
    if isinstance(value, Ref):
        return [value]
    return [r for v in value for r in _refs(v)] if isinstance(value, (list, tuple)) else []


def build(nodes, constants, start, shape, end, fold, apply, measure):
    """The Chain from the value `start`, of a shape without its batch, to the value `end`.

    fold(node) computes a node whose arguments are constants; apply(chain, node) adds what a node
    does to X; measure(node, shape) is the constant of a node that only asks for X's shape (-1: the
    batch), None for all others.
    """
    chain, values, head = Chain(shape), dict(constants), start
    shapes = {start: chain.shape}
    for node in _softsigns(_needed(nodes, end)):
        flowing = {r for r in node.refs() if r not in values}
        asked = measure(node, shapes[min(flowing)]) if len(flowing) == 1 and min(
            flowing) in shapes else None
        if asked is not None:
            values[node.name] = asked
            continue
        if flowing - {head}:
            other = min(flowing - {head})
            raise ConversionError(f"layer {node.layer!r} ({node.op}) reads {str(other)!r}, not the "
                                  "layer before it: only a chain of layers can be converted")
        known = replace(node, args=_resolve(node.args, values), options={
            k: _resolve(v, values) for k, v in node.options.items()})
        if flowing:
            apply(chain, known)
            head = node.name
            shapes[head] = chain.shape
        else:
            values[node.name] = fold(known)
    if end != head:
        raise ConversionError("the network's output does not depend on its input")
    return chain


def _resolve(value, values):
    if isinstance(value, Ref):
        return values.get(value, X)
    return [_resolve(v, values) for v in value] if isinstance(value, (list, tuple)) else value


def _needed(nodes, end):
    """The nodes on which `end` depends, in their order."""
    wanted, kept = {end}, []
    for node in reversed(nodes):
        if node.name in wanted:
            kept.append(node)
            wanted.update(node.refs())
    return kept[::-1]


def _softsigns(nodes):
    """x / (1 + |x|) as one node: so frameworks write the softsign."""
    by_name = {node.name: node for node in nodes}
    gone = set()
    for node in nodes:
        if node.op.lower() != "div" or len(node.args) < 2:
            continue
        x, below = node.args[:2]
        plus = by_name.get(below)
        if plus is None or plus.op.lower() != "add":
            continue
        absolute = next((by_name[a] for a in plus.args
                         if isinstance(a, Ref) and a in by_name and by_name[a].op.lower() == "abs"),
                        None)
        if absolute is not None and absolute.args[0] == x:
            node.op, node.args, node.options = "softsign", [x], {}
            gone |= {plus.name, absolute.name}
    return [node for node in nodes if node.name not in gone]


def arithmetic(chain, node, op):
    """add, sub, mul or div of X and a constant, one of them on either side."""
    a, b = node.args[:2]
    constant = np.asarray(b if a is X else a, np.float64)
    rank = 1 if chain.shape is None else len(chain.shape)
    if constant.ndim > rank and constant.shape[0] == 1:  # the batch's dimension
        constant = constant.reshape(constant.shape[1:])
    if op == "div":
        if b is X:
            raise ConversionError(f"layer {node.layer!r} divides by its input, which has no kernel")
        op, constant = "mul", 1 / constant
    if op == "sub":
        chain.affine(1 if a is X else -1, -constant if a is X else constant, node.layer)
    elif op == "add":
        chain.affine(1, constant, node.layer)
    else:
        chain.affine(constant, 0, node.layer)


def unknown(node, allowed):
    return ConversionError(f"layer {node.layer!r} is a {node.op}, which has no Q7 kernel: use "
                           f"{allowed}")

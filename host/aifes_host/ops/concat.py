"""Concatenation: its parts lie one after another in memory, where they are made; no op runs."""
import math
from dataclasses import dataclass

import numpy as np
from aifes.layers.map import float_map, table_map

from ..graph import ConversionError
from . import tables
from .layer import Layer
from .map import Activation

COPY = Activation("leaky_relu", 1.0, name="copy")  # an op that float32 and int8 models have


@dataclass
class Concat(Layer):
    """All elements of one input, then all of the next: of images the rows, one above the other.

    image: the shape of a result that is read as one.
    """

    name: str = ""
    image: tuple = None

    kind = "concat"
    placed = True
    choices = ("finer",)

    def shape(self, *x):
        if len(x) < 2:
            raise ConversionError(f"layer {self.name!r} is a concatenation of one value: give it "
                                  "two or more")
        n = sum(map(math.prod, x))
        if self.image and math.prod(self.image) == n:
            return self.image
        if len(x[0]) == 3 and all(len(s) == 3 and s[1:] == x[0][1:] for s in x):
            return (sum(s[0] for s in x), *x[0][1:])
        return (n,)

    def __call__(self, *x):
        return np.concatenate(x, axis=1)

    def quantize(self, walk, node):
        scale = walk.shared(node.output)
        names = list(node.inputs)
        for k, name in enumerate(names):
            if walk.homes.get(name) != (node.output, k):
                x = walk.values[name]
                table = tables.exact_table(COPY, (x.shift, x.zero_point), scale)
                names[k] = node.output, k  # no tensor of the graph is called so
                walk.put(node, table_map(x.q.shape[1], table), *scale, inputs=(name,),
                         output=names[k])
        walk.place(node, tuple(names), *scale)

    def float32(self, *x):
        return self(*x)

    def gradients(self, x, y, g):
        ends = np.cumsum([v.shape[1] for v in x])
        return np.split(g, ends[:-1], axis=1)


def float_copy(n):
    """The Draft of the float32 op that copies n elements."""
    return float_map(COPY.kind, n, COPY.alpha)


def homes(graph):
    """{tensor: (the concatenation of which it is a part, its number there)}. Of a second one, what
    lies there is a copy."""
    found = {}
    for node in graph.nodes:
        for k, name in enumerate(node.inputs if node.layer.placed else ()):
            found.setdefault(name, (node.output, k))
    return found

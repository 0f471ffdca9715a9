"""What every importer builds its Graph with: values, and the steps that make one of others.

    builder = Builder()
    x = builder.input("x", (4,))
    y = x.dense(weights, bias, "first").activation("relu", "second")
    graph = builder.graph({"out": y.plus(x, "third")}, "network")

A value may be read any number of times. Only what the outputs need comes into the Graph, and what
merely scales a value becomes part of a layer beside it: folding.py.
"""
import math
from dataclasses import dataclass, field

from ..graph import ConversionError, Graph, Node, Tensor, unique
from . import order
from .folding import Folding, Step
from .value import Source, Value


@dataclass
class Builder:
    """The inputs and steps so far, in the order in which they were made.

    orders: {number of a step: the place of each of its elements}, order.py. number: of the next
    step.
    """

    orders: dict = field(default_factory=dict)
    sources: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    number: int = 0
    weights: int = 0

    def input(self, name, shape=None, batch=None, lead=1):
        """The Value of an input; shape: without the batch, None if the first layer will tell.

        batch: the number of samples if the network is made for one number only; lead: how many
        dimensions stand before the shape, one for the batch.
        """
        source = Source(name, order=self.orders.get(self.number))
        if shape is not None:
            source.tell(shape)
        self.sources.append(self.step(source))
        return Value(self, self.sources[-1], None, lead, batch, source)

    def step(self, layer, *inputs):
        """A Step that reads others."""
        self.steps.append(Step(layer, inputs, self.number))
        self.number += 1
        return self.steps[-1]

    def graph(self, outputs, name, labels=()):
        """The Graph of some values; outputs: {the name that the user knows: Value}."""
        for key, value in outputs.items():
            if value.places is not None:
                order.put_in_order(value, order.of(None, value.shape), value.shape)
                raise ConversionError(
                    f"the output {key!r} has the shape {value.shape} with its channels first, the "
                    "board has them last: let the network end by moving them there, as "
                    "x.permute(0, 2, 3, 1) does in PyTorch")
        ends = {key: value.step for key, value in outputs.items()}
        needed = set(ends.values())
        for step in reversed(self.steps):
            if step in needed:
                needed.update(step.inputs)
        folding = Folding([s for s in self.steps if s in needed], ends)
        if not any(made.layer.kind in ("dense", "conv") for made in folding.made):
            raise ConversionError(f"the network {name!r} has no dense (Linear, Gemm) layer and no "
                                  "convolution")
        sources = [s for s in self.sources if s in needed]
        names = {folding.found[s].made: s.layer.name for s in sources}
        for key, made in folding.ends.items():
            if made in names:
                raise ConversionError(f"the output {key!r} is the same as {names[made]!r}: leave "
                                      "one out")
            names[made] = unique(key if len(ends) > 1 else made.layer.name, set(names.values()))
        nodes, taken = [], set(names.values())
        for made in folding.made:
            if made not in names:
                names[made] = unique(made.layer.name or made.layer.kind, taken)
                taken.add(names[made])
            nodes.append(Node(made.layer, [names[m] for m in made.inputs], [names[made]]))
        inputs = [Tensor(s.layer.name, s.image or math.prod(s.layer.shape), s.layer.trained)
                  for s in sources]
        return Graph(inputs, nodes, [names[made] for made in folding.ends.values()], name,
                     [str(v) for v in labels])

"""The float network: a directed acyclic graph of layers. It knows no file format, no quantization
and no layer: those are in ops/.
"""
import heapq
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
CLASS_COLUMN = ("Save the inputs without it, and the classes in a file of their own, for --labels "
                "or --finetune")


class ConversionError(ValueError):
    """A network or data that cannot be converted: which layer, why, and the way out."""


@dataclass(eq=False)
class Trained:
    """How a network was trained to take an input that the board takes in another order.

    shape: without the samples; places: where on the board each of its elements lies.
    """

    shape: tuple
    places: np.ndarray

    def arranged(self, x):
        """Samples [samples, elements] in the board's order."""
        found = np.empty_like(x)
        found[:, self.places.ravel()] = x
        return found


@dataclass
class Tensor:
    """shape: without the samples; [elements], or [rows, columns, channels].

    trained: of an input that was trained in another order, with the channels first.
    """

    name: str
    shape: tuple
    trained: Trained = None

    def __post_init__(self):
        self.shape = tuple(int(n) for n in np.atleast_1d(self.shape))
        if not 1 <= len(self.shape) <= 3 or min(self.shape) < 1:
            raise ConversionError(f"tensor {self.name!r} has shape {self.shape}: it needs one to "
                                  "three dimensions of 1 or more")

    @property
    def size(self):
        """Elements."""
        return int(np.prod(self.shape))


@dataclass
class Node:
    """A layer of ops/, and the names of the tensors that it reads and of the one that it makes."""

    layer: object
    inputs: tuple
    outputs: tuple

    def __post_init__(self):
        self.inputs, self.outputs = tuple(self.inputs), tuple(self.outputs)

    @property
    def output(self):
        """The name of the result."""
        return self.outputs[0]


@dataclass
class Graph:
    """inputs: Tensors; nodes: in an order of execution; outputs: names of tensors.

    labels: names of the classes of a classifier with one output, one for each element, or two for a
    single one. On the PC a sample is one row: all inputs side by side, all outputs side by side.
    Raises ConversionError if it is no acyclic graph, or if shapes do not fit.
    """

    inputs: list
    nodes: list
    outputs: list
    name: str = "network"
    labels: list = field(default_factory=list)

    def __post_init__(self):
        if not self.nodes:
            raise ConversionError("the network has no layers")
        if not isinstance(self.name, str):
            raise ConversionError(f"the network's name must be text, not {shortened(self.name)}")
        made = Counter([t.name for t in self.inputs] + [node.output for node in self.nodes])
        twice = next((name for name, n in made.items() if n > 1), None)
        if twice is not None:
            raise ConversionError(f"two tensors of the network are called {twice!r}: names must "
                                  "differ")
        self.nodes = _in_order(self.nodes, made)
        self.tensors = {t.name: t for t in self.inputs}
        for node in self.nodes:
            node.layer.name = node.layer.name or node.output
            shapes = [self.tensors[n].shape for n in node.inputs]
            self.tensors[node.output] = Tensor(node.output, node.layer.shape(*shapes))
        self._check_outputs()
        self.n_in = sum(t.size for t in self.inputs)
        self.n_out = sum(self.tensors[n].size for n in self.outputs)
        self.labels = _names(self.labels, self.n_out)
        if self.labels and len(self.outputs) > 1:
            raise ConversionError(f"labels name the classes of one output, the network has "
                                  f"{len(self.outputs)}: leave the labels out, or keep one output")

    def _check_outputs(self):
        if not self.inputs or not self.outputs:
            raise ConversionError("the network has no inputs or no outputs")
        computed = {node.output for node in self.nodes}
        for name in self.outputs:
            if name not in computed:
                raise ConversionError(f"output {name!r} is no result of a layer")
        if len(set(self.outputs)) < len(self.outputs):
            raise ConversionError("an output of the network stands twice: give each once")
        needed = set(self.outputs)
        for node in reversed(self.nodes):
            if node.output in needed:
                needed.update(node.inputs)
        idle = next((n for n in self.tensors if n not in needed), None)
        if idle is not None:
            raise ConversionError(f"nothing needs {idle!r}: no output depends on it, leave it out")

    @property
    def layers(self):
        """The layers, in the order of execution."""
        return [node.layer for node in self.nodes]

    @property
    def last(self):
        """The layer whose result is the only output; None if there are several."""
        if len(self.outputs) > 1:
            return None
        return self.maker(self.outputs[0]).layer

    @property
    def boundary(self):
        """What a single output of one number must exceed to mean the second class, else None.

        0.5 for a probability, its logarithm for that of one; 0 for a logit, the sum before a
        sigmoid that is not in the network.
        """
        return self.last.boundary if self.n_out == 1 else None

    @property
    def is_chain(self):
        """Whether each layer reads just what the one before it made."""
        ends = [self.inputs[0].name] + [node.output for node in self.nodes]
        return len(self.inputs) == 1 and self.outputs == ends[-1:] and all(
            node.inputs == (x,) for node, x in zip(self.nodes, ends))

    def maker(self, name):
        """The node that makes a tensor; None for an input."""
        return next((node for node in self.nodes if node.output == name), None)

    def readers(self, name):
        """The nodes that read a tensor."""
        return [node for node in self.nodes if name in node.inputs]

    def samples(self, x):
        """x as float64 [samples, inputs] in the board's order; raises ConversionError if it does
        not fit.

        x: [samples, inputs], or [samples, ...] in the shape of an image as the board has it or as
        the network was trained; or a tuple of such arrays, one for each input.
        """
        if isinstance(x, tuple) and len(self.inputs) > 1 and len(x) == len(self.inputs):
            parts = [_numbers(v) for v in x]
            if len({len(v) if v.ndim else 0 for v in parts}) > 1:
                raise ConversionError("the data of the inputs have different numbers of samples")
            x = np.concatenate([in_order(v, t) if v.ndim > 1 else v.reshape(len(v), -1)
                                for v, t in zip(parts, self.inputs)], 1)
        else:
            x = _numbers(x)
            if x.ndim < 2:
                x = x.reshape(-1, self.n_in) if self.n_in == 1 or x.size == self.n_in \
                    else x.reshape(1, -1)
            for t in self.inputs if x.size else ():
                x = in_order(x, t) if len(self.inputs) == 1 else _side_by_side(x, t)
        if not x.size:
            raise ConversionError("the data have no rows or no columns")
        x = x.reshape(len(x), -1)
        check_columns(x.shape[1], self.n_in)
        if not fits_float32(x):
            wrong = np.flatnonzero(~(np.abs(x) <= LARGEST).all(axis=1))
            raise ConversionError(f"the data contain values that are not finite as float32, first "
                                  f"in row {wrong[0] + 1}: remove those rows")
        return x

    def split(self, x):
        """The inputs' arrays {name: [samples, elements]} of samples [samples, inputs]."""
        ends = np.cumsum([t.size for t in self.inputs])
        return {t.name: v for t, v in zip(self.inputs, np.split(x, ends[:-1], axis=1))}

    def results(self, x, compute=lambda layer, *values: layer(*values), known=None):
        """Every tensor {name: [samples, elements]} for x [samples, inputs].

        compute: gives a layer's result of its inputs; known: {name: values} that are taken instead.
        """
        found = self.split(x)
        found.update(known or {})
        for node in self.nodes:
            if node.output not in found:
                found[node.output] = compute(node.layer, *[found[n] for n in node.inputs])
        return found

    def joined(self, results):
        """The outputs [samples, outputs] of what results() gave."""
        return np.concatenate([results[n] for n in self.outputs], axis=1)

    def __call__(self, x):
        return self.computed(self.samples(x))

    def computed(self, x):
        """The outputs [samples, outputs] for what samples() gave."""
        return self.joined(self.results(x))

    def __repr__(self):
        names = [str(v) for v in self.labels]
        labels = f", labels {', '.join(names[:8])}{', ..' if len(names) > 8 else ''}"
        parameters = sum(layer.parameters for layer in self.layers)
        return f"Graph({self.name!r}, {' -> '.join(self._steps())}, " \
               f"{parameters} parameters{labels if names else ''})"

    def _steps(self):
        """What stands in the repr: 3, 4, relu, .. of a chain; of others the ends and a count."""
        if not self.is_chain:
            ends = [" + ".join("x".join(map(str, self.tensors[n].shape)) for n in names)
                    for names in ([t.name for t in self.inputs], self.outputs)]
            return [ends[0], f"({len(self.nodes)} layers)", ends[1]]
        steps = [str(node.layer.label) for node in self.nodes]
        if len(steps) > 16:
            steps[8:-8] = [f"({len(steps) - 16} more)"]
        return ["x".join(map(str, self.inputs[0].shape)), *steps]


def channels_first(name, shape):
    """The Tensor of an image of this shape that may come with its channels first."""
    rows, columns, channels = shape
    if channels == 1 or rows * columns == 1:  # both orders are the same
        return Tensor(name, shape)
    places = np.arange(rows * columns * channels).reshape(shape).transpose(2, 0, 1)
    return Tensor(name, shape, Trained(places.shape, places))


def in_order(x, tensor):
    """Samples [samples, ...] of an input as [samples, elements] in the board's order.

    ConversionError if their shape does not tell their order.
    """
    trained, dims, shape = tensor.trained, x.shape[1:], tensor.shape
    rows = x.reshape(len(x), -1)
    if trained is None:
        if len(shape) > 1 and len(dims) > 1 and rows.shape[1] == tensor.size and \
                not _alike(dims, shape):
            raise ConversionError(f"the data are of shape {dims} a sample, the network takes "
                                  f"{shape}, which is rows, columns, channels: transpose them")
        return rows
    if rows.shape[1] != tensor.size:
        return rows  # check_columns() tells
    ours, theirs = _alike(dims, shape), _alike(dims, trained.shape)
    if ours and theirs:
        raise ConversionError(f"data of shape {dims} a sample may have the channels first, as the "
                              "network was trained, or last, as the board has them: let the "
                              "network begin by moving them, as x.permute(0, 3, 1, 2) does in "
                              "PyTorch, and give them last")
    if not (ours or theirs):
        raise ConversionError(f"data of shape {dims} a sample do not tell their order: give an "
                              f"array (.npy) of {trained.shape} a sample, as the network was "
                              f"trained, or of {shape}, which is rows, columns, channels, as on "
                              "the board")
    return rows if ours else trained.arranged(rows)


def _alike(one, two):
    return [d for d in one if d != 1] == [d for d in two if d != 1]


def _side_by_side(x, tensor):
    if tensor.trained is not None:
        raise ConversionError(f"data side by side do not tell the order of the input "
                              f"{tensor.name!r}, an image: give a tuple of arrays, one for each "
                              "input")
    return x


def _numbers(x):
    try:
        x = np.asarray(x)
        if x.dtype.kind not in "biufO":
            raise TypeError
        return x.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ConversionError("the data are not numbers, or rows of different lengths")


def sequential(shape, layers, name="network", labels=()):
    """The Graph of a chain of layers; shape: of the input, or its number of elements."""
    source = Tensor("input", shape)
    nodes, x = [], source.name
    for i, layer in enumerate(layers):
        layer.name = layer.name or f"{layer.kind}_{i}"
        y = unique(layer.name, [source.name] + [node.output for node in nodes])
        nodes.append(Node(layer, (x,), (y,)))
        x = y
    return Graph([source], nodes, [x], name, labels)


def unique(name, taken):
    """The name, with a number behind it if it is taken."""
    found, i = name, 1
    while found in taken:
        found, i = f"{name}_{i}", i + 1
    return found


def _in_order(nodes, made):
    """The nodes so that each comes behind what it reads; an order that does so stays."""
    place = {node.output: i for i, node in enumerate(nodes)}
    readers, missing = [[] for _ in nodes], []
    for i, node in enumerate(nodes):
        unknown = next((n for n in node.inputs if n not in made), None)
        if unknown is not None:
            raise ConversionError(f"layer {node.output!r} reads {unknown!r}, which nothing makes")
        before = {place[n] for n in node.inputs if n in place}
        missing.append(len(before))
        for k in before:
            readers[k].append(i)
    ready, found = [i for i, n in enumerate(missing) if not n], []
    while ready:
        i = heapq.heappop(ready)
        found.append(nodes[i])
        for k in readers[i]:
            missing[k] -= 1
            if not missing[k]:
                heapq.heappush(ready, k)
    if len(found) < len(nodes):
        raise ConversionError("the layers of the network form a circle: it cannot be computed")
    return found


def fits_float32(values):
    """Whether all are finite as float32."""
    return bool(values.min() >= -LARGEST and values.max() <= LARGEST)  # with a NaN both are NaN


def check_columns(columns, inputs):
    """ConversionError unless data of so many columns fit a network of so many inputs."""
    if columns == inputs:
        return
    found = f"the data have {columns} columns, the network has {inputs} inputs"
    if columns == inputs + 1:
        found = f"{columns} columns, {inputs} inputs: is the last one the class? {CLASS_COLUMN}"
    elif columns == 2 * inputs:
        found += ": are these decimal commas? Write numbers with a decimal point"
    raise ConversionError(found)


def shortened(value):
    """A value as Python writes it, on one short line, for messages."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _names(labels, outputs):
    """The names of the outputs, as text; none, or one for each; two for a single output."""
    if isinstance(labels, np.ndarray):
        labels = labels.tolist()
    if not isinstance(labels, (list, tuple)):
        raise ConversionError(f"labels must be a list of names, not {shortened(labels)}")
    for label in labels:
        if not isinstance(label, (str, int, np.integer, np.str_)):
            raise ConversionError(f"the label {shortened(label)} is no name: give text")
    names = [str(v) for v in labels]
    if names and len(names) != outputs and (outputs, len(names)) != (1, 2):
        raise ConversionError(f"the network has {outputs} outputs and {len(names)} labels: give "
                              "one for each, or two for a single output")
    if len(set(names)) < len(names):
        twice = next(v for v in names if names.count(v) > 1)
        raise ConversionError(f"the label {shortened(twice)} stands twice: names must differ")
    return names

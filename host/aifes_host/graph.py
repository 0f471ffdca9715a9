"""The float network: a chain of layers. It knows no file format and no quantization."""
import math
from dataclasses import dataclass, field

import numpy as np

# elementwise, but for the last two, which go over the last axis
ACTIVATIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softsign", "clamp", "hard_sigmoid",
               "hard_swish", "gelu", "gelu_tanh", "silu", "selu", "celu", "softplus", "mish",
               "log_sigmoid", "softmax", "log_softmax")
LARGEST = float(np.finfo(np.float32).max)
PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")  # what these give, 0.5 divides
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # arXiv 1706.02515

CLASS_COLUMN = ("Save the inputs without it, and the classes in a file of their own, for --labels "
                "or --finetune")


class ConversionError(ValueError):
    """A network or data that cannot be converted: which layer, why, and the way out."""


@dataclass
class Dense:
    """x @ weights + bias; weights: [inputs, outputs], bias: [outputs], float."""

    weights: np.ndarray
    bias: np.ndarray
    name: str = ""

    def __post_init__(self):
        self.weights = np.asarray(self.weights, np.float64)
        self.bias = np.asarray(self.bias, np.float64)
        if self.weights.ndim != 2 or self.bias.shape != self.weights.shape[1:]:
            raise ConversionError(
                f"dense layer {self.name!r}: weights {self.weights.shape} and bias "
                f"{self.bias.shape} must be [inputs, outputs] and [outputs]")
        largest = max(np.abs(self.weights).max(initial=0), np.abs(self.bias).max(initial=0))
        if not largest <= LARGEST:  # NaN neither
            raise ConversionError(f"dense layer {self.name!r} has parameters that are not finite "
                                  "as float32: train again with a smaller learning rate")
        if not self.weights.size:
            raise ConversionError(f"dense layer {self.name!r} has {self.weights.shape[0]} inputs "
                                  f"and {self.weights.shape[1]} outputs: it needs one of each")

    kind = "dense"

    def __call__(self, x):
        return x @ self.weights + self.bias

    def __repr__(self):
        return "Dense({} -> {}, {!r})".format(*self.weights.shape, self.name)


@dataclass
class Activation:
    """kind: one of ACTIVATIONS; alpha: of leaky_relu, elu and celu.

    clamp: alpha and beta are its ends; hard_sigmoid: clamp(alpha * x + beta, 0, 1).
    """

    kind: str
    alpha: float = 0.0
    beta: float = 0.0
    name: str = ""

    def __post_init__(self):
        if self.kind not in ACTIVATIONS:
            raise ConversionError(f"layer {self.name or self.kind!r} is of kind {self.kind!r}, "
                                  f"which is not one of dense, {', '.join(ACTIVATIONS)}")
        ends = np.array((self.alpha, self.beta), float)
        if self.kind == "clamp":  # an end may be open
            wrong = not self.alpha <= self.beta or (np.abs(ends).min() > LARGEST
                                                    and self.alpha * self.beta > 0)
        else:
            wrong = not (np.abs(ends) <= LARGEST).all()
        if self.kind == "celu" and not self.alpha > 0:
            raise ConversionError(f"layer {self.name or self.kind!r} has alpha {self.alpha}: a "
                                  "CELU takes one above 0")
        if wrong:
            raise ConversionError(f"layer {self.name or self.kind!r} has parameters that are not "
                                  f"finite or not in order: {self.alpha}, {self.beta}")

    def __call__(self, x):
        """The activation of an array, of the same shape."""
        return FUNCTIONS[self.kind](np.asarray(x), self.alpha, self.beta)


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1, e) / (1 + e)


def _softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x / alpha, 0)))


def _softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


_erf = np.vectorize(math.erf, otypes=[float])
# of an array and the layer's alpha and beta
FUNCTIONS = {
    "relu": lambda x, a, b: np.maximum(x, 0),
    "leaky_relu": lambda x, a, b: np.where(x > 0, x, a * x),
    "elu": lambda x, a, b: _elu(x, a),
    "sigmoid": lambda x, a, b: _sigmoid(x),
    "tanh": lambda x, a, b: np.tanh(x),
    "softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "clamp": lambda x, a, b: np.clip(x, a, b),
    "hard_sigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "hard_swish": lambda x, a, b: x * np.clip(x / 6 + 0.5, 0, 1),
    "gelu": lambda x, a, b: x * 0.5 * (1 + _erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x, a, b: x * 0.5 * (
        1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))),
    "silu": lambda x, a, b: x * _sigmoid(x),
    "selu": lambda x, a, b: SELU_SCALE * _elu(x, SELU_ALPHA),
    "celu": lambda x, a, b: _celu(x, a),
    "softplus": lambda x, a, b: _softplus(x),
    "mish": lambda x, a, b: x * np.tanh(_softplus(x)),
    "log_sigmoid": lambda x, a, b: -_softplus(-x),
    "softmax": lambda x, a, b: _softmax(x),
    "log_softmax": lambda x, a, b: _log_softmax(x),
}


@dataclass
class Graph:
    """A float network of `inputs` values in; labels: names of the outputs, for classifiers."""

    inputs: int
    layers: list
    name: str = "network"
    labels: list = field(default_factory=list)

    def __post_init__(self):
        n = self.inputs
        if not self.layers:
            raise ConversionError("the network has no layers")
        for i, layer in enumerate(self.layers):
            layer.name = layer.name or f"{layer.kind}_{i}"
            if layer.kind == "dense":
                if layer.weights.shape[0] != n:
                    raise ConversionError(f"dense layer {layer.name!r} takes "
                                          f"{layer.weights.shape[0]} inputs but gets {n}")
                n = layer.weights.shape[1]
        self.outputs = n
        self.labels = _names(self.labels, n)
        if not isinstance(self.name, str):
            raise ConversionError(f"the network's name must be text, not {shortened(self.name)}")

    @property
    def boundary(self):
        """What a single output must exceed to mean the second class; None for several outputs.

        0.5 for a probability, its logarithm for that of one; 0 for a logit, the sum before a
        sigmoid that is not in the network.
        """
        last = self.layers[-1]
        if self.outputs > 1:
            return None
        if last.kind == "log_sigmoid":
            return math.log(0.5)
        zero_to_one = last.kind == "clamp" and (last.alpha, last.beta) == (0, 1)
        return 0.5 if last.kind in PROBABILITIES or zero_to_one else 0

    def samples(self, x):
        """x as float64 [samples, inputs]; raises ConversionError if it does not fit."""
        try:
            x = np.asarray(x)
            if x.dtype.kind not in "biufO":
                raise TypeError
            x = x.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            raise ConversionError("the data are not numbers, or rows of different lengths")
        if x.ndim < 2:
            x = x.reshape(-1, self.inputs) if self.inputs == 1 or x.size == self.inputs \
                else x.reshape(1, -1)
        if not x.size:
            raise ConversionError("the data have no rows or no columns")
        x = x.reshape(len(x), -1)
        check_columns(x.shape[1], self.inputs)
        if not fits_float32(x):
            wrong = np.flatnonzero(~(np.abs(x) <= LARGEST).all(axis=1))
            raise ConversionError(f"the data contain values that are not finite as float32, first "
                                  f"in row {wrong[0] + 1}: remove those rows")
        return x

    def results(self, x):
        """Every layer's result for x [samples, inputs]: a list of float64 [samples, elements]."""
        found = []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found

    def __call__(self, x):
        return self.results(self.samples(x))[-1]

    def __repr__(self):
        steps = [f"{layer.weights.shape[1]}" if layer.kind == "dense" else layer.kind
                 for layer in self.layers]
        if len(steps) > 16:
            steps[8:-8] = [f"({len(steps) - 16} more)"]
        names = [str(v) for v in self.labels]
        labels = f", labels {', '.join(names[:8])}{', ..' if len(names) > 8 else ''}"
        parameters = sum(layer.weights.size + layer.bias.size for layer in self.layers
                         if layer.kind == "dense")
        return f"Graph({self.name!r}, {' -> '.join([str(self.inputs), *steps])}, " \
               f"{parameters} parameters{labels if names else ''})"


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

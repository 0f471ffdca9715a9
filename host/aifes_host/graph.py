"""The float network: a chain of layers. It knows no file format and no quantization."""
import math
from dataclasses import dataclass, field

import numpy as np

# elementwise, but for the last two, which go over the last axis
ACTIVATIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softsign", "clamp", "hard_sigmoid",
               "hard_swish", "gelu", "gelu_tanh", "silu", "selu", "celu", "softplus", "mish",
               "log_sigmoid", "softmax", "log_softmax")
PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")  # what these give, 0.5 divides
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # arXiv 1706.02515


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
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ConversionError(f"dense layer {self.name!r} has parameters that are not finite: "
                                  "train again with a smaller learning rate")

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
        ends = (self.alpha, self.beta)
        wrong = np.isnan(ends).any() if self.kind == "clamp" else not np.isfinite(ends).all()
        if wrong or self.kind == "clamp" and self.alpha > self.beta:
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

    @property
    def boundary(self):
        """What a single output must exceed to mean the second class; None for several outputs.

        0.5 for a probability; 0 for a logit, the sum before a sigmoid that is not in the network.
        """
        if self.outputs > 1:
            return None
        return 0.5 if self.layers[-1].kind in PROBABILITIES else 0.0

    def samples(self, x):
        """x as float64 [samples, inputs]; raises ConversionError if it does not fit."""
        try:
            x = np.asarray(x, np.float64)
        except (TypeError, ValueError):
            raise ConversionError("the data are not numbers")
        x = x.reshape(len(x), -1) if x.ndim != 1 else x.reshape(-1, self.inputs) \
            if self.inputs == 1 or x.size == self.inputs else x[None]
        if x.shape[1] != self.inputs or not len(x):
            raise ConversionError(f"the data have {x.shape[1]} columns, the network has "
                                  f"{self.inputs} inputs")
        if not np.isfinite(x).all():
            raise ConversionError("the data contain values that are not finite: remove those rows")
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

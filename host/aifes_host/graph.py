"""The float network: a chain of layers. It knows no file format and no quantization."""
from dataclasses import dataclass, field

import numpy as np

ACTIVATIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softsign", "softmax")


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


@dataclass
class Activation:
    """kind: one of ACTIVATIONS; alpha: of leaky_relu and elu."""

    kind: str
    alpha: float = 0.0
    name: str = ""

    def __post_init__(self):
        if self.kind not in ACTIVATIONS:
            raise ConversionError(f"layer {self.name or self.kind!r} is of kind {self.kind!r}, "
                                  f"which is not one of dense, {', '.join(ACTIVATIONS)}")

    def __call__(self, x):
        """The activation of an array, elementwise but for softmax (over the last axis)."""
        negative = np.minimum(x, 0)
        if self.kind == "relu":
            return np.maximum(x, 0)
        if self.kind == "leaky_relu":
            return np.where(x > 0, x, self.alpha * x)
        if self.kind == "elu":
            return np.where(x > 0, x, self.alpha * np.expm1(negative))
        if self.kind == "sigmoid":
            e = np.exp(-np.abs(x))
            return np.where(x > 0, 1, e) / (1 + e)
        if self.kind == "tanh":
            return np.tanh(x)
        if self.kind == "softsign":
            return x / (1 + np.abs(x))
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)


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

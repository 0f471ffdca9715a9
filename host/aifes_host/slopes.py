"""Derivatives of the elementwise activations, for fine-tuning."""
import numpy as np

from .graph import FUNCTIONS, SELU_ALPHA, SELU_SCALE, ConversionError


def slope(layer, x, y):
    """The derivative of an elementwise Activation, of its input x and result y."""
    if layer.kind not in SLOPES:
        raise ConversionError(f"layer {layer.name!r} is a softmax in the middle: it cannot be "
                              "trained")
    return SLOPES[layer.kind](x, y, layer.alpha, layer.beta)


def _sigmoid(x):
    return FUNCTIONS["sigmoid"](x, 0, 0)


def _normal(x):
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def _gelu(x, y):
    small = np.abs(x) < 1e-9
    return np.where(small, 0.5, y / np.where(small, 1, x)) + x * _normal(x)


def _gelu_tanh(x):
    root = np.sqrt(2 / np.pi)
    t = np.tanh(root * (x + 0.044715 * x ** 3))
    return (1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x)


def _mish(x):
    t = np.tanh(FUNCTIONS["softplus"](x, 0, 0))
    return t + x * _sigmoid(x) * (1 - t * t)


# of the input, the result, and the layer's alpha and beta
SLOPES = {
    "relu": lambda x, y, a, b: x > 0,
    "leaky_relu": lambda x, y, a, b: np.where(x > 0, 1, a),
    "elu": lambda x, y, a, b: np.where(x > 0, 1, y + a),
    "sigmoid": lambda x, y, a, b: y * (1 - y),
    "tanh": lambda x, y, a, b: 1 - y * y,
    "softsign": lambda x, y, a, b: (1 - np.abs(y)) ** 2,
    "clamp": lambda x, y, a, b: (x > a) & (x < b),
    "hard_sigmoid": lambda x, y, a, b: a * ((y > 0) & (y < 1)),
    "hard_swish": lambda x, y, a, b: np.where(x > 3, 1, np.where(x > -3, x / 3 + 0.5, 0)),
    "gelu": lambda x, y, a, b: _gelu(x, y),
    "gelu_tanh": lambda x, y, a, b: _gelu_tanh(x),
    "silu": lambda x, y, a, b: _sigmoid(x) * (1 + x * (1 - _sigmoid(x))),
    "selu": lambda x, y, a, b: np.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA),
    "celu": lambda x, y, a, b: np.where(x > 0, 1, y / a + 1),
    "softplus": lambda x, y, a, b: _sigmoid(x),
    "mish": lambda x, y, a, b: _mish(x),
    "log_sigmoid": lambda x, y, a, b: _sigmoid(-x),
}

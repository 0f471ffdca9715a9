"""The elementwise activations in floats, and their derivatives, for fine-tuning."""
import math

import numpy as np

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # arXiv 1706.02515


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1, e) / (1 + e)


def _softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x / alpha, 0)))


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
}


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
    t = np.tanh(_softplus(x))
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

"""Functions of one number that graphs apply to each element, in a vocabulary of their own.

Importers translate a framework's operations into it. An activation may stand there as itself or as
the several operations by which exporters write it, such as x * sigmoid(x); what those compute
together is recognized by its values, whatever way it is written.
"""
import math

import numpy as np

from ..graph import ConversionError
from ..ops.functions import FUNCTIONS as KINDS
from ..ops.functions import SELU_ALPHA, SELU_SCALE
from .folding import MOST


def _kind(name):
    return lambda x, alpha=0.0, beta=0.0: KINDS[name](x, alpha, beta)


def _scaled_elu(x, alpha, scale, stretch):
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(stretch * x, 0)))


def _softplus(x, beta, threshold):
    return np.where(beta * x > threshold, x, KINDS["softplus"](beta * x, 0, 0) / beta)


def _clamp(x, low, high):
    return np.minimum(np.maximum(x, low), high)


ACTIVATIONS = {kind: _kind(kind) for kind in KINDS
               if kind not in ("softmax", "log_softmax", "softplus", "clamp")}
FUNCTIONS = {
    **ACTIVATIONS, "clamp": _clamp, "identity": lambda x: x,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "min": np.minimum, "max": np.maximum, "abs": np.abs, "exp": np.exp, "expm1": np.expm1,
    "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "pow": np.power,
    "reciprocal": np.reciprocal, "erf": np.vectorize(math.erf, otypes=[float]),
    "where": np.where, "gt": np.greater, "lt": np.less, "ge": np.greater_equal,
    "le": np.less_equal, "not": np.logical_not,
    "scaled_elu": _scaled_elu, "softplus": _softplus,
    "swish": lambda x, beta: x * KINDS["sigmoid"](beta * x, 0, 0),
    "threshold": lambda x, threshold, value: np.where(x > threshold, x, value)}
ARITHMETIC = ("add", "sub", "mul", "div", "neg", "min", "max", "log", "identity", "clamp")

# where functions are compared; beyond 20, where float32 overflows too, only what is finite is
_FAR = np.array([25, 30, 40, 60, 80, 1e3, 1e9])
GRID = np.concatenate([-_FAR[::-1], np.linspace(-20, 20, 641), _FAR])
_NEAR = np.abs(GRID) <= 20
_PLAIN = ("relu", "sigmoid", "tanh", "softsign", "hard_swish", "gelu", "gelu_tanh", "silu",
          "softplus", "mish", "log_sigmoid")
_WANTED = np.array([KINDS[kind](GRID, 0, 0) for kind in _PLAIN])
_FEW = np.searchsorted(GRID, [-3, -1, -0.5, 0.25, 2.5])  # tells most functions apart, faster


def recognize(y):
    """(function, parameters) of the one whose values at GRID are y, or None."""
    y = np.asarray(y, float)
    if y.shape != GRID.shape or not np.isfinite(y[_NEAR]).all():
        return None
    usual = min(1.0, np.abs(y[np.abs(GRID) <= 1]).max())
    finite = np.isfinite(y)
    for i in np.flatnonzero(_same(y, _WANTED, usual)[:, finite].all(1)):
        return _PLAIN[i], ()
    at = dict(zip(GRID.tolist(), y.tolist()))
    below = at[-1] / np.expm1(-1)
    # parameters that would explain the values at a few places, to be compared with all of them
    guesses = (
        ("clamp", (-np.inf if at[-1e9] == -1e9 else at[-1e9],
                   np.inf if at[1e9] == 1e9 else at[1e9])),
        ("leaky_relu", (-at[-1],)), ("scaled_elu", (below / (at[1] or 1), at[1], 1.0)),
        ("celu", (-at[-80],)), ("hard_sigmoid", (16 * (at[1 / 16] - at[0]), at[0])),
        ("swish", (np.log(at[1] / (1 - at[1])) if 0 < at[1] < 1 else 0.0,)),
        ("softplus", (np.log(2) / at[0] if at[0] else 1.0, np.inf)))
    for op, parameters in guesses:
        if np.isnan(parameters).any() or op == "celu" and not parameters[0]:
            continue
        if _same(y[_FEW], FUNCTIONS[op](GRID[_FEW], *parameters), usual).all() and _same(
                y, FUNCTIONS[op](GRID, *parameters), usual)[finite].all():
            return op, parameters
    return None


def _same(y, wanted, usual):
    return np.abs(y - wanted) <= 3e-6 * np.maximum(usual, np.abs(wanted))


def fold(node):
    """What a node of FUNCTIONS makes of constants."""
    size = math.prod(np.broadcast_shapes(*(np.shape(a) for a in node.args)))
    if size > MOST:
        raise ConversionError(f"layer {node.layer!r} ({node.called}) makes a constant of {size} "
                              "numbers: more than a board holds")
    return FUNCTIONS[node.op](*(np.asarray(a) for a in node.args))


def layers(x, op, parameters, name):
    """What a function that recognize() found, or an activation with its parameters, makes of x."""
    if op == "scaled_elu":
        alpha, scale, _ = parameters
        if np.allclose((alpha, scale), (SELU_ALPHA, SELU_SCALE), 1e-5):
            return x.activation("selu", name)
        return _scaled(x.activation("elu", name, alpha), scale, name)
    if op in ("swish", "softplus"):  # f(beta * x) / beta
        beta = parameters[0] if parameters else 1.0
        x = _scaled(x, beta, name).activation("silu" if op == "swish" else op, name)
        return _scaled(x, 1 / beta, name)
    return x.activation(op, name, *parameters)


def _scaled(x, factor, name):
    return x.affine(factor, 0, name) if abs(factor - 1) > 1e-6 else x


def arithmetic(x, node):
    """What one operation of ARITHMETIC makes of x and constants; None: it cannot be.

    node.args: x, and numbers or arrays.
    """
    op, args, name = node.op, node.args, node.layer
    if sum(a is x for a in args) != 1:
        return None
    first = args[0] is x
    constant = None if len(args) != 2 else fitting(x, args[1] if first else args[0], name)
    if op in ("add", "sub"):
        return x.affine(1 if first or op == "add" else -1,
                        -constant if first and op == "sub" else constant, name)
    if op == "mul":
        return x.affine(constant, 0, name)
    if op == "div" and first:
        return x.affine(1 / constant, 0, name)
    if op == "neg":
        return x.affine(-1, 0, name)
    if op == "min":
        return _clipped(x, -np.inf, constant, name)
    if op == "max":
        return _clipped(x, constant, np.inf, name)
    if op == "clamp" and first:
        return _clipped(x, *(fitting(x, v, name) for v in args[1:]), name)
    if op == "log":
        return x.log(name)
    return x if op == "identity" else None


def single(x, value):
    """An argument as one number, if it is one or the same number for every element; else None."""
    array = np.asarray(value, np.float64)
    if array.ndim and (not array.size or array.min() != array.max()
                       or array.size > 1 and x.shape is None):
        return None  # one by one, which also tells an unknown number of inputs
    return float(array.flat[0])


def fitting(x, value, name):
    """A constant operand without its batch dimension; it must not make x larger."""
    constant = np.asarray(value, np.float64)
    rank = 1 if x.shape is None else len(x.shape)
    while constant.ndim > rank and constant.shape[0] == 1:
        constant = constant[0]
    try:
        fits = np.ndim(value) <= rank + x.lead and (
            x.shape is None or np.broadcast_shapes(constant.shape, x.shape) == x.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ConversionError(f"layer {name!r} has parameters of shape {np.shape(value)} for "
                              f"values of shape {x.shape}")
    return constant


def _clipped(x, low, high, name):
    """clamp; where elements have ends of their own, those are moved to -1 and 1, or one to 0."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    if low.min() == low.max() and high.min() == high.max():
        return x.activation("clamp", name, low.flat[0], high.flat[0])
    if (low == -np.inf).all():
        centre, half, ends = high, 1, (-np.inf, 0)
    elif (high == np.inf).all():
        centre, half, ends = low, 1, (0, np.inf)
    else:
        centre, half, ends = (low + high) / 2, (high - low) / 2, (-1, 1)
    if not (np.isfinite(half).all() and np.isfinite(centre).all() and np.min(half) > 0):
        raise ConversionError(f"layer {name!r} clips each value at ends of its own that are not "
                              "finite or not in order: use the same ends for all values")
    x = x.affine(1 / half, -centre / half, name).activation("clamp", name, *ends)
    return x.affine(half, centre, name)

"""NumPy execution of the float32 ops: each operation rounded as the engines round it."""
import numpy as np
from aifes.f32_format import ACTIVATION_F32, ACTIVATIONS, DENSE_F32
from aifes.f32_python import EXP

F = np.float32
CONSTANTS = np.array(EXP, F)
CHUNK = 512  # samples that stay in a cache


def step(buf, op):
    """The function [samples, n_in] -> [samples, n_out] of an Op; buf: array of uint8."""
    if op.opcode == DENSE_F32:
        return _dense(buf, op)
    if op.opcode == ACTIVATION_F32:
        alpha = buf[op.table:op.table + 4].view(F)[0] if op.table else F(0)
        return lambda x: activation(ACTIVATIONS[op.flags], alpha, x)
    return softmax


def finite(x):
    """float32 of inputs: NaN is 0, infinities are the largest number."""
    return np.nan_to_num(np.asarray(x, F))


def _dense(buf, op):
    w = buf[op.weights:op.weights + 4 * op.n_in * op.n_out].view(F)
    w = w.reshape(op.n_out, op.n_in).T if op.interleave == 1 else w.reshape(op.n_in, op.n_out)
    bias = buf[op.bias:op.bias + 4 * op.n_out].view(F)
    return lambda x: dense(x, w, bias)


def dense(x, w, bias):
    """bias + x @ w, one input after another: the order of the sums is fixed."""
    y = np.tile(bias, (len(x), 1))
    for first in range(0, len(x), CHUNK):
        rows = slice(first, first + CHUNK)
        for k in range(len(w)):
            y[rows] += x[rows, k:k + 1] * w[k]
    return y


def results(graph, x):
    """Every layer's result of a Graph, as its float32 model on the board computes it."""
    x, found = x.astype(F), []
    for layer in graph.layers:
        if layer.kind == "dense":
            x = dense(x, layer.weights.astype(F), layer.bias.astype(F))
        elif layer.kind == "softmax":
            x = softmax(x)
        elif layer.kind in ACTIVATIONS:
            x = activation(layer.kind, F(layer.alpha), x)
        else:  # no float32 model has it
            x = layer(x.astype(np.float64)).astype(F)
        found.append(x)
    return found


def exp(x):
    """exp of x <= 0 by the engines' polynomial (docs/arithmetic.md)."""
    log2e, ln2_high, ln2_low, *series = CONSTANTS
    small = ~(x >= -86)
    x = np.where(small, F(0), x)
    n = np.trunc(x * log2e - F(0.5)).astype(F)
    r = x - n * ln2_high - n * ln2_low
    p = np.full_like(r, series[0])
    for c in (*series[1:], F(1), F(1)):
        p = p * r + c
    return np.where(small, F(0), np.ldexp(p, n.astype(int)))


def activation(kind, alpha, x):
    """An elementwise activation of float32."""
    one = F(1)
    if kind == "relu":
        return np.where(x > 0, x, F(0))
    if kind == "leaky_relu":
        return np.where(x > 0, x, alpha * x)
    if kind == "elu":
        return np.where(x > 0, x, alpha * (exp(np.minimum(x, F(0))) - one))
    size = np.abs(x)
    if kind == "softsign":
        return x / (one + size)
    if kind == "tanh":
        e = exp(-(size + size))
        t = (one - e) / (one + e)
        return np.where(x > 0, t, -t)
    e = exp(-size)
    return np.where(x > 0, one, e) / (one + e)


def softmax(x):
    """Over each row, summed in the order of the elements."""
    e = exp(x - x.max(axis=1, keepdims=True))
    total = np.zeros((len(x), 1), F)
    for k in range(x.shape[1]):
        total += e[:, k:k + 1]
    return e / total

"""A `Sequential` of float32: its parameters and its .aifes buffer."""
import json
from array import array

import aifes.builder as builder

from .f32_format import ACTIVATION_F32, ACTIVATIONS, DENSE_F32, SOFTMAX_F32
from .format import FLOAT32, ModelError, Op


def dense_op(weights, bias, by_output=False):
    """A dense Op; weights: bytes of float32, [n_out][n_in] if by_output, else [n_in][n_out]."""
    n_out = len(bias) // 4
    return _op(DENSE_F32, len(weights) // len(bias), n_out, weights=weights, bias=bias,
               interleave=1 if by_output else n_out, group=1)


def activation_op(kind, n, alpha=None):
    """An elementwise Op, or softmax; alpha: of leaky_relu and elu, a number."""
    if kind == "softmax":
        return _op(SOFTMAX_F32, n, n)
    table = None if alpha is None else raw((alpha,), 1, kind)
    return _op(ACTIVATION_F32, n, n, flags=ACTIVATIONS.index(kind), table=table)


def _op(opcode, n_in, n_out, flags=0, weights=None, bias=None, table=None, interleave=0, group=0):
    return Op(opcode, flags, 0, 0, 0, 0, 0, 0, 0, n_in, n_out, weights, bias, None, table,
              interleave, group)


def raw(values, n, what):
    """The bytes of n float32, given as numbers or as such bytes; ModelError if they are not n."""
    if isinstance(values, str):  # a buffer on MicroPython
        raise ModelError(f"{what} takes {n} numbers")
    try:
        memoryview(values)
    except TypeError:
        try:
            values = array("f", values)
        except (TypeError, OverflowError):
            raise ModelError(f"{what} takes {n} numbers")
    data = bytes(values)
    if len(data) != 4 * n:
        raise ModelError(f"{what} takes {n} float32 numbers, {4 * n} bytes, not {len(data)} bytes")
    return data


def load_parameters(dense, buf):
    """Weights and bias of each layer, one after another; `dense`: (layer, inputs, outputs)."""
    at = 0
    for layer, n, m in dense:
        layer.weights = bytes(buf[at:at + 4 * n * m])
        at += 4 * n * m
        layer.bias = bytes(buf[at:at + 4 * m])
        at += 4 * m


def to_bytes(net, sizes, rows):
    """The .aifes buffer of a Sequential; sizes: (layer, inputs, outputs); rows: its metadata."""
    ops = []
    number = 0
    for layer, n, m in sizes:
        if layer.kind != "dense":
            alpha = getattr(layer, "alpha", None)
            if isinstance(alpha, tuple):
                raise ModelError(f"alpha of the {layer.kind} of a float32 network is a number")
            ops.append(activation_op(layer.kind, n, alpha))
            continue
        if layer.weights is None or layer.bias is None:
            raise ModelError(f"dense layer {number} has no parameters yet: give weights and bias, "
                             "or call load_parameters()")
        what = f"dense layer {number}"
        ops.append(dense_op(raw(layer.weights, n * m, what), raw(layer.bias, m, what),
                            layer.transposed))
        number += 1
    meta = json.dumps({"name": net.name, "layers": rows})
    return builder.assemble(ops, (0, 0), (0, 0), net.layers[0].shape, bytes(meta, "utf-8"), FLOAT32)

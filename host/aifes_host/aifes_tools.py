"""The names of AIfES's Python tools, for scripts that use them; the same bytes come out.

    result_q, weights_q, weights_q7 = quantize_model_q7(layers, weights, representative_data)
    print_flatbuffer_c_style(create_flatbuffer_q7(result_q, weights_q, weights_q7))

NumPy only. Rounding is half to even, as NumPy's; docs/arithmetic.md has the rules.
"""
import enum
import struct

import numpy as np

from .graph import ConversionError
from .ops import activation
from .writers import c_array

MARGIN = 1.1


class Layer(enum.Enum):
    """The layers of a feed-forward network; in a list, (Layer.ELU, alpha) sets its alpha."""

    DENSE = "dense"
    RELU = "relu"
    LEAKY_RELU = "leaky_relu"
    ELU = "elu"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    SOFTSIGN = "softsign"
    SOFTMAX = "softmax"


DEFAULT_ALPHA = {Layer.LEAKY_RELU: 0.01, Layer.ELU: 1.0}


def calc_q_params_q7(min_value, max_value):
    """(shift, zero point) of a real range, which is widened to include 0.

    Raises ValueError if the range does not fit 8 bits, is reversed or is not a number.
    """
    if not min_value <= max_value:
        raise ValueError(f"{min_value} to {max_value} is not a range")
    if min_value == 0 and max_value == 0:
        return 0, 0
    low, high = min(float(min_value), 0.0), max(float(max_value), 0.0)
    width = high - low
    exponent = -24
    while exponent <= 8 and 2.0 ** exponent <= width:
        exponent += 1
    if exponent > 8:
        raise ValueError(f"the range {min_value} to {max_value} does not fit 8 bits")
    shift = 8 - exponent
    low -= (2.0 ** exponent - width) / 2
    return shift, round(-low * 2.0 ** shift) - 128


def quantize_tensor_q7(tensor, q_params):
    """int8 array of a real array, same shape. q_params: (shift, zero point).

    Values outside of the range wrap, as in AIfES's tools.
    """
    shift, zero_point = q_params
    return np.round(np.asarray(tensor, np.float64) * 2.0 ** shift + zero_point) \
        .astype(np.int32).astype(np.int8)


def quantize_model_q7(layers, weights, representative_dataset, transposed=False):
    """(result_q_params, weights_q_params, weights_q7) of a float network.

    layers: Layer or (Layer, alpha) items from the first dense layer on. weights: [w1, b1, w2,
    b2, ..], w [inputs, outputs] float. representative_dataset: [samples, inputs]. transposed: w as
    [outputs, inputs] in the result, for AIfES's DENSE_WT. result_q_params: of the input and of
    each dense layer; weights_q_params: of each array in weights; weights_q7: int8 w, int32 b.
    Raises ValueError if these do not fit together or a bias does not fit int32.
    """
    layers = [item if isinstance(item, tuple) else (item, DEFAULT_ALPHA.get(item, 0.0))
              for item in layers]
    for layer, _ in layers:
        if not isinstance(layer, Layer):
            raise ValueError(f"{layer!r} is not a Layer")
    dense = sum(layer is Layer.DENSE for layer, _ in layers)
    if len(weights) != 2 * dense:
        raise ValueError(f"{dense} dense layers take {2 * dense} arrays of weights and biases, "
                         f"not {len(weights)}")
    x = np.asarray(representative_dataset, np.float64)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"representative_dataset must be [samples, inputs], not {x.shape}")
    current = _result_params(x)
    result_q, weights_q, weights_q7 = [current], [], []
    arrays = iter(weights)
    for layer, alpha in layers:
        if layer is Layer.DENSE:
            w, b = np.asarray(next(arrays), np.float64), np.asarray(next(arrays), np.float64)
            if w.ndim != 2 or w.shape[0] != x.shape[-1] or b.shape != w.shape[1:]:
                raise ValueError(f"weights {w.shape} and bias {b.shape} do not take the "
                                 f"{x.shape[-1]} values before them")
            x = x @ w + b
            limit = np.abs(w).max()
            w_q = calc_q_params_q7(-limit, limit)
            b_q = w_q[0] + current[0], 0
            q, b = quantize_tensor_q7(w, w_q), np.round(b * 2.0 ** b_q[0])
            if not (np.abs(b) < 2.0 ** 31).all():
                raise ValueError(f"a bias does not fit int32 with shift {b_q[0]}: the weights or "
                                 "the values before them are too small for it")
            weights_q += [w_q, b_q]
            weights_q7 += [q.T if transposed else q, b.astype(np.int32)]
            current = _result_params(x)
            result_q.append(current)
        else:
            x = activation(layer.value, alpha)(x)
            if layer in (Layer.SIGMOID, Layer.SOFTMAX):
                current = 8, -128
            elif layer in (Layer.TANH, Layer.SOFTSIGN):
                current = 7, 0
    return result_q, weights_q, weights_q7


def _result_params(x):
    return calc_q_params_q7(MARGIN * x.min(), MARGIN * x.max())


def create_flatbuffer_q7(result_q_params, weights_q_params, weights_q7, target_alignment=4,
                         byte_order="little"):
    """AIfES's parameter buffer of a Q7 network, as bytes. Every entry starts aligned.

    The arguments are the results of quantize_model_q7: weights int8 (two dimensions) and biases
    int32 (one) by turns. byte_order 'big' swaps all but the int8 data. Raises ValueError for
    another alignment than 1, 2, 4 and for counts, shapes or types that do not fit together.
    """
    order = _order(target_alignment, byte_order)
    dense, odd = divmod(len(weights_q7), 2)
    if odd or len(weights_q_params) != 2 * dense or len(result_q_params) != dense + 1:
        raise ValueError(f"{len(weights_q7)} arrays, {len(weights_q_params)} weights_q_params and "
                         f"{len(result_q_params)} result_q_params: n dense layers have 2 n, 2 n, "
                         "n + 1")
    weights_q7 = [_integers(a, i % 2) for i, a in enumerate(weights_q7)]
    for w, b in zip(weights_q7[::2], weights_q7[1::2]):
        if b.size not in w.shape:
            raise ValueError(f"weights {w.shape} do not give {b.size} biases")
    entries = [struct.pack(order + "Hb", *q) for q in result_q_params]
    for i in range(0, len(weights_q7), 2):
        entries.append(struct.pack(order + "Hb", *weights_q_params[i]))
        entries.append(weights_q7[i].tobytes())
        entries.append(struct.pack(order + "Hi", *weights_q_params[i + 1]))
        entries.append(weights_q7[i + 1].astype(order + "i4").tobytes())
    return _join(entries, target_alignment)


def create_flatbuffer_f32(weights, target_alignment=4, byte_order="little"):
    """AIfES's parameter buffer of a float32 network: [w1, b1, w2, b2, ..] one after another.

    Raises ValueError for another alignment than 1, 2, 4 or an unknown byte order.
    """
    order = _order(target_alignment, byte_order)
    return _join([np.asarray(w).astype(order + "f4").tobytes() for w in weights], target_alignment)


def format_flatbuffer_c_style(flatbuffer, name="aifes_parameters", columns=12):
    """Text of a parameter buffer as a C array; its first line states the byte count."""
    return c_array(flatbuffer, name, columns)


def print_flatbuffer_c_style(flatbuffer, name="aifes_parameters", columns=12, file=None):
    """Print a parameter buffer as a C array, to file or to the standard output."""
    print(format_flatbuffer_c_style(flatbuffer, name, columns), end="", file=file)


def graph_flatbuffer_q7(graph, data, align, byte_order, transposed):
    """AIfES's Q7 parameter buffer of a float Graph, by AIfES's own rule, for its C library."""
    if align not in (1, 2, 4):
        raise ConversionError(f"alignment {align}: choose 1, 2 or 4")
    if not graph.is_chain:
        raise ConversionError("AIfES's parameter buffer is for a chain of layers: this network has "
                              "branches, or several inputs or outputs")
    layers, weights = [], []
    for layer in graph.layers:
        if layer.kind.upper() not in Layer.__members__:
            raise ConversionError(f"layer {layer.name!r}: AIfES has no {layer.kind}")
        kind = Layer[layer.kind.upper()]
        layers.append((kind, layer.alpha) if layer.kind in ("leaky_relu", "elu") else kind)
        if layer.kind == "dense":
            weights += [layer.weights, layer.bias]
    try:
        quantized = quantize_model_q7(layers, weights, graph.samples(data), transposed)
    except ValueError as error:
        raise ConversionError(str(error))
    return create_flatbuffer_q7(*quantized, align, byte_order)


def _integers(values, bias):
    array = np.asarray(values)
    limits = np.iinfo(np.int32 if bias else np.int8)
    if array.ndim != 2 - bias or array.dtype.kind not in "iu" \
            or (array < limits.min).any() or (array > limits.max).any():
        raise ValueError(f"{'a bias' if bias else 'weights'} must be {limits.dtype} with "
                         f"{2 - bias} dimensions, not {array.dtype} {array.shape}")
    return array.astype(limits.dtype)


def _order(alignment, byte_order):
    if alignment not in (1, 2, 4):
        raise ValueError(f"target_alignment must be 1, 2 or 4, not {alignment}")
    if byte_order not in ("little", "big"):
        raise ValueError(f"byte_order must be 'little' or 'big', not {byte_order!r}")
    return "<" if byte_order == "little" else ">"


def _join(entries, alignment):
    return b"".join(e + bytes(-len(e) % alignment) for e in entries)

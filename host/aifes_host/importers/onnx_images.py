"""What ONNX's operators on images and on signals compute: their channels come first."""
import numpy as np

from ..graph import ConversionError
from .images import Images, of_groups
from .value import Value


def _images(x, node, rank=None):
    if rank is None:
        rank = len(x.shape or (0, 0, 0)) - 1
    return Images(x, rank if rank in (1, 2) else 2, True, node.layer)


def _weights(x, node):
    weights, bias = node.args[1], (*node.args, None)[2]
    if isinstance(weights, Value) or isinstance(bias, Value) or np.asarray(
            weights).dtype.kind != "f":
        raise ConversionError(f"layer {node.layer!r} has weights that are not float constants: "
                              "export the float network")
    weights = np.asarray(weights)
    kernel = list(weights.shape[2:])
    if len(kernel) not in (1, 2) or node.options.get("kernel_shape", kernel) != kernel:
        raise ConversionError(f"layer {node.layer!r} has weights of shape {weights.shape}, which "
                              "are no kernel of it: export the model again")
    return weights, None if bias is None else np.asarray(bias)


def _given(node, images, *names):
    return [images.numbers(node.options.get(name, 1), name) for name in names]


def _padding(node, images, kernel, stride, dilation):
    """(before, after) of each dimension, and whether they are given."""
    auto = node.options.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        pairs = images.same(kernel, stride, dilation)
        return [pair[::-1] if auto == b"SAME_LOWER" else pair for pair in pairs]
    pads = node.options.get("pads", [0] * 2 * images.rank)
    if auto not in (b"NOTSET", b"VALID") or len(pads) != 2 * images.rank:
        raise ConversionError(f"layer {node.layer!r} has a padding that is not known: export the "
                              "model again")
    if auto == b"VALID":
        return [(0, 0)] * images.rank
    before, after = (images.numbers(half, "pads", 0) for half in (
        pads[:images.rank], pads[images.rank:]))
    return list(zip(before, after))


def _conv(x, node):
    weights, bias = _weights(x, node)
    images = _images(x, node, weights.ndim - 2)
    stride, dilation = _given(node, images, "strides", "dilations")
    padding = _padding(node, images, weights.shape[2:], stride, dilation)
    return images.conv(np.moveaxis(weights, (1, 0), (-2, -1)), bias, stride, padding, dilation,
                       node.options.get("group", 1))


def _conv_transpose(x, node):
    weights, bias = _weights(x, node)
    images = _images(x, node, weights.ndim - 2)
    a, groups = node.options, node.options.get("group", 1)
    if "output_shape" in a or a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ConversionError(f"layer {node.layer!r} has an output_shape or auto_pad: give it pads")
    if groups < 1 or weights.shape[0] != images.channels or images.channels % groups:
        raise ConversionError(f"layer {node.layer!r} has weights for {weights.shape[0]} channels "
                              f"but gets {images.channels}")
    stride, dilation = _given(node, images, "strides", "dilations")
    padding = _padding(node, images, weights.shape[2:], stride, dilation)
    more = images.numbers(a.get("output_padding", 0), "output_padding", 0)
    cut = [(before, after - m) for (before, after), m in zip(padding, more)]
    return images.transposed_conv(of_groups(weights, groups), bias, stride, cut, dilation, groups)


def _pool(average):
    def pool(x, node):
        a, images = node.options, _images(x, node)
        kernel = images.numbers(a["kernel_shape"], "kernel_shape")
        stride, dilation = _given(node, images, "strides", "dilations")
        if dilation != [1] * images.rank:
            raise ConversionError(f"layer {node.layer!r} is a pooling with dilations: use 1")
        padding = _padding(node, images, kernel, stride, dilation)
        whole = average and a.get("count_include_pad", 0) and any(map(any, padding))
        if a.get("ceil_mode"):
            beyond = images.ceiled(kernel, stride, padding)
            if whole and beyond != padding:
                raise ConversionError(f"layer {node.layer!r} has windows that end beyond its "
                                      "padding, which counts: use ceil_mode=0 or "
                                      "count_include_pad=0")
            padding = beyond
        return images.pool(kernel, stride, padding, average, bool(whole))
    return pool


def _global(average):
    return lambda x, node: _images(x, node).whole(average)


def _over_pixels(average):
    """ReduceMean and ReduceMax over the dimensions of a signal or an image."""
    def reduce(x, node):
        a, args = node.options, node.args
        axes = args[1] if len(args) > 1 and args[1] is not None else a.get("axes", [])
        rank = 0 if x.shape is None else x.lead + len(x.shape)
        axes = {int(v) % max(rank, 1) for v in np.ravel(axes)}
        if x.lead != 1 or len(x.shape or ()) not in (2, 3):
            axes = {None}
        # over the rows and columns, whether the channels come before them or behind them
        first = axes == set(range(2, rank))
        if not first and axes != set(range(1, rank - 1)):
            raise ConversionError(f"layer {node.layer!r} ({node.called}) is not over all rows and "
                                  "columns of an image: take it over these")
        y = Images(x, rank - 2, first, node.layer).whole(average)
        return y if a.get("keepdims", 1) else y.seen((y.size,))
    return reduce


def _pad(x, node):
    a, args = node.options, node.args
    rank = 0 if x.shape is None else x.lead + len(x.shape)
    pads = [int(v) for v in np.ravel(args[1] if len(args) > 1 else a.get("pads", []))]
    value = args[2] if len(args) > 2 and args[2] is not None else a.get("value", 0)
    axes = range(rank) if len(args) < 4 or args[3] is None else [
        int(v) % max(rank, 1) for v in np.ravel(args[3])]
    ends = dict(zip(axes, zip(pads, pads[len(pads) // 2:])))
    first = not any(ends.get(1, (0, 0)))
    outside = (0, 1) if first else (0, rank - 1)  # the batch and the channels
    if x.lead != 1 or rank not in (3, 4) or a.get("mode", b"constant") != b"constant" or \
            np.any(value) or len(pads) != 2 * len(axes) or any(
                any(ends.get(k, (0, 0))) for k in outside):
        raise ConversionError(f"layer {node.layer!r} (Pad) pads otherwise than with zeros around "
                              "an image: use zeros")
    images = Images(x, rank - 2, first, node.layer)
    pairs = [ends.get(k, (0, 0)) for k in range(rank) if k not in outside]
    for v in (v for pair in pairs for v in pair):
        images.numbers([v] * images.rank, "pads", 0)
    return images.pad(pairs)


# of Resize: the place of a pixel among those of the source, for a factor, and how it is rounded
PLACES = {"asymmetric": lambda i, f: i / f, "half_pixel": lambda i, f: (i + 0.5) / f - 0.5,
          "pytorch_half_pixel": lambda i, f: (i + 0.5) / f - 0.5}
ROUNDED = {"floor": np.floor, "ceil": np.ceil, "round_prefer_floor": lambda v: np.ceil(v - 0.5),
           "round_prefer_ceil": lambda v: np.floor(v + 0.5)}


def _resize(x, node):
    """Resize, and Upsample before it, to the nearest pixel and by whole factors."""
    a, args, name = node.options, node.args, node.layer
    rank = x.lead + len(x.shape or ())
    sizes = args[3] if len(args) > 3 else None
    scales = a.get("scales") if len(args) == 1 else args[1 if len(args) == 2 else 2]
    whole = np.ones(rank) if x.shape is None else np.array([1, *x.shape][-rank:], float)
    if sizes is not None and np.size(sizes):
        factors = np.ravel(sizes).astype(float)
        factors = factors / whole if len(factors) == rank else factors
        factors[:x.lead] = 1
    else:
        factors = np.ravel(() if scales is None else scales).astype(float)
    if a.get("mode", b"nearest") != b"nearest" or x.lead != 1 or rank not in (3, 4) or \
            len(factors) != rank or "axes" in a or (factors != np.floor(factors)).any() or \
            factors.min(initial=1) < 1 or factors[0] != 1 or 1 not in factors[[1, -1]]:
        raise ConversionError(f"layer {name!r} ({node.called}) is no upsampling of rows and "
                              "columns by whole factors to the nearest pixel: use that")
    old = node.called == "Upsample"
    place = PLACES.get("asymmetric" if old else a.get(
        "coordinate_transformation_mode", b"half_pixel").decode())
    way = ROUNDED["floor" if old else a.get("nearest_mode", b"round_prefer_floor").decode()]
    for f in set(factors.tolist()):
        i = np.arange(3 * f)
        if place is None or (np.clip(way(place(i, f)), 0, 2) != i // f).any():
            raise ConversionError(f"layer {name!r} ({node.called}) takes other pixels than each "
                                  f"{f:g} times: use coordinate_transformation_mode='asymmetric', "
                                  "nearest_mode='floor'")
    first = factors[1] == 1
    images = Images(x, rank - 2, first, name)
    return images.upsampled([int(f) for f in (factors[2:] if first else factors[1:-1])])


def _transpose(x, node):
    rank = x.lead + len(x.shape or ())
    axes = [int(v) for v in node.options.get("perm", range(rank)[::-1])]
    if x.shape is None or sorted(axes) != list(range(rank)) or \
            axes[:x.lead] != list(range(x.lead)):
        raise ConversionError(f"layer {node.layer!r} (Transpose) moves the samples of a batch: "
                              "keep the first dimension where it is")
    return x.transposed([v - x.lead for v in axes[x.lead:]])


OPERATORS = {"Conv": _conv, "ConvTranspose": _conv_transpose, "MaxPool": _pool(False),
             "AveragePool": _pool(True), "GlobalMaxPool": _global(False),
             "GlobalAveragePool": _global(True), "ReduceMean": _over_pixels(True),
             "ReduceMax": _over_pixels(False), "Pad": _pad, "Transpose": _transpose,
             "Resize": _resize, "Upsample": _resize}

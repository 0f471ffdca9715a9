"""What PyTorch's layers of images and of signals compute: their channels come first."""
import numpy as np

from ..graph import ConversionError
from .images import Images, of_groups
from .value import Value


def _images(x, node, rank):
    return Images(x, rank, True, node.layer)


def _weights(node):
    weights, bias = node.options["weight"], node.options.get("bias")
    if isinstance(weights, Value) or isinstance(bias, Value) or np.asarray(
            weights).dtype.kind != "f":
        raise ConversionError(f"layer {node.layer!r} has weights that are not float constants: "
                              "export the float network")
    return np.asarray(weights), bias


def _conv(x, node, rank=None):
    o = node.options
    weights, bias = _weights(node)
    images = _images(x, node, rank or weights.ndim - 2)
    if weights.ndim != images.rank + 2:
        raise ConversionError(f"layer {node.layer!r} is a convolution with weights of shape "
                              f"{weights.shape}: use Conv1d or Conv2d")
    stride, dilation = (images.numbers(o.get(k, 1), k) for k in ("stride", "dilation"))
    groups, padding = o.get("groups", 1), o.get("padding", 0)
    if padding == "same":
        padding = images.same(weights.shape[2:], stride, dilation)
    else:
        padding = images.numbers(0 if padding == "valid" else padding, "padding", 0)
        padding = [(p, p) for p in padding]
    if o.get("transposed") or "conv_transpose" in node.op:
        more = images.numbers(o.get("output_padding", 0), "output_padding", 0)
        cut = [(before, after - m) for (before, after), m in zip(padding, more)]
        if weights.shape[0] != images.channels or images.channels % groups:
            raise ConversionError(f"layer {node.layer!r} has weights for {weights.shape[0]} "
                                  f"channels but gets {images.channels}")
        return images.transposed_conv(of_groups(weights, groups), bias, stride, cut, dilation,
                                      groups)
    return images.conv(np.moveaxis(weights, (1, 0), (-2, -1)), bias, stride, padding, dilation,
                       groups)


def _pool(x, node, rank, average):
    o = node.options
    images = _images(x, node, rank)
    kernel = images.numbers(o["kernel_size"], "kernel_size")
    stride = images.numbers(o.get("stride") or kernel, "stride")
    padding = [(p, p) for p in images.numbers(o.get("padding", 0), "padding", 0)]
    whole = average and o.get("count_include_pad", True)
    if images.numbers(o.get("dilation", 1), "dilation") != [1] * rank:
        raise ConversionError(f"layer {node.layer!r} is a pooling with dilation: use dilation=1")
    if o.get("divisor_override"):
        raise ConversionError(f"layer {node.layer!r} has a divisor of its own: leave out "
                              "divisor_override")
    if o.get("ceil_mode"):
        beyond = images.ceiled(kernel, stride, padding)
        if whole and any(map(any, padding)) and beyond != padding:
            raise ConversionError(f"layer {node.layer!r} has windows that end beyond its padding, "
                                  "which counts: use ceil_mode=False or count_include_pad=False")
        padding = beyond
    whole = whole and any(before for before, _ in padding)
    return images.pool(kernel, stride, padding, average, whole)


def _adaptive(x, node, rank, average):
    images = _images(x, node, rank)
    size = node.options["output_size"]
    return images.adaptive(size if isinstance(size, (list, tuple)) else [size], average)


def _over_pixels(average):
    """mean and amax over the dimensions of a signal or an image."""
    def reduce(x, node):
        o = node.options
        rank = 0 if x.shape is None else len(x.shape) - 1
        dims = o.get("dim")
        dims = [] if dims is None else dims if isinstance(dims, (list, tuple)) else [dims]
        wanted = set(range(x.lead + 1, x.lead + rank + 1))
        if rank not in (1, 2) or {d % (x.lead + rank + 1) for d in dims} != wanted:
            raise ConversionError(f"layer {node.layer!r} ({node.called}) is over the dimensions "
                                  f"{dims}: take it over all rows and columns, (2, 3)")
        y = _images(x, node, rank).whole(average)
        return y if o.get("keepdim") else y.seen(y.shape[:1])
    return reduce


def _pad(x, node):
    o = node.options
    given = o.get("pad", [])
    rank = 2 if x.shape is not None and len(x.shape) == 3 else 1
    if o.get("mode", "constant") != "constant" or o.get("value") not in (None, 0) or \
            len(given) > 2 * rank or len(given) % 2:
        raise ConversionError(f"layer {node.layer!r} pads otherwise than with zeros around an "
                              "image: use zeros")
    images = _images(x, node, rank)
    for v in given:
        images.numbers([v] * rank, "padding", 0)
    pairs = [tuple(given[i:i + 2]) for i in range(0, len(given), 2)][::-1]  # the last come first
    return images.pad([(0, 0)] * (rank - len(pairs)) + pairs)


def _upsample(x, node, rank):
    images, o = _images(x, node, rank), node.options
    size, factors = o.get("output_size"), o.get("scale_factors")
    if size is None:
        size = [int(n * f) for n, f in zip(images.size, factors)]
    if len(size) != rank or any(m % n for m, n in zip(size, images.size)):
        raise ConversionError(f"layer {node.layer!r} upsamples {images.size} pixels to "
                              f"{tuple(size)}: use whole factors")
    return images.upsampled([m // n for m, n in zip(size, images.size)])


def _index(x, node):
    """What run_decompositions() makes of an upsampling: the pixels of each row and column."""
    rank = len(x.shape or ()) - 1
    indices = node.options["indices"]
    places = [np.asarray(i, float) for i in indices[2:] if i is not None]
    factors = []
    for k, (n, place) in enumerate(zip((x.shape or ())[1:], places)):
        along = [-1 if j == k else 1 for j in range(k, rank)]  # it broadcasts to those behind
        whole = np.arange(place.size) * n // place.size
        if place.size % n or place.shape != whole.reshape(along).shape or \
                (place.ravel() != whole).any():
            break
        factors.append(place.size // n)
    if x.lead != 1 or len(factors) != rank or len(indices) != rank + 2 or \
            list(indices[:2]) != [None, None]:
        raise ConversionError(f"layer {node.layer!r} (index) takes some elements of values: only "
                              "an upsampling of pixels by whole factors can be converted")
    return _images(x, node, rank).upsampled(factors)


def _permute(x, node):
    o = node.options
    rank = x.lead + len(x.shape or ())
    axes = list(range(rank))
    if "dims" in o:
        axes = [d % rank for d in o["dims"]]
    else:
        one, two = (o[k] % rank for k in ("dim0", "dim1"))
        axes[one], axes[two] = axes[two], axes[one]
    if x.shape is None or sorted(axes) != list(range(rank)) or \
            axes[:x.lead] != list(range(x.lead)):
        raise ConversionError(f"layer {node.layer!r} ({node.called}) moves the samples of a batch: "
                              "keep the first dimension where it is")
    return x.transposed([a - x.lead for a in axes[x.lead:]])


OPERATIONS = {"convolution": _conv, "conv1d": _conv, "conv2d": _conv, "conv_transpose1d": _conv,
              "conv_transpose2d": _conv, "mean": _over_pixels(True), "amax": _over_pixels(False),
              "pad": _pad, "constant_pad_nd": _pad, "permute": _permute, "index": _index,
              "transpose": _permute}
for _rank in (1, 2):
    for _name in ("upsample_nearest", "_upsample_nearest_exact"):  # alike for whole factors
        OPERATIONS[f"{_name}{_rank}d"] = lambda x, node, r=_rank: _upsample(x, node, r)
    for _name, _average in (("avg", True), ("max", False)):
        for _make, _words in ((_pool, "{}_pool{}d"), (_pool, "{}_pool{}d_with_indices"),
                              (_adaptive, "adaptive_{}_pool{}d")):
            OPERATIONS[_words.format(_name, _rank)] = lambda x, node, m=_make, r=_rank, \
                a=_average: m(x, node, r, a)

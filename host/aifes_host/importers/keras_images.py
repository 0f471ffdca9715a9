"""What Keras's layers of images and of signals compute, as steps of a Value."""
import numpy as np

from ..graph import ConversionError
from .images import Images


def _images(layer, x):
    return Images(x, 1 if "1D" in layer.kind else 2, _first(layer), layer.name)


def _first(layer):
    return layer.config.get("data_format") == "channels_first"


def _padding(layer, *allowed):
    padding = layer.config.get("padding", "valid")
    if padding not in allowed:
        raise ConversionError(f"layer {layer.name!r} has the padding {padding!r}: use "
                              f"{' or '.join(allowed)}")
    return padding


def _given(layer, images, *names):
    return [images.numbers(layer.config.get(name, 1), name) for name in names]


def _taken(layer, images, names):
    """The variables of these names, and the bias if there is one; kernels of the right rank."""
    found = layer.take(*names, *(["bias"] if layer.config.get("use_bias", True) else []))
    for name in names:
        if found[name].ndim != images.rank + 2:
            raise ConversionError(f"layer {layer.name!r} has {name} of shape {found[name].shape}: "
                                  "save the model again with model.save('model.keras')")
    return found


def _windows(layer, images, kernel):
    """stride, padding, dilation of a convolution."""
    stride, dilation = _given(layer, images, "strides", "dilation_rate")
    allowed = ("valid", "same", "causal") if images.rank == 1 else ("valid", "same")
    padding = _padding(layer, *allowed)
    if padding == "valid":
        return stride, [(0, 0)] * images.rank, dilation
    if padding == "causal":
        return stride, [(dilation[0] * (kernel[0] - 1), 0)], dilation
    return stride, images.same(kernel, stride, dilation), dilation


def conv(layer, x):
    images = _images(layer, x)
    found = _taken(layer, images, ["kernel"])
    kernel = found["kernel"]
    groups, = images.numbers([layer.config.get("groups", 1)] * images.rank, "groups")[:1]
    return images.conv(kernel, found.get("bias"), *_windows(layer, images, kernel.shape), groups)


def _depthwise(images, kernel, bias, windows):
    """kernel: [*window, channels, multiplier]"""
    kernel = kernel.reshape(*kernel.shape[:images.rank], 1, -1)
    return images.conv(kernel, bias, *windows, images.channels)


def depthwise_conv(layer, x):
    images = _images(layer, x)
    name = "depthwise_kernel" if layer.version.startswith("2") else "kernel"
    found = _taken(layer, images, [name])
    _check_channels(layer, images, found[name])
    return _depthwise(images, found[name], found.get("bias"),
                      _windows(layer, images, found[name].shape))


def separable_conv(layer, x):
    images = _images(layer, x)
    found = _taken(layer, images, ["depthwise_kernel", "pointwise_kernel"])
    kernel = found["depthwise_kernel"]
    _check_channels(layer, images, kernel)
    images.name = f"{layer.name}/depthwise"
    x = _depthwise(images, kernel, None, _windows(layer, images, kernel.shape))
    ones, none = [1] * images.rank, [(0, 0)] * images.rank
    return _images(layer, x).conv(found["pointwise_kernel"], found.get("bias"), ones, none, ones)


def _check_channels(layer, images, kernel):
    if kernel.shape[-2] != images.channels:
        raise ConversionError(f"layer {layer.name!r} has a kernel for {kernel.shape[-2]} channels "
                              f"but gets {images.channels}")


def transposed_conv(layer, x):
    images = _images(layer, x)
    found = _taken(layer, images, ["kernel"])
    if layer.config.get("output_padding") not in (None, [None], [None, None]):
        raise ConversionError(f"layer {layer.name!r} has an output_padding: leave it out")
    kernel = np.swapaxes(found["kernel"], -2, -1)
    stride, dilation = _given(layer, images, "strides", "dilation_rate")
    same, cut = _padding(layer, "valid", "same") == "same", []
    for k, s, d in zip(kernel.shape, stride, dilation):
        more = d * (k - 1) + 1 - s  # than the strides, to which Keras makes the result at least
        before = max(more, 0) // 2 if same else 0
        cut.append((before, more - before if same else min(more, 0)))
    return images.transposed_conv(kernel, found.get("bias"), stride, cut, dilation)


def pool(layer, x):
    layer.take()
    images = _images(layer, x)
    kernel, = _given(layer, images, "pool_size")
    stride = images.numbers(layer.config.get("strides") or kernel, "strides")
    none = [(0, 0)] * images.rank
    padding = images.same(kernel, stride) if _padding(layer, "valid", "same") == "same" else none
    return images.pool(kernel, stride, padding, layer.kind.startswith("Average"))


def global_pool(layer, x):
    layer.take()
    images = _images(layer, x)
    y = images.whole("Average" in layer.kind)
    return y if layer.config.get("keepdims") else y.seen((images.channels,))


def zero_padding(layer, x):
    layer.take()
    images = _images(layer, x)
    given = layer.config.get("padding", 1)
    sides = [given] * images.rank if isinstance(given, int) else \
        [given] if images.rank == 1 else list(given)
    pairs = [[side, side] if isinstance(side, int) else list(side) for side in sides]
    if any(len(pair) != 2 for pair in pairs) or len(pairs) != images.rank:
        raise ConversionError(f"layer {layer.name!r} has padding {given!r}: give two whole numbers "
                              "for each dimension")
    flat = [v for pair in pairs for v in pair]
    for v in flat:
        images.numbers([v] * images.rank, "padding", 0)
    return images.pad(pairs)


def upsampling(layer, x):
    layer.take()
    images = _images(layer, x)
    way = layer.config.get("interpolation", "nearest")
    if way != "nearest":
        raise ConversionError(f"layer {layer.name!r} upsamples with interpolation {way!r}: use "
                              "interpolation='nearest'")
    return images.upsampled(images.numbers(layer.config.get("size", 2), "size"))


def channels_last(layer, x):
    """x for a layer that Keras gives values with their channels last, whatever it gets."""
    if _first(layer) and x.shape is not None and len(x.shape) > 1:
        return x.transposed((*range(1, len(x.shape)), 0))
    return x


LAYERS = {name + end: make for end in ("1D", "2D") for name, make in (
    ("Conv", conv), ("DepthwiseConv", depthwise_conv), ("SeparableConv", separable_conv),
    ("MaxPooling", pool), ("AveragePooling", pool), ("GlobalMaxPooling", global_pool),
    ("GlobalAveragePooling", global_pool), ("ZeroPadding", zero_padding),
    ("UpSampling", upsampling))}
LAYERS.update({"Conv1DTranspose": transposed_conv, "Conv2DTranspose": transposed_conv})

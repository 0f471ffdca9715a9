"""A network described by plain Python data (or the same as JSON).

    [("dense", weights, bias), "tanh", ("dense", weights, bias), ("leaky_relu", 0.01)]
    {"name": "...", "labels": [...], "layers": [...]}      weights: [inputs][outputs]

Activations are those of ops.KINDS, "relu6" and "hard_tanh"; with parameters: leaky_relu,
elu, celu (alpha), clamp (its two ends), hard_sigmoid (slope and offset). Of images:

    {"input": [rows, columns, channels], "layers": [
        ("conv", weights, bias, {"stride": (2, 2)}), ("max_pool", (2, 2)), ..]}

conv, max_pool and average_pool may have a last item, a dict of further fields of ops.Conv and
ops.Pool; the stride of pooling is its kernel if none is given.
"""
from ..graph import ConversionError, sequential, shortened
from ..ops import KINDS, Conv, Dense, Pool, activation

# the parameters of an activation that gives none
DEFAULTS = {"leaky_relu": (0.01,), "elu": (1.0,), "celu": (1.0,), "hard_sigmoid": (1 / 6, 0.5)}
IMAGES = {"conv": ("stride", "padding", "dilation", "groups", "spread"),
          "max_pool": ("stride", "padding"), "average_pool": ("stride", "padding", "whole")}
CLAMPS = {"relu6": (0.0, 6.0), "hard_tanh": (-1.0, 1.0)}


def convert(description):
    """A Graph from a list of layers, or from a dict with "layers" and maybe name and labels."""
    if not isinstance(description, dict):
        description = {"layers": description}
    specs = description.get("layers")
    if not isinstance(specs, (list, tuple)):
        raise ConversionError('the description has no list "layers"')
    layers = [_layer(i, spec) for i, spec in enumerate(specs)]
    first = next((layer for layer in layers if layer.kind in ("dense", *IMAGES)), None)
    shape = description.get("input")
    if shape is not None:
        shape = _shape(shape)
    elif first is not None and first.kind in IMAGES:
        raise ConversionError('a network of images needs their shape: give {"input": [rows, '
                              'columns, channels], "layers": [...]}')
    if not any(layer.kind in ("dense", "conv") for layer in layers):
        raise ConversionError("the description has no dense layer: give a list such as "
                              '[("dense", weights, bias), "tanh"]')
    return sequential(shape or len(first.weights), layers, description.get("name", "network"),
                      description.get("labels", []))


def _shape(given):
    if not isinstance(given, (list, tuple)) or len(given) not in (1, 3) or not all(
            isinstance(n, int) and n > 0 for n in given):
        raise ConversionError(f'"input" is {shortened(given)}: give [elements] or [rows, columns, '
                              "channels]")
    return tuple(given)


def _of_images(i, kind, parameters):
    """A convolution or a pooling, the layer with number i."""
    count = 2 if kind == "conv" else 1
    given, options = parameters[:count], dict(*parameters[count:])
    unknown = next((name for name in options if name not in IMAGES[kind]), None)
    if len(given) < count or unknown is not None:
        raise ConversionError(f"layer {i} must be (\"{kind}\", "
                              f"{'weights, bias' if count == 2 else 'kernel'}) and may have a dict "
                              f"of {', '.join(IMAGES[kind])} behind that")
    if kind == "conv":
        return Conv(*given, **options, name=f"conv_{i}")
    return Pool(*given, **{"stride": given[0], **options}, average=kind == "average_pool",
                name=f"{kind}_{i}")


def _layer(i, spec):
    try:
        kind, *parameters = [spec] if isinstance(spec, str) else spec
        if kind == "dense":
            weights, bias = parameters
            return Dense(weights, bias, f"dense_{i}")
        if not isinstance(kind, str):
            raise TypeError
        if kind in IMAGES:
            return _of_images(i, kind, parameters)
        given = [float(v) for v in parameters]
    except ConversionError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise ConversionError(f'layer {i} must be ("dense", weights, bias) or an activation such '
                              'as "tanh" or ("leaky_relu", 0.01), of images ("conv", weights, '
                              'bias) or ("max_pool", (2, 2))')
    name = f"{shortened(kind)[1:-1]}_{i}"
    if kind in CLAMPS and not given:
        kind, given = "clamp", CLAMPS[kind]
    takes = DEFAULTS.get(kind, ())
    given = given or takes
    needed = 2 if kind == "clamp" else len(takes)
    if kind in KINDS and len(given) != needed:
        raise ConversionError(f"layer {i}, {kind}, has {len(given)} parameters, but takes {needed}")
    return activation(kind, *given[:needed], name=name)

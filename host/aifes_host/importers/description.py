"""A network described by plain Python data (or the same as JSON).

    [("dense", weights, bias), "tanh", ("dense", weights, bias), ("leaky_relu", 0.01)]
    {"name": "...", "labels": [...], "layers": [...]}      weights: [inputs][outputs]

Activations are those of ops.KINDS, "relu6" and "hard_tanh"; with parameters: leaky_relu,
elu, celu (alpha), clamp (its two ends), hard_sigmoid (slope and offset).
"""
from ..graph import ConversionError, sequential, shortened
from ..ops import KINDS, Dense, activation

# the parameters of an activation that gives none
DEFAULTS = {"leaky_relu": (0.01,), "elu": (1.0,), "celu": (1.0,), "hard_sigmoid": (1 / 6, 0.5)}
CLAMPS = {"relu6": (0.0, 6.0), "hard_tanh": (-1.0, 1.0)}


def convert(description):
    """A Graph from a list of layers, or from a dict with "layers" and maybe name and labels."""
    if not isinstance(description, dict):
        description = {"layers": description}
    specs = description.get("layers")
    if not isinstance(specs, (list, tuple)):
        raise ConversionError('the description has no list "layers"')
    layers = [_layer(i, spec) for i, spec in enumerate(specs)]
    first = next((layer for layer in layers if layer.kind == "dense"), None)
    if first is None:
        raise ConversionError("the description has no dense layer: give a list such as "
                              '[("dense", weights, bias), "tanh"]')
    return sequential(len(first.weights), layers, description.get("name", "network"),
                      description.get("labels", []))


def _layer(i, spec):
    try:
        kind, *parameters = [spec] if isinstance(spec, str) else spec
        if kind == "dense":
            weights, bias = parameters
            return Dense(weights, bias, f"dense_{i}")
        if not isinstance(kind, str):
            raise TypeError
        given = [float(v) for v in parameters]
    except ConversionError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise ConversionError(f'layer {i} must be ("dense", weights, bias) or an activation such '
                              'as "tanh" or ("leaky_relu", 0.01)')
    name = f"{shortened(kind)[1:-1]}_{i}"
    if kind in CLAMPS and not given:
        kind, given = "clamp", CLAMPS[kind]
    takes = DEFAULTS.get(kind, ())
    given = given or takes
    needed = 2 if kind == "clamp" else len(takes)
    if kind in KINDS and len(given) != needed:
        raise ConversionError(f"layer {i}, {kind}, has {len(given)} parameters, but takes {needed}")
    return activation(kind, *given[:needed], name=name)

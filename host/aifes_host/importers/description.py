"""A network described by plain Python data (or the same as JSON).

    [("dense", weights, bias), "tanh", ("dense", weights, bias), ("leaky_relu", 0.01)]
    {"name": "...", "labels": [...], "layers": [...]}      weights: [inputs][outputs]
"""
from ..graph import Activation, ConversionError, Dense, Graph

DEFAULTS = {"leaky_relu": (0.01,), "elu": (1.0,), "celu": (1.0,), "hard_sigmoid": (1 / 6, 0.5)}


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
    return Graph(len(first.weights), layers, description.get("name", "network"),
                 list(description.get("labels", [])))


def _layer(i, spec):
    try:
        kind, *parameters = [spec] if isinstance(spec, str) else spec
        if kind == "dense":
            weights, bias = parameters
            return Dense(weights, bias, f"dense_{i}")
        parameters = parameters or DEFAULTS.get(kind, ())
        if len(parameters) > 2 or kind == "clamp" and len(parameters) < 2:
            raise ValueError
        return Activation(kind, *[float(v) for v in parameters], name=f"{kind}_{i}")
    except ConversionError:
        raise
    except (TypeError, ValueError):
        raise ConversionError(f'layer {i} must be ("dense", weights, bias) or an activation such '
                              'as "tanh", ("leaky_relu", 0.01) or ("clamp", 0, 6)')

"""From a trained network to a float Graph. One file per framework; none knows of quantization."""
from ..graph import ConversionError, Graph


def from_model(model, name=None):
    """A Graph from a Graph, a description, a scikit-learn MLP or pipeline, or a torch Sequential.

    Raises ConversionError naming the layer that cannot be converted, and why.
    """
    if isinstance(model, Graph):
        graph = model
    elif isinstance(model, (list, tuple, dict)):
        from .description import convert

        graph = convert(model)
    else:
        framework = next((c.__module__.split(".")[0] for c in type(model).__mro__
                          if c.__module__.split(".")[0] in ("sklearn", "torch")), None)
        if framework == "sklearn":
            from .sklearn import convert
        elif framework == "torch":
            from .torch import convert
        else:
            raise ConversionError(f"a {type(model).__name__} cannot be converted: give a "
                                  "scikit-learn MLP, a torch.nn.Sequential or a list of layers")
        graph = convert(model)
    if name:
        graph.name = name
    return graph

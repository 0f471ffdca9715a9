"""PyTorch: nn.Sequential of Linear and activations, nested ones too."""
from torch import nn

from ..graph import Activation, ConversionError, Dense, Graph

KINDS = {nn.ReLU: "relu", nn.LeakyReLU: "leaky_relu", nn.ELU: "elu", nn.Sigmoid: "sigmoid",
         nn.Tanh: "tanh", nn.Softsign: "softsign", nn.Softmax: "softmax"}


def convert(model):
    """A Graph of an nn.Sequential; Dropout and Identity are left out, as in eval mode."""
    if not isinstance(model, nn.Sequential):
        raise ConversionError(f"a {type(model).__name__} cannot be converted: "
                              "put the layers into a torch.nn.Sequential")
    layers = []
    _collect(model, "", layers)
    first = next((layer for layer in layers if layer.kind == "dense"), None)
    if first is None:
        raise ConversionError("the nn.Sequential has no Linear layer")
    return Graph(len(first.weights), layers)


def _collect(model, prefix, layers):
    for key, module in model.named_children():
        name = f"{prefix}{key}"
        if isinstance(module, nn.Sequential):
            _collect(module, name + ".", layers)
        elif type(module) is nn.Linear:
            weights = module.weight.detach().cpu().double().numpy().T
            bias = module.bias.detach().cpu().double().numpy() if module.bias is not None \
                else [0.0] * module.out_features
            layers.append(Dense(weights, bias, name))
        elif type(module) in KINDS:
            alpha = getattr(module, "negative_slope", getattr(module, "alpha", 0.0))
            if isinstance(module, nn.Softmax) and module.dim not in (-1, 1):
                raise ConversionError(f"layer {name!r}: Softmax(dim={module.dim}) is not over the "
                                      "outputs: use dim=1")
            layers.append(Activation(KINDS[type(module)], float(alpha), name))
        elif not isinstance(module, (nn.Dropout, nn.Identity)):
            raise ConversionError(
                f"layer {name!r} is a {type(module).__name__}, which has no Q7 kernel: "
                f"use Linear, {', '.join(c.__name__ for c in KINDS)}")

"""scikit-learn: MLPClassifier, MLPRegressor, and pipelines of scalers before them."""
import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from ..graph import Activation, ConversionError, Dense, Graph

KINDS = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "softmax": "softmax"}


def convert(model):
    """A Graph of a fitted MLP; preceding scalers are folded into its first layer.

    A regressor gives its raw values, a classifier probabilities: two or more classes one output
    each, but for two classes only, as in scikit-learn, a single output: the second class.
    """
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    mlp = steps[-1]
    if not isinstance(mlp, (MLPClassifier, MLPRegressor)):
        raise ConversionError(f"{type(mlp).__name__} cannot be converted: the last step must be an "
                              "MLPClassifier or MLPRegressor")
    if not hasattr(mlp, "coefs_"):
        raise ConversionError(f"the {type(mlp).__name__} is not fitted: call fit() first")
    slope, offset = np.ones(len(mlp.coefs_[0])), np.zeros(len(mlp.coefs_[0]))
    for step in steps[:-1]:
        if step in (None, "passthrough"):
            continue
        a, b = _scaler(step)
        slope, offset = slope * a, offset * a + b
    coefs, biases = list(mlp.coefs_), list(mlp.intercepts_)
    biases[0] = biases[0] + offset @ coefs[0]
    coefs[0] = slope[:, None] * coefs[0]
    layers = []
    for i, (w, b) in enumerate(zip(coefs, biases)):
        layers.append(Dense(w, b, f"dense_{i}"))
        kind = mlp.activation if i < len(coefs) - 1 else mlp.out_activation_
        if kind in KINDS:
            layers.append(Activation(KINDS[kind], name=f"{KINDS[kind]}_{i}"))
        elif kind != "identity":
            raise ConversionError(f"activation {kind!r} of layer {i} cannot be converted: "
                                  f"use one of identity, {', '.join(KINDS)}")
    labels = mlp.classes_.tolist() if isinstance(mlp, MLPClassifier) else []
    return Graph(len(coefs[0]), layers, type(mlp).__name__, [str(v) for v in labels])


def _scaler(step):
    """(a, b) of a scaler that computes a * x + b for each feature."""
    if isinstance(step, StandardScaler):
        n = step.n_features_in_
        scale = step.scale_ if step.scale_ is not None else np.ones(n)
        mean = step.mean_ if step.with_mean else np.zeros(n)
        return 1 / scale, -mean / scale
    if isinstance(step, MinMaxScaler):
        if step.clip:
            raise ConversionError("MinMaxScaler(clip=True) cannot be folded: use clip=False")
        return step.scale_, step.min_
    raise ConversionError(f"the step {type(step).__name__} cannot be folded into the first layer: "
                          "use StandardScaler or MinMaxScaler, or apply it before the network")

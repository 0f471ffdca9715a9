"""scikit-learn: MLPs and linear models, and pipelines of scalers (and PCA) before them."""
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model._base import LinearModel
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from ..graph import ConversionError
from .chain import Chain

KINDS = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "softmax": "softmax"}


def convert(model):
    """A Graph of a fitted estimator or Pipeline; scalers are folded into the first layer.

    Regressors (MLPRegressor, LinearRegression, Ridge and the like) give their values, classifiers
    (MLPClassifier, LogisticRegression) probabilities, one output a class; for two classes only, as
    scikit-learn computes them, a single output: the second class.
    """
    *steps, last = _steps(model)
    chain = Chain((_fitted(last).n_features_in_,) if not steps else
                  (_fitted(steps[0]).n_features_in_,))
    for step in steps:
        _transform(chain, _fitted(step))
    if isinstance(last, (MLPClassifier, MLPRegressor)):
        _mlp(chain, last)
    elif isinstance(last, LogisticRegression):
        _logistic(chain, last)
    elif isinstance(last, LinearModel):
        coefficients = np.atleast_2d(last.coef_)
        chain.dense(coefficients.T, np.broadcast_to(last.intercept_, len(coefficients)), "linear")
    else:
        raise ConversionError(f"{type(last).__name__} cannot be converted: the last step must be "
                              "an MLPClassifier, MLPRegressor, LogisticRegression, "
                              "LinearRegression or Ridge")
    labels = last.classes_.tolist() if isinstance(last, (MLPClassifier, LogisticRegression)) else []
    return chain.graph(type(last).__name__, labels)


def _steps(model):
    if not isinstance(model, Pipeline):
        return [model]
    return [s for _, step in model.steps if step not in (None, "passthrough") for s in _steps(step)]


def _fitted(step):
    if not hasattr(step, "n_features_in_"):
        raise ConversionError(f"the {type(step).__name__} is not fitted: call fit() first")
    return step


def _mlp(chain, mlp):
    if not hasattr(mlp, "coefs_"):
        raise ConversionError(f"the {type(mlp).__name__} is not fitted: call fit() first")
    for i, (w, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_)):
        chain.dense(w, b, f"dense_{i}")
        kind = mlp.activation if i < len(mlp.coefs_) - 1 else mlp.out_activation_
        if kind in KINDS:
            chain.activation(KINDS[kind], f"{KINDS[kind]}_{i}")
        elif kind != "identity":
            raise ConversionError(f"activation {kind!r} of layer {i} cannot be converted: "
                                  f"use one of identity, {', '.join(KINDS)}")


def _logistic(chain, model):
    # one against the rest for each class does not end in a softmax
    if len(model.classes_) > 2 and (model.solver == "liblinear"
                                    or getattr(model, "multi_class", None) == "ovr"):
        raise ConversionError("LogisticRegression was fitted one class against the rest: use "
                              "solver='lbfgs'")
    chain.dense(model.coef_.T, model.intercept_, "linear")
    kind = "sigmoid" if len(model.classes_) == 2 else "softmax"
    chain.activation(kind, kind)


def _transform(chain, step):
    name, n = type(step).__name__, step.n_features_in_
    if isinstance(step, StandardScaler):
        scale = step.scale_ if step.scale_ is not None else np.ones(n)
        chain.affine(1 / scale, -(step.mean_ if step.with_mean else np.zeros(n)) / scale, name)
    elif isinstance(step, MinMaxScaler):
        if step.clip:
            raise ConversionError("MinMaxScaler(clip=True) cannot be folded: use clip=False")
        chain.affine(step.scale_, step.min_, name)
    elif isinstance(step, MaxAbsScaler):
        chain.affine(1 / step.scale_, np.zeros(n), name)
    elif isinstance(step, RobustScaler):
        scale = step.scale_ if step.with_scaling else np.ones(n)
        centre = step.center_ if step.with_centering else np.zeros(n)
        chain.affine(1 / scale, -centre / scale, name)
    elif isinstance(step, PCA):
        weights = step.components_.T
        if step.whiten:
            weights = weights / np.sqrt(step.explained_variance_)
        chain.dense(weights, -step.mean_ @ weights, name)
    else:
        raise ConversionError(f"the step {name} cannot be folded into the first layer: use "
                              "StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler, or "
                              "apply it before the network")

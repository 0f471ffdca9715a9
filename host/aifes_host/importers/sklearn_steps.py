"""scikit-learn's linear steps, each as a matrix and an offset; what was fitted, and by whom."""
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectorMixin
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

from ..graph import ConversionError

STEPS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PCA", "TruncatedSVD",
         "SelectKBest", "VarianceThreshold", "ColumnTransformer", "FeatureUnion")


def affine(step, n):
    """(matrix [inputs, outputs], offset [outputs]) of a linear step with n inputs."""
    if step is None or isinstance(step, str):
        return (np.zeros((n, 0)), np.zeros(0)) if step == "drop" else (np.eye(n), np.zeros(n))
    name = type(step).__name__
    if isinstance(step, Pipeline):
        matrix, offset = np.eye(n), np.zeros(n)
        for _, inner in step.steps:
            _refuse_clip(inner)
            m, o = affine(inner, matrix.shape[1])
            matrix, offset = matrix @ m, offset @ m + o
        return matrix, offset
    fitted(step)
    if isinstance(step, ColumnTransformer):
        return _columns(step, n)
    if isinstance(step, FeatureUnion):
        weights = step.transformer_weights or {}
        parts = []
        for key, inner in step.transformer_list:
            _refuse_clip(inner)
            matrix, offset = affine(inner, n)
            parts.append((matrix * weights.get(key, 1), offset * weights.get(key, 1)))
        return np.hstack([m for m, _ in parts]), np.hstack([o for _, o in parts])
    if isinstance(step, SelectorMixin):
        matrix = np.eye(n)[:, step.get_support()]
        return matrix, np.zeros(matrix.shape[1])
    if isinstance(step, FunctionTransformer) and step.func is None and step.inverse_func is None:
        return np.eye(n), np.zeros(n)
    if isinstance(step, (PCA, IncrementalPCA)):
        weights = step.components_.T
        if step.whiten:
            weights = weights / np.maximum(np.sqrt(step.explained_variance_), 1e-150)
        return weights, -step.mean_ @ weights
    if isinstance(step, TruncatedSVD):
        return step.components_.T, np.zeros(len(step.components_))
    if isinstance(step, LinearDiscriminantAnalysis) and hasattr(step, "scalings_"):
        origin = step.transform(np.zeros((1, n)))[0]
        return step.transform(np.eye(n)) - origin, origin
    slope, offset = _scaling(step, name, n)
    return np.diag(slope), offset


def _scaling(step, name, n):
    if isinstance(step, StandardScaler):
        scale = step.scale_ if step.scale_ is not None else np.ones(n)
        return 1 / scale, -(step.mean_ if step.with_mean else np.zeros(n)) / scale
    if isinstance(step, MinMaxScaler):
        return step.scale_, step.min_
    if isinstance(step, MaxAbsScaler):
        return 1 / step.scale_, np.zeros(n)
    if isinstance(step, RobustScaler):
        scale = step.scale_ if step.with_scaling else np.ones(n)
        return 1 / scale, -(step.center_ if step.with_centering else np.zeros(n)) / scale
    raise ConversionError(f"the step {name} cannot be folded into the first layer: use "
                          f"{', '.join(STEPS)}, or apply it before the network")


def _columns(step, n):
    indices = step._transformer_to_input_indices
    columns = []
    for key, inner, _ in step.transformers_:
        _refuse_clip(inner)
        chosen = np.eye(n)[:, indices[key]]
        matrix, offset = affine(inner, chosen.shape[1])
        weight = (step.transformer_weights or {}).get(key, 1)
        columns.append((chosen @ matrix * weight, offset * weight))
    return np.hstack([m for m, _ in columns]), np.hstack([o for _, o in columns])


def _refuse_clip(step):
    if getattr(step, "clip", False):
        raise ConversionError(f"{type(step).__name__}(clip=True) inside of another step cannot be "
                              "converted: use clip=False")


def inverse(transformer):
    """(slope, offset) by which a TransformedTargetRegressor takes its outputs back."""
    if isinstance(transformer, FunctionTransformer) and transformer.func is not None:
        raise ConversionError("the TransformedTargetRegressor has a function, which cannot be "
                              "converted: use transformer=StandardScaler()")
    n = inputs(transformer)
    matrix, offset = affine(transformer, n)
    slope = np.diag(matrix)
    if matrix.shape != (n, n) or (matrix != np.diag(slope)).any() or not slope.all():
        raise ConversionError(f"the TransformedTargetRegressor has a {type(transformer).__name__}: "
                              "use StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler")
    return 1 / slope, -offset / slope


def inputs(model):
    """How many values a model takes."""
    while isinstance(model, Pipeline):
        steps = [s for _, s in model.steps if s is not None and not isinstance(s, str)]
        if not steps:
            raise ConversionError("the Pipeline has no steps: put a network at its end")
        model = steps[0]
    if isinstance(model, BaseSearchCV):
        return inputs(best(model))
    if isinstance(model, FeatureUnion):
        return inputs(next((s for _, s in model.transformer_list if not isinstance(s, str)), None))
    fitted(model)
    if not hasattr(model, "n_features_in_"):
        raise ConversionError(f"the {type(model).__name__} takes no rows of numbers: apply it "
                              "before the network, on the board too")
    return model.n_features_in_


def fitted(step):
    try:
        check_is_fitted(step)
    except (NotFittedError, TypeError):
        raise ConversionError(f"the {type(step).__name__} is not fitted: call fit() first")
    return own(step)


def own(step):
    """Refuse classes of others that compute something else than what they extend."""
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        owner = next((c for c in type(step).__mro__ if method in vars(c)), None)
        if owner is not None and owner.__module__.split(".")[0] not in ("sklearn", "imblearn"):
            raise ConversionError(f"the {type(step).__name__} has a {method}() of its own, which "
                                  "cannot be converted: use scikit-learn's own class")
    return step


def best(search):
    if not hasattr(search, "best_estimator_"):
        raise ConversionError(f"the {type(search).__name__} has no best_estimator_: call fit(), "
                              "with refit=True")
    return search.best_estimator_

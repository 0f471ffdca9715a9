"""scikit-learn: MLPs and linear models, and what may stand around them: linear steps, searches."""
import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectorMixin
from sklearn.linear_model import (
    LogisticRegression,
    RANSACRegressor,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.model_selection._search import BaseSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
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
from .chain import Chain

KINDS = {"identity": None, "relu": "relu", "tanh": "tanh", "logistic": "sigmoid",
         "softmax": "softmax"}
# for the messages and the docs; LinearModel and LinearClassifierMixin have some more of their kind
ESTIMATORS = (
    "MLPClassifier", "MLPRegressor", "LinearRegression", "Ridge", "Lasso", "ElasticNet",
    "LinearSVR", "SGDRegressor", "PLSRegression", "LogisticRegression", "RidgeClassifier",
    "SGDClassifier", "Perceptron", "LinearSVC", "LinearDiscriminantAnalysis")
AROUND = ("Pipeline", "GridSearchCV", "RandomizedSearchCV", "TransformedTargetRegressor", "RFE",
          "OneVsRestClassifier", "MultiOutputRegressor", "RANSACRegressor")
MOST_PREPARED = 4096  # inputs of a linear step, whose matrix has as many rows and columns
STEPS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PCA", "TruncatedSVD",
         "SelectKBest", "VarianceThreshold", "ColumnTransformer", "FeatureUnion")


def convert(model):
    """A Graph of a fitted estimator, Pipeline or search; linear steps go into the first layer.

    Regressors give their values. Classifiers give probabilities where their predict_proba() is a
    softmax or, for two classes, a sigmoid; all others their decision_function(). Two classes are,
    as scikit-learn computes them, a single output: the second class.
    """
    network = Network(model)
    network.add(model)
    return network.chain.graph(network.name, network.labels)


class Network:
    """A Chain, and before it a linear step x @ matrix + offset that waits for the first layer."""

    def __init__(self, model):
        self.chain = Chain((_inputs(model),))
        self.matrix = self.offset = None
        self.name, self.labels = "", []

    def add(self, model):
        """All that the model computes in predict_proba(), decision_function() or predict()."""
        _own(model)
        if isinstance(model, Pipeline):
            for _, step in model.steps[:-1]:
                self.step(step)
            self.add(model.steps[-1][1])
            return
        name = type(model).__name__
        if isinstance(model, BaseSearchCV):
            self.add(_best(model))
            return
        _fitted(model)
        self.name = name
        if isinstance(model, RFE):
            self.step(model)
            self.add(model.estimator_)
        elif isinstance(model, RANSACRegressor):
            self.add(model.estimator_)
        elif isinstance(model, TransformedTargetRegressor):
            slope, offset = _inverse(model.transformer_)
            self.add(model.regressor_)
            self.chain.affine(slope, offset, name)
        elif isinstance(model, (MLPClassifier, MLPRegressor)):
            self._mlp(model)
        else:
            self._linear(model, name)

    def step(self, step):
        """A step of a pipeline."""
        if isinstance(step, Pipeline):
            for _, inner in step.steps:
                self.step(inner)
            return
        if self.matrix is None:
            n = self.chain.shape[0]
            if n > MOST_PREPARED:
                raise ConversionError(f"the step {type(step).__name__} takes {n} values: more than "
                                      f"{MOST_PREPARED} cannot be folded into the first layer")
            self.matrix, self.offset = np.eye(n), np.zeros(n)
        matrix, offset = _affine(step, self.matrix.shape[1])
        self.matrix, self.offset = self.matrix @ matrix, self.offset @ matrix + offset
        if getattr(step, "clip", False):
            low, high = getattr(step, "feature_range", (-1, 1))
            self._settle(type(step).__name__)
            self.chain.activation("clamp", f"{type(step).__name__}_clip", low, high)

    def _settle(self, name):
        """The waiting step as layers: a scaling of each value, or a dense layer."""
        matrix, offset = self.matrix, self.offset
        n, k = matrix.shape
        self.matrix = self.offset = None
        if n == k and not (matrix - np.diag(np.diag(matrix))).any():
            self.chain.affine(np.diag(matrix), offset, name)
        else:
            self.chain.dense(matrix, offset, name)

    def _first(self, weights, bias, name):
        """The first layer takes the waiting step into itself, unless both are smaller apart."""
        if self.matrix is not None:
            n, k = self.matrix.shape
            if n * k + weights.size < n * weights.shape[1]:
                self._settle("projection")
            else:
                weights, bias = self.matrix @ weights, self.offset @ weights + bias
        self.chain.dense(weights, bias, name)

    def _mlp(self, mlp):
        dense = self._first
        for i, (w, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_)):
            dense(w, b, f"dense_{i}")
            dense = self.chain.dense
            kind = mlp.activation if i < len(mlp.coefs_) - 1 else mlp.out_activation_
            if kind not in KINDS:
                raise ConversionError(f"the {type(mlp).__name__} has the activation {kind!r}, "
                                      f"which cannot be converted: use {', '.join(KINDS)}")
            if KINDS[kind]:
                self.chain.activation(KINDS[kind], f"{KINDS[kind]}_{i}")
        # several labels at once: each output is a yes or no of its own, none a class
        if isinstance(mlp, MLPClassifier) and not (
                mlp.out_activation_ == "logistic" and mlp.n_outputs_ > 1):
            self.labels = _classes(mlp)

    def _linear(self, model, name):
        weights, bias = _coefficients(model, name)
        self._first(weights, bias, "linear")
        if not hasattr(model, "classes_"):
            return
        classes = _classes(model)
        if weights.shape[1] == len(classes) or len(classes) == 2 and weights.shape[1] == 1:
            several = getattr(model, "multilabel_", False) or getattr(
                getattr(model, "_label_binarizer", None), "y_type_", "").startswith("multilabel")
            self.labels = [] if several else classes
        kind, *parameters = _probability(model, len(classes))
        if kind:
            self.chain.activation(kind, kind, *parameters)


def _probability(model, classes):
    """What predict_proba() does with decision_function(), if it is an activation."""
    if isinstance(model, SGDClassifier):
        if classes == 2 and model.loss == "log_loss":
            return ("sigmoid",)
        if classes == 2 and model.loss == "modified_huber":
            return "hard_sigmoid", 0.5, 0.5
    elif isinstance(model, (LogisticRegression, LinearDiscriminantAnalysis)):
        if classes == 2:
            return ("sigmoid",)
        # one against the rest has no softmax: its scores are as good for the choice
        if getattr(model, "solver", "") != "liblinear" and getattr(
                model, "multi_class", None) != "ovr":
            return ("softmax",)
    return (None,)


def _coefficients(model, name):
    """(weights [inputs, outputs], bias [outputs]) of a linear model."""
    if isinstance(model, (OneVsRestClassifier, MultiOutputRegressor)):
        parts = []
        for inner in model.estimators_:
            if not isinstance(inner, (LinearModel, LinearClassifierMixin, SGDRegressor)):
                raise ConversionError(f"the {name} holds a {type(inner).__name__}: only linear "
                                      "models can be in it")
            parts.append(_coefficients(_fitted(inner), name))
        return (np.hstack([w for w, _ in parts]), np.hstack([b for _, b in parts]))
    if isinstance(model, PLSRegression):  # it centres its inputs, by its version's own rule
        n = model.n_features_in_
        bias = np.reshape(model.predict(np.zeros((1, n))), -1)
        return np.reshape(model.predict(np.eye(n)), (n, -1)) - bias, bias
    if not isinstance(model, (LinearModel, LinearClassifierMixin, SGDRegressor)):
        raise ConversionError(f"{name} cannot be converted: the last step must be one of "
                              f"{', '.join(ESTIMATORS)}")
    coefficients = model.coef_
    if hasattr(coefficients, "toarray"):  # sparsify() was called
        coefficients = coefficients.toarray()
    coefficients = np.atleast_2d(np.asarray(coefficients, float))
    return coefficients.T, np.array(np.broadcast_to(model.intercept_, len(coefficients)), float)


def _classes(model):
    if isinstance(model.classes_, list) or len(model.classes_) < 2:
        raise ConversionError(f"the {type(model).__name__} has not two or more classes of one kind:"
                              " fit one model for each kind")
    return model.classes_.tolist()


def _affine(step, n):
    """(matrix [inputs, outputs], offset [outputs]) of a linear step with n inputs."""
    if step is None or isinstance(step, str):
        return (np.zeros((n, 0)), np.zeros(0)) if step == "drop" else (np.eye(n), np.zeros(n))
    name = type(step).__name__
    if isinstance(step, Pipeline):
        matrix, offset = np.eye(n), np.zeros(n)
        for _, inner in step.steps:
            _refuse_clip(inner)
            m, o = _affine(inner, matrix.shape[1])
            matrix, offset = matrix @ m, offset @ m + o
        return matrix, offset
    _fitted(step)
    if isinstance(step, ColumnTransformer):
        return _columns(step, n)
    if isinstance(step, FeatureUnion):
        weights = step.transformer_weights or {}
        parts = []
        for key, inner in step.transformer_list:
            _refuse_clip(inner)
            matrix, offset = _affine(inner, n)
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
        matrix, offset = _affine(inner, chosen.shape[1])
        weight = (step.transformer_weights or {}).get(key, 1)
        columns.append((chosen @ matrix * weight, offset * weight))
    return np.hstack([m for m, _ in columns]), np.hstack([o for _, o in columns])


def _refuse_clip(step):
    if getattr(step, "clip", False):
        raise ConversionError(f"{type(step).__name__}(clip=True) inside of another step cannot be "
                              "converted: use clip=False")


def _inverse(transformer):
    """(slope, offset) by which a TransformedTargetRegressor takes its outputs back."""
    if isinstance(transformer, FunctionTransformer) and transformer.func is not None:
        raise ConversionError("the TransformedTargetRegressor has a function, which cannot be "
                              "converted: use transformer=StandardScaler()")
    n = _inputs(transformer)
    matrix, offset = _affine(transformer, n)
    slope = np.diag(matrix)
    if matrix.shape != (n, n) or (matrix != np.diag(slope)).any() or not slope.all():
        raise ConversionError(f"the TransformedTargetRegressor has a {type(transformer).__name__}: "
                              "use StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler")
    return 1 / slope, -offset / slope


def _inputs(model):
    """How many values a model takes."""
    while isinstance(model, Pipeline):
        steps = [s for _, s in model.steps if s is not None and not isinstance(s, str)]
        if not steps:
            raise ConversionError("the Pipeline has no steps: put a network at its end")
        model = steps[0]
    if isinstance(model, BaseSearchCV):
        return _inputs(_best(model))
    if isinstance(model, FeatureUnion):
        return _inputs(next((s for _, s in model.transformer_list if not isinstance(s, str)), None))
    _fitted(model)
    if not hasattr(model, "n_features_in_"):
        raise ConversionError(f"the {type(model).__name__} takes no rows of numbers: apply it "
                              "before the network, on the board too")
    return model.n_features_in_


def _best(search):
    if not hasattr(search, "best_estimator_"):
        raise ConversionError(f"the {type(search).__name__} has no best_estimator_: call fit(), "
                              "with refit=True")
    return search.best_estimator_


def _fitted(step):
    try:
        check_is_fitted(step)
    except (NotFittedError, TypeError):
        raise ConversionError(f"the {type(step).__name__} is not fitted: call fit() first")
    return _own(step)


def _own(step):
    """Refuse classes of others that compute something else than what they extend."""
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        owner = next((c for c in type(step).__mro__ if method in vars(c)), None)
        if owner is not None and owner.__module__.split(".")[0] not in ("sklearn", "imblearn"):
            raise ConversionError(f"the {type(step).__name__} has a {method}() of its own, which "
                                  "cannot be converted: use scikit-learn's own class")
    return step

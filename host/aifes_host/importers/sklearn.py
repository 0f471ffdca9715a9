"""scikit-learn: MLPs and linear models, and what may stand around them: linear steps, searches."""
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import RFE
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
from sklearn.pipeline import Pipeline

from ..graph import ConversionError
from .builder import Builder
from .sklearn_steps import affine, best, fitted, inputs, inverse, own

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


def convert(model):
    """A Graph of a fitted estimator, Pipeline or search; linear steps go into the first layer.

    Regressors give their values. Classifiers give probabilities where their predict_proba() is a
    softmax or, for two classes, a sigmoid; all others their decision_function(). Two classes are,
    as scikit-learn computes them, a single output: the second class.
    """
    network = Network(model)
    network.add(model)
    return network.builder.graph({"output": network.x}, network.name, network.labels)


class Network:
    """x: the Value so far; a linear step x @ matrix + offset waits for the first layer."""

    def __init__(self, model):
        self.builder = Builder()
        self.x = self.builder.input("input", (inputs(model),))
        self.matrix = self.offset = None
        self.name, self.labels = "", []

    def add(self, model):
        """All that the model computes in predict_proba(), decision_function() or predict()."""
        own(model)
        if isinstance(model, Pipeline):
            for _, step in model.steps[:-1]:
                self.step(step)
            self.add(model.steps[-1][1])
            return
        name = type(model).__name__
        if isinstance(model, BaseSearchCV):
            self.add(best(model))
            return
        fitted(model)
        self.name = name
        if isinstance(model, RFE):
            self.step(model)
            self.add(model.estimator_)
        elif isinstance(model, RANSACRegressor):
            self.add(model.estimator_)
        elif isinstance(model, TransformedTargetRegressor):
            slope, offset = inverse(model.transformer_)
            self.add(model.regressor_)
            self.x = self.x.affine(slope, offset, name)
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
            n = self.x.shape[0]
            if n > MOST_PREPARED:
                raise ConversionError(f"the step {type(step).__name__} takes {n} values: more than "
                                      f"{MOST_PREPARED} cannot be folded into the first layer")
            self.matrix, self.offset = np.eye(n), np.zeros(n)
        matrix, offset = affine(step, self.matrix.shape[1])
        self.matrix, self.offset = self.matrix @ matrix, self.offset @ matrix + offset
        if getattr(step, "clip", False):
            low, high = getattr(step, "feature_range", (-1, 1))
            self._settle(type(step).__name__)
            self.x = self.x.activation("clamp", f"{type(step).__name__}_clip", low, high)

    def _settle(self, name):
        """The waiting step as layers: a scaling of each value, or a dense layer."""
        matrix, offset = self.matrix, self.offset
        n, k = matrix.shape
        self.matrix = self.offset = None
        if n == k and not (matrix - np.diag(np.diag(matrix))).any():
            self.x = self.x.affine(np.diag(matrix), offset, name)
        else:
            self.x = self.x.dense(matrix, offset, name)

    def _first(self, weights, bias, name):
        """The first layer takes the waiting step into itself, unless both are smaller apart."""
        if self.matrix is not None:
            n, k = self.matrix.shape
            if n * k + weights.size < n * weights.shape[1]:
                self._settle("projection")
            else:
                weights, bias = self.matrix @ weights, self.offset @ weights + bias
        self.x = self.x.dense(weights, bias, name)

    def _mlp(self, mlp):
        for i, (w, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_)):
            if i:
                self.x = self.x.dense(w, b, f"dense_{i}")
            else:
                self._first(w, b, "dense_0")
            kind = mlp.activation if i < len(mlp.coefs_) - 1 else mlp.out_activation_
            if kind not in KINDS:
                raise ConversionError(f"the {type(mlp).__name__} has the activation {kind!r}, "
                                      f"which cannot be converted: use {', '.join(KINDS)}")
            if KINDS[kind]:
                self.x = self.x.activation(KINDS[kind], f"{KINDS[kind]}_{i}")
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
            self.x = self.x.activation(kind, kind, *parameters)


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
            parts.append(_coefficients(fitted(inner), name))
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

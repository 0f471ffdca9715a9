"""Every importer gives the float network that its framework computes."""
import warnings

import numpy as np
import pytest
from aifes_host import ConversionError, from_model
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

RNG = np.random.default_rng(7)
X = RNG.normal(size=(200, 5)) * [1, 10, 0.1, 300, 1] + [0, 5, 0, 1000, -1]


def fit(model, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("scaler", [None, StandardScaler, MinMaxScaler])
def test_sklearn_regressor(activation, scaler):
    mlp = MLPRegressor(hidden_layer_sizes=(8, 6), activation=activation, max_iter=20)
    model = fit(mlp if scaler is None else make_pipeline(scaler(), mlp), X[:, :2] / 10)
    assert np.allclose(from_model(model)(X), model.predict(X), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_sklearn_classifier(classes):
    model = fit(make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=20)),
                np.arange(len(X)) % classes)
    graph = from_model(model)
    wanted = model.predict_proba(X)
    assert np.allclose(graph(X), wanted[:, 1:] if classes == 2 else wanted, atol=1e-6)
    assert graph.labels == [str(c) for c in range(classes)]


@pytest.mark.parametrize("scaler", [MaxAbsScaler(), RobustScaler(), PCA(3, whiten=True),
                                    make_pipeline(StandardScaler(), "passthrough")])
@pytest.mark.parametrize("last", [LinearRegression(), Ridge(), Lasso(),
                                  LinearRegression(fit_intercept=False)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_sklearn_linear(scaler, last, outputs):
    y = X[:, :outputs] if outputs > 1 else X[:, 0]
    model = fit(make_pipeline(scaler, last), y)
    wanted = model.predict(X).reshape(len(X), -1)
    assert np.abs(from_model(model)(X) - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("classes", [2, 4])
def test_sklearn_logistic(classes):
    model = fit(make_pipeline(StandardScaler(), LogisticRegression()), np.arange(len(X)) % classes)
    wanted = model.predict_proba(X)
    graph = from_model(model)
    assert np.allclose(graph(X), wanted[:, 1:] if classes == 2 else wanted, atol=1e-6)
    assert graph.labels == [str(c) for c in range(classes)]


def test_scaler_chain():
    model = fit(make_pipeline(StandardScaler(), MinMaxScaler(),
                              MLPRegressor(hidden_layer_sizes=(4,), max_iter=20)), X[:, 0])
    assert np.allclose(from_model(model)(X)[:, 0], model.predict(X), atol=1e-6)


@pytest.mark.parametrize("model, word", [
    (MLPRegressor(hidden_layer_sizes=(4,)), "not fitted"),
    (fit(DecisionTreeRegressor(), X[:, 0]), "DecisionTreeRegressor cannot be.*must be"),
    (make_pipeline(StandardScaler(), MLPRegressor()), "StandardScaler is not fitted"),
    (fit(make_pipeline(PolynomialFeatures(), MLPRegressor(hidden_layer_sizes=(4,), max_iter=5)),
         X[:, 0]), "PolynomialFeatures"),
    (object(), "object"),
    ([("dense", [[1.0]], [0.0]), "swish"], "swish"),
    ([("dense", [[1.0]], [0.0, 1.0])], "dense_0"),
    ([("dense", [[1.0]], [0.0]), ("dense", [[1.0], [2.0]], [0.0])], "dense_1"),
    ([("dense", [[float("nan")]], [0.0])], "finite"),
    (["tanh"], "no dense"),
    ([("dense", "x")], "layer 0"),
])
def test_refusals_name_the_layer(model, word):
    with pytest.raises(ConversionError, match=word):
        from_model(model)


def test_description():
    w1, w2 = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
    x = RNG.normal(size=(10, 3))
    graph = from_model({"name": "n", "labels": ["a", "b"], "layers": [
        ["dense", w1.tolist(), [0, 1, 2, 3]], ["leaky_relu", 0.2], ["dense", w2.tolist(), [1, 2]],
        "softsign"]})
    h = x @ w1 + [0, 1, 2, 3]
    h = np.where(h > 0, h, 0.2 * h) @ w2 + [1, 2]
    assert np.allclose(graph(x), h / (1 + abs(h))) and graph.labels == ["a", "b"]

"""scikit-learn: every linear model, and what may stand around one, against its own results."""
import warnings

import numpy as np
import pytest
from aifes_host import ConversionError, from_model
from sklearn import linear_model
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import (
    RFE,
    GenericUnivariateSelect,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC, LinearSVR

RNG = np.random.default_rng(3)
X = RNG.normal(size=(240, 6)) * [1, 10, 0.1, 30, 1, 2] + [0, 5, 0, 100, -1, 1]
Y = X @ RNG.normal(size=6) / 10 + RNG.normal(size=240) * 0.1
WIDE = RNG.normal(size=(50, 6)) * 2 * X.std(axis=0) + X.mean(axis=0)  # beyond the training data


def fit(model, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(model).fit(X, y)


def classes(count):
    cuts = np.quantile(Y, np.arange(1, count) / count)
    return np.array(["low", "mid", "top", "huge"])[np.digitize(Y, cuts)]


def agrees(graph, wanted):
    wanted = np.asarray(wanted, float).reshape(len(WIDE), -1)
    found = graph(WIDE)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-6 * max(1, np.abs(wanted).max())


REGRESSORS = [Ridge(), *(getattr(linear_model, name)() for name in (
    "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "Lars", "LassoLars",
    "BayesianRidge", "ARDRegression", "HuberRegressor", "TheilSenRegressor", "RANSACRegressor",
    "OrthogonalMatchingPursuit")), make_pipeline(StandardScaler(), LinearSVR()),
    make_pipeline(StandardScaler(), SGDRegressor()), PLSRegression(2), RFE(Ridge()),
    linear_model.QuantileRegressor(alpha=0.1)]


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_regressors(model):
    fitted = fit(model, Y)
    agrees(from_model(fitted), fitted.predict(WIDE))


@pytest.mark.parametrize("model", [
    Ridge(), PLSRegression(2), linear_model.MultiTaskLasso(), MultiOutputRegressor(Ridge()),
    MLPRegressor(hidden_layer_sizes=(5,), max_iter=20)], ids=str)
def test_regressors_of_several_outputs(model):
    fitted = fit(model, np.stack([Y, Y ** 2], axis=1))
    agrees(from_model(fitted), fitted.predict(WIDE))


SCORES = [SGDClassifier(loss=loss) for loss in (
    "hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "squared_error")] + [
    Perceptron(), LinearSVC(), RidgeClassifier(), linear_model.RidgeClassifierCV(),
    linear_model.SGDClassifier(penalty="elasticnet"), OneVsRestClassifier(LogisticRegression()),
    OneVsRestClassifier(LinearSVC())]


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("model", [*SCORES, LinearDiscriminantAnalysis(), LogisticRegression(),
                                   linear_model.LogisticRegressionCV()], ids=str)
def test_classifiers(model, count):
    """What they decide, and predict_proba() where it is that of the network."""
    fitted = fit(make_pipeline(StandardScaler(), model), classes(count))
    graph = from_model(fitted)
    assert graph.labels == sorted(set(classes(count)))
    found = graph(WIDE)
    chosen = (found[:, 0] > graph.boundary).astype(int) if count == 2 else found.argmax(axis=1)
    assert (np.array(graph.labels)[chosen] == fitted.predict(WIDE)).all()
    if graph.layers[-1].kind == "dense":
        agrees(graph, fitted.decision_function(WIDE))
    else:
        wanted = fitted.predict_proba(WIDE)
        agrees(graph, wanted[:, 1:] if count == 2 else wanted)
    probable = {"SGDClassifier": getattr(model, "loss", "") in ("log_loss", "modified_huber")
                and count == 2}.get(type(model).__name__, model not in SCORES)
    assert (graph.layers[-1].kind != "dense") == probable


@pytest.mark.parametrize("model", [MLPClassifier((6,), max_iter=30), RidgeClassifier(),
                                   OneVsRestClassifier(LogisticRegression())], ids=str)
def test_several_labels_at_once_are_no_classes(model):
    """Each output is a yes or no of its own: no names that would make the largest the class."""
    fitted = fit(make_pipeline(StandardScaler(), model),
                 np.stack([Y > np.median(Y), X[:, 0] > 0, X[:, 4] > -1], axis=1).astype(int))
    graph = from_model(fitted)
    assert graph.labels == []
    boundary = 0 if graph.layers[-1].kind == "dense" else 0.5
    assert ((graph(WIDE) > boundary) == fitted.predict(WIDE)).all()


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler((-1, 2)), MaxAbsScaler(),
                                    RobustScaler(), None, make_pipeline(StandardScaler())], ids=str)
def test_targets_are_scaled_back(activation, scaler):
    mlp = MLPRegressor(hidden_layer_sizes=(7,), activation=activation, max_iter=30)
    fitted = fit(TransformedTargetRegressor(make_pipeline(StandardScaler(), mlp),
                                            transformer=scaler), Y * 50 + 400)
    graph = from_model(fitted)
    agrees(graph, fitted.predict(WIDE))
    assert [layer.kind for layer in graph.layers].count("dense") == 2
    assert from_model(fit(fitted, np.stack([Y, 3 * Y], axis=1))).n_out == 2


SELECTORS = [SelectKBest(k=3), SelectPercentile(percentile=50), VarianceThreshold(0.5),
             GenericUnivariateSelect(mode="k_best", param=2),
             SelectFromModel(LogisticRegression(), threshold="median"),
             RFE(LogisticRegression(), n_features_to_select=3),
             SequentialFeatureSelector(LogisticRegression(), n_features_to_select=2)]
PREPARATIONS = [
    *SELECTORS, PCA(3), PCA(2, whiten=True), IncrementalPCA(3), TruncatedSVD(3),
    LinearDiscriminantAnalysis(), LinearDiscriminantAnalysis(solver="eigen"),
    FunctionTransformer(), MinMaxScaler(clip=True), MinMaxScaler((-2, 3), clip=True),
    make_pipeline(SelectKBest(k=4), MinMaxScaler(clip=True), PCA(2)),
    ColumnTransformer([("a", StandardScaler(), [4, 1]), ("b", "passthrough", [0]),
                       ("c", "drop", [2])]),
    ColumnTransformer([("a", make_pipeline(StandardScaler(), PCA(2)), slice(1, 4))],
                      remainder=RobustScaler(), transformer_weights={"a": 3}),
    ColumnTransformer([("a", MaxAbsScaler(), np.arange(6) > 3)], remainder="passthrough"),
    FeatureUnion([("d", "drop"), ("c", "passthrough"), ("a", PCA(2)), ("b", SelectKBest(k=2))],
                 transformer_weights={"b": 0.5}),
    Pipeline([("a", "passthrough"), ("b", Pipeline([("c", StandardScaler()), ("d", None)]))])]


@pytest.mark.parametrize("step", PREPARATIONS, ids=str)
def test_steps_before_the_network(step):
    mlp = MLPClassifier((5,), max_iter=30)
    fitted = fit(make_pipeline(StandardScaler(), step, StandardScaler(), mlp), classes(3))
    graph = from_model(fitted)
    agrees(graph, fitted.predict_proba(WIDE))
    fitted = fit(make_pipeline(step, mlp), classes(2))
    agrees(from_model(fitted), fitted.predict_proba(WIDE)[:, 1:])


def test_a_selection_costs_no_layer():
    fitted = fit(make_pipeline(SelectKBest(k=3), MLPClassifier((5,), max_iter=30)), classes(3))
    graph = from_model(fitted)
    assert graph.n_in == 6 and [d.weights.shape for d in graph.layers if d.kind == "dense"] == [
        (6, 5), (5, 3)]


def test_many_inputs_take_no_square_of_memory():
    x = RNG.normal(size=(5, 200_000)).astype("f")
    assert from_model(Ridge().fit(x, np.arange(5))).n_in == 200_000
    with pytest.raises(ConversionError, match="StandardScaler takes 200000 values"):
        from_model(make_pipeline(StandardScaler(), Ridge()).fit(x, np.arange(5)))


def test_searches():
    grid = {"alpha": [0.1, 1.0]}
    for search in (GridSearchCV(RidgeClassifier(), grid),
                   RandomizedSearchCV(RidgeClassifier(), grid, n_iter=2)):
        fitted = fit(make_pipeline(StandardScaler(), search), classes(3))
        graph = from_model(fitted)
        agrees(graph, fitted.decision_function(WIDE))
        assert graph.labels == sorted(set(classes(3)))
    outer = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()),
                         {"logisticregression__C": [1, 2]})
    fitted = fit(outer, classes(2))
    agrees(from_model(fitted), fitted.predict_proba(WIDE)[:, 1:])


class Doubled(Ridge):
    def predict(self, x):
        return 2 * super().predict(x)


class DoubledPipeline(Pipeline):
    def predict(self, x):
        return 2 * super().predict(x)


NO_REFIT = GridSearchCV(Ridge(), {"alpha": [1]}, refit=False)


@pytest.mark.parametrize("model, words", [
    (NO_REFIT.fit(X, Y), "GridSearchCV has no best_estimator_: call fit.., with refit=True"),
    (clone(NO_REFIT), "GridSearchCV has no best_estimator_: call fit"),
    (Ridge(), "Ridge is not fitted: call fit"),
    (SelectKBest(), "SelectKBest is not fitted"),
    (Pipeline([("a", "passthrough")]), "no steps"),
    (fit(Doubled(), Y), "Doubled has a predict.. of its own"),
    (fit(RandomForestClassifier(3), classes(2)), "RandomForestClassifier cannot be.*must be"),
    (fit(SVC(kernel="linear"), classes(2)), "SVC cannot be converted.*LinearSVC"),
    (fit(CalibratedClassifierCV(LinearSVC()), classes(2)), "CalibratedClassifierCV cannot be"),
    (fit(OneVsOneClassifier(LinearSVC()), classes(3)), "OneVsOneClassifier cannot be"),
    (fit(OneVsRestClassifier(MLPClassifier((3,), max_iter=5)), classes(3)),
     "OneVsRestClassifier holds a MLPClassifier"),
    (fit(MultiOutputClassifier(LogisticRegression()), np.stack([classes(2), classes(3)], axis=1)),
     "MultiOutputClassifier cannot be"),
    (fit(MLPRegressor("poisson", (3,), max_iter=5), Y - Y.min()), "has the activation 'exp'"),
    (fit(MultiOutputRegressor(MLPRegressor(max_iter=5)), np.stack([Y, Y], axis=1)),
     "holds a MLPRegressor"),
    (fit(linear_model.PoissonRegressor(), Y - Y.min()), "PoissonRegressor cannot be"),
    (fit(TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), Y - Y.min()),
     "TransformedTargetRegressor has a function"),
    (fit(TransformedTargetRegressor(Ridge(), transformer=PowerTransformer()), Y),
     "step PowerTransformer cannot be folded"),
    (fit(make_pipeline(FunctionTransformer(np.abs), Ridge()), Y), "FunctionTransformer cannot be"),
    (fit(make_pipeline(SimpleImputer(), Ridge()), Y), "SimpleImputer cannot be folded"),
    (fit(make_pipeline(ColumnTransformer([("a", OneHotEncoder(handle_unknown="ignore"), [0])]),
                       Ridge()), Y), "OneHotEncoder cannot be folded"),
    (fit(make_pipeline(FeatureUnion([("a", MinMaxScaler(clip=True))]), Ridge()), Y),
     "clip=True. inside of another"),
    (fit(LinearRegression(positive=True), Y), None),
    (fit(DoubledPipeline([("a", Ridge())]), Y), "DoubledPipeline has a predict.. of its own"),
    (make_pipeline(TfidfVectorizer(), Ridge()).fit(["a few", "words here"], [0, 1]),
     "TfidfVectorizer takes no rows of numbers"),
], ids=lambda v: None if isinstance(v, str) else type(v).__name__)
def test_refusals(model, words):
    if words is None:
        return agrees(from_model(model), model.predict(WIDE))
    with pytest.raises(ConversionError, match=words):
        from_model(model)

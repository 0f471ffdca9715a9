"""Classes: where outputs divide, labels as people write them, what fine-tuning trains for."""
import json
import warnings

import aifes
import numpy as np
import pytest
from aifes.format import metadata
from aifes_host import (
    Activation,
    ConversionError,
    Dense,
    Simulator,
    finetune,
    float_model,
    from_model,
    quantize,
    search,
    sequential,
)
from aifes_host.losses import goals
from aifes_host.ops import KINDS, activation
from aifes_host.report import matrices, write_report
from aifes_host.stages import stages
from sklearn.linear_model import RidgeClassifier
from test_host_cli import run as cli

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 4))
SUM = X @ [1, -1, 0.5, 0] + 0.3 * RNG.normal(size=600)
CLASSES = (SUM > 0).astype(int)


def logit(hidden=8, outputs=1, last=(), labels=(), seed=1):
    """A network of logits for CLASSES, by hand: it is right for some 92 %."""
    rng = np.random.default_rng(seed)
    w = np.outer([3, -3, 1.5, 0], np.linspace(1, -1, outputs) if outputs > 1 else [1])
    return sequential(4, [Dense(np.hstack([np.eye(4), -np.eye(4)]), np.zeros(hidden)),
                     Activation("relu"),
                     Dense(np.vstack([w, -w]) + 0.3 * rng.normal(size=(hidden, outputs)),
                           np.full(outputs, 0.4)), *last], "net", list(labels))


def test_a_logit_divides_at_0():
    graph = logit()
    right = ((graph(X)[:, 0] > 0) == CLASSES).mean()
    result = quantize(graph, X)
    found = result.compare(X, CLASSES)
    assert found["accuracy_float"] == right > 0.9 and found["accuracy_q7"] > right - 0.01
    _, (by_q7, by_float, _) = matrices(result, stages(result, X)[-1], CLASSES)
    assert by_float.agreement == right and by_q7.agreement == found["accuracy_q7"]
    assert search(graph, X).compare(X, CLASSES)["accuracy_q7"] > right - 0.01
    probability = logit(last=[Activation("sigmoid")])
    assert quantize(probability, X).compare(X, CLASSES)["accuracy_float"] == right


def test_report_of_a_logit(tmp_path):
    found = write_report(quantize(logit(), X), X, tmp_path / "r.html", CLASSES)
    assert found["comparison"]["accuracy_float"] > 0.9


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_boundary_is_in_the_file(kind):
    """On PC and board alike; only where there is one output."""
    last = [] if kind is None else [activation(kind, *{
        "clamp": (-1, 1), "celu": (1,), "hard_sigmoid": (0.2, 0.5)}.get(kind, (0.5,)))]
    graph = logit(last=last)
    want = {"sigmoid": 0.5, "hard_sigmoid": 0.5, "softmax": 0.5, "log_sigmoid": np.log(0.5)}.get(
        kind, 0)
    models = [quantize(graph, X).model]
    if kind in (None, "relu", "leaky_relu", "elu", "sigmoid", "tanh", "softsign", "softmax"):
        models += [float_model(graph)]
        models += [bytes(aifes.quantize(aifes.load(models[1]), X[:40].tolist())._buf)]
    for model in models:
        found = metadata(model, Simulator(model).plan)["boundary"]
        assert found == want and (want or json.dumps(found) == "0")
    two = quantize(logit(outputs=2, last=[Activation("tanh")]), X).model
    assert "boundary" not in metadata(two, Simulator(two).plan)
    assert logit(last=[Activation("clamp", 0, 1)]).boundary == 0.5


def test_boundary_of_a_network_written_on_the_board():
    for last, want in ((aifes.Sigmoid(), 0.5), (aifes.Tanh(), 0)):
        net = aifes.Sequential([aifes.Input(4), aifes.Dense(1, [1, 2, 3, 4], [0]), last], dtype="f")
        assert aifes.quantize(net, X[:40].tolist()).metadata["boundary"] == want


@pytest.mark.parametrize("wrong", [-5, 7, 0.5, np.nan, np.inf, "left", None, "0.5", -1])
def test_labels_that_are_none(wrong):
    for outputs in (1, 2):
        if (outputs, wrong) == (1, -1):
            continue
        labels = np.array([0, 1, wrong], object)
        graph = logit(outputs=outputs)
        message = f"the label {wrong} is none of the network's 2 classes.*0 to 1"
        with pytest.raises(ConversionError, match=message):
            quantize(graph, X).compare(X[:3], labels)
        with pytest.raises(ConversionError, match=message):
            finetune(graph, X[:3], labels, meant="classes")
    named = quantize(logit(outputs=2, labels=["no", "yes"]), X)
    with pytest.raises(ConversionError, match=f"{wrong}' is none of the network's: no, yes"):
        named.compare(X[:2], np.array(["no", wrong], object))


@pytest.mark.parametrize("labels", [
    [0, 1, 1], [0.0, 1.0, 1.0], ["0", "1", "1"], [False, True, True], ["0.0", " 1", "1.0"],
    [-1, 1, 1], ["-1", "1", "1"], [-1.0, 1.0, 1.0], [[0], [1], [1]]])
def test_labels_as_people_write_them(labels):
    assert quantize(logit(), X).class_numbers(labels, 3).tolist() == [0, 1, 1]


@pytest.mark.parametrize("names, labels", [
    (["no", "yes"], [0, 1]), (["no", "yes"], ["0", "1.0"]),
    (["-1", "1"], [-1, 1.0]), (["1", "2"], [1, "2.0"]), (["1.0", "2.0"], [1, 2]),
    (["False", "True"], [False, True]), (["0", "1"], [False, True]), (["no", "yes"],
                                                                      ["no", "yes "]),
    ([0, 1], ["0", "1"]), (["1", "0"], ["1", "0"]), (["01", "1"], ["01", "1"])])
def test_labels_that_have_names(names, labels):
    for outputs in (1, 2):
        result = quantize(logit(outputs=outputs, labels=[str(v) for v in names]), X)
        assert result.class_numbers(labels, 2).tolist() == [0, 1]


def test_labels_that_do_not_fit_the_samples():
    result = quantize(logit(), X)
    for labels in ([0, 1], [[0, 1], [1, 0], [0, 0]], 3):
        with pytest.raises(ConversionError, match="labels for 3 samples"):
            result.class_numbers(labels, 3)
    with pytest.raises(ConversionError, match="different lengths"):
        result.class_numbers([[0], [1, 2], [0]], 3)


def test_comparison_is_read_by_people_and_programs():
    found = quantize(logit(), X).compare(X, CLASSES)
    for text in (str(found), repr(found)):
        first, second = text.splitlines()
        assert first.startswith("float against Q7 on 600 samples: mean error 0.0")
        assert second.startswith("accuracy: float 9")
    assert json.loads(json.dumps(found)) == found and found["samples"] == 600
    assert "accuracy" not in str(quantize(logit(), X).compare(X))


def tuned(graph, targets, meant=None):
    found = finetune(graph, X, targets, meant=meant)
    facts = found.improved
    assert facts["loss_after"] <= facts["loss_before"]
    assert facts["accuracy_after"] >= facts["accuracy_before"] - 0.03
    assert found.compare(X, CLASSES)["accuracy_q7"] > 0.9
    return facts["loss"]


@pytest.mark.parametrize("kind", [None, "sigmoid", "hard_sigmoid", "tanh", "softsign", "clamp",
                                  "silu", "log_sigmoid"])
def test_finetune_of_a_single_output(kind):
    """Trained as what it is: the accuracy stays, whatever the last layer."""
    last = [] if kind is None else [activation(kind, *{
        "clamp": (-1, 1), "hard_sigmoid": (1 / 6, 0.5)}.get(kind, ()))]
    loss = tuned(logit(last=last), CLASSES, "classes")
    assert loss == {"sigmoid": "cross-entropy", "hard_sigmoid": "cross-entropy",
                    "tanh": "squared error", "softsign": "squared error",
                    "clamp": "squared error"}.get(kind, "cross-entropy of logits")


@pytest.mark.parametrize("kind", [None, "softmax", "log_softmax", "sigmoid", "tanh"])
def test_finetune_of_two_outputs(kind):
    graph = logit(outputs=2, last=[activation(kind)] if kind else [])
    graph.layers[2].weights[:, [0, 1]] = graph.layers[2].weights[:, [1, 0]]
    loss = tuned(graph, CLASSES)
    assert loss == {None: "cross-entropy of logits", "tanh": "squared error"}.get(
        kind, "cross-entropy")
    assert tuned(graph, np.eye(2)[CLASSES], "classes") == loss


def test_targets_that_could_be_both():
    """A single column for a single linear output: classes or values? Only people know."""
    for targets in (CLASSES, 2 * CLASSES - 1, CLASSES.astype(float), np.ones(600),
                    CLASSES[:, None], 3 * CLASSES):
        with pytest.raises(ConversionError, match="--targets classes or --targets values"):
            finetune(logit(), X, targets)
    with pytest.raises(ConversionError, match="--targets classes"):
        finetune(logit(outputs=2), X, np.eye(2)[CLASSES])
    with pytest.raises(ConversionError, match="--targets classes"):
        finetune(logit(last=[Activation("tanh")]), X, CLASSES)
    with pytest.raises(ConversionError, match="classes or values, not 'both'"):
        finetune(logit(), X, CLASSES, meant="both")


def test_targets_that_can_be_one_thing_only():
    def kind(graph, targets):
        found = goals(graph, targets, 600)
        return found.loss, found.numbers is not None

    values, classes = ("squared error", False), ("cross-entropy of logits", True)
    assert kind(logit(), SUM) == values
    assert kind(logit(), np.round(10 * SUM)) == values
    assert kind(logit(), CLASSES.astype(bool)) == classes
    assert kind(logit(labels=["-1", "1"]), 2 * CLASSES - 1) == classes
    assert kind(logit(labels=["a", "b"]), np.array(["a", "b"])[CLASSES]) == classes
    assert kind(logit(outputs=3), CLASSES) == classes
    assert kind(logit(outputs=2), X[:, :2]) == values
    assert kind(logit(outputs=2, labels=["a", "b"]), np.eye(2)[CLASSES]) == classes
    assert kind(logit(last=[Activation("tanh")]), 2 * CLASSES - 1) == ("squared error", True)
    assert kind(logit(last=[Activation("sigmoid")]), 0.9 * CLASSES) == ("cross-entropy", False)
    assert kind(logit(last=[Activation("sigmoid")]), CLASSES) == ("cross-entropy", True)
    graph = logit(last=[Activation("tanh")])
    wanted = goals(graph, CLASSES, 600, "classes").goals[graph.outputs[0]].targets[:, 0]
    assert (wanted == 2 * CLASSES - 1).all()


@pytest.mark.parametrize("targets, meant, words", [
    (CLASSES[:9], "classes", "9 labels for 600"), (SUM[:9], "values", "9 targets for 600"),
    (np.zeros((600, 5)), None, "shape"), (np.zeros((600, 5)), "classes", "no classes"),
    (SUM, "classes", "is none of"), (np.where(SUM > 2, np.nan, SUM), None, "not finite"),
    (np.where(SUM > 0, "a", "b"), "values", "not numbers"), ([[1], [2, 3]], None, "lengths")])
def test_targets_that_do_not_fit(targets, meant, words):
    with pytest.raises(ConversionError, match=words):
        finetune(logit(), X, targets, meant=meant)


def test_probabilities_lie_between_0_and_1():
    with pytest.raises(ConversionError, match="0 to 1, or classes"):
        finetune(logit(last=[Activation("sigmoid")]), X, 3 * CLASSES.astype(float))


def test_ridge_classifier_and_torch():
    """As the libraries themselves count it."""
    ridge = RidgeClassifier().fit(X, CLASSES)
    found = quantize(from_model(ridge), X).compare(X, CLASSES)
    assert found["accuracy_float"] == ridge.score(X, CLASSES)
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(CLASSES[:, None]).float()
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(x), y).backward()
        optimizer.step()
    right = float(((net(x) > 0) == (y > 0)).float().mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = from_model(net)
    found = quantize(graph, X).compare(X, CLASSES)
    assert abs(found["accuracy_float"] - right) < 0.002 and found["accuracy_q7"] > right - 0.01
    assert finetune(graph, X, CLASSES, meant="classes").compare(
        X, CLASSES)["accuracy_q7"] > right - 0.02


def test_command_line_asks(tmp_path):
    graph = logit()
    (tmp_path / "net.json").write_text(json.dumps([
        ["dense", graph.layers[0].weights.tolist(), graph.layers[0].bias.tolist()], "relu",
        ["dense", graph.layers[2].weights.tolist(), graph.layers[2].bias.tolist()]]))
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", CLASSES)
    command = ["quantize", tmp_path / "net.json", "--data", tmp_path / "x.npy", "--finetune",
               tmp_path / "y.npy", "--labels", tmp_path / "y.npy", "-o", tmp_path / "net.aifes"]
    assert "--targets" in cli(*command, code=2)
    text = cli(*command, "--targets", "classes")
    assert "fine-tuning: cross-entropy of logits" in text and "accuracy on these" in text

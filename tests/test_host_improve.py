"""Warnings about calibration data, the loss by layer, --search and --finetune."""
import numpy as np
import pytest
from aifes_host import (
    Activation,
    Conv,
    ConversionError,
    Softmax,
    finetune,
    from_model,
    quantize,
    search,
    sequential,
    simulate,
)
from aifes_host.ops import KINDS
from aifes_host.stages import stages

RNG = np.random.default_rng(3)
X = RNG.uniform(-1, 1, (400, 3))


def network(hidden=8, last="tanh", scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return from_model([("dense", rng.normal(size=(3, hidden)), rng.normal(size=hidden)), "tanh",
                       ("dense", scale * rng.normal(size=(hidden, 2)), np.zeros(2)), last])


def warned(graph, x, words):
    found = quantize(graph, x).warnings
    assert len(found) == 1 and words in found[0], found


def test_warnings():
    assert quantize(network(), X).warnings == []
    warned(network(), X[:20], "only 20 samples")
    still = X.copy()
    still[:, 1] = 0.5
    warned(network(), still, "input 1 never changes")
    warned(network(scale=0.001), X, "'tanh_3' uses")
    dead = from_model([("dense", np.ones((3, 4)), [-9, -9, -9, 0]), "relu",
                       ("dense", np.ones((4, 1)), [0])])
    warned(dead, X, "'relu_1': 3 of 4 outputs never change")
    biased = from_model({"labels": ["go", "stop"], "layers": [
        ("dense", np.ones((3, 2)), [0, 9]), "softmax"]})
    warned(biased, X, "class go is never the answer")
    for same in (X[:1], np.ones((50, 3))):
        with pytest.raises(ConversionError, match="one sample"):
            quantize(network(), same)


def test_data_from_a_function():
    assert quantize(network(), lambda: X).model == quantize(network(), X).model
    assert quantize(network(), lambda: iter(X)).model == quantize(network(), X).model


def test_loss_by_layer():
    """The layer whose weights were made coarse on purpose is the one that is named."""
    graph = network()
    found = stages(quantize(graph, X), X)
    assert [s.title for s in found] == ["input", "dense_0 + tanh_1", "dense_2 + tanh_3"]
    assert all(0 < s.loss < 0.05 for s in found)
    graph.layers[0].weights[0, 0] = 100.0  # the other weights of this output lose their bits
    assert max(stages(quantize(graph, X), X), key=lambda s: s.loss).title.startswith("dense_0")


def rms(model, graph, x):
    return np.sqrt(((simulate(model, x) - graph(x)) ** 2).mean())


def test_search_gains_or_keeps():
    gained = 0
    for seed in range(4):
        graph = network(12, "sigmoid", 3.0, seed)
        plain, found = quantize(graph, X), search(graph, X)
        facts = found.improved
        assert facts["error_after"] <= facts["error_before"]
        gained += bool(facts["choices"])
        if not facts["choices"]:
            assert found.model == plain.model
        unseen = np.random.default_rng(99).uniform(-1, 1, (400, 3))
        assert rms(found.model, graph, unseen) < 1.2 * rms(plain.model, graph, unseen)
    assert gained
    with pytest.raises(ConversionError, match="'mse'"):
        search(network(), X, "aifes")


@pytest.mark.parametrize("kind", [k for k in KINDS if "softmax" not in k])
@pytest.mark.parametrize("alpha, beta", [(0.3, 0.6), (2.0, 2.5)])
def test_gradients(kind, alpha, beta):
    layer, x = Activation(kind, alpha, beta), np.linspace(-5, 5, 41) + 0.01
    numeric = (layer(x + 1e-6) - layer(x - 1e-6)) / 2e-6
    assert np.allclose(layer.gradients([x], layer(x), np.ones(41))[0], numeric, atol=1e-4)


@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_gradients_of_softmax(kind):
    rng = np.random.default_rng(0)
    layer, x, g = Softmax(kind), rng.normal(size=(20, 4)), rng.normal(size=(20, 4))
    found = layer.gradients([x], layer(x), g)[0]
    for k, d in enumerate(1e-6 * np.eye(4)):
        numeric = ((layer(x + d) - layer(x - d)) * g).sum(1) / 2e-6
        assert np.allclose(found[:, k], numeric, atol=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_softmax_in_the_middle_is_trained_through(kind):
    graph = from_model([("dense", np.eye(3), np.zeros(3)), kind, ("dense", np.eye(3), np.zeros(3))])
    facts = finetune(graph, X, graph(X) + 0.2).improved
    assert facts["loss_after"] < facts["loss_before"] / 4


def test_finetune_learns_what_quantization_lost():
    """AIfES's rule costs this control law a lot; training with the rounding gets some back."""
    teacher = network(24, "tanh", 0.5, 7)
    graph, targets = network(24, "tanh", 0.5, 7), teacher(X)
    plain = quantize(graph, X, "aifes")
    tuned = finetune(graph, X, targets, "aifes")
    unseen = np.random.default_rng(99).uniform(-1, 1, (400, 3))
    before, after = (rms(r.model, teacher, unseen) for r in (plain, tuned))
    assert tuned.improved["loss_after"] < tuned.improved["loss_before"]
    assert after < 0.95 * before
    assert (graph.layers[0].weights == teacher.layers[0].weights).all(), "the graph is left as is"


def test_finetune_leaves_convolutions_that_copy():
    rng = np.random.default_rng(0)

    def conv(n_in, n_out):
        return Conv(rng.normal(size=(3, 3, n_in, n_out)) / 4, np.zeros(n_out),
                    padding=(1, 1, 1, 1))

    double = Conv(np.ones((2, 2, 1, 4)), np.zeros(4), groups=4, spread=(2, 2),
                  padding=(1, 1, 1, 1))
    graph = sequential((4, 4, 1), [conv(1, 4), Activation("relu"), double, conv(4, 1)])
    x = rng.normal(size=(100, 16))
    np.testing.assert_array_equal(double(x[:, np.arange(64) // 4]), np.kron(
        x.reshape(-1, 4, 4, 1), np.ones((1, 2, 2, 4))).reshape(100, -1))
    tuned = finetune(graph, x, graph(x) + 0.5)
    assert tuned.improved["loss_after"] < tuned.improved["loss_before"] / 2
    layer = tuned.graph.nodes[2].layer
    assert (layer.weights == 1).all() and not layer.bias.any()
    assert tuned.scales[tuned.graph.nodes[2].output] == tuned.scales[
        tuned.graph.nodes[1].output]


def test_finetune_classes_and_refusals():
    graph = network(8, "softmax")
    classes = (X[:, 0] > X[:, 1]).astype(int)
    tuned = finetune(graph, X, classes)
    assert (simulate(tuned.model, X).argmax(1) == classes).mean() > 0.9
    for targets, words in ((classes[:9], "9 labels"), (np.zeros((400, 5)), "shape")):
        with pytest.raises(ConversionError, match=words):
            finetune(graph, X, targets)

"""Networks of images on the PC: quantized, searched, trained on, planned; what is refused."""
import re
import sys

import aifes
import numpy as np
import pytest
from aifes.ops import NAMES
from aifes_host import (
    Activation,
    Add,
    Conv,
    ConversionError,
    Dense,
    Graph,
    Node,
    Pool,
    Simulator,
    Tensor,
    finetune,
    quantize,
    search,
    sequential,
)
from aifes_host.cost import CHIPS, estimate, multiplications
from aifes_host.float32 import float_model
from aifes_host.layout import TARGETS, arrange, whole
from aifes_host.memory_map import blocks, lower_bound
from aifes_host.stages import stages
from aifes_host.support import SUPPORT

POOL, MEAN = NAMES.index("pool"), NAMES.index("mean")  # the PC takes this for some of those


def made_conv(rng, kernel, n_in, n_out, stride=1, groups=1):
    per = n_in // groups
    return Conv(rng.normal(size=(kernel, kernel, per, n_out)) / kernel / per ** 0.5,
                0.1 * rng.normal(size=n_out), (stride, stride), (kernel // 2,) * 4, groups=groups)


def residual(rng):
    """A network with a branch, all kinds of layers on images."""
    layers = [("x", "a", made_conv(rng, 3, 2, 8)), ("a", "b", Activation("relu")),
              ("b", "c", made_conv(rng, 3, 8, 8, groups=8)), ("c", "d", Activation("clamp", 0, 6)),
              ("d", "e", made_conv(rng, 1, 8, 8)), ("e,b", "f", Add()),
              ("f", "g", Activation("relu")), ("g", "h", Pool((2, 2), (2, 2))),
              ("h", "i", made_conv(rng, 3, 8, 12, 2)), ("i", "j", Activation("tanh")),
              ("j", "k", Pool((2, 2), (1, 1), average=True)),
              ("k", "y", Dense(rng.normal(size=(12, 4)), rng.normal(size=4)))]
    return Graph([Tensor("x", (9, 7, 2))], [Node(layer, x.split(","), (y,))
                                            for x, y, layer in layers], ["y"])


def test_random_networks_are_quantized_well():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        graph = residual(rng)
        result = quantize(graph, rng.normal(size=(150, 9, 7, 2)))
        x = rng.normal(size=(150, 126))
        real, seen = graph(x), Simulator(result.model)(x)
        assert ((seen - real) ** 2).mean() < 0.0015 * real.var()
        for target in TARGETS:
            assert (Simulator(arrange(result.model, target))(x) == seen).all()
        net = aifes.load(result.model, engine="python")
        assert np.array_equal(net.predict(x[0].tolist()), seen[0])
        assert [s.title for s in stages(result, x)][-1] == "y"


def test_the_arena_is_what_is_needed_at_once():
    rng = np.random.default_rng(0)
    graph = residual(rng)
    for model, unit in ((whole(quantize(graph, rng.normal(size=(40, 126))).model), 1),
                        (float_model(no_clamp(graph)), 4)):
        plan = Simulator(model).plan
        # the third convolution needs most: the branch, input, result, and its column
        assert plan.arena == lower_bound(plan) == unit * (3 * 9 * 7 * 8 + 8)
        # of four convolutions, in int8 of the mean, too
        assert sum("scratch" in b.name for b in blocks(plan)) == 4 + (unit == 1)


def no_clamp(graph):
    return Graph(graph.inputs, [Node(Activation("relu") if node.layer.kind == "clamp"
                                     else node.layer, node.inputs, node.outputs)
                                for node in graph.nodes], graph.outputs)


def test_float32_is_the_network():
    rng = np.random.default_rng(0)
    graph = no_clamp(residual(rng))
    x = rng.normal(size=(20, 126))
    model = float_model(graph)
    got = Simulator(model)(x)
    np.testing.assert_allclose(got, graph(x), atol=1e-4)
    net = aifes.load(model, engine="python")
    assert np.array_equal(np.float32(net.predict(x[0].tolist())), np.float32(got[0]))


def larger(rng):
    """Pixels repeated, zeros around them: convolutions that copy."""
    ones, none = np.ones((2, 3, 1, 4)), np.zeros(4)
    return sequential((4, 3, 2), [
        made_conv(rng, 3, 2, 4), Activation("relu"),
        Conv(ones, none, padding=(1, 1, 2, 2), groups=4, spread=(2, 3), name="upsampled"),
        Conv(ones[:1, :1], none, padding=(1, 0, 0, 2), groups=4, name="padded"),
        Pool((2, 2), (2, 2)), made_conv(rng, 3, 4, 3)])


def test_copies_keep_scale_and_values():
    """To the last bit: as if the tensor before had been made larger."""
    rng = np.random.default_rng(0)
    graph = larger(rng)
    x = rng.normal(size=(50, graph.n_in))
    real = graph.results(x)
    wide = real["relu_1"].reshape(-1, 4, 3, 4).repeat(2, 1).repeat(3, 2)
    assert (real["upsampled"].reshape(wide.shape) == wide).all()
    padded = np.pad(wide, ((0, 0), (1, 0), (0, 2), (0, 0)))
    assert (real["padded"].reshape(padded.shape) == padded).all()
    for result in (quantize(graph, x[:20]), quantize(graph, x)):
        assert len({result.scales[n] for n in ("relu_1", "upsampled", "padded")}) == 1
        simulator = Simulator(result.model)
        before, wide, padded = simulator.results(simulator.quantized(x))[:3]
        zero = result.scales["padded"][1]
        wanted = before.reshape(-1, 4, 3, 4).repeat(2, 1).repeat(3, 2)
        assert (wide.reshape(wanted.shape) == wanted).all()
        wanted = np.pad(wanted, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=zero)
        assert (padded.reshape(wanted.shape) == wanted).all()


@pytest.mark.parametrize("samples", [20, 40])
def test_the_board_quantizes_alike(samples):
    """With and without corrected means: each op has the same numbers."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        graph = larger(rng) if seed == 3 else no_clamp(residual(rng))
        if seed == 2:  # a transposed convolution, a mean with padding, its scale at the end
            w = rng.normal(size=(3, 2, 2, 6))
            graph = sequential((4, 3, 4), [
                Conv(w, rng.normal(size=6), (1, 2), (1, 2, 0, 1), (1, 2), 2, (2, 1)),
                Activation("elu", 1.0), Pool((2, 2), (1, 1), (1, 0, 1, 1), True, True),
                Activation("relu"), Pool((2, 1), (2, 1)), Activation("relu")])
        x = rng.normal(size=(samples, graph.n_in)).astype(np.float32)
        model = aifes.load(float_model(graph))
        quantizer = aifes.Quantizer(model)
        board = quantizer.run(x.tolist(), None, None)
        assert board.len <= quantizer.parameter_memory_size()
        ours, theirs = Simulator(quantize(graph, x).model), Simulator(bytes(board._buf))
        assert (ours.run(ours.quantized(x)) == theirs.run(theirs.quantized(x))).all()
        kinds = sorted(POOL if op.opcode == MEAN else op.opcode for op in ours.plan.ops)
        assert kinds == sorted(op.opcode for op in theirs.plan.ops)
        assert [t[1:3] for t in ours.outputs] == [t[1:3] for t in theirs.outputs]


def test_support_is_as_stated():
    """All of it was made above."""
    kinds = {node.layer.kind for node in residual(np.random.default_rng(0)).nodes}
    for kind in ("conv", "max_pool", "average_pool"):
        assert kind in kinds
        assert SUPPORT[kind].int8 is SUPPORT[kind].float32 is SUPPORT[kind].on_board is True


@pytest.fixture(scope="module")
def digits():
    """(graph, images, their digits) of a CNN that PyTorch trained for the digits of scikit-learn:
    the images are such as it was not trained with."""
    torch = pytest.importorskip("torch")
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).reshape(-1, 8, 8, 1), y[order]
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
                        nn.Flatten(), nn.Linear(64, 10))
    data, targets = torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2), torch.tensor(y)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(15):
        for part in torch.randperm(1200).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(data[part]), targets[part]).backward()
            optimizer.step()
    torch.set_num_threads(threads)
    w = [p.detach().numpy().astype(float) for p in net.parameters()]
    # PyTorch's vector of an image has the channels first
    dense = w[4].reshape(10, 16, 2, 2).transpose(2, 3, 1, 0).reshape(64, 10)
    graph = sequential((8, 8, 1), [
        Conv(w[0].transpose(2, 3, 1, 0), w[1], padding=(1,) * 4), Activation("relu"),
        Pool((2, 2), (2, 2)), Conv(w[2].transpose(2, 3, 1, 0), w[3], padding=(1,) * 4),
        Activation("relu"), Pool((2, 2), (2, 2), average=True), Dense(dense, w[5])])
    np.testing.assert_allclose(graph(x[:5]), net(data[:5]).detach().numpy(), atol=1e-4)
    return graph, x[1200:].reshape(-1, 64), y[1200:]


def test_digits(digits):
    graph, x, y = digits
    found = quantize(graph, x[:300]).compare(x, y)
    print(found)
    assert found["accuracy_float"] > 0.9
    assert found["accuracy_q7"] > found["accuracy_float"] - 0.007
    assert found["mean_error"] < 0.006 * found["output_span"]


def test_digits_searched_and_trained_on(digits, monkeypatch):
    graph, x, y = digits
    monkeypatch.setattr(sys.modules["aifes_host.finetune"], "EPOCHS", 15)
    found = search(graph, x[:60])
    assert found.improved["error_after"] <= found.improved["error_before"]
    print(found.improved)
    found = finetune(graph, x[:200], y[:200])
    print(found.improved)
    assert found.improved["loss_after"] <= found.improved["loss_before"]
    assert found.improved["accuracy_after"] >= found.improved["accuracy_before"] - 0.02


def test_costs(digits):
    graph, x, _ = digits
    model = quantize(graph, x[:100]).model
    assert multiplications(Simulator(model).plan) == 64 * 9 * 8 + 16 * 72 * 16 + 640
    assert all(estimate(model, chip).instructions > 23000 for chip in CHIPS)


def test_border_pixels_that_never_change_need_no_warning(digits):
    graph, x, _ = digits
    assert (x == x[0]).all(axis=0).any()
    assert quantize(graph, x[:100]).warnings == []


@pytest.mark.parametrize("layer, said", [
    (Conv(np.ones((3, 3, 2, 4)), np.zeros(4)), "takes 2 channels but gets 1"),
    (Conv(np.ones((9, 9, 1, 4)), np.zeros(4)), "smaller than its window"),
    (Pool((2, 2), (2, 2), (2, 0, 0, 0)), "nothing but its padding"),
    (Pool((9, 9), (1, 1)), "smaller than its window")])
def test_what_does_not_fit(layer, said):
    with pytest.raises(ConversionError, match=said):
        sequential((8, 8, 1), [layer])


@pytest.mark.parametrize("make, said", [
    (lambda: Conv(np.ones((3, 3, 4)), np.zeros(4)), "must be"),
    (lambda: Conv(np.ones((3, 3, 1, 4)), np.zeros(4), padding=(0, -1, 0, 0)), "whole numbers"),
    (lambda: Conv(np.ones((3, 3, 1, 4)), np.zeros(4), stride=(1.5, 1)), "whole numbers"),
    (lambda: Conv(np.ones((3, 3, 1, 4)), np.zeros(4), groups=3), "groups"),
    (lambda: Conv(np.full((3, 3, 1, 4), np.nan), np.zeros(4)), "not finite"),
    (lambda: Conv(np.ones((9, 9, 128, 1)), np.zeros(1)), "8192"),
    (lambda: Pool((0, 2), (1, 1)), "whole numbers"),
    (lambda: Pool((2048, 2048), (1, 1)), "elements")])
def test_what_is_no_layer(make, said):
    with pytest.raises(ConversionError, match=said):
        make()


def test_a_vector_is_no_image():
    with pytest.raises(ConversionError, match="takes an image"):
        sequential(64, [Conv(np.ones((3, 3, 1, 4)), np.zeros(4))])


def test_one_layer_for_images_of_two_sizes():
    layer = Pool((2, 2), (1, 1))
    with pytest.raises(ConversionError, match="make a layer of its own"):
        sequential((8, 8, 1), [layer, layer])


@pytest.mark.parametrize("layer", [Conv(np.ones((3, 3, 1, 1)), np.zeros(1)),
                                   Pool((2, 2), (2, 2)), Pool((2, 2), (2, 2), average=True)])
def test_aifes_rule_has_none(layer):
    graph = sequential((4, 4, 1), [layer])
    x = np.random.default_rng(0).normal(size=(40, 16))
    with pytest.raises(ConversionError, match=re.escape(f"AIfES has no {layer.kind}; use method "
                                                        "'mse'")):
        quantize(graph, x, "aifes")
    with pytest.raises(aifes.ModelError, match="in int8; use method 'mse'"):
        aifes.quantize(aifes.load(float_model(graph)), x.tolist(), method="aifes")

"""Networks that are no chains: checks, quantizing, simulating, training; the same on the device."""
import aifes
import graphs
import numpy as np
import pytest
from aifes.format import HEADER_SIZE, INT8, Op, Tensor, decode, metadata, size
from aifes.layers.assemble import assemble
from aifes.layers.dense import dense
from aifes.ops import room
from aifes_host import (
    Activation,
    Add,
    ConversionError,
    Dense,
    Graph,
    Node,
    Simulator,
    Softmax,
    finetune,
    float_model,
    quantize,
    search,
    sequential,
)
from aifes_host import Tensor as Input
from aifes_host.cost import CHIPS, TOLERANCE, estimate
from aifes_host.layout import TARGETS, arrange
from aifes_host.losses import goals
from aifes_host.memory_map import lower_bound
from aifes_host.predictions import Outputs
from aifes_host.stages import stages
from conftest import need
from emulator import build, emulator
from graphs import GRAPHS, on_device

EYE = Dense(np.eye(2), np.zeros(2), "eye")


def made(name, seed=0, samples=400):
    rng = np.random.default_rng(seed)
    graph = GRAPHS[name](rng)
    return graph, rng.normal(size=(samples, graph.n_in)) * 2


def decibels(real, seen):
    return 10 * np.log10((real ** 2).mean() / ((seen - real) ** 2).mean())


@pytest.mark.parametrize("inputs, nodes, outputs, words", [
    (["x"], [], ["x"], "no layers"),
    (["x"], [("x", "y")], ["x"], "'x' is no result"),
    (["x"], [("x", "y")], ["z"], "'z' is no result"),
    (["x"], [("x", "y")], [], "no inputs or no outputs"),
    (["x"], [("x", "y")], ["y", "y"], "stands twice"),
    (["x"], [("x", "y"), ("x", "y")], ["y"], "two tensors of the network are called 'y'"),
    (["x"], [("x", "x")], ["x"], "two tensors of the network are called 'x'"),
    (["x"], [("z", "y")], ["y"], "'y' reads 'z', which nothing makes"),
    (["x"], [("b", "a"), ("a", "b")], ["b"], "circle"),
    (["x"], [("x", "y"), ("x", "idle")], ["y"], "nothing needs 'idle'"),
    (["x", "idle"], [("x", "y")], ["y"], "nothing needs 'idle'")])
def test_bad_graphs(inputs, nodes, outputs, words):
    with pytest.raises(ConversionError, match=words):
        Graph([Input(n, 2) for n in inputs], [Node(EYE, [x], [y]) for x, y in nodes], outputs)


def test_shapes_must_fit():
    with pytest.raises(ConversionError, match=r"'sum' adds shapes \(2,\) and \(3,\)"):
        Graph([Input("a", 2), Input("b", 3)], [Node(Add("sum"), ["a", "b"], ["y"])], ["y"])
    with pytest.raises(ConversionError, match="'eye' takes 2 inputs but gets 6"):
        sequential((3, 2), [EYE])
    for shape in ((), (1, 2, 3, 4), 0, (2, -1)):
        with pytest.raises(ConversionError, match="'x' has shape"):
            Input("x", shape)
    assert sequential((3, 2, 1), [Dense(np.ones((6, 1)), [0])]).n_in == 6


def test_more_than_a_model_holds():
    many = Graph([Input(f"x{k}", 2) for k in range(16)], [
        Node(Add(), [f"s{k - 1}" if k > 1 else "x0", f"x{k}"], [f"s{k}"]) for k in range(1, 16)],
        ["s15"])
    deep = sequential(2, [Activation("tanh")] * 2 + [EYE] * 1025)
    x = np.random.default_rng(0).normal(size=(40, 32))
    for graph in (many, deep):
        with pytest.raises(ConversionError, match="up to 15 inputs, 15 outputs and 1024 ops"):
            quantize(graph, x[:, :graph.n_in])
        with pytest.raises(ConversionError, match="split it"):
            float_model(graph)


def test_order_and_names():
    graph = Graph([Input("x", 2)], [
        Node(Add(), ["a", "b"], ["y"]), Node(EYE, ["x"], ["a"]), Node(EYE, ["a"], ["b"])], ["y"])
    assert [node.output for node in graph.nodes] == ["a", "b", "y"]
    assert graph.layers[2].name == "y" and graph.boundary is None
    assert repr(graph) == "Graph('network', 2 -> (3 layers) -> 2, 12 parameters)"
    assert graph([[1, 2]]).tolist() == [[2, 4]]


def test_samples_of_several_inputs():
    graph, x = made("two ends")
    assert (graph(x) == graph((x[:, :3], x[:, 3:]))).all()
    assert set(graph.results(x)) == set(graph.tensors)
    with pytest.raises(ConversionError, match="different numbers of samples"):
        graph((x[:5, :3], x[:6, 3:]))
    with pytest.raises(ConversionError, match="6 columns, the network has 7 inputs"):
        graph(x[:, :6])


@pytest.mark.parametrize("name, least", [
    ("residual", 30), ("two ends", 30), ("diamond", 29), ("inner output", 32)])
def test_quantized(name, least):
    """Near to float, and on the device to the last bit what the simulator computes."""
    for seed in range(5):
        graph, x = made(name, seed)
        result = quantize(graph, x)
        model = Simulator(result.model)
        found = decibels(graph(x), model(x))
        print(f"{name} {seed}: {found:.1f} dB")
        assert found > least
        q = np.random.default_rng(seed).integers(-128, 128, (50, graph.n_in)).astype(np.int8)
        assert (on_device(result.model, q) == model.run(q)).all()
        assert model.plan.arena >= lower_bound(model.plan)
        for target in TARGETS:
            assert (Simulator(arrange(result.model, target)).run(q) == model.run(q)).all()


@pytest.mark.parametrize("name", GRAPHS)
def test_float32(name):
    graph, x = made(name, 7)
    model = float_model(graph)
    x = x.astype(np.float32)
    assert np.allclose(Simulator(model)(x), graph(x), rtol=1e-4, atol=1e-5)
    assert (on_device(model, x[:20], kind="f") == Simulator(model).run(x[:20])).all()
    assert all(arrange(model, target) == model for target in TARGETS)


def test_deep_residual_net():
    rng = np.random.default_rng(5)
    graph = graphs.residual(rng, blocks=8, width=24)
    x = rng.normal(size=(500, 5))
    result = quantize(graph, x)
    found = decibels(graph(x), Simulator(result.model)(x))
    print(f"8 blocks: {found:.1f} dB")
    assert found > 25
    ops = [op.opcode for op in decode(result.model).ops]
    assert ops.count(4) == 8 and 2 not in ops, "all activations are inside other ops"


def test_report_of_each_tensor():
    graph, x = made("two ends")
    result = quantize(graph, x)
    assert [r.name for r in result.layers] == ["left", "right", *(v.name for v in graph.layers)]
    assert min(r.snr_db for r in result.layers) > 25
    found = stages(result, x)
    assert {s.title for s in found} == {"left", "right", "l + l_tanh", "r", "both + features",
                                        "speed", "logits", "kind"}
    assert {s.title for s in found if s.is_output} == {"speed", "kind"}
    for stage in found:
        assert decibels(stage.real, stage.seen) > 25
    with pytest.raises(ConversionError, match="AIfES has no add"):
        quantize(graph, x, "aifes")


def test_inputs_with_scales_of_their_own():
    """Features of very different ranges, in one of two inputs."""
    graph, x = made("two ends", 3)
    x[:, :3] *= (100, 1, 0.01)
    graph.layers[0].weights /= np.array((100, 1, 0.01))[:, None]
    result = quantize(graph, x)
    model = Simulator(result.model)
    assert model.inputs[0].scales and decibels(graph(x), model(x)) > 28
    q = np.random.default_rng(0).integers(-128, 128, (50, 7)).astype(np.int8)
    assert (on_device(result.model, q) == model.run(q)).all()


@pytest.mark.parametrize("ratio", [1e-9, 1e-3, 0.1, 1e3, 1e9])
def test_sum_of_very_different_ranges(ratio):
    rng = np.random.default_rng(1)
    graph = Graph([Input("a", 4), Input("b", 4)], [Node(Add(), ["a", "b"], ["y"])], ["y"])
    x = rng.normal(size=(300, 8)) * ([1] * 4 + [ratio] * 4)
    result = quantize(graph, x)
    model = Simulator(result.model)
    assert decibels(graph(x), model(x)) > 30
    assert len(stages(result, x)) == 3
    q = rng.integers(-128, 128, (50, 8)).astype(np.int8)
    assert (on_device(result.model, q) == model.run(q)).all()


def test_sum_that_cancels():
    """A result far smaller than what is added."""
    rng = np.random.default_rng(2)
    graph = Graph([Input("x", 3)], [
        Node(Dense(np.eye(3), np.zeros(3)), ["x"], ["a"]),
        Node(Dense(-np.eye(3), np.full(3, 1e-6)), ["x"], ["b"]),
        Node(Add(), ["a", "b"], ["y"])], ["y"])
    x = rng.normal(size=(100, 3))
    assert np.abs(Simulator(quantize(graph, x).model)(x)).max() < 0.1


def test_random_adds():
    """All fields of the record, at random."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        n = int(rng.integers(1, 20))
        low, high = sorted(rng.integers(-128, 128, 2).tolist())
        fields = room(4).Fields(int(rng.integers(-128, 128)), low, high, int(rng.integers(32)),
                                int(rng.integers(17)), int(rng.integers(17)), 0,
                                int(rng.integers(-1 << 28, 1 << 28)) >> int(rng.integers(28)))
        tensors = [Tensor(INT8, 0, 0, at * n, None, (n,)) for at in (0, 1, 1)]
        model = bytes(assemble([Op(4, 0, (0, 1), (2,), fields)], tensors, 2, 1, 2 * n))
        q = rng.integers(-128, 128, (20, 2 * n)).astype(np.int8)
        assert (on_device(model, q) == Simulator(model).run(q)).all()


def tflite(acc, multiplier, shift):
    """Requantization by section 3 of the facts about TensorFlow Lite: D(H(acc, m), n)."""
    high = (acc * multiplier + (1 << 30)) // (1 << 31)
    half = 1 << shift - 1 if shift else 0
    return (1 if high >= 0 else -1) * (abs(high) + half >> shift)


@pytest.mark.parametrize("seed", range(20))
def test_dense_with_multipliers(seed):
    """As .tflite files have it: the device, the simulator, and the rule in Python's integers."""
    rng = np.random.default_rng(seed)
    n, m = (int(v) for v in rng.integers(1, 30, 2))
    w = rng.integers(-128, 128, (m, n)).astype(np.int8)
    bias = rng.integers(-1 << 16, 1 << 16, m).tolist()
    multipliers = rng.integers(1 << 30, 1 << 31, m)
    if seed % 4 == 0:
        multipliers[0] = 1 << 30
    shifts = rng.integers(0, 20, m)
    zero = int(rng.integers(-128, 128))
    draft = dense(w.tobytes(), 0, bias, 3, 0, zero)
    fields = draft.fields._replace(
        multipliers=multipliers.astype("<i4").tobytes(), shifts=bytes(shifts.tolist()))
    tensors = [Tensor(INT8, 0, 3, 0, None, (n,)), Tensor(INT8, 0, zero, n, None, (m,))]
    model = bytes(assemble([Op(1, 0, (0,), (1,), fields)], tensors, 1, 1, n + m))
    q = rng.integers(-128, 128, (30, n)).astype(np.int8)
    got = Simulator(model).run(q)
    for x, y in zip(q.astype(int), got):
        want = [tflite(int((x - 3) @ w[j].astype(int)) + bias[j], int(multipliers[j]),
                       int(shifts[j])) + zero for j in range(m)]
        assert y.tolist() == [min(max(v, -128), 127) for v in want]
    assert (on_device(model, q) == got).all()
    for target in TARGETS:
        assert (Simulator(arrange(model, target)).run(q) == got).all()


def test_factors_of_selu_go_into_all_readers():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(50, 3)).astype(np.float32)

    def graph(kind, reader):
        return Graph([Input("x", 3)], [
            Node(graphs.dense(rng, 3, 4), ["x"], ["h"]),
            Node(Activation(kind, 1.5), ["h"], ["s"]),
            Node(graphs.dense(rng, 4, 2), ["s"], ["a"]),
            Node(reader, ["s"], ["b"])], ["a", "b"])

    for kind in ("selu", "celu"):
        found = graph(kind, graphs.dense(rng, 4, 2))
        assert np.allclose(Simulator(float_model(found))(x), found(x), rtol=1e-4, atol=1e-5)
        with pytest.raises(ConversionError, match="but between dense layers"):
            float_model(graph(kind, Activation("relu")))


def test_board_and_pc_decide_alike():
    """aifes.quantize() of a float32 model with branches gives what quantize() gives."""
    for name in GRAPHS:
        for seed in range(3):
            graph, x = made(name, seed, 60)
            x = x.astype(np.float32)
            want, net = quantize(graph, x).model, aifes.load(float_model(graph))
            found = bytes(aifes.quantize(net, x.tolist(), report=None)._buf)
            assert found[HEADER_SIZE:decode(found).metadata[0]] == want[
                HEADER_SIZE:decode(want).metadata[0]], (name, seed)


def test_search():
    graph, x = made("residual", 2, 200)
    found = search(graph, x)
    assert found.improved["error_after"] <= found.improved["error_before"]


@pytest.mark.parametrize("name", GRAPHS)
def test_gradients(name):
    """Of a network with branches, against differences of the loss."""
    graph, x = made(name, 8, 20)
    y = np.random.default_rng(8).random(size=(20, graph.n_out))
    aim = goals(graph, y, 20, "values")
    for goal in aim.goals.values():  # probabilities are 1 in sum
        goal.targets = goal.targets / goal.targets.sum(1, keepdims=True)

    def loss(x):
        """What the gradients are of."""
        total, results = 0, graph.results(x)
        for end, goal in aim.goals.items():
            y, t = results[end], goal.targets
            each = (y - t) ** 2 / 2 if goal.loss == "squared error" else -t * np.log(y)
            total = total + each.sum(1)
        return total

    results = graph.results(x)
    gradients = aim.gradients(results, np.arange(20))
    for node in reversed(graph.nodes):
        g = gradients.pop(node.output)
        back = [g] if node.output in aim.before_activation else node.layer.gradients(
            [results[n] for n in node.inputs], results[node.output], g)
        for n, v in zip(node.inputs, back):
            gradients[n] = gradients.get(n, 0) + v
    found = np.concatenate([gradients[t.name] for t in graph.inputs], 1)
    for k in range(graph.n_in):
        d = 1e-6 * np.eye(graph.n_in)[k]
        numeric = (loss(x + d) - loss(x - d)) / 2e-6
        assert np.allclose(found[:, k], numeric, rtol=1e-3, atol=1e-4)


def test_finetune_of_a_residual_net():
    rng = np.random.default_rng(6)
    graph = graphs.residual(rng, 2, 4)
    x = rng.normal(size=(400, 4))
    classes = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
    tuned = finetune(graph, x, classes)
    print(tuned.improved)
    assert tuned.improved["accuracy_after"] > 0.85 > tuned.improved["accuracy_before"]


def test_finetune_of_several_outputs():
    graph, x = made("two ends", 9)
    wanted = np.concatenate([np.tanh(x[:, :2]), np.eye(3)[(x[:, 3:6]).argmax(1)]], axis=1)
    tuned = finetune(graph, x, wanted)
    assert tuned.improved["loss"] == "squared error + cross-entropy"
    assert tuned.improved["loss_after"] < 0.8 * tuned.improved["loss_before"]
    for targets, meant in ((wanted, "classes"), (np.zeros(400), None)):
        with pytest.raises(ConversionError, match="network of 2 outputs is trained with values"):
            finetune(graph, x, targets, meant=meant)


def test_softmax_inside():
    """An attention over features, as far as it goes: trained through a softmax."""
    rng = np.random.default_rng(10)
    graph = Graph([Input("x", 4)], [
        Node(graphs.dense(rng, 4, 6), ["x"], ["h"]), Node(Softmax(), ["h"], ["share"]),
        Node(Add(), ["share", "h"], ["sum"]), Node(graphs.dense(rng, 6, 2), ["sum"], ["y"])], ["y"])
    x = rng.normal(size=(300, 4))
    assert decibels(graph(x), Simulator(quantize(graph, x).model)(x)) > 30
    assert finetune(graph, x, graph(x) + 0.1).improved["loss_after"] < 0.004


def test_classes_need_one_output():
    graph, x = made("two ends")
    with pytest.raises(ConversionError, match="one output, the network has 2: compare"):
        quantize(graph, x).compare(x, np.zeros(len(x)))
    with pytest.raises(ConversionError, match="one output, the network has 2: leave"):
        Graph(graph.inputs, graph.nodes, graph.outputs, "net", list("abcde"))
    assert quantize(graph, x).compare(x)["mean_error"] < 0.05


def test_names_of_several_outputs():
    graph, x = made("two ends")
    for model in (quantize(graph, x).model, float_model(graph)):
        named = Outputs(model, Simulator(model).plan)
        assert named.headings() == ["speed 0", "speed 1", "kind 0", "kind 1", "kind 2"]
        assert named.predictions(graph(x)) is None
        with pytest.raises(ConversionError, match="classes are told by one output"):
            named.accuracy(graph(x), np.zeros(len(x)))
        assert metadata(model, Simulator(model).plan)["inputs"] == ["left", "right"]


@pytest.mark.parametrize("number, chip", enumerate(("M0+", "M4", "RV32")))
def test_estimates_are_what_the_emulated_chip_counts(number, chip, tmp_path):
    need("riscv64-unknown-elf-gcc" if chip == "RV32" else "arm-none-eabi-gcc")
    elf = build(chip, tmp_path)
    for name in GRAPHS:
        graph, x = made(name)
        result = quantize(graph, x)
        model = arrange(result.model, CHIPS[number].target)
        q = np.random.default_rng(0).integers(-128, 128, (1, graph.n_in)).astype(np.int8)
        ends = Simulator(model)
        parts = np.split(q[0], np.cumsum([t.size for t in graph.inputs])[:-1])
        board = emulator(chip, elf, model)
        found = board.run([v.tobytes() for v in parts], [size(t.shape) for t in ends.outputs])
        assert b"".join(found) == ends.run(q).tobytes()
        assert abs(estimate(result.model, CHIPS[number]).instructions / board.count - 1) < TOLERANCE

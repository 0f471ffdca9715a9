"""ONNX of PyTorch's two exporters, skl2onnx, tf2onnx and by hand against ONNX Runtime."""
import warnings
from pathlib import Path

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, read_network
from frameworks import agree, need
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

SAVED = Path(__file__).parent / "saved_models"

pytestmark = pytest.mark.xdist_group("torch")  # which takes seconds to import


@pytest.fixture(scope="module")
def onnx():
    need("onnxruntime")
    return need("onnx")


def run(model, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(model if isinstance(model, str)
                                           else model.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: x})[-1]


# activations as exporters write them: functions of x, of what adds an operator, of what adds a
# constant, and of the number of elements
WRITTEN = {
    "clip": lambda x, add, c, n: add("Clip", x, c(-0.5), c(1.5)),
    "clip below": lambda x, add, c, n: add("Clip", x, "", c(0.5)),
    "clip each": lambda x, add, c, n: add("Min", add("Max", x, c(np.full(n, -1))), c(np.ones(n))),
    "clip apart": lambda x, add, c, n: add(
        "Min", add("Max", c(-0.1 * np.arange(1, n + 1)), x), c(np.linspace(0.5, 1, n))),
    "relu6": lambda x, add, c, n: add("Min", add("Relu", x), c(6)),
    "hard sigmoid": lambda x, add, c, n: add("HardSigmoid", x, alpha=0.3, beta=0.4),
    "hard sigmoid 6": lambda x, add, c, n: add(
        "Div", add("Clip", add("Add", x, c(3)), c(0), c(6)), c(6)),
    "hard swish": lambda x, add, c, n: add("HardSwish", x),
    "hard swish 6": lambda x, add, c, n: add(
        "Mul", x, add("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    "gelu": lambda x, add, c, n: add("Gelu", x),
    "gelu tanh": lambda x, add, c, n: add("Gelu", x, approximate="tanh"),
    "gelu erf": lambda x, add, c, n: add("Mul", add("Mul", x, add("Add", add(
        "Erf", add("Div", x, c(np.sqrt(2)))), c(1))), c(0.5)),
    "gelu pow": lambda x, add, c, n: add("Mul", add("Mul", c(0.5), x), add("Add", c(1), add(
        "Tanh", add("Mul", c(np.sqrt(2 / np.pi)), add("Add", x, add("Mul", c(0.044715), add(
            "Pow", x, c(3)))))))),
    "selu": lambda x, add, c, n: add("Selu", x),
    "selu of its own": lambda x, add, c, n: add("Selu", x, alpha=1.2, gamma=0.7),
    "celu": lambda x, add, c, n: add("Celu", x, alpha=0.6),
    "softplus": lambda x, add, c, n: add("Softplus", x),
    "softplus exp": lambda x, add, c, n: add("Log", add("Add", add("Exp", x), c(1))),
    "mish": lambda x, add, c, n: add("Mish", x),
    "mish tanh": lambda x, add, c, n: add("Mul", x, add("Tanh", add("Softplus", x))),
    "silu": lambda x, add, c, n: add("Mul", x, add("Sigmoid", x)),
    "swish": lambda x, add, c, n: add("Mul", x, add("Sigmoid", add("Mul", x, c(1.702)))),
    "log sigmoid": lambda x, add, c, n: add("Neg", add("Softplus", add("Neg", x))),
    "prelu": lambda x, add, c, n: add("PRelu", x, c([0.2])),
    "prelu each": lambda x, add, c, n: add("PRelu", x, c(np.full(n, 0.2))),
    "leaky where": lambda x, add, c, n: add(
        "Where", add("Greater", x, c(0)), x, add("Mul", x, c(0.1))),
    "thresholded": lambda x, add, c, n: add("ThresholdedRelu", x, alpha=0.0),
    "tanh sigmoid": lambda x, add, c, n: add(
        "Sub", add("Mul", c(2), add("Sigmoid", add("Mul", x, c(2)))), c(1)),
    "dropout": lambda x, add, c, n: add("Dropout", add("Tanh", x))}


def network(onnx, seed):
    """A random network by hand, of all operators that can be converted."""
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(seed)
    nodes, constants = [], []

    def constant(value):
        name = f"c{len(constants)}"
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def random(*shape):
        return constant(rng.normal(size=shape).astype("f"))

    def add(op, *inputs, **attributes):
        nodes.append(helper.make_node(op, list(inputs), [f"v{len(nodes)}"], **attributes))
        return f"v{len(nodes) - 1}"

    n = int(rng.integers(2, 10))
    shape = [n] if rng.random() < 0.5 else [n, 2, 3]
    x = add("Identity", "x")
    if rng.random() < 0.5:
        x = add("Div", add("Sub", x, random(*shape[-1:])), constant(np.float32(2.5)))
    if rng.random() < 0.3 and len(shape) == 3:
        x = add("BatchNormalization", x, random(n), random(n), random(n),
                constant(rng.random(n).astype("f") + 0.2))
    if len(shape) == 3:
        n = 6 * n
        x = [lambda: add("Flatten", x), lambda: add("Reshape", x, constant([0, -1])),
             lambda: add("Reshape", x, constant([-1, n]))][rng.integers(3)]()
    for _ in range(rng.integers(1, 4)):
        m = int(rng.integers(1, 16))
        style = rng.integers(4)
        if style == 0:
            x = add("Add", add("MatMul", x, random(n, m)), random(m))
        elif style == 1:
            x = add("Gemm", x, random(m, n), random(m), transB=1, alpha=0.5, beta=2.0)
        elif style == 2:
            x = add("Add", random(1, m), add("Gemm", x, random(n, m)))
        else:
            x = add("MatMul", x, add("Transpose", random(m, n), perm=[1, 0]))
        if rng.random() < 0.4:
            x = add("BatchNormalization", x, random(m), random(m), random(m),
                    constant(rng.random(m).astype("f") + 0.2))
        if rng.random() < 0.2:
            x = add("Squeeze", add("Unsqueeze", x, constant([1])), constant([1]))
        op = str(rng.choice(["Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softsign", "Mul",
                             "Sub", *sorted(WRITTEN)]))
        if op in WRITTEN:
            x = WRITTEN[op](x, add, lambda v: constant(np.asarray(v, "f")), m)
        else:
            x = add(op, random(m), x) if op in ("Mul", "Sub") else add(
                op, x, **({"alpha": 0.3} if op == "LeakyRelu" else {}))
        n = m
    if rng.random() < 0.4:
        x = add(["Softmax", "LogSoftmax"][rng.integers(2)], x, axis=[-1, 1][rng.integers(2)])
    shape_out = ["batch", n]
    if n == 1 and rng.random() < 0.7:
        x, shape_out = add("Squeeze", x, constant([1])), ["batch"]
    graph = helper.make_graph(
        nodes, "random", [helper.make_tensor_value_info("x", 1, ["batch", *shape])],
        [helper.make_tensor_value_info(x, 1, shape_out)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return model, rng.normal(size=(20, *shape)).astype("f")


@pytest.mark.parametrize("seed", range(100))
def test_agrees(onnx, tmp_path, seed):
    model, x = network(onnx, seed)
    wanted = run(model, x)
    agree(from_model(model), x, wanted)
    onnx.save(model, tmp_path / "net.onnx")
    agree(read_network(str(tmp_path / "net.onnx")), x, wanted)


@pytest.mark.parametrize("name", ["seq2", "func2"])
def test_files_of_tf2onnx(onnx, name):
    data = np.load(SAVED / f"{name}.npz")
    agree(read_network(str(SAVED / f"{name}.onnx")), data["x"], data["y"])


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.filterwarnings("ignore")
def test_files_of_pytorch(onnx, tmp_path, seed, dynamo):
    torch = need("torch")
    need("onnxscript")
    from test_importer_torch import architecture

    model, x = architecture(torch, seed)
    path = str(tmp_path / "net.onnx")
    batch = {"dynamic_shapes": ({0: torch.export.Dim.DYNAMIC},)} if dynamo else {
        "dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"]}
    torch.onnx.export(model.eval(), (x,), path, dynamo=dynamo, verbose=False, **batch)
    agree(read_network(path), x.numpy(), model(x).detach().numpy())


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_activations_of_pytorch(onnx, tmp_path, dynamo):
    torch = need("torch")
    need("onnxscript")
    from test_importer_torch import more

    path, x = str(tmp_path / "net.onnx"), torch.randn(20, 4)
    for layer in [*more(torch.nn), torch.nn.LogSoftmax(1)]:
        if dynamo and isinstance(layer, torch.nn.RReLU):
            continue  # which that exporter does not know
        model = torch.nn.Sequential(torch.nn.Linear(4, 5), layer, torch.nn.Linear(5, 3)).eval()
        torch.onnx.export(model, (x,), path, dynamo=dynamo, verbose=False)
        agree(read_network(path), x.numpy(), model(x).detach().numpy())


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["mlp", "scaled", "logistic"])
def test_classifiers_of_skl2onnx(onnx, kind, classes, zipmap):
    skl2onnx = need("skl2onnx")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(100, 4)).astype("f")
    labels = np.array(["red", "green", "blue"])[np.arange(100) % classes]
    model = {"mlp": MLPClassifier((6,), max_iter=5),
             "scaled": make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=5)),
             "logistic": LogisticRegression()}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, labels)
    graph = from_model(skl2onnx.to_onnx(model, x[:1], options={"zipmap": zipmap}))
    wanted = model.predict_proba(x)
    agree(graph, x, wanted[:, 1:] if classes == 2 else wanted)
    assert graph.labels == sorted(set(labels))


@pytest.mark.parametrize("outputs", [1, 2])
def test_regressors_of_skl2onnx(onnx, outputs):
    skl2onnx = need("skl2onnx")
    rng = np.random.default_rng(4)
    x = rng.normal(size=(100, 4)).astype("f")
    y = x[:, :outputs] if outputs > 1 else x[:, 0]
    mlp = MLPRegressor(hidden_layer_sizes=(5, 4), activation="tanh", max_iter=5)
    # skl2onnx 1.20 reshapes the results of an MLP with several outputs into one column
    for model in (Ridge(), make_pipeline(MinMaxScaler(), mlp))[:1 if outputs > 1 else 2]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, y)
        agree(from_model(skl2onnx.to_onnx(model, x[:1])), x, model.predict(x).reshape(100, -1))


def test_more_classifiers_of_skl2onnx(onnx):
    from sklearn.linear_model import Perceptron, RidgeClassifier, SGDClassifier
    from sklearn.svm import LinearSVC

    skl2onnx = need("skl2onnx")
    x = np.random.default_rng(3).normal(size=(90, 4)).astype("f")
    for classes in (2, 3):
        labels = np.array(["red", "green", "blue"])[np.arange(90) % classes]
        for model in (Perceptron(), RidgeClassifier(), SGDClassifier(), LinearSVC()):
            made = skl2onnx.to_onnx(model.fit(x, labels), x[:1])
            graph = from_model(made)
            wanted = model.decision_function(x)
            agree(graph, x, wanted.reshape(len(x), -1))
            assert graph.labels == sorted(set(labels))
            scores = made.graph.output[1].name
            assert from_model(made, output=scores).n_out == graph.n_out
            with pytest.raises(ConversionError, match="is a class.*convert the scores"):
                from_model(made, output=made.graph.output[0].name)


def by_hand(nodes, outputs, constants=(), inputs=("x",), shape=("n", 4)):
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(5)
    weights = {name: rng.normal(size=(4, n)).astype("f")
               for name, n in (("w1", 1), ("w3", 3), ("w4", 4))}
    return helper.make_model(helper.make_graph(
        [helper.make_node(op, read.split(), [made], made, **attributes)
         for op, read, made, attributes in nodes], "g",
        [helper.make_tensor_value_info(i, 1, shape) for i in inputs],
        [helper.make_tensor_value_info(name, 1, ["n", n]) for name, n in outputs],
        [numpy_helper.from_array(v, k) for k, v in dict(weights, **dict(constants)).items()]),
        opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


POLICY = [("MatMul", "x w4", "h", {}), ("Tanh", "h", "t", {}), ("MatMul", "t w3", "a", {}),
          ("Clip", "a low high", "actions", {}), ("MatMul", "t w1", "values", {})]
ENDS = {"low": np.float32(-1), "high": np.float32(1)}


def test_outputs_are_chosen(onnx, tmp_path):
    x = np.random.default_rng(6).normal(size=(20, 4)).astype("f")
    made = by_hand(POLICY, [("actions", 3), ("values", 1)], ENDS)
    onnx.save(made, tmp_path / "net.onnx")
    for name, i in (("actions", 0), ("values", 1)):
        import onnxruntime

        wanted = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[i]
        agree(from_model(made, output=name), x, wanted)
        agree(read_network(str(tmp_path / "net.onnx"), output=name), x, wanted)
    both = r"2 outputs, 'actions' \[n, 3\], 'values' \[n, 1\]: .*--output NAME"
    with pytest.raises(ConversionError, match=both):
        read_network(str(tmp_path / "net.onnx"))
    with pytest.raises(ConversionError, match="no output 't': it has 'actions'"):
        from_model(made, output="t")


@pytest.mark.parametrize("names", [("probabilities", "values"), ("label", "probabilities")])
def test_names_do_not_choose(onnx, names):
    """Outputs that are called as scikit-learn's are, but are none."""
    nodes = [(op, read, dict(zip(("actions", "values"), names)).get(made, made), a)
             for op, read, made, a in POLICY]
    with pytest.raises(ConversionError, match="say which one"):
        from_model(by_hand(nodes, [(names[0], 3), (names[1], 1)], ENDS))
    # the best action, and the value of the state: not the scores that it is chosen by
    nodes = POLICY + [("ArgMax", "actions", "label", {"axis": 1})]
    with pytest.raises(ConversionError, match="say which one"):
        from_model(by_hand(nodes, [("label", 1), ("values", 1)], ENDS))


def test_outputs_that_are_one(onnx):
    nodes = POLICY + [("Identity", "actions", "again", {})]
    assert from_model(by_hand(nodes, [("actions", 3), ("again", 3)], ENDS)).n_out == 3
    with pytest.raises(ConversionError, match="say which one"):  # one is on the way to the other
        from_model(by_hand(POLICY, [("h", 4), ("actions", 3)], ENDS))
    with pytest.raises(ConversionError, match="no output"):
        from_model(by_hand(POLICY, [], ENDS))


def test_inputs(onnx):
    ends = [("actions", 3)]
    assert from_model(by_hand(POLICY, ends, ENDS, ("x", "w4"))).n_in == 4  # of old files
    assert from_model(by_hand(POLICY, ends, ENDS, ("x", "unused"))).n_in == 4
    with pytest.raises(ConversionError, match="does not depend on its input"):
        from_model(by_hand([("Identity", "w4", "actions", {})], ends))


def test_shapes_with_a_fixed_batch(onnx):
    x = np.random.default_rng(6).normal(size=(20, 2, 2)).astype("f")
    for target in ([20, -1], [0, -1], [-1, 4], [20, 4], [20, 1, 4]):
        for batch in (20, "n"):
            if batch == "n" and target == [20, -1]:
                continue  # says nothing of other batches
            made = by_hand([("Reshape", "x s", "f", {}), ("MatMul", "f w3", "y", {})], [("y", 3)],
                           {"s": np.array(target)}, shape=(batch, 2, 2))
            if len(target) == 3:
                made.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 3
                made.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
            agree(from_model(made), x, run(made, x).reshape(20, 3))
    for target in ([10, -1], [40, -1], [-1], [-1, 2]):
        with pytest.raises(ConversionError, match="mixes the samples|values of shape|takes 4"):
            from_model(by_hand([("Reshape", "x s", "f", {}), ("MatMul", "f w3", "y", {})],
                               [("y", 3)], {"s": np.array(target)}, shape=(20, 2, 2)))


def test_refusals_name_the_layer(onnx, tmp_path):
    from onnx import helper, numpy_helper

    def model(*nodes, shape=(4,)):
        weights = [numpy_helper.from_array(np.ones((4, 4), "f"), "w")]
        graph = helper.make_graph(
            list(nodes), "g", [helper.make_tensor_value_info("x", 1, ["n", *shape])],
            [helper.make_tensor_value_info(nodes[-1].output[0], 1, None)], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])

    dense = helper.make_node("MatMul", ["x", "w"], ["h"], "first")
    for made, words in (
            (model(dense, helper.make_node("Sin", ["h"], ["y"], "act")), r"'act' \(Sin\).*use"),
            (model(dense, helper.make_node("Div", ["h", "x"], ["y"], "quotient")),
             r"'quotient' \(Div\) combines several values.*only a sum"),
            (model(helper.make_node("MatMul", ["w", "x"], ["y"], "left")), "'left'.*from the left"),
            (model(dense, shape=(4, 3)), "'first' takes 4 inputs but gets 3"),
            (model(dense, helper.make_node("Softmax", ["h"], ["y"], "s", axis=0)), "'s'.*axis 0"),
            (model(helper.make_node("Relu", ["x"], ["y"])), "no dense")):
        with pytest.raises(ConversionError, match=words):
            from_model(made)
    path = tmp_path / "net.onnx"
    path.write_bytes(b"not protobuf" * 9)
    with pytest.raises(ConversionError, match="net.onnx"):
        read_network(str(path))

"""Networks that are no chains: skip connections, several inputs and outputs; what is refused."""
import json
import time
import zipfile

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, read_network
from frameworks import agree, need

pytestmark = pytest.mark.xdist_group("torch")  # which takes seconds to import
RNG = np.random.default_rng(0)
X, Z = (RNG.normal(size=(20, 4)).astype("f") for _ in range(2))


def joined(results):
    return np.concatenate([np.asarray(r).reshape(20, -1) for r in results], axis=1)


@pytest.fixture(scope="module")
def keras():
    need("torch")
    return need("keras")


def residual(keras, x, n, block):
    """Two layers with normalization around which the values go; "before" and "after" the sum."""
    layers = keras.layers
    h = layers.BatchNormalization()(x) if block == "before" else x
    h = layers.Activation("relu")(layers.BatchNormalization()(layers.Dense(n)(h)))
    h = layers.Dropout(0.2)(layers.Dense(n)(h))
    if block == "operator":
        return layers.ReLU()(x + h)
    y = layers.Add()([x, h])
    return layers.BatchNormalization()(y) if block == "after" else y


def keras_models(keras):
    """{name: (model, how many inputs)}"""
    layers, models = keras.layers, {}
    for block in ("before", "after", "operator"):
        x = keras.Input((4,))
        y = layers.Dense(6, "tanh")(x)
        for _ in range(3):
            y = residual(keras, y, 6, block)
        models[block] = keras.Model(x, layers.Dense(3, "softmax")(y)), 1
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    p, q = layers.Dense(5)(a), layers.Dense(5)(b)
    s = layers.Add(name="both")([p, q, layers.Dense(5)(a)])
    models["ends"] = keras.Model([a, b], [layers.Dense(2, name="one")(s), s]), 2
    models["dict"] = keras.Model({"a": a, "b": b}, {"k": s, "l": layers.ReLU(name="r")(p)}), 2
    inner_x, inner_z = keras.Input((4,)), keras.Input((4,))
    body = layers.Dense(4, "tanh")(inner_x)
    inner = keras.Model([inner_x, inner_z], [body, layers.Add()([body, inner_z])], name="inner")
    shared = layers.Dense(4, "sigmoid", name="shared")
    one, two = inner([shared(a), shared(b)])
    three, four = inner([b, one])
    tower = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="tower")
    total = layers.Add()([two, three, tower(a), tower(four)])
    models["nested"] = keras.Model([a, b], [layers.Dense(2)(total), four]), 2
    return models


@pytest.mark.parametrize("name", ["before", "after", "operator", "ends", "dict", "nested"])
def test_keras(keras, tmp_path, name):
    model, inputs = keras_models(keras)[name]
    model.set_weights([np.abs(RNG.normal(size=w.shape)) + 0.2 if "variance" in v.name
                       else RNG.normal(size=w.shape) / 2
                       for w, v in zip(model.get_weights(), model.weights)])
    data = (X, Z)[:inputs]
    wanted = model.predict(dict(zip("ab", data)) if name == "dict" else list(data), verbose=0)
    several = isinstance(wanted, (list, dict))
    chosen = list(wanted) if isinstance(wanted, dict) else model.output_names if several else None
    wanted = list(wanted.values()) if isinstance(wanted, dict) else wanted
    wanted = joined(wanted if several else [wanted])
    sources = [lambda **options: from_model(model, **options)]
    for suffix in (".keras", ".h5"):
        model.save(path := tmp_path / f"net{suffix}")
        sources.append(lambda path=path, **options: read_network(str(path), **options))
    for source in sources:
        graph = source(output=chosen)
        agree(graph, data if inputs > 1 else data[0], wanted)
        if several:
            assert graph.outputs == chosen
            graph = source(output=chosen[::-1])
            n = [graph.tensors[name].size for name in graph.outputs]
            agree(graph, data, np.roll(wanted, n[0], axis=1))
        else:  # what is normalized before a sum, or behind it, is in the layers around it
            scales = [layer for layer in graph.layers if layer.name.startswith("scale")]
            assert len(scales) == (2 if name == "after" else 0)
    if several:
        for words, output in (("asked for twice", [chosen[0]] * 2), ("no output 'zz'", ["zz"]),
                              ("list of outputs is empty", []), ("has 2 outputs", None)):
            with pytest.raises(ConversionError, match=words):
                sources[0](output=output)


@pytest.fixture(scope="module")
def torch():
    return need("torch")


def torch_models(torch):
    """{name: (module, how many inputs)}"""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.a, self.b, self.norm = nn.Linear(n, n), nn.Linear(n, n), nn.BatchNorm1d(n)
            self.act = nn.SiLU()

        def forward(self, x):
            return self.act(x + self.b(self.act(self.norm(self.a(x)))))

    class Elementwise(nn.Module):
        """All are functions of one value, but together none that is known."""

        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x):
            h = self.a(x)
            y = torch.tanh(h) + h
            y = nn.functional.gelu(y) + torch.relu(h) + 0.5
            return self.b(y + y)

    class Ends(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 1)

        def forward(self, x, z):
            h = torch.tanh(self.a(x))
            s = torch.add(h, self.b(z)) * 0.5 + 1
            return {"values": self.c(s).squeeze(-1), "sum": s, "h": h}

    return {"residual": (nn.Sequential(nn.Linear(4, 6), Block(6), Block(6), nn.Linear(6, 3)), 1),
            "elementwise": (Elementwise(), 1), "ends": (Ends(), 2)}


@pytest.mark.parametrize("name", ["residual", "elementwise", "ends"])
@pytest.mark.filterwarnings("ignore")
def test_torch(torch, tmp_path, name):
    torch.manual_seed(0)
    model, inputs = torch_models(torch)[name]
    data = tuple(map(torch.from_numpy, (X, Z)[:inputs]))
    with torch.no_grad():
        wanted = model.eval()(*data)
    chosen = list(wanted) if isinstance(wanted, dict) else None
    wanted = joined(wanted.values() if chosen else [wanted])
    data, x = data, (X, Z) if inputs > 1 else X
    program = torch.export.export(model, data)
    torch.export.save(program, tmp_path / "net.pt2")
    for graph in (from_model(program, output=chosen),
                  from_model(program.run_decompositions(), output=chosen),
                  read_network(str(tmp_path / "net.pt2"), output=chosen),
                  *([from_model(model)] if inputs == 1 else [])):
        agree(graph, x, wanted)
        assert graph.outputs == chosen if chosen else len(graph.outputs) == 1
    if chosen:
        agree(from_model(program, output=["h"]), X, wanted[:, -5:])  # of one input
        with pytest.raises(ConversionError, match="give torch.export.export"):
            from_model(model)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", ["residual", "elementwise", "ends"])
@pytest.mark.filterwarnings("ignore")
def test_onnx_of_torch(torch, tmp_path, name, dynamo):
    need("onnxscript")
    model, inputs = torch_models(torch)[name]
    data = tuple(map(torch.from_numpy, (X, Z)[:inputs]))
    with torch.no_grad():
        wanted = model.eval()(*data)
    torch.onnx.export(model, data, path := str(tmp_path / "net.onnx"), dynamo=dynamo, verbose=False)
    if not isinstance(wanted, dict):
        agree(read_network(path), X, wanted.numpy())
        return
    names = [o.name for o in need("onnx").load(path).graph.output]
    agree(read_network(path, output=names), (X, Z), joined(wanted.values()))


@pytest.fixture(scope="module")
def onnx():
    return need("onnx")


def model(onnx, nodes, constants=(), inputs=("x",), outputs=("y",), n=4):
    """nodes: (operator, inputs, output)."""
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(op, read.split(), [made], name=made) for op, read, made in nodes], "g",
        [helper.make_tensor_value_info(i, 1, ["n", n]) for i in inputs],
        [helper.make_tensor_value_info(o, 1, None) for o in outputs],
        [numpy_helper.from_array(np.asarray(v, "f"), k) for k, v in dict(constants).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(onnx, seed):
    """Of sums, dense layers, scalings and activations, each being read any number of times."""
    import onnxruntime

    rng = np.random.default_rng(seed)
    nodes, constants, values = [], {}, ["x", "z"]
    for i in range(rng.integers(3, 20)):
        op = str(rng.choice(["MatMul", "MatMul", "Add", "Add", "Mul", "Shift", "Relu", "Tanh",
                             "Softmax", "Sum", "Identity"]))
        read = [str(v) for v in rng.choice(values, 3)]
        if op in ("MatMul", "Mul", "Shift"):
            constants[f"c{i}"] = rng.normal(size=(4, 4) if op == "MatMul" else 4) / 2
            read, op = [read[0], f"c{i}"], "Add" if op == "Shift" else op
        read = read[:{"Sum": 3}.get(op, 2 if op in ("Add", "MatMul", "Mul") else 1)]
        nodes.append((op, " ".join(read), f"v{i}"))
        values.append(f"v{i}")
    constants["w"] = rng.normal(size=(4, 3))
    nodes.append(("MatMul", f"{values[-1]} w", "y"))
    ends = ["y", *(str(v) for v in rng.permutation(values[2:])[:rng.integers(0, 3)])]
    made = model(onnx, nodes, constants, ("x", "z"), ends)
    try:
        graph = from_model(made, output=ends)
    except ConversionError as error:  # two names of one value, or an input's
        assert "is the same as" in str(error)
        return
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    wanted = onnxruntime.InferenceSession(made.SerializeToString(), options).run(
        ends, {"x": X, "z": Z})
    names = [t.name for t in graph.inputs]
    agree(graph, (X, Z) if len(names) > 1 else X if names == ["x"] else Z, joined(wanted))
    assert set(graph.outputs) == set(ends) if len(ends) > 1 else len(graph.outputs) == 1


W = {"w": np.arange(16).reshape(4, 4) / 8, "c": np.arange(4.0) + 1}


@pytest.mark.parametrize("nodes, outputs, kinds", [
    # of a dense layer that is read once the scaling is a part, of one read twice it is not
    ([("MatMul", "x w", "h"), ("Mul", "h c", "s"), ("Relu", "s", "y")], "y", "dense relu"),
    ([("MatMul", "x w", "h"), ("Mul", "h c", "s"), ("Relu", "s", "y")], "y h", "dense dense relu"),
    ([("MatMul", "x w", "h"), ("Mul", "h c", "s"), ("Relu", "s", "r"), ("Add", "r s", "y")], "y",
     "dense relu add"),
    # but it may be one of those that read it
    ([("MatMul", "x w", "h"), ("Mul", "h c", "s"), ("MatMul", "s w", "a"), ("MatMul", "h w", "b"),
      ("Add", "a b", "y")], "y", "dense dense dense add"),
    # one scaling of two readers is one layer
    ([("Relu", "x", "h"), ("Mul", "h c", "s"), ("Tanh", "s", "a"), ("MatMul", "x w", "b"),
      ("Add", "a b", "d"), ("Add", "d s", "y")], "y", "relu dense dense tanh add add"),
    # constants go through sums
    ([("MatMul", "x w", "h"), ("Add", "x c", "a"), ("Add", "h a", "s"), ("MatMul", "s w", "y")],
     "y", "dense add dense"),
    # twice the same value is twice the value
    ([("Add", "x x", "s"), ("MatMul", "s w", "y")], "y", "dense"),
    ([("MatMul", "x w", "h"), ("Identity", "h", "i"), ("Add", "h i", "s"), ("MatMul", "s w", "y")],
     "y", "dense dense"),
    # differences, products, squares
    ([("MatMul", "x w", "h"), ("Sub", "h x", "y")], "y", "dense dense add"),
    ([("MatMul", "x w", "h"), ("Mul", "h x", "y")], "y", "dense multiply"),
    ([("MatMul", "x w", "h"), ("Mul", "h h", "s"), ("Mul", "s c", "y")], "y",
     "dense multiply dense"),
    # a Gemm that adds another value
    ([("MatMul", "x w", "h"), ("Gemm", "h w x", "y")], "y", "dense dense add"),
    # only what is needed stays
    ([("MatMul", "x w", "h"), ("Tanh", "h", "t"), ("Relu", "h", "y")], "y", "dense relu")])
def test_what_is_folded(onnx, nodes, outputs, kinds):
    made = model(onnx, nodes, W, outputs=outputs.split())
    graph = from_model(made, output=outputs.split())
    assert " ".join(layer.kind for layer in graph.layers) == kinds
    from onnx.reference import ReferenceEvaluator

    agree(graph, X, joined(ReferenceEvaluator(made).run(outputs.split(), {"x": X})))


def test_a_thousand_readers(onnx):
    """Of one value, added one after another and all at once."""
    many = [("MatMul", "x w", "h"), *[("Tanh" if i % 2 else "Relu", "h", f"r{i}")
                                      for i in range(1000)]]
    after = [("Add", f"{f's{i - 1}' if i > 1 else 'r0'} r{i}", f"s{i}") for i in range(1, 998)]
    begin = time.process_time()
    with pytest.raises(ConversionError, match="in a row"):
        from_model(model(onnx, [*many, *after, ("Add", "s997 r998", "y")], W))
    dense = [("MatMul", f"h{'' if i == 0 else f'{i - 1}'} w", f"h{i}") for i in range(300)]
    skips = [("Sum", "h " + " ".join(f"h{i}" for i in range(300)), "y")]
    graph = from_model(model(onnx, [("MatMul", "x w", "h"), *dense, *skips], W))
    assert len(graph.nodes) == 601
    fan = [("MatMul", "h w", f"f{i}") for i in range(990)]
    graph = from_model(model(onnx, [many[0], *fan, (
        "Sum", " ".join(f"f{i}" for i in range(990)), "y")], W))
    assert len(graph.nodes) == 1 + 990 + 989
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("nodes, options, words", [
    ([("MatMul", "b w", "a"), ("Add", "a x", "b"), ("Relu", "b", "y")], {}, "no operation before"),
    ([("Add", "y x", "y")], {}, "no operation before"),
    ([("MatMul", "x w", "h"), ("Add", "h q", "y")], {}, "'q', which no operation before"),
    ([("MatMul", "x w", "h"), ("MatMul", "x v", "g"), ("Add", "h g", "y")], {},
     r"'y' adds values of shapes \(4,\) and \(3,\)"),
    ([("MatMul", "x v", "g"), ("MatMul", "x u", "h"), ("Add", "g h", "y")], {},
     r"'y' adds values of shapes \(3,\) and \(1,\)"),
    ([("MatMul", "x w", "h"), ("Div", "h x", "y")], {}, "only a sum, a difference or a product"),
    ([("MatMul", "x x", "y")], {}, "not float constants"),
    ([("MatMul", "x w", "h"), ("MatMul", "h x", "y")], {}, "combines several"),
    ([("MatMul", "x w", "h"), ("Concat", "h x", "y")], {}, "joins values .*along dimension 0"),
    ([("MatMul", "x w", "h"), ("Relu", "h", "y")], {"output": ["y", "y"]}, "'y' is asked for tw"),
    ([("MatMul", "x w", "h"), ("Relu", "h", "y")], {"output": ["y", "q"]}, "no output 'q'"),
    ([("MatMul", "x w", "h"), ("Relu", "h", "y")], {"output": []}, "empty"),
    ([("MatMul", "x w", "h"), ("Relu", "h", "y"), ("Identity", "y", "z")],
     {"outputs": ("y", "z"), "output": ("y", "z")}, "'z' is the same as 'y'"),
    ([("MatMul", "x w", "y"), ("Identity", "x", "z")],
     {"outputs": ("y", "z"), "output": ["y", "z"]}, "'z' is the same as 'x'"),
    ([("MatMul", "x w", "y"), ("Identity", "w", "z")],
     {"outputs": ("y", "z"), "output": ["y", "z"]}, "'z' does not depend on"),
    ([("MatMul", "x w", "y")], {"inputs": ("x", "x")}, "twice|two tensors|needs"),
    ([("MatMul", "x w", "y"), ("Relu", "y", "z")], {"outputs": ("y", "z")}, "2 outputs")])
def test_what_is_refused(onnx, nodes, options, words):
    output = options.pop("output", None)
    made = model(onnx, nodes, {**W, "v": np.ones((4, 3)), "u": np.ones((4, 1))}, **options)
    if words.startswith("twice"):
        assert from_model(made).n_in == 4  # of one name there is one
        return
    with pytest.raises(ConversionError, match=words) as found:
        from_model(made, output=output)
    assert "\n" not in str(found.value)


def edited(source, path, change):
    """A .keras with another configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                change({layer["config"]["name"]: layer for layer in config["config"]["layers"]},
                       config["config"])
                data = json.dumps(config)
            new.writestr(name, data)
    return str(path)


def test_hostile_files_of_keras(keras, tmp_path):
    layers = keras.layers
    x = keras.Input((4,), name="x")
    h = layers.Dense(4, name="h")(x)
    total = layers.Add(name="s")([x, h])
    keras.Model(x, layers.Dense(2, name="y")(total)).save(tmp_path / "net.keras")

    def history(layer, node=0):
        found = layer["inbound_nodes"][0]["args"][0]
        return (found[node] if isinstance(found, list) else found)["config"]["keras_history"]

    def point(layer, to, node=0):
        return lambda by_name, _: history(by_name[layer], node).__setitem__(slice(None), to)

    def more(by_name, _):
        by_name["s"]["inbound_nodes"] = [{"args": [[
            by_name["h"]["inbound_nodes"][0]["args"][0]] * 5000], "kwargs": {}}]

    def calls(by_name, config):
        node = by_name["h"]["inbound_nodes"][0]
        by_name["h"]["inbound_nodes"] = [json.loads(json.dumps(node)) for _ in range(2100)]
        for i, one in enumerate(by_name["h"]["inbound_nodes"][1:]):
            one["args"][0]["config"]["keras_history"][:] = ["h", i, 0]
        history(by_name["s"], 1)[:] = ["h", 2099, 0]

    for change, words in (
            (point("h", ["s", 0, 0]), "form a circle"), (point("h", ["h", 0, 0]), "form a circle"),
            (point("h", ["gone", 0, 0]), "no layer 'gone'"),
            (point("s", ["h", 0, 3], 1), "does not have"),
            (point("s", ["h", 0, -1], 1), "does not have"), (calls, "more than 2000 layers"),
            (lambda by_name, config: config.update(output_layers=[["q", 0, 0]]), "no layer 'q'"),
            (lambda by_name, config: config.update(input_layers=[]), "no input|has no input"),
            (lambda by_name, config: by_name["x"].update(inbound_nodes=by_name["y"][
                "inbound_nodes"]), "form a circle")):
        with pytest.raises(ConversionError, match=words) as found:
            read_network(edited(tmp_path / "net.keras", tmp_path / "bad.keras", change))
        assert "\n" not in str(found.value)
    graph = read_network(edited(tmp_path / "net.keras", tmp_path / "more.keras", more))
    assert [layer.kind for layer in graph.layers] == ["dense"]  # 5000 times x


def test_models_within_models_do_not_multiply(keras, tmp_path):
    """Each calls the next one twice."""
    layers = keras.layers
    x = keras.Input((2,))
    made = keras.Model(x, layers.Dense(2)(x))
    for _ in range(20):
        x = keras.Input((2,))
        made = keras.Model(x, made(made(x)))
    with pytest.raises(ConversionError, match="more than 2000 layers"):
        from_model(made)

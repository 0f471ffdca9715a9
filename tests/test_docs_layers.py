"""docs/layers.md is true: each layer of its table is converted from each trainer, and runs so."""
import os
import re
from pathlib import Path

import aifes
import numpy as np
import pytest
from aifes_host import ConversionError, from_model, quantize
from aifes_host.float32 import float_model

os.environ.setdefault("KERAS_BACKEND", "torch")
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "layers.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines() if line.startswith("| ") and "`" in line]
RNG = np.random.default_rng(0)
W, V = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))
OF_IMAGES = re.compile("[Cc]onv|[Pp]ool|Pad|Reduce|BatchNorm2d|Upsample|UpSam|Resize")


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def keras_images(name):
    import keras

    layers, rank = keras.layers, 1 if "1D" in name else 2
    made = getattr(layers, name)
    layer = made(keepdims=True) if name.startswith("Global") else made(2) if "Depth" in name or \
        not name.startswith(("Conv", "Separable")) else made(3, 2)
    conv = getattr(layers, f"Conv{rank}D")
    return keras.Sequential([keras.Input((8, 7, 2)[-rank - 1:]), layer, conv(4, 1),
                             layers.Flatten(), layers.Dense(3)])


def of_keras(name):
    layers = pytest.importorskip("keras").layers
    if OF_IMAGES.search(name):
        return keras_images(name)
    if name.islower():
        layer = layers.Activation(name)
    else:
        made = {"Dense": "Dense(5)", "Rescaling": "Rescaling(2.0, 1.0)", "Dropout": "Dropout(0.5)",
                "Normalization": "Normalization(mean=0.5, variance=2.0)",
                "Reshape": "Reshape((5,))", "GaussianNoise": "GaussianNoise(0.1)"}.get(name, name)
        layer = eval(made if "(" in made else made + "()", vars(layers))
    import keras

    if name in ("Add", "Subtract", "Multiply", "Concatenate"):
        x = keras.Input((4,))
        h = layers.Dense(5)(x)
        return keras.Model(x, layers.Dense(3)(layer([h, layers.Dense(5)(h)])))
    return keras.Sequential([keras.Input((4,)), layers.Dense(5), layer, layers.Dense(3)])


def of_torch(name):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    if OF_IMAGES.search(name):
        kind, given = re.fullmatch(r"(\w+)(?:\((\w+)=2\))?", name).groups()
        rank, made = int(name[-2]) if name[-1] == "d" else 2, getattr(nn, kind)
        layer = made(**{given: 2}) if given else made(2, 2, 2) if "Conv" in name else made(
            1 if "Adaptive" in name else 2)
        shape = (2, 8, 7)[:rank + 1]
        model = nn.Sequential(layer, getattr(nn, f"Conv{rank}d")(2, 4, 1), nn.Flatten(),
                              nn.LazyLinear(3)).eval()
        model(torch.zeros(1, *shape))
        return torch.export.export(model, (torch.zeros(2, *shape),))
    if name in ("add", "sub", "mul", "cat"):
        class Meeting(nn.Linear):
            def forward(self, x):
                y = super().forward(x)
                return torch.cat((x, y), 1) if name == "cat" else getattr(torch, name)(x, y)

        return nn.Sequential(nn.Linear(4, 5), Meeting(5, 5), nn.Linear(
            10 if name == "cat" else 5, 3)).eval()
    layer = eval({"Linear": "Linear(5, 5)", "BatchNorm1d": "BatchNorm1d(5)"}.get(
        name, name if "(" in name else name + "()"), vars(nn))
    return nn.Sequential(nn.Linear(4, 5), layer, nn.Linear(5, 3)).eval()


def of_onnx(name, branches=False):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    if OF_IMAGES.search(name):
        return onnx_images(name)
    more = {"Gemm": [np.eye(5)], "MatMul": [np.eye(5)], "PRelu": [np.array([0.2])],
            "Clip": [np.array(-1.0), np.array(1.0)], "BatchNormalization": [np.ones(5)] * 4,
            "Reshape": [np.array([-1, 5])], "Squeeze": [np.array([2])],
            **dict.fromkeys(("Add", "Sub", "Mul", "Div"), [np.full(5, 2.0)])}.get(name, [])
    given = {"w": W, "v": V, **{f"c{i}": c for i, c in enumerate(more)}}
    middle, before = [], "h"
    if branches:
        joined = name == "Concat"
        given = {"w": W, "v": np.concatenate([V, V]) if joined else V, "u": np.eye(5)}
        return _onnx(given, [helper.make_node("MatMul", ["h", "u"], ["g"]), helper.make_node(
            name, ["h", "g"], ["r"], **{"axis": 1} if joined else {})])
    if name == "Squeeze":
        given["u"] = np.array([2])
        middle, before = [helper.make_node("Unsqueeze", ["h", "u"], ["h3"])], "h3"
    attributes = {"scale": [2.0] * 5, "offset": [0.0] * 5} if name == "Scaler" else {}
    middle.append(helper.make_node(name, [before, *list(given)[2:2 + len(more)]], ["r"],
                                   domain="ai.onnx.ml" if name == "Scaler" else "", **attributes))
    return _onnx(given, middle)


def onnx_images(name):
    from onnx import helper, numpy_helper

    given = {"w": np.ones((2, 2, 2, 2)), "k": np.ones((4, 2, 1, 1)), "v": np.ones((4, 3)),
             "a": np.array([2, 3]), "s": np.array([1, 1, 2, 2.0]),
             "p": np.array([0, 0, 1, 0, 0, 0, 0, 1])}
    read = ["x", *{"Conv": "w", "ConvTranspose": "w", "Pad": "p", "Resize": ["", "s"]}.get(
        name, "a" if name.startswith("Reduce") else "")]
    how = {"kernel_shape": [2, 2]} if name in ("MaxPool", "AveragePool") else {}
    nodes = [helper.make_node(name, read, ["h"], **how),
             helper.make_node("Conv", ["h", "k"], ["r"]),
             helper.make_node("GlobalAveragePool", ["r"], ["m"]),
             helper.make_node("Flatten", ["m"], ["f"]),
             helper.make_node("MatMul", ["f", "v"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", 1, ["n", 2, 8, 7])],
        [helper.make_tensor_value_info("y", 1, ["n", 3])],
        [numpy_helper.from_array(v if v.dtype.kind == "i" else v.astype(np.float32), k)
         for k, v in given.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def _onnx(given, middle):
    """Two dense layers, w and v, and what is between their results h and r."""
    from onnx import helper, numpy_helper

    values = [numpy_helper.from_array(v if v.dtype.kind == "i" else v.astype(np.float32), k)
              for k, v in given.items()]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), *middle,
         helper.make_node("MatMul", ["r", "v"], ["y"])], "g",
        [helper.make_tensor_value_info("x", 1, ["n", 4])],
        [helper.make_tensor_value_info("y", 1, ["n", 3])], values)
    return helper.make_model(graph)


def by_hand(name):
    if OF_IMAGES.search(name):
        given = [np.ones((2, 2, 2, 3)), np.zeros(3)] if name == "conv" else [(2, 2)]
        return {"input": [8, 7, 2], "layers": [
            (name, *given), ("conv", np.ones((1, 1, 3 if name == "conv" else 2, 2)), [0, 0])]}
    if name == "dense":
        return [("dense", W, np.zeros(5)), ("dense", V, np.zeros(3))]
    return [("dense", W, np.zeros(5)), name, ("dense", V, np.zeros(3))]


def can(make, graph):
    """yes or no: whether it is done, or refused as it should be."""
    try:
        make(graph)
    except (ConversionError, aifes.ModelError, ImportError):  # the last: no aifes/quantizer/OP.py
        return "no"
    return "yes"


def data(graph):
    return RNG.normal(size=(40, *graph.inputs[0].shape))


def on_the_board(graph):
    aifes.quantize(aifes.load(float_model(graph)), graph.samples(data(graph))[:8].tolist())


def test_the_table_is_found():
    assert len(ROWS) > 20 and all(len(row) == 8 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_layer(row):
    for make, cell in zip((of_keras, of_torch, of_onnx, by_hand), row[1:5]):
        assert cell == "-" or names(cell), cell
        for name in names(cell):
            branches = make is of_onnx and row[0].startswith((
                "sum", "difference", "product", "branches"))
            graph = from_model(make(name, True) if branches else make(name))
            assert "yes" == row[5] == can(lambda g: quantize(g, data(g)), graph), name
            assert row[6] == can(float_model, graph), name
            assert row[7] == can(on_the_board, graph), name


def test_all_that_is_taken_is_there():
    """What the importers name in their messages stands on the page, and what is listed is taken."""
    from aifes_host.importers import keras_layers, onnx, torch
    from aifes_host.importers.description import CLAMPS

    for column, taken in ((1, [*keras_layers.FUNCTIONS]),
                          (2, [t.rpartition(".")[2] for t in torch.TAKEN if ".nn." in t]),
                          (4, [*CLAMPS])):
        there = {re.sub(r"\(.*", "", name) for row in ROWS for name in names(row[column])}
        left_out = {"linear", "swish", "hard_swish", "RReLU"} if column < 4 else set()
        assert set(taken) - there <= left_out, column
    assert {n for row in ROWS for n in names(row[3])} <= set(onnx.TAKEN)


@pytest.mark.parametrize("page", ["README.md", "docs/trainers/keras.md", "docs/trainers/onnx.md",
                                  "docs/trainers/pytorch.md", "docs/trainers/sklearn.md",
                                  "docs/trainers/by_hand.md"])
def test_pages_say_what_is_not_taken(page):
    text = (ROOT / page).read_text()
    assert "layers.md" in text and "ecurrent layers" in text and "tflite" in text

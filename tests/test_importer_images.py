"""Convolutions and pooling of Keras, PyTorch and ONNX against what these compute themselves."""
import os

import numpy as np
import pytest
import random_images
from aifes_host import ConversionError, Simulator, from_model, quantize, read_network
from frameworks import need

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.xdist_group("torch")  # which takes seconds to import


def agree(graph, x, wanted):
    """To 1e-5 of what the outputs span."""
    wanted = np.asarray(wanted, float).reshape(len(x), -1)
    found = graph(x)
    assert found.shape == wanted.shape and np.ptp(wanted) > 0
    assert np.abs(found - wanted).max() < 1e-5 * np.ptp(wanted)


@pytest.mark.parametrize("seed", range(40))
def test_keras(tmp_path, seed):
    need("keras")
    import torch

    model, x = random_images.of_keras(seed)
    with torch.no_grad():
        wanted = np.asarray(model(x))
    agree(from_model(model), x, wanted)
    if seed % 4 == 0:
        path = tmp_path / f"net{'.h5' if seed % 8 else '.keras'}"
        model.save(path)
        agree(read_network(str(path)), x, wanted)


@pytest.mark.parametrize("seed", range(40))
def test_torch(tmp_path, seed):
    torch = need("torch")
    model, x = random_images.of_torch(seed)
    with torch.no_grad():
        wanted = model(torch.tensor(x)).numpy()
    shapes = ({0: torch.export.Dim.DYNAMIC},) if seed % 2 else None
    program = torch.export.export(model, (torch.tensor(x),), dynamic_shapes=shapes)
    agree(from_model(program), x, wanted)
    if seed % 4 == 0:
        torch.export.save(program, tmp_path / "net.pt2")
        agree(read_network(str(tmp_path / "net.pt2")), x, wanted)
    elif seed % 4 == 1:
        agree(from_model(program.run_decompositions()), x, wanted)


@pytest.mark.parametrize("seed", range(60))
def test_onnx(seed):
    need("onnx")
    runtime = need("onnxruntime")
    model, x = random_images.of_onnx(seed)
    wanted = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    agree(from_model(model), x, wanted)


def exported(torch, model, *shape):
    return torch.export.export(model.eval(), (torch.zeros(2, *shape),))


def test_data_with_channels_first_and_last():
    """PyTorch's samples are taken as they are and as the board has them, others are asked about."""
    torch = need("torch")
    nn = torch.nn
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 4 * 3, 2))
    graph = from_model(exported(torch, model, 3, 6, 5))
    x = np.random.default_rng(0).normal(size=(40, 3, 6, 5)).astype("f")
    with torch.no_grad():
        wanted = model(torch.tensor(x)).numpy()
    last = x.transpose(0, 2, 3, 1)
    assert graph.inputs[0].shape == (6, 5, 3)
    agree(graph, x, wanted)
    agree(graph, last, wanted)
    assert (graph.samples(x) == last.reshape(40, -1)).all()
    for wrong in (x.reshape(40, -1), x.transpose(0, 3, 1, 2), x.reshape(40, 3, 30)):
        with pytest.raises(ConversionError, match=r"not tell their order.*\(3, 6, 5\).*\(6, 5, 3"):
            graph(wrong)
    with pytest.raises(ConversionError, match="45 columns, the network has 90"):
        graph(x[:, :, :3].reshape(40, -1))


def test_data_that_may_be_both():
    torch = need("torch")
    nn = torch.nn

    class Last(nn.Sequential):
        def forward(self, x):
            return super().forward(x.permute(0, 3, 1, 2))

    layers = nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(16, 2)
    x = np.random.default_rng(0).normal(size=(9, 3, 3, 3)).astype("f")
    with pytest.raises(ConversionError, match=r"may have the channels first.*permute\(0, 3, 1, 2"):
        from_model(exported(torch, nn.Sequential(*layers), 3, 3, 3))(x)
    model = Last(*layers)
    graph = from_model(exported(torch, model, 3, 3, 3))  # the way out
    with torch.no_grad():
        wanted = model(torch.tensor(x)).numpy()
    agree(graph, x, wanted)
    agree(graph, x.reshape(9, -1), wanted)


def test_data_of_one_channel_have_one_order():
    torch = need("torch")
    graph = from_model(exported(torch, torch.nn.Conv2d(1, 1, 3), 1, 5, 5))
    x = np.random.default_rng(0).normal(size=(4, 1, 5, 5))
    assert (graph(x) == graph(x.reshape(4, 25))).all()


def test_outputs_with_channels_first():
    """The board's order is another one: it is not taken for PyTorch's."""
    torch = need("torch")
    nn = torch.nn

    class Ends(nn.Conv2d):
        def forward(self, x):
            return super().forward(x).permute(0, 2, 3, 1)

    with pytest.raises(ConversionError, match=r"channels first.*permute\(0, 2, 3, 1\)"):
        from_model(exported(torch, nn.Conv2d(2, 3, 2), 2, 6, 5))
    model = Ends(2, 3, 2)
    x = torch.randn(4, 2, 6, 5)
    agree(from_model(exported(torch, model, 2, 6, 5)), x.numpy(), model(x).detach().numpy())


def test_images_of_a_dense_layer():
    """Its outputs are laid as the convolution behind it reads them."""
    torch = need("torch")
    nn = torch.nn
    model = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Unflatten(1, (4, 3, 2)),
                          nn.ConvTranspose2d(4, 3, 2, 2), nn.Flatten(), nn.Linear(72, 3)).eval()
    x = torch.randn(6, 5)
    agree(from_model(exported(torch, model, 5)), x.numpy(), model(x).detach().numpy())


def test_average_pooling_of_keras_does_not_count_padding():
    """As Keras computes it on TensorFlow and JAX; on PyTorch it does where sides differ."""
    keras = need("keras")
    layers = keras.layers
    model = keras.Sequential([keras.Input((4, 1)), layers.AveragePooling1D(3, 2, "same"),
                              layers.Conv1D(1, 1, use_bias=False)])
    model.set_weights([np.ones((1, 1, 1))])
    assert from_model(model)(np.array([[1.0, 2, 6, 10]])).tolist() == [[3, 8]]


def test_batch_normalization_in_front_of_padding():
    """It is no part of the convolution: what is padded with is not normalized."""
    keras = need("keras")
    layers = keras.layers
    for padding, kinds in (("same", ["conv", "conv"]), ("valid", ["conv"])):
        model = keras.Sequential([keras.Input((5, 6, 2)), layers.BatchNormalization(
            beta_initializer="ones"), layers.Conv2D(3, 3, padding=padding)])
        graph = from_model(model)
        assert [layer.kind for layer in graph.layers] == kinds
        x = np.random.default_rng(0).normal(size=(4, 5, 6, 2)).astype("f")
        agree(graph, x, model(x).detach().numpy())


def pads(k):
    """{what it becomes: layers}, all with ZeroPadding2D."""
    return {
        "conv": [k.ZeroPadding2D(((1, 0), (2, 3))), k.Conv2D(2, 3)],
        "conv conv": [k.ZeroPadding2D(1), k.ReLU(), k.Conv2D(2, 3)],
        "conv relu max_pool": [k.Conv2D(2, 3), k.ReLU(), k.ZeroPadding2D(1), k.MaxPooling2D(3, 2)],
        "conv conv max_pool": [k.Conv2D(2, 3), k.ZeroPadding2D(1), k.MaxPooling2D(3, 2)],
        "conv relu conv": [k.Conv2D(2, 3, activation="relu"), k.ZeroPadding2D(2)],
        "conv average_pool": [k.Conv2D(2, 3), k.ZeroPadding2D(1), k.AveragePooling2D(3, 2)],
        "conv conv average_pool": [k.Conv2D(2, 3), k.ZeroPadding2D(3), k.AveragePooling2D(2)],
        "transposed": [k.ZeroPadding2D(((1, 2), (0, 1))), k.Conv2DTranspose(2, 3, 2)],
        "twice": [k.ZeroPadding2D(1), k.ZeroPadding2D(((0, 2), (1, 0))), k.Conv2D(2, 3)]}


def test_padding_is_part_of_what_reads_it_where_that_can_be():
    keras = need("keras")
    for what, layers in pads(keras.layers).items():
        model = keras.Sequential([keras.Input((7, 6, 2)), *layers])
        x = np.random.default_rng(0).normal(size=(4, 7, 6, 2)).astype("f")
        graph = from_model(model)
        agree(graph, x, model(x).detach().numpy())
        kinds = [node.layer.kind for node in graph.nodes]
        assert " ".join(kinds).replace("conv relu conv", "conv conv") == {
            "transposed": "conv", "twice": "conv"}.get(what, what).replace(
                "conv relu conv", "conv conv")
        pads_only = [n for n in graph.nodes if n.layer.kind == "conv" and n.layer.keeps]
        assert len(pads_only) == (what in ("conv conv", "conv conv max_pool", "conv relu conv",
                                           "conv conv average_pool"))


def resized(**how):
    from onnx import TensorProto, helper, numpy_helper

    scales = np.array(how.pop("scales", (1, 1, 2, 3)), np.float32)
    w = np.random.default_rng(0).normal(size=(2, 3, 1, 1)).astype("f")
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "s"], ["h"], "up", mode=how.pop("mode", "nearest"),
                          **how),
         helper.make_node("Conv", ["h", "w"], ["c"]),
         helper.make_node("Transpose", ["c"], ["y"], perm=(0, 2, 3, 1))],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(scales, "s"), numpy_helper.from_array(w, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize("how, fits", [
    ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, True),
    ({}, True), ({"nearest_mode": "round_prefer_ceil"}, True),
    ({"coordinate_transformation_mode": "asymmetric"}, False), ({"nearest_mode": "floor"}, False),
    ({"coordinate_transformation_mode": "align_corners"}, False), ({"mode": "linear"}, False),
    ({"scales": (1, 1, 1.5, 2)}, False), ({"scales": (1, 2, 2, 2)}, False)])
def test_onnx_resizes_by_repeating_pixels(how, fits):
    from onnx.reference import ReferenceEvaluator

    model = resized(**how)
    if not fits:
        with pytest.raises(ConversionError, match="'up' .Resize. (takes other|is no upsampling)"):
            from_model(model)
        return
    x = np.random.default_rng(0).normal(size=(4, 3, 4, 5)).astype("f")
    graph = from_model(model)
    agree(graph, x, ReferenceEvaluator(model).run(None, {"x": x})[0])
    assert [node.layer.keeps for node in graph.nodes] == [True, False]


def test_keras_with_channels_first():
    keras = need("keras")
    layers = keras.layers
    how = {"data_format": "channels_first"}
    model = keras.Sequential([keras.Input((3, 7, 6)), layers.Conv2D(4, 3, **how),
                              layers.BatchNormalization(axis=1), layers.MaxPooling2D(2, **how),
                              layers.Flatten(**how), layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(4, 3, 7, 6)).astype("f")
    agree(from_model(model), x, model(x).detach().numpy())


@pytest.mark.parametrize("make, words", [
    (lambda k: [k.MaxPooling2D(2)], "no dense"),
    (lambda k: [k.Conv2D(2, 3), k.UpSampling2D(2, interpolation="bilinear", name="up")],
     "'up' upsamples with interpolation 'bilinear': use"),
    (lambda k: [k.Conv2D(2, 3), k.UpSampling2D(300, name="up")], "'up' makes 300 pixels of one"),
    (lambda k: [k.Conv2D(2, 3), k.Softmax()], "softmax over one axis"),
    (lambda k: [k.Conv2D(2, 3), k.Reshape((2, 12)), k.Conv1D(2, 1)], "keep the shape as it is"),
    (lambda k: [k.Conv2D(2, 3), k.Normalization(axis=(1, 2, 3), mean=np.arange(24).reshape(
        3, 4, 2), variance=1 + np.zeros((3, 4, 2))), k.ReLU()], "scale whole channels"),
])
def test_keras_refuses_by_name(make, words):
    keras = need("keras")
    parts = make(keras.layers)
    with pytest.raises(ConversionError, match=words):
        from_model(keras.Sequential([keras.Input((5, 6, 2)), *parts]))


def test_keras_joins_channels():
    """In front of dense layers where the parts lie: weights are put in their order. What reads
    pixels has them computed, as an output has."""
    keras = need("keras")
    layers = keras.layers
    image = np.random.default_rng(0).normal(size=(40, 5, 6, 2)).astype("f")
    x = keras.Input((5, 6, 2))
    few, many = layers.Conv2D(2, 1)(x), layers.Conv2D(3, 1)(x)
    y = layers.Concatenate(name="joined")([few, many])
    twice = layers.ReLU()(layers.Concatenate()([layers.MaxPooling2D(3, 1, "same")(x), y, few]))
    wide = layers.Concatenate(axis=2)([few, x])
    for end, kinds in (
            (layers.Dense(3)(layers.Flatten()(layers.ReLU()(y))), "concat"),
            (layers.Flatten()(y), "add"), (y, "add"), (layers.Conv2D(1, 1)(y), "add"),
            (layers.MaxPooling2D()(y), "add"), (layers.Conv2D(2, 3)(twice), "add"),
            (layers.Add()([y, layers.Conv2D(5, 1)(x)]), "add"),
            (layers.Conv2D(2, (1, 2))(wide), "add"),
            (layers.GlobalAveragePooling2D()(layers.Concatenate()([x, few])), "add")):
        model = keras.Model(x, end)
        graph, wanted = from_model(model), model.predict(image, verbose=0).reshape(40, -1)
        agree(graph, image, wanted)
        assert kinds in [layer.kind for layer in graph.layers]
        found = Simulator(quantize(graph, image).model)(image.reshape(40, -1))
        assert np.square(found - wanted).sum() < 2e-3 * np.square(wanted).sum()


@pytest.mark.parametrize("make, words", [
    (lambda nn, f: nn.Upsample(scale_factor=2, mode="bilinear"), "cannot be converted: use"),
    (lambda nn, f: nn.Upsample(scale_factor=1.5), r"upsamples \(6, 5\) pixels .*use whole factors"),
    (lambda nn, f: nn.AdaptiveAvgPool2d(4), "windows differ"),
    (lambda nn, f: nn.MaxPool2d(2, dilation=2), "dilation=1"),
    (lambda nn, f: nn.AvgPool2d(3, 2, 1, ceil_mode=True), "ceil_mode=False"),
    (lambda nn, f: nn.ReflectionPad2d(1), "cannot be converted|pads otherwise"),
    (lambda nn, f: f(lambda x: x.transpose(2, 3)), "do not transpose"),
    (lambda nn, f: f(lambda x: x + x.flip(3)), "cannot be converted"),
    (lambda nn, f: f(lambda x: x.mean(2, keepdim=True)), "all rows and columns"),
    (lambda nn, f: nn.ConvTranspose2d(4, 4, 2, padding=2), "less padding"),
])
def test_torch_refuses(make, words):
    torch = need("torch")
    nn = torch.nn

    class Call(nn.Module):
        def __init__(self, call):
            super().__init__()
            self.call = call

        def forward(self, x):
            return self.call(x)

    model = nn.Sequential(nn.Conv2d(3, 4, 1), make(nn, Call), nn.Conv2d(4, 2, 1), nn.Flatten())
    with pytest.raises(ConversionError, match=words):
        from_model(exported(torch, model, 3, 6, 5))


def test_live_module_needs_an_example():
    torch = need("torch")
    with pytest.raises(ConversionError, match=r"torch.zeros\(1, 3, rows, columns\)"):
        from_model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1)))


def test_by_hand():
    rng = np.random.default_rng(0)
    w, v = rng.normal(size=(2, 2, 1, 2)), rng.normal(size=(2 * 2 * 2, 3))
    graph = from_model({"input": [5, 5, 1], "layers": [
        ("conv", w, np.zeros(2)), "relu", ("average_pool", (2, 2)), ("dense", v, np.ones(3))]})
    x = rng.normal(size=(5, 5))
    y = np.array([[[(w[:, :, 0, o] * x[r:r + 2, c:c + 2]).sum() for o in range(2)]
                   for c in range(4)] for r in range(4)])
    y = np.maximum(y, 0).reshape(2, 2, 2, 2, 2).mean((1, 3))
    assert np.allclose(graph(x[None]), y.ravel() @ v + 1)


@pytest.mark.parametrize("changes, words", [
    ({"input": None}, "needs their shape"), ({"input": [5, 5]}, "rows, columns, channels"),
    ({"input": [5, 5, -1]}, "rows, columns, channels"),
    ({"layers": [("max_pool", 2)]}, "whole numbers"),
    ({"layers": [("max_pool", (2, 2), {"size": 3})]}, "stride, padding"),
    ({"layers": [("conv", [[1]])]}, "weights, bias"),
    ({"layers": [("conv", np.ones((9, 9, 1, 1)), [0])]}, "larger images"),
    ({"layers": [("conv", np.ones((1, 1, 1, 1)), [0], {"stride": (0, 0)})]}, "from 1 to 255"),
])
def test_by_hand_refuses(changes, words):
    with pytest.raises(ConversionError, match=words):
        from_model({"input": [5, 5, 1], "layers": [], **changes} if "layers" in changes else {
            "layers": [("max_pool", (2, 2)), ("dense", [[1]], [0])], **changes})

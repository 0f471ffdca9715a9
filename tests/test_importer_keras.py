"""Keras: live models and their files against what Keras computes; files of tf.keras 2 as well."""
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, read_network
from aifes_host.importers import keras_layers
from frameworks import agree, need

os.environ.setdefault("KERAS_BACKEND", "torch")
SAVED = Path(__file__).parent / "saved_models"  # by tf.keras 2.15 and tf2onnx: README.md there

pytestmark = pytest.mark.xdist_group("torch")  # which takes seconds to import


@pytest.fixture(scope="module")
def keras():
    need("torch")
    return need("keras")


def architecture(keras, seed):
    """A random network of all layers that can be converted, with random weights."""
    rng = np.random.default_rng(seed)
    layers = keras.layers
    n = int(rng.integers(1, 12))
    shape = (n,) if rng.random() < 0.6 else (n, int(rng.integers(1, 5)))
    parts = [layers.Rescaling(*rng.normal(size=2)) if rng.random() < 0.3 else None]
    if rng.random() < 0.5:
        parts.append(layers.Normalization(axis=[-1, None, 1][rng.integers(3)]))
    parts += [layers.Flatten()] if len(shape) > 1 or rng.random() < 0.3 else []
    for _ in range(rng.integers(1, 5)):
        inline = rng.choice(["linear", "relu", "tanh", "elu", "leaky_relu", "sigmoid", "softsign"])
        parts.append(layers.Dense(int(rng.integers(1, 20)), activation=str(inline),
                                  use_bias=bool(rng.random() < 0.8)))
        parts.append([None, None, layers.BatchNormalization(), layers.Dropout(0.3),
                      layers.BatchNormalization(scale=False, center=False)][rng.integers(5)])
        parts.append([None, layers.ReLU(), layers.ReLU(negative_slope=0.2), layers.LeakyReLU(),
                      layers.LeakyReLU(negative_slope=0.1), layers.ELU(alpha=0.7),
                      layers.Activation("tanh")][rng.integers(7)])
    parts.append([None, layers.Softmax(), layers.Activation("softmax")][rng.integers(3)])
    parts = [p for p in parts if p is not None]
    style = rng.integers(3)
    if style == 0:
        model = keras.Sequential([keras.Input(shape), *parts])
    elif style == 1:
        x = tensor = keras.Input(shape)
        for part in parts:
            tensor = part(tensor)
        model = keras.Model(x, tensor)
    else:  # nested
        model = keras.Sequential([keras.Input(shape), *parts[:-1], keras.Sequential(parts[-1:])])
    for layer in model._flatten_layers():
        if hasattr(layer, "adapt"):
            layer.adapt(rng.normal(3, 2, (50, *layer._build_shapes_dict["input_shape"][1:])))
        elif not hasattr(layer, "layers"):
            layer.set_weights([np.abs(rng.normal(size=w.shape)) + 0.1 if "variance" in v.name
                               else rng.normal(size=w.shape) / 2
                               for w, v in zip(layer.get_weights(), layer.weights)])
    return model, rng.normal(size=(20, *shape)).astype("f")


@pytest.mark.parametrize("seed", range(36))
def test_agrees(keras, tmp_path, seed):
    model, x = architecture(keras, seed)
    wanted = np.asarray(model.predict(x, verbose=0))
    agree(from_model(model), x, wanted)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"net{suffix}")
        agree(read_network(str(tmp_path / f"net{suffix}")), x, wanted)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["seq2", "func2"])
def test_files_of_keras_2(name, suffix):
    need("h5py")
    data = np.load(SAVED / f"{name}.npz")
    agree(read_network(str(SAVED / (name + suffix))), data["x"], data["y"])


def three_ways(model, folder):
    """The model converted live, from .keras and from .h5, each as a function to call."""
    yield lambda **options: from_model(model, **options)
    for suffix in (".keras", ".h5"):
        path = folder / f"net{suffix}"
        model.save(path)
        yield lambda path=path, **options: read_network(str(path), **options)


def randomize(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("name", keras_layers.FUNCTIONS)
def test_activations_by_name(keras, tmp_path, name):
    layers = keras.layers
    model = randomize(keras.Sequential([
        keras.Input((4,)), layers.Dense(9, name), layers.Dense(5), layers.Activation(name)]))
    x = np.random.default_rng(1).normal(size=(40, 4)).astype("f") * 3
    for convert in three_ways(model, tmp_path):
        agree(convert(), x, np.asarray(model.predict(x, verbose=0)))


def test_activations_as_layers(keras, tmp_path):
    layers = keras.layers
    parts = [layers.ReLU(max_value=6), layers.ReLU(max_value=2, negative_slope=0.3), layers.PReLU(),
             layers.PReLU(shared_axes=[1]), layers.ELU(2.5)]
    x = np.random.default_rng(1).normal(size=(40, 4)).astype("f") * 3
    for part in parts:
        model = randomize(keras.Sequential([
            keras.Input((4,)), layers.Dense(12), layers.Reshape((4, 3)), part,
            layers.SpatialDropout1D(0.2), layers.Flatten()]))
        if part.weights:
            part.set_weights([np.full(w.shape, 0.3) for w in part.get_weights()])
        for convert in three_ways(model, tmp_path):
            agree(convert(), x, np.asarray(model.predict(x, verbose=0)))
    model = keras.Sequential([keras.Input((4,)), layers.Dense(9, layers.ReLU(max_value=1))])
    agree(from_model(model), x, np.asarray(model.predict(x, verbose=0)))


def refused(model, folder, words, **options):
    for convert in three_ways(model, folder):
        with pytest.raises(ConversionError, match=words):
            convert(**options)


def test_refusals_name_the_layer(keras, tmp_path):
    layers = keras.layers

    def sequential(parts, words, shape=(4,)):
        refused(keras.Sequential([keras.Input(shape), *parts]), tmp_path, words)

    sequential([layers.LSTM(2, name="first"), layers.Dense(1)],
               "'first' is a LSTM, which cannot be converted: use .*Dense", (4, 3))
    sequential([layers.Dense(2, activation="exponential", name="hidden")],
               "'hidden' has the activation 'exponential'.*use")
    sequential([layers.Dense(2), layers.ReLU(threshold=1.0, name="t")], "'t' is a ReLU with thres")
    sequential([layers.Dense(2), layers.UnitNormalization(name="u")], "'u' is a UnitNormalization")
    several = layers.PReLU(name="p", alpha_initializer="random_normal")
    sequential([layers.Dense(3), several], "'p' is a PReLU with a slope for each")
    x = keras.Input((4,))
    y = layers.Dense(4, name="a")(x)
    refused(keras.Model(x, layers.Add(name="sum")([y, layers.Dense(1)(y)])), tmp_path,
            r"'sum' adds values of shapes \(4,\) and \(1,\)")
    refused(keras.Model(x, y + np.ones(4, "f")), tmp_path, "neither a number|of one value")
    drop = layers.Dropout(0.5, name="mc")(y, training=True)
    refused(keras.Model(x, drop), tmp_path, "'mc' is called with training=True")
    refused(keras.Model(x, keras.ops.relu(y)), tmp_path, "is a R[eE]LU|is a Relu")
    not_built = keras.Sequential([layers.Dense(3, name="d")])
    with pytest.raises(ConversionError, match="'d' has no weights yet"):
        from_model(not_built)


def test_custom_objects_are_refused(keras, tmp_path):
    class Dense(keras.layers.Dense):
        def call(self, x):
            return super().call(x) * 2

    class Net(keras.Sequential):
        def call(self, x):
            return super().call(x) * 2

    def relu(x):
        return keras.ops.relu(x) * 2

    parts = [keras.Input((4,)), keras.layers.Dense(3, name="d")]
    model = keras.Sequential([keras.Input((4,)), Dense(3, name="d")])
    for convert in list(three_ways(model, tmp_path))[:2]:  # .h5 keeps the class's name alone
        with pytest.raises(ConversionError, match="'d' is a custom Dense"):
            convert()
    with pytest.raises(ConversionError, match="is a Net: only Sequential"):
        from_model(Net(parts))
    model = keras.Sequential([*parts, keras.layers.Activation(relu, name="mine")])
    with pytest.raises(ConversionError, match="'mine' has the custom activation 'relu'"):
        from_model(model)
    model = keras.Sequential([*parts, keras.layers.Activation(lambda v: v * 2, name="mine")])
    with pytest.raises(ConversionError, match="'mine'"):
        from_model(model)

    @keras.saving.register_keras_serializable("mine")
    def gelu(x):
        return x

    refused(keras.Sequential([*parts, keras.layers.Dense(2, gelu, name="e")]), tmp_path,
            "'e' has the (custom )?activation")


def test_activations_that_are_lambdas(keras, tmp_path):
    """Files keep their code, which nobody runs: taken for no activation it would be wrong."""
    for layers in ([keras.layers.Dense(3, activation=lambda x: 2 * x, name="mine")],
                   [keras.layers.Dense(3), keras.layers.Activation(lambda x: 2 * x, name="mine")]):
        for convert in three_ways(keras.Sequential([keras.Input((4,)), *layers]), tmp_path):
            with pytest.raises(ConversionError, match="'mine' has .*: use one of Keras's own"):
                convert()


def two_heads(keras, as_dict=False):
    x = keras.Input((6,), name="observation")
    hidden = keras.layers.Dense(8, "tanh", name="hidden")(x)
    heads = {"pi": keras.layers.Dense(2, "tanh", name="actions")(hidden),
             "v": keras.layers.Dense(1, name="values")(hidden)}
    return randomize(keras.Model(x, heads if as_dict else list(heads.values()), name="policy"))


@pytest.mark.parametrize("as_dict", [False, True])
def test_two_outputs_are_never_chosen_silently(keras, tmp_path, as_dict):
    model = two_heads(keras, as_dict)
    x = np.random.default_rng(1).normal(size=(20, 6)).astype("f")
    wanted = model.predict(x, verbose=0)
    wanted = list(wanted.values()) if as_dict else wanted
    refused(model, tmp_path, "'policy' has 2 outputs .*" + ("'pi', 'v'" if as_dict else
                             "'actions', 'values'") + ".*--output NAME")
    refused(model, tmp_path, "no output 'critic'", output="critic")
    for convert in three_ways(model, tmp_path):
        for i, names in enumerate((("actions", "pi"), ("values", "v"))):
            for name in names[:1 + as_dict]:
                agree(convert(output=name), x, wanted[i])
    outer = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, name="end")])
    for convert in three_ways(outer, tmp_path):
        assert convert(output="end").n_out == 3
    refused(outer, tmp_path, "no output 'x': it has 'end'", output="x")


def test_inputs_that_are_not_needed(keras, tmp_path):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    model = keras.Model([a, b], [keras.layers.Dense(2, name="p")(a),
                                 keras.layers.Dense(2, name="q")(b)])
    refused(model, tmp_path, "has 2 outputs")
    assert [t.name for t in from_model(model, output="q").inputs] == ["b"]
    both = keras.layers.Concatenate(name="both")([a, b])
    model = randomize(keras.Model([a, b], keras.layers.Dense(1)(both)))
    xs = [np.random.default_rng(1).normal(size=(20, n)).astype("f") for n in (3, 2)]
    for convert in three_ways(model, tmp_path):
        agree(convert(), np.hstack(xs), model.predict(xs, verbose=0))


def test_layers_of_nested_models_may_share_names(keras, tmp_path):
    def inner(name):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "tanh", name="same")],
                                name=name)

    model = randomize(keras.Sequential([keras.Input((4,)), inner("one"), inner("two")]))
    x = np.random.default_rng(1).normal(size=(20, 4)).astype("f")
    for convert in three_ways(model, tmp_path):
        agree(convert(), x, model.predict(x, verbose=0))


def quantizable(keras):
    layers = keras.layers
    return randomize(keras.Sequential([
        keras.Input((40,)), layers.Dense(32, "relu", name="first"),
        layers.Dense(3, use_bias=False, name="second")]))


def test_quantized_by_keras(keras, tmp_path):
    """Codes are never taken for weights: int8 is taken back to float, other modes refused."""
    x = np.random.default_rng(1).normal(size=(50, 40)).astype("f")
    model = quantizable(keras)
    first, second = (np.asarray(w, float) for w in model.get_weights()[::2])
    first_bias = np.asarray(model.get_weights()[1], float)
    model.quantize("int8")
    codes = [np.clip(np.round(w * (127 / np.abs(w).max(axis=0))), -127, 127)
             * np.abs(w).max(axis=0) / 127 for w in (first, second)]
    wanted = np.maximum(x @ codes[0] + first_bias, 0) @ codes[1]
    for convert in three_ways(model, tmp_path):
        with pytest.warns(UserWarning, match="rounded to int8 .*first, second"):
            agree(convert(), x, wanted)
    for mode in ("int4", "float8"):
        model = quantizable(keras)
        model.quantize(mode)
        refused(model, tmp_path, f"'first' was quantized by Keras .{mode}.*before model.quantize")


@pytest.mark.parametrize("quantized", [False, True])
def test_lora(keras, tmp_path, quantized):
    x = np.random.default_rng(1).normal(size=(50, 40)).astype("f")
    model = quantizable(keras)
    if quantized:
        model.quantize("int8")
    for layer in model.layers:
        layer.enable_lora(2, lora_alpha=3)
        layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    wanted = model.predict(x, verbose=0)
    for convert in three_ways(model, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = convert()(x)
        span = np.abs(wanted).max()
        assert np.abs(found - wanted).max() < (0.03 if quantized else 1e-5) * span


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16",
                                    "float64"])
def test_precision(keras, tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = quantizable(keras)
        weights = [keras.ops.convert_to_numpy(keras.ops.cast(w, "float64")) for w in model.weights]
        x = np.random.default_rng(1).normal(size=(50, 40)).astype("f")
        wanted = np.maximum(x @ weights[0] + weights[1], 0) @ weights[2]
        for convert in three_ways(model, tmp_path):
            agree(convert(), x, wanted)
    finally:
        keras.config.set_dtype_policy("float32")


def test_damaged_files(keras, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"net{suffix}"
        model.save(path)
        whole = path.read_bytes()
        for cut in (0, 10, len(whole) // 2, len(whole) - 30):
            path.write_bytes(whole[:cut])
            with pytest.raises(ConversionError, match="net"):
                read_network(str(path))
    model.save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(ConversionError, match="weights only|whole"):
        read_network(str(tmp_path / "net.weights.h5"))
    with pytest.raises(ConversionError, match="there is no file"):
        read_network(str(tmp_path / "no.keras"))

"""Keras: live models and their files against what Keras computes; files of tf.keras 2 as well."""
import os
from pathlib import Path

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, read_network
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


def test_refusals_name_the_layer(keras, tmp_path):
    layers = keras.layers

    def refused(parts, words, shape=(4,)):
        model = keras.Sequential([keras.Input(shape), *parts])
        model.save(tmp_path / "net.keras")
        for convert in (lambda: from_model(model),
                        lambda: read_network(str(tmp_path / "net.keras"))):
            with pytest.raises(ConversionError, match=words):
                convert()

    refused([layers.Conv1D(2, 2, name="first"), layers.Flatten(), layers.Dense(1)],
            "'first' is a Conv1D.*use Dense", (4, 3))
    refused([layers.Dense(2, activation="gelu", name="hidden")],
            "'hidden' has the activation 'gelu'.*use")
    refused([layers.Dense(2), layers.ReLU(max_value=6, name="six")], "'six' is a ReLU with max")
    refused([layers.Dense(2, name="wide")], "'wide' gets values of shape.*Flatten", (4, 3))
    refused([layers.Dense(2), layers.UnitNormalization(name="u")], "'u' is a UnitNormalization")
    x = keras.Input((4,))
    y = layers.Dense(4, name="a")(x)
    with pytest.raises(ConversionError, match="takes 2 inputs: only a chain"):
        from_model(keras.Model(x, layers.Add(name="sum")([x, y])))
    shared = layers.Dense(4, name="shared")
    with pytest.raises(ConversionError, match="'shared' is used 2 times"):
        from_model(keras.Model(x, shared(shared(x))))


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
    with pytest.raises(OSError):
        read_network(str(tmp_path / "no.keras"))

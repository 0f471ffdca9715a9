"""Files of Keras as old versions, Windows and nobody honest write them; Keras is not needed."""
import io
import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from aifes_host import ConversionError, read_network
from frameworks import agree, need
from typer.testing import CliRunner

SAVED = Path(__file__).parent / "saved_models"  # by tf.keras 2.15: README.md there
LAYER = {"name": "d", "units": 4, "activation": "linear", "use_bias": True}


@pytest.fixture
def h5py():
    return need("h5py")


def known(name):
    data = np.load(SAVED / f"{name}.npz")
    return data["x"], data["y"]


def rewrite(path, source, members=None, config=None):
    """A copy of a .keras file, with members of its zip or parts of its configuration changed."""
    with zipfile.ZipFile(source) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content.update(members or {})
    if config is not None:
        described = json.loads(content["config.json"])
        config(described)
        content["config.json"] = json.dumps(described)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def change_h5(source, change):
    """The bytes of an .h5 file after change(file)."""
    import h5py

    memory = io.BytesIO(source)
    with h5py.File(memory, "r+") as h5:
        change(h5)
    return memory.getvalue()


@pytest.mark.parametrize("nested", [False, True])
def test_written_on_windows(h5py, tmp_path, nested):
    """Keras 2.12 to 3 there: one group named `_layer_checkpoint_dependencies\\dense`."""
    x, y = known("seq2")
    with zipfile.ZipFile(SAVED / "seq2.keras") as archive:
        weights = archive.read("model.weights.h5")
    start = ["_layer_checkpoint_dependencies"] + (["sequential", "layers"] if nested else [])

    def change(h5):
        layers = h5["layers"]
        for name in list(layers):
            h5.copy(layers[name], h5, name="\\".join([*start, name]))
        del h5["layers"]

    def nest(config):
        inner = json.loads(json.dumps(config))
        inner["config"]["name"] = "inner"
        config["config"]["layers"] = [config["config"]["layers"][0], inner]

    rewrite(tmp_path / "w.keras", SAVED / "seq2.keras",
            {"model.weights.h5": change_h5(weights, change)}, nest if nested else None)
    agree(read_network(str(tmp_path / "w.keras")), x, y)


def old_file(path, version, layers, variables, as_bytes=True, kind="Sequential", bare=True):
    """An .h5 as Keras 2.0 to 2.2 wrote it, a Sequential's configuration being a list."""
    import h5py

    config = {"class_name": kind, "config": layers if bare else {"name": "m", "layers": layers}}
    text = json.dumps(config)
    with h5py.File(path, "w") as h5:
        h5.attrs["model_config"] = np.bytes_(text.encode()) if as_bytes else text
        if version is not None:
            h5.attrs["keras_version"] = np.bytes_(version.encode()) if as_bytes else version
        h5.attrs["backend"] = np.bytes_(b"tensorflow")
        group = h5.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in variables]
        for layer, values in variables.items():
            inside = group.create_group(layer)
            inside.attrs["weight_names"] = [name.encode() for name in values]
            for name, value in values.items():
                inside.create_dataset(name, data=value)


def dense(name, units, activation="linear", **more):
    return {"class_name": "Dense", "config": {
        "name": name, "trainable": True, "units": units, "activation": activation,
        "use_bias": True, "kernel_regularizer": None, **more}}


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("version, scope", [("2.0.8", ""), ("2.2.4", "_1"), ("2.2.4-tf", ""),
                                            (None, "")])
def test_keras_2_0_to_2_2(h5py, tmp_path, version, scope, as_bytes):
    rng = np.random.default_rng(0)
    w1, b1, w2, b2 = (rng.normal(size=s).astype("f") for s in ((3, 5), 5, (5, 2), 2))
    mean, var = rng.normal(size=5).astype("f"), rng.uniform(0.5, 2, 5).astype("f")
    # Keras made the names of TensorFlow's scopes unique: dense_1_1/kernel:0 in layer dense_1
    old_file(tmp_path / "old.h5", version, [
        dense("dense_1", 5, "hard_sigmoid", batch_input_shape=[None, 3], dtype="float32"),
        {"class_name": "BatchNormalization", "config": {
            "name": "bn", "axis": -1, "epsilon": 0.001, "center": False, "scale": False}},
        {"class_name": "Dropout", "config": {"name": "dropout_1", "rate": 0.5}},
        dense("dense_2", 2, "relu")],
        {"dense_1": {f"dense_1{scope}/kernel:0": w1, f"dense_1{scope}/bias:0": b1},
         "bn": {"bn/moving_mean:0": mean, "bn/moving_variance:0": var}, "dropout_1": {},
         "dense_2": {f"dense_2{scope}/kernel:0": w2, f"dense_2{scope}/bias:0": b2}}, as_bytes)
    x = rng.normal(size=(30, 3)) * 3
    hidden = (np.clip(0.2 * (x @ w1 + b1) + 0.5, 0, 1) - mean) / np.sqrt(var + 0.001)
    agree(read_network(str(tmp_path / "old.h5")), x, np.maximum(hidden @ w2 + b2, 0))


def test_hard_sigmoid_of_keras_3_is_another(h5py, tmp_path):
    weights = {"d": {"d/kernel:0": np.eye(4), "d/bias:0": np.zeros(4)}}
    x = np.random.default_rng(0).normal(size=(30, 4)) * 3
    for version, slope in (("2.15.0", 0.2), ("3.1.0", 1 / 6)):
        old_file(tmp_path / "h.h5", version, [dense("d", 4, "hard_sigmoid")], weights, bare=False)
        agree(read_network(str(tmp_path / "h.h5")), x, np.clip(slope * x + 0.5, 0, 1))


def test_keras_1_is_refused(h5py, tmp_path):
    layer = {"class_name": "Dense", "config": {"name": "dense_1", "output_dim": 2, "bias": True}}
    old_file(tmp_path / "k1.h5", "1.2.2", [layer], {"dense_1": {
        "dense_1_W:0": np.zeros((3, 2)), "dense_1_b:0": np.zeros(2)}})
    refused(tmp_path / "k1.h5", "'dense_1' was saved by Keras 1: load it with Keras 2 and save")


def refused(path, words):
    with pytest.raises(ConversionError, match=words) as found:
        read_network(str(path))
    assert "\n" not in str(found.value)


def one_layer(path, values, **config):
    old_file(path, "2.9.0", [{"class_name": "Dense", "config": {**LAYER, **config}}],
             {"d": {f"d/{name}:0": value for name, value in values.items()}}, bare=False)
    return path


KERNEL, BIAS = np.ones((3, 4), "f"), np.ones(4, "f")


@pytest.mark.parametrize("values, config, words", [
    ({"kernel": KERNEL}, {}, "'d' .Dense. has the variables kernel, not kernel, bias"),
    ({"kernel": KERNEL, "bias": BIAS}, {"use_bias": False}, "has the variables .*, not kernel"),
    ({"kernel": KERNEL, "bias": BIAS, "scale": BIAS}, {}, "variables bias, kernel, scale, not"),
    ({"kernel": KERNEL, "bias": BIAS, "kernel_scale": BIAS}, {}, "kernel_scale, not kernel, bias"),
    ({}, {}, "'d' has no weights yet"),
    ({"kernel": KERNEL, "bias": BIAS[:3]}, {}, "'d' has bias of shape .3,., not .4,."),
    ({"kernel": KERNEL, "bias": BIAS}, {"units": 5}, "'d' has kernel of shape .3, 4., not .3, 5."),
    ({"kernel": KERNEL[0], "bias": BIAS}, {}, "'d' has kernel of shape .4,., not"),
    ({"kernel": KERNEL[None], "bias": BIAS}, {}, "'d' has kernel of shape .1, 3, 4., not"),
    ({"kernel": KERNEL.astype("i1"), "bias": BIAS}, {}, "'d' has kernel of type int8, not float"),
    ({"kernel": KERNEL.astype("i4"), "bias": BIAS}, {}, "'d' has kernel of type int32, not float"),
    ({"kernel": KERNEL.astype(complex), "bias": BIAS}, {}, "'d' has a variable .* not of numbers"),
    ({"kernel": KERNEL.astype("S3"), "bias": BIAS}, {}, "'d' has a variable .* not of numbers"),
    ({"kernel": np.zeros((3, 4), "f4,f4"), "bias": BIAS}, {}, "'d' has a variable .* not of numb"),
    ({"kernel": KERNEL * np.nan, "bias": BIAS}, {}, "'d' has parameters that are not finite"),
    ({"kernel": KERNEL.astype("d") * 1e39, "bias": BIAS}, {}, "'d' has parameters .* not finite"),
    ({"kernel": KERNEL[:, :0], "bias": BIAS[:0]}, {"units": 0}, "'d' .* 0 outputs"),
    ({"kernel": KERNEL[:0], "bias": BIAS}, {}, "'d' .* 0 inputs"),
    ({"kernel": KERNEL, "bias": BIAS}, {"activation": "no_such"}, "'d' has the activation 'no_su"),
    ({"kernel": KERNEL, "bias": BIAS}, {"dtype": "int4_from_float32"}, "'d' was quantized by Ker"),
    ({"kernel": KERNEL, "bias": BIAS}, {"batch_input_shape": [None, 0]}, "shape .0,.: a board"),
    ({"kernel": KERNEL, "bias": BIAS}, {"batch_input_shape": [None, 10 ** 9]}, "a board holds"),
    ({"kernel": KERNEL, "bias": BIAS}, {"batch_input_shape": [None, 10 ** 400]}, "a board holds"),
    ({"kernel": KERNEL, "bias": BIAS}, {"batch_input_shape": 5}, "not a whole Keras model"),
    ({"kernel": KERNEL, "bias": BIAS}, {"activation": {
        "class_name": "LeakyReLU", "config": {"alpha": float("nan")}}}, "'d/LeakyReLU'.*finite"),
    ({"kernel": KERNEL, "bias": BIAS}, {"activation": {
        "class_name": "ELU", "config": {"alpha": 10 ** 400}}}, "not a whole Keras model"),
])
def test_variables_must_be_those_of_the_layer(h5py, tmp_path, values, config, words):
    refused(one_layer(tmp_path / "m.h5", values, **config), words)


def test_in_keras_files_too(h5py, tmp_path):
    """There the variables have numbers only."""
    with zipfile.ZipFile(SAVED / "seq2.keras") as archive:
        weights = archive.read("model.weights.h5")

    def more(h5):
        h5["layers/dense/vars/2"] = np.ones(10, "f")

    def fewer(h5):
        del h5["layers/dense/vars/1"]

    def first(h5):
        del h5["layers/dense/vars/0"]

    for change, words in ((more, "'dense' .Dense. has 3 variables, not kernel, bias"),
                          (fewer, "'dense' .Dense. has 1 variables"),
                          (first, "'dense' lacks variables")):
        rewrite(tmp_path / "v.keras", SAVED / "seq2.keras",
                {"model.weights.h5": change_h5(weights, change)})
        refused(tmp_path / "v.keras", words)


def replace(name):
    """A change of the file that puts something else at the place of the kernel."""
    def with_it(make):
        def change(h5):
            del h5[name]
            make(h5, name)
        return change
    return with_it


def links(h5py):
    return {
        "declares a variable of shape": lambda h5, name: h5.create_dataset(
            name, (10 ** 9, 10 ** 4), "f4"),
        "declares a variable of shape .3": lambda h5, name: h5.create_dataset(name, (3, 4), "f4"),
        "declares a variable of shape .20000": lambda h5, name: h5.create_dataset(
            name, (20000, 20000), "f4", compression="gzip", chunks=(200, 20000)),
        "has a variable outside": lambda h5, name: h5.create_dataset(
            name, (3, 4), "f4", external=[("/etc/hostname", 0, 48)]),
        "the variables bias, not kernel": lambda h5, name: h5.__setitem__(
            name, h5py.ExternalLink("other.h5", "/d")),
        "variables bias, not kernel, bias": lambda h5, name: h5.__setitem__(
            name, h5py.SoftLink("/model_weights/d")),
        "the variables bias, not kernel, bi": lambda h5, name: h5.__setitem__(
            name, h5["model_weights"]),  # a cycle
        "outside of the file": lambda h5, name: h5.create_virtual_dataset(
            name, _virtual(h5py)),
    }


def _virtual(h5py):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "/d", shape=(3, 4))
    return layout


@pytest.mark.parametrize("number", range(8))
def test_what_a_file_may_not_declare(h5py, tmp_path, number):
    words, make = list(links(h5py).items())[number]
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["d"] = KERNEL
    path = one_layer(tmp_path / "m.h5", {"kernel": KERNEL, "bias": BIAS})
    with h5py.File(path, "r+") as h5:
        replace("model_weights/d/d/kernel:0")(make)(h5)
    assert path.stat().st_size < 100_000
    refused(path, words)


def test_compressed_weights_are_read(h5py, tmp_path):
    path = one_layer(tmp_path / "m.h5", {"kernel": KERNEL, "bias": BIAS})
    with h5py.File(path, "r+") as h5:
        replace("model_weights/d/d/kernel:0")(lambda h5, name: h5.create_dataset(
            name, data=KERNEL, compression="gzip"))(h5)
    assert (read_network(str(path)).layers[0].weights == 1).all()


def test_zip_bombs_and_odd_configurations(h5py, tmp_path):
    path, source = tmp_path / "b.keras", SAVED / "seq2.keras"
    rewrite(path, source, {"model.weights.h5": bytes(200 << 20)})
    assert path.stat().st_size < 300_000
    refused(path, "model.weights.h5 has 209715200 bytes, more than")
    rewrite(path, source, {"config.json": b" " * (100 << 20)})
    refused(path, "config.json has 104857600 bytes")
    for config, words in (
            (b"[" * 2000 + b"]" * 2000, "is not a whole Keras model"),
            (b'{"class_name": "Functional", "config": {"layers": [], "output_layers": '
             + b"[" * 900 + b"]" * 900 + b"}}", "is not a whole Keras model|outputs"),
            (b"[]", "is not a whole Keras model"), (b"5", "is not a whole Keras model"),
            (b"null", "is not a whole Keras model"), (b"{}", "is not a whole Keras model"),
            (b'{"class_name": "Sequential", "config": {"layers": []}}', "has no layers"),
            (b'{"class_name": "Sequential", "config": []}', "not a whole Keras"),
            (b'{"class_name": "Sequential", "config": {"layers": [5]}}', "not a whole Keras"),
            (b"\xff\xfe", "is not a whole Keras model")):
        rewrite(path, source, {"config.json": config})
        refused(path, words)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", "x")
    refused(path, "is not a whole Keras model.*config.json")


def test_two_outputs_of_keras_2(h5py, tmp_path):
    """[name, 0, 0] instead of histories."""
    layers = [{"class_name": "InputLayer", "name": "i", "inbound_nodes": [],
               "config": {"name": "i", "batch_input_shape": [None, 3]}}]
    for name in ("actions", "values"):
        layers.append({**dense(name, 4), "name": name, "inbound_nodes": [[["i", 0, 0, {}]]]})
    path = tmp_path / "two.h5"
    old_file(path, "2.2.4", layers, {
        name: {f"{name}/kernel:0": KERNEL * number, f"{name}/bias:0": BIAS}
        for number, name in enumerate(("actions", "values"))}, kind="Model", bare=False)

    def outputs(h5):
        config = json.loads(h5.attrs["model_config"])
        config["config"].update(input_layers=[["i", 0, 0]],
                                output_layers=[["actions", 0, 0], ["values", 0, 0]])
        h5.attrs["model_config"] = json.dumps(config)

    path.write_bytes(change_h5(path.read_bytes(), outputs))
    refused(path, "2 outputs .'actions', 'values'.: say which one with --output NAME")
    assert read_network(str(path), output="values").layers[0].weights.max() == 1


def test_weights_alone_and_pickles(h5py, tmp_path):
    path = tmp_path / "net.weights.h5"
    with h5py.File(path, "w") as h5:
        h5["layers/dense/vars/0"] = KERNEL
    refused(path, "holds weights only: save the whole model, with model.save")
    data = pickle.dumps({"a": [1, 2]})
    for suffix in (".pkl", ".joblib", ".pickle", ".h5", ".keras"):
        path = tmp_path / f"p{suffix}"
        path.write_bytes(data)
        refused(path, "write a small .py" if suffix not in (".h5", ".keras") else "whole Keras")


def test_the_command_line_ends_with_2(h5py, tmp_path):
    from aifes_host.cli import app

    path = one_layer(tmp_path / "m.h5", {"kernel": KERNEL.astype("i1"), "bias": BIAS})
    found = CliRunner().invoke(app, ["convert", str(path), "-o", str(tmp_path / "m.aifes")])
    assert found.exit_code == 2 and "Traceback" not in found.output


@pytest.mark.parametrize("name", ["seq2.keras", "func2.h5"])
def test_500_damaged_copies(h5py, tmp_path, name):
    """In a process of its own: HDF5 is written in C."""
    shutil.copy(SAVED / name, tmp_path / name)
    result = subprocess.run([sys.executable, Path(__file__).parent / "hostile_keras.py",
                             tmp_path / name, tmp_path], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    whole, refused = (int(v) for v in result.stdout.split())
    assert whole + refused == 500 and refused > 250

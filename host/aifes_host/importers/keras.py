"""Keras 3 and tf.keras 2: .keras and .h5 files, read without TensorFlow or Keras; live models.

All become the same two things: the model's configuration (nested dicts, as Keras saves them) and
its variables by layer and name. Files are data: nothing in them is run.
"""
import json
import math
import re
import zipfile
from pathlib import Path

import numpy as np

from ..graph import ACTIVATIONS, ConversionError
from .chain import Chain, batch_norm

# Keras's own defaults where an activation is given by its name
FUNCTION_ALPHA = {"leaky_relu": 0.2, "elu": 1.0}
DROPPED = ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D",
           "ActivityRegularization", "Identity")
MODELS = ("Sequential", "Functional", "Model")
SAVED = {"Dense": ("kernel", "bias"), "Normalization": ("mean", "variance", "count"),
         "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance")}


def convert(model):
    """A Graph of a live Keras model, of Keras 3 with any backend or of tf.keras 2."""
    config = {"class_name": _model_class(model), "config": model.get_config()}
    found = {}
    for layer in _live_layers(model):
        for variable in layer.weights:
            name = variable.name.split("/")[-1].split(":")[0]
            _add(found, layer.name, name, variable.numpy())
    return _graph(config, found)


def read(path):
    """A Graph of a .keras or .h5 file."""
    import h5py

    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                with archive.open("model.weights.h5") as file, h5py.File(file, "r") as h5:
                    found = {}
                    _archive_variables(config, h5, "", found)
        else:
            with h5py.File(path, "r") as h5:
                if "model_config" not in h5.attrs:
                    raise ConversionError(f"{path} holds weights only: save the whole model, with "
                                          "model.save('model.keras')")
                config = h5.attrs["model_config"]
                config = json.loads(config if isinstance(config, str) else config.decode())
                found = _h5_variables(h5["model_weights"])
        graph = _graph(config, found)
    except ConversionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile,
            RuntimeError, IndexError) as error:
        if isinstance(error, OSError) and error.errno and not path.is_file():
            raise
        raise ConversionError(f"{path} is not a whole Keras model ({type(error).__name__}: "
                              f"{error}): save it again with model.save('model.keras')")
    return graph


def _model_class(model):
    names = [c.__name__ for c in type(model).__mro__]  # a subclass counts as what it extends
    return next((n for n in ("Sequential", "Functional") if n in names), names[0])


def _live_layers(model):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _live_layers(layer)
        else:
            yield layer


def _add(found, layer, name, value):
    variables = found.setdefault(layer, {})
    if name in variables:
        raise ConversionError(f"two layers are called {layer!r}: give them names of their own")
    variables[name] = np.asarray(value, np.float64)


def _h5_variables(group):
    """Of the older format: .../LAYER/VARIABLE or .../LAYER/VARIABLE:0."""
    import h5py

    found = {}

    def visit(path, item):
        if isinstance(item, h5py.Dataset):
            *_, layer, name = ["", *path.split("/")]
            _add(found, layer, name.split(":")[0], item[()])

    group.visititems(visit)
    return found


def _archive_variables(model, h5, prefix, found):
    """Of .keras: layers/CLASS_COUNTER/vars/NUMBER, in the order of the model's layers."""
    counters = {}
    for layer in model["config"]["layers"]:
        kind = _snake(layer["class_name"])
        count = counters.get(kind, 0)
        counters[kind] = count + 1
        key = f"{kind}_{count}" if count else kind
        base = next((p for p in (f"{prefix}layers/{key}", f"{prefix}_layer_checkpoint_dependencies/"
                                 f"{key}") if p in h5), None)
        if base is None:
            continue
        if layer["class_name"] in MODELS:
            _archive_variables(layer, h5, base + "/", found)
            continue
        names = SAVED.get(layer["class_name"], ())
        if layer["class_name"] == "BatchNormalization":
            names = [n for n in names if n not in ("gamma", "beta")
                     or layer["config"]["scale" if n == "gamma" else "center"]]
        if f"{base}/vars" in h5:
            for name, i in zip(names, sorted(h5[f"{base}/vars"], key=int)):
                _add(found, _name(layer), name, h5[f"{base}/vars/{i}"][()])


def _snake(name):
    """Keras's own rule for the names of classes in files."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _name(layer):
    return layer["config"].get("name") or layer.get("name") or layer["class_name"]


def _graph(config, found):
    chain = Chain()
    _walk(config, found, chain)
    return chain.graph(_name(config))


def _walk(model, found, chain):
    if model["class_name"] not in MODELS:
        raise ConversionError(f"the model {_name(model)!r} is a {model['class_name']}: only "
                              "Sequential and linear Functional models can be converted")
    layers = model["config"]["layers"]
    for layer in layers if model["class_name"] == "Sequential" else _in_order(model["config"]):
        if layer["class_name"] in MODELS:
            _walk(layer, found, chain)
        else:
            _layer(layer["class_name"], layer["config"], _name(layer),
                   found.get(_name(layer), {}), chain)


def _in_order(config):
    """The layers of a Functional model from its input to its output; it must be one chain."""
    by_name = {_name(layer): layer for layer in config["layers"]}
    following = {}
    for name, layer in by_name.items():
        nodes = layer.get("inbound_nodes", [])
        if len(nodes) > 1:
            raise ConversionError(f"layer {name!r} is used {len(nodes)} times: only a chain of "
                                  "layers can be converted")
        before = [n for n in _histories(nodes) if n in by_name]
        if len(before) > 1:
            raise ConversionError(f"layer {name!r} ({layer['class_name']}) takes {len(before)} "
                                  "inputs: only a chain of layers can be converted")
        for source in before:
            if source in following:
                raise ConversionError(f"layer {source!r} feeds both {following[source]!r} and "
                                      f"{name!r}: only a chain of layers can be converted")
            following[source] = name
    starts = [n for n, layer in by_name.items() if not layer.get("inbound_nodes")]
    if len(starts) != 1:
        raise ConversionError(f"the model has {len(starts)} inputs: it must have one")
    ordered = [starts[0]]
    while ordered[-1] in following and len(ordered) <= len(by_name):
        ordered.append(following[ordered[-1]])
    if len(ordered) != len(by_name):
        raise ConversionError("the layers of the model do not form one chain")
    return [by_name[name] for name in ordered]


def _histories(node):
    """Names of the layers that a node of Keras 2 ([name, 0, 0, {}]) or 3 (keras_history) reads."""
    if isinstance(node, dict):
        if "keras_history" in node:
            return [node["keras_history"][0]]
        return [n for v in node.values() for n in _histories(v)]
    if isinstance(node, (list, tuple)):
        if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int):
            return [node[0]] + [n for v in node[3:] for n in _histories(v)]
        return [n for v in node for n in _histories(v)]
    history = getattr(node, "_keras_history", None)
    return [] if history is None else [history[0].name]


def _layer(kind, config, name, variables, chain):
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if shape is not None and chain.shape is None and not chain.layers:
        chain.start(None if None in shape[1:] else shape[1:])
    if kind == "InputLayer" or kind in DROPPED:
        return
    if kind == "Dense":
        if "kernel" not in variables:
            raise ConversionError(f"layer {name!r} has no weights of 32 bits: build the model, and "
                                  "do not quantize it in Keras")
        chain.dense(variables["kernel"], variables.get("bias"), name)
        _function(config.get("activation"), name, chain, inside=True)
    elif kind == "Activation":
        _function(config.get("activation"), name, chain)
    elif kind == "ReLU":
        if config.get("max_value") is not None or config.get("threshold"):
            raise ConversionError(f"layer {name!r} is a ReLU with max_value or threshold: use a "
                                  "plain ReLU")
        slope = float(_number(config.get("negative_slope") or 0.0))
        chain.activation("leaky_relu" if slope else "relu", name, slope)
    elif kind == "LeakyReLU":
        chain.activation("leaky_relu", name,
                         _number(config.get("negative_slope", config.get("alpha", 0.3))))
    elif kind == "ELU":
        chain.activation("elu", name, _number(config.get("alpha", 1.0)))
    elif kind == "Softmax":
        _last_axis(config.get("axis", -1), name, chain)
        chain.activation("softmax", name)
    elif kind == "Flatten":
        chain.flatten(name)
    elif kind == "Reshape":
        chain.reshape(config["target_shape"], name)
    elif kind == "Rescaling":
        chain.affine(_number(config["scale"]), _number(config.get("offset", 0.0)), name)
    elif kind == "BatchNormalization":
        slope, offset = batch_norm(variables.get("gamma"), variables.get("beta"),
                                   variables["moving_mean"], variables["moving_variance"],
                                   config["epsilon"])
        axes = config.get("axis", -1)
        chain.affine(*(_spread(v, axes, chain) for v in (slope, offset)), name)
    elif kind == "Normalization":
        _normalization(config, variables, name, chain)
    else:
        raise ConversionError(
            f"layer {name!r} is a {kind}, which has no Q7 kernel: use Dense, Activation, ReLU, "
            "LeakyReLU, ELU, Softmax, Dropout, Flatten, Normalization, Rescaling, "
            "BatchNormalization")


def _normalization(config, variables, name, chain):
    mean = variables.get("mean", config.get("mean"))
    variance = variables.get("variance", config.get("variance"))
    if mean is None or variance is None:
        raise ConversionError(f"layer {name!r} has not seen data: call its adapt() first")
    deviation = np.maximum(np.sqrt(np.asarray(_number(variance), float)), 1e-7)  # Keras's epsilon
    mean = np.asarray(_number(mean), float)
    slope, offset = 1 / deviation, -mean / deviation
    if config.get("invert"):
        slope, offset = deviation, mean
    axes = config.get("axis", -1)
    if axes is None or slope.size == 1:
        slope, offset = slope.ravel()[0], offset.ravel()[0]
    chain.affine(*(_spread(v, axes, chain) for v in (slope, offset)), name)


def _spread(values, axes, chain):
    """Values along some axes of the tensor (batch counted) in a shape that broadcasts to it."""
    values = np.asarray(values, float)
    if not values.ndim or chain.shape is None:
        return values.ravel() if values.ndim else values
    rank = len(chain.shape) + 1
    kept = [a % rank for a in (axes if isinstance(axes, (list, tuple)) else [axes])]
    shape = [d if i + 1 in kept else 1 for i, d in enumerate(chain.shape)]
    return values.reshape(shape) if math.prod(shape) == values.size else values


def _last_axis(axis, name, chain):
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    if axis not in (-1, 1 if chain.shape is None else len(chain.shape)):
        raise ConversionError(f"layer {name!r} is a softmax over axis {axis}: use axis=-1")


def _number(value):
    """A number or list as it is, or out of the dict in which Keras 2 saves an array."""
    if isinstance(value, dict):
        value = value["config"]["value"] if "config" in value else value["value"]
    return np.asarray(value, float)


def _function(activation, name, chain, inside=False):
    """An activation given as name, serialized object or live function; inside: of a dense layer."""
    if isinstance(activation, dict):
        config = activation.get("config")
        activation = activation.get("class_name") if isinstance(config, dict) else config
        if isinstance(config, dict):  # a layer as activation
            if activation in ("LeakyReLU", "ReLU", "ELU", "Softmax"):
                _layer(activation, config, f"{name}/{activation}" if inside else name, {}, chain)
                return
            activation = config.get("name", activation)
    activation = getattr(activation, "__name__", activation)
    if activation in (None, "linear"):
        return
    if activation not in ACTIVATIONS:
        raise ConversionError(f"layer {name!r} has the activation {activation!r}, which has no Q7 "
                              f"kernel: use one of linear, {', '.join(ACTIVATIONS)}")
    alpha = FUNCTION_ALPHA.get(activation, 0.0)
    chain.activation(activation, f"{name}/{activation}" if inside else name, alpha)

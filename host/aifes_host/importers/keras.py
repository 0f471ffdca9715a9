"""Keras 3 and tf.keras 2: .keras and .h5 files, read without TensorFlow or Keras; live models.

All become the same two things: the model's configuration (nested dicts, as Keras saves them) and
a source of its layers' variables: Live here, or a file's (keras_files.py). What a layer computes
stands in keras_layers.py.
"""
import sys
import warnings
from pathlib import Path

from ..graph import ConversionError
from .chain import Chain
from .keras_layers import LAYERS, Layer, foreign, start

MODELS = ("Sequential", "Functional", "Model")


def convert(model, output=None):
    """A Graph of a live Keras model, of Keras 3 with any backend or of tf.keras 2.

    output: the name of one of several outputs: its layer's, or its key in a dict of outputs.
    """
    kind = _model_class(model)
    _must_be_chain(kind, getattr(model, "name", kind))
    try:
        config = model.get_config()
    except Exception as error:  # whatever a custom object in it raises
        raise ConversionError(f"the model {model.name!r} cannot be described by Keras "
                              f"({type(error).__name__}: {str(error).splitlines()[0]}): use "
                              "Keras's own layers and activations")
    return _graph({"class_name": kind, "config": config}, Live(model), output)


def read(path, output=None):
    """A Graph of a .keras or .h5 file; output as for convert()."""
    from .keras_files import open_model

    path = Path(path)
    try:
        with open_model(path) as (config, source):
            return _graph(config, source, output)
    except ConversionError:
        raise
    except Exception as error:  # a damaged file: h5py, json and zipfile raise whatever they meet
        if isinstance(error, OSError) and error.errno and not path.is_file():
            raise
        words = (str(error).splitlines() or [""])[0][:200]
        raise ConversionError(f"{path} is not a whole Keras model ({type(error).__name__}: "
                              f"{words}): save it again with model.save('model.keras')")


class Live:
    """Variables of a model in memory."""

    def __init__(self, model):
        self.model = model
        root = next(c.__module__ for c in type(model).__mro__ if not foreign(c.__module__))
        root = sys.modules[root.split(".")[0]]
        self.version = getattr(root, "__version__", "2")

    def variables(self, trail, layer):
        """[(name, array)] of a layer inside the models named in trail."""
        found = self.model
        for name in (*trail, _name(layer)):
            found = found.get_layer(name)
        activation = getattr(found, "activation", None)
        if hasattr(activation, "__name__") and foreign(getattr(activation, "__module__", "")):
            raise ConversionError(f"layer {_name(layer)!r} has the custom activation "
                                  f"{activation.__name__!r}: use one of Keras's own")
        return [(v.name.split("/")[-1].split(":")[0], v.numpy()) for v in found.weights]


def _model_class(model):
    """A subclass counts as what it extends, unless it computes something else."""
    kinds = type(model).__mro__
    caller = next((c for c in kinds if "call" in vars(c)), kinds[0])
    names = [c.__name__ for c in kinds]
    if foreign(caller.__module__):
        return names[0]
    return next((n for n in ("Sequential", "Functional") if n in names), names[0])


def _name(layer):
    config = layer["config"]
    inner = config.get("name") if isinstance(config, dict) else None
    return inner or layer.get("name") or layer["class_name"]


def _graph(config, source, output):
    chain, taken_back = Chain(), []
    _walk(config, (), source, chain, output, taken_back)
    if taken_back:
        warnings.warn("weights that Keras had rounded to int8 are taken as they are "
                      f"({', '.join(taken_back)}): better convert the model as it was before "
                      "model.quantize()", stacklevel=4)
    return chain.graph(_name(config))


def _must_be_chain(kind, name):
    if kind not in MODELS:
        raise ConversionError(f"the model {name!r} is a {kind}: only Sequential and linear "
                              "Functional models can be converted")


def _walk(model, trail, source, chain, output, taken_back):
    _must_be_chain(model["class_name"], _name(model))
    config = model["config"]
    if isinstance(config, list):  # a Sequential of Keras 2.0 to 2.2
        config = {"layers": config}
    if model["class_name"] == "Sequential":
        layers = config["layers"]
        if not layers:
            raise ConversionError(f"the model {_name(model)!r} has no layers")
        _choose({_name(layers[-1]): _name(layers[-1])}, output, _name(model), trail)
    else:
        layers = _in_order(config, output, _name(model), trail)
    for layer in layers:
        kind, name = layer["class_name"], _name(layer)
        if kind in MODELS:
            _walk(layer, (*trail, name), source, chain, None, taken_back)
            continue
        known = Layer(kind, layer["config"], name, source.version,
                      lambda layer=layer: source.variables(trail, layer))
        known.check(layer)
        start(known.config, chain)
        LAYERS[kind](known, chain)
        if known.taken_back:
            taken_back.append(name)


def _choose(outputs, output, model, trail):
    """The layer of the output to take; outputs: {name that the user may give: layer}."""
    names = ", ".join(repr(n) for n in outputs)
    if output is None:
        if len(outputs) != 1:
            raise ConversionError(f"the model {model!r} has {len(outputs)} outputs ({names}): " + (
                "only a chain of layers can be converted" if trail else
                "say which one with --output NAME (output=NAME in Python)"))
        return next(iter(outputs.values()))
    found = [layer for name, layer in outputs.items() if output in (name, layer)]
    if len(found) != 1:
        raise ConversionError(f"the model {model!r} has no output {output!r}: it has {names}")
    return found[0]


def _in_order(config, output, model, trail):
    """The layers of a Functional model from its input to an output; they must be one chain."""
    by_name = {_name(layer): layer for layer in config["layers"]}
    ends = config["output_layers"]
    if isinstance(ends, dict):
        outputs = {key: _histories(end)[0] for key, end in ends.items()}
    else:
        layers = _histories(ends)
        outputs = {layer if layers.count(layer) == 1 else f"{layer}:{i}": layer
                   for i, layer in enumerate(layers)}
    name = _choose(outputs, output, model, trail)
    inputs = _histories(config.get("input_layers") or [])
    inputs = [n for n in inputs if n in by_name]
    if len(inputs) > 1 and output is None:
        raise ConversionError(f"the model {model!r} has {len(inputs)} inputs "
                              f"({', '.join(inputs)}): it must have one")
    ordered = []
    while name is not None:
        if len(ordered) > len(by_name):
            raise ConversionError("the layers of the model do not form one chain")
        layer = by_name[name]
        ordered.append(layer)
        nodes = layer.get("inbound_nodes") or []
        if len(nodes) > 1:
            raise ConversionError(f"layer {name!r} is used {len(nodes)} times: only a chain of "
                                  "layers can be converted")
        before = _histories(nodes)
        if len(before) > 1:
            raise ConversionError(f"layer {name!r} ({layer['class_name']}) takes {len(before)} "
                                  "inputs: only a chain of layers can be converted")
        if _trains(nodes):
            raise ConversionError(f"layer {name!r} is called with training=True: build the model "
                                  "without it")
        if not before and layer["class_name"] != "InputLayer":
            raise ConversionError(f"layer {name!r} has no input: the model must be one chain")
        name = before[0] if before else None
    return ordered[::-1]


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


def _trains(node):
    """Whether a call asks for what a layer does in training, such as a dropout that stays."""
    if isinstance(node, dict):
        return node.get("training") in (True, 1) or any(_trains(v) for v in node.values())
    return isinstance(node, (list, tuple)) and any(_trains(v) for v in node)

"""Keras 3 and tf.keras 2: .keras and .h5 files, read without TensorFlow or Keras; live models.

All become the same two things: the model's configuration (nested dicts, as Keras saves them) and
a source of its layers' variables: Live here, or a file's (keras_files.py). How layers are connected
stands in keras_graph.py, what one computes in keras_layers.py.
"""
import sys
import warnings
from pathlib import Path

from ..graph import ConversionError
from . import outputs
from .builder import Builder
from .keras_graph import Walk, layer_name, must_be_model
from .keras_layers import foreign
from .order import in_turns


def convert(model, output=None):
    """A Graph of a live Keras model, of Keras 3 with any backend or of tf.keras 2.

    output: which of several outputs, a name or a list of names: of its layer, or its key in a dict
        of outputs.
    """
    kind = _model_class(model)
    must_be_model(kind, getattr(model, "name", kind))
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
        for name in (*trail, layer_name(layer)):
            found = found.get_layer(name)
        activation = getattr(found, "activation", None)
        if hasattr(activation, "__name__") and foreign(getattr(activation, "__module__", "")):
            raise ConversionError(f"layer {layer_name(layer)!r} has the custom activation "
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


def _graph(config, source, output):
    def make(orders):
        walk = Walk(source, Builder(orders))
        made = walk.network(config, outputs.wanted(output))
        return walk.builder.graph(made, layer_name(config)), walk.taken_back

    graph, taken_back = in_turns(make)
    if taken_back:
        warnings.warn("weights that Keras had rounded to int8 are taken as they are "
                      f"({', '.join(taken_back)}): better convert the model as it was before "
                      "model.quantize()", stacklevel=4)
    return graph

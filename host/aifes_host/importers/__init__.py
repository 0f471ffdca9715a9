"""From a trained network to a float Graph. One file per framework; none knows of quantization."""
import importlib

from ..graph import ConversionError, Graph

FRAMEWORKS = {"sklearn": "sklearn", "torch": "torch", "keras": "keras", "tf_keras": "keras",
              "tensorflow": "keras", "onnx": "onnx"}
# .h5 and .hdf5: Keras's older format
SUFFIXES = {".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".onnx": "onnx", ".pt2": "torch"}


def from_model(model, name=None, output=None):
    """A Graph from a live model of Keras, PyTorch, ONNX or scikit-learn, or from a description.

    model: a Graph; a description (description.py); a Keras model; a torch.nn.Module or
        torch.export.ExportedProgram; an onnx.ModelProto; a fitted scikit-learn estimator or
        Pipeline. name: kept in the file; default: the framework's. output: of a network of Keras,
        ONNX or PyTorch with several outputs, the one to convert: its name (of Keras: its layer's),
        its key in the dict or its number in the tuple that forward() returns; or a list of those
        to keep, in this order.
    Raises ConversionError naming the layer that cannot be converted, and why.
    """
    if isinstance(model, Graph):
        _whole(output)
        graph = model
    elif isinstance(model, (list, tuple, dict)):
        _whole(output)
        graph = _importer("description").convert(model)
    else:
        # a Keras model on PyTorch is both: the most specific class decides
        found = next((FRAMEWORKS[c.__module__.split(".")[0]] for c in type(model).__mro__
                      if c.__module__.split(".")[0] in FRAMEWORKS), None)
        if found is None:
            raise ConversionError(f"a {type(model).__name__} cannot be converted: give a model of "
                                  "Keras, PyTorch, ONNX or scikit-learn, or a list of layers")
        graph = _convert(found, "convert", model, output)
    if name:
        graph.name = name
    return graph


def from_file(path, output=None):
    """A Graph of a model file: .keras, .h5, .onnx, .pt2. Raises ConversionError, OSError.

    output: as for from_model().
    """
    return _convert(SUFFIXES[path.suffix.lower()], "read", path, output)


def _convert(framework, function, source, output):
    run = getattr(_importer(framework), function)
    if framework in ("keras", "onnx", "torch"):
        return run(source, output=output)
    _whole(output)
    return run(source)


def _whole(output):
    if output is not None:
        raise ConversionError(f"the output {output!r} cannot be chosen: only networks of ONNX, "
                              "Keras and PyTorch may have several outputs")


def _importer(name):
    return importlib.import_module("." + name, __name__)

"""From a trained network to a float Graph. One file per framework; none knows of quantization."""
import importlib

from ..graph import ConversionError, Graph

FRAMEWORKS = {"sklearn": "sklearn", "torch": "torch", "keras": "keras", "tf_keras": "keras",
              "tensorflow": "keras", "onnx": "onnx"}
# .h5 and .hdf5: Keras's older format
SUFFIXES = {".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".onnx": "onnx", ".pt2": "torch"}


def from_model(model, name=None):
    """A Graph from a live model of Keras, PyTorch, ONNX or scikit-learn, or from a description.

    model: a Graph; a description (description.py); a Keras model; a torch.nn.Module or
        torch.export.ExportedProgram; an onnx.ModelProto; a fitted scikit-learn estimator or
        Pipeline. name: kept in the file; default: the framework's.
    Raises ConversionError naming the layer that cannot be converted, and why.
    """
    if isinstance(model, Graph):
        graph = model
    elif isinstance(model, (list, tuple, dict)):
        graph = _importer("description").convert(model)
    else:
        # a Keras model on PyTorch is both: the most specific class decides
        found = next((FRAMEWORKS[c.__module__.split(".")[0]] for c in type(model).__mro__
                      if c.__module__.split(".")[0] in FRAMEWORKS), None)
        if found is None:
            raise ConversionError(f"a {type(model).__name__} cannot be converted: give a model of "
                                  "Keras, PyTorch, ONNX or scikit-learn, or a list of layers")
        graph = _importer(found).convert(model)
    if name:
        graph.name = name
    return graph


def from_file(path):
    """A Graph of a model file: .keras, .h5, .onnx, .pt2. Raises ConversionError, OSError."""
    return _importer(SUFFIXES[path.suffix.lower()]).read(path)


def _importer(name):
    return importlib.import_module("." + name, __name__)

"""Files that the command line reads: float networks and data."""
import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np

from .graph import ConversionError, Graph
from .importers import SUFFIXES, from_file, from_model
from .quantizer import collect


def read_network(source, name=None):
    """A Graph from a file: .keras, .h5, .onnx, .pt2, .json (importers/description.py).

    Or from FILE.py:NAME, a live model; that .py file is run, as `python FILE.py` would.
    """
    path, _, attribute = source.rpartition(":")
    if path.endswith(".py"):
        model = _attribute(Path(path), attribute)
        if not isinstance(model, Graph) and not (isinstance(model, dict) and "name" in model):
            name = name or Path(path).stem  # a framework's own is that of a class
        return from_model(model, name)
    path = Path(source)
    if path.suffix.lower() in SUFFIXES:
        graph = from_file(path)
        graph.name = name or path.stem
        return graph
    if path.suffix != ".json":
        raise ConversionError(f"{source} is none of {', '.join(SUFFIXES)}, .json or FILE.py:NAME: "
                              "write a small .py that loads your network and name its variable, as "
                              "in train.py:model")
    try:
        description = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConversionError(f"{source} is not JSON: {error}")
    if not isinstance(description, (dict, list)):
        raise ConversionError(f"{source} describes no network: it must be a list of layers")
    own = description.get("name") if isinstance(description, dict) else None
    return from_model(description, name or own or path.stem)


def _attribute(path, attribute):
    if not path.is_file():
        raise ConversionError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConversionError(f"{path} failed when run: {type(error).__name__}: {error}")
    if not hasattr(module, attribute):
        raise ConversionError(f"{path} has no variable {attribute!r}")
    return getattr(module, attribute)


def read_data(path):
    """float64 [samples, columns] of .npy, .npz (its only array, or x), .csv (header or not).

    Or of FILE.py:NAME, an array or a function that returns one or yields samples.
    """
    file, _, attribute = str(path).rpartition(":")
    path = Path(path)
    try:
        if file.endswith(".py"):
            data = np.asarray(collect(_attribute(Path(file), attribute)), np.float64)
        elif path.suffix == ".npy":
            data = np.load(path, allow_pickle=False)
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                name = file.files[0] if len(file.files) == 1 else "x"
                if name not in file.files:
                    raise ConversionError(f"{path} has several arrays: name the inputs x")
                data = file[name]
        elif path.suffix == ".csv":
            data = _read_csv(path)
        else:
            raise ConversionError(f"{path} is not .npy, .npz, .csv or FILE.py:NAME")
        data = np.asarray(data, np.float64)
    except ConversionError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ConversionError(f"{path} cannot be read as numbers: {str(error).splitlines()[0]}")
    if not data.size:
        raise ConversionError(f"{path} holds no data")
    return data.reshape(len(data), -1) if data.ndim else data.reshape(1, 1)


def read_labels(path):
    """Classes of samples, one dimension: ints where the file holds whole numbers."""
    values = read_data(path).ravel()
    return values.astype(int) if (values == np.round(values)).all() else values


def read_targets(path):
    """What the outputs should be, [samples, outputs]; a single column: classes, or one output."""
    values = read_data(path)
    return read_labels(path) if values.shape[1] == 1 else values


def _read_csv(path):
    lines = path.read_text("utf-8").splitlines()
    try:
        [float(v) for v in lines[0].split(",")]
        skip = 0
    except (ValueError, IndexError):
        skip = 1
    return np.loadtxt(lines[skip:], delimiter=",", ndmin=2)

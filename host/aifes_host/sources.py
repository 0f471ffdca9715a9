"""What the command line reads: float networks, data, classes; from files or FILE.py:NAME."""
from pathlib import Path

import numpy as np
from aifes.format import size

from . import csv_files
from .files import KINDS, NUMBERS, TEXT, check_file, read_array, read_json
from .graph import (
    LARGEST,
    ConversionError,
    Graph,
    channels_first,
    check_columns,
    fits_float32,
    in_order,
)
from .importers import SUFFIXES, from_file, from_model
from .scripts import script


def read_network(source, name=None, output=None):
    """A Graph from a file: .keras, .h5, .onnx, .pt2, .json (importers/description.py).

    Or from FILE.py:NAME, a live model; that .py file is run, as `python FILE.py` would.
    output: the one to convert, as for from_model().
    """
    path, _, attribute = str(source).rpartition(":")
    if path.endswith(".py"):
        found = script(path)
        with found.active():  # a model may import more when it is called
            model = found.variable(attribute)
            if not isinstance(model, Graph) and not (isinstance(model, dict) and "name" in model):
                name = name or Path(path).stem  # a framework's own is that of a class
            return from_model(model, name, output)
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        check_file(path, 8 * TEXT)
        graph = from_file(path, output)
        graph.name = name or path.stem
        return graph
    if suffix != ".json":
        raise ConversionError(f"{source} is none of {', '.join(SUFFIXES)}, .json or FILE.py:NAME: "
                              "write a small .py that loads your network and name its variable, as "
                              "in train.py:model")
    description = read_json(path)
    if not isinstance(description, (dict, list)):
        raise ConversionError(f"{source} describes no network: it must be a list of layers")
    own = description.get("name") if isinstance(description, dict) else None
    name = name or (own if isinstance(own, str) else None) or path.stem
    return from_model(description, name, output)


def read_data(source):
    """float64 [samples, columns] of .npy, .npz (its only array, or x), .csv (header or not).

    Or of FILE.py:NAME, an array or a function that returns one or yields samples. Images keep
    their shape, [samples, ...].
    """
    data = _read(source, csv_files.read_numbers, ".csv", "x")
    if data.dtype.kind not in "biuf":
        raise ConversionError(f"{source} cannot be read as numbers: it holds "
                              f"{KINDS.get(data.dtype.kind, data.dtype)}")
    data = np.atleast_1d(data).astype(np.float64, copy=False)
    if not data.size:
        raise ConversionError(f"{source} holds no data")
    data = data.reshape(len(data), -1) if data.ndim < 3 else data
    if fits_float32(data):
        return data
    # NaN and infinity are left: `simulate` shows what the board makes of them
    large = np.flatnonzero((np.isfinite(data) & (np.abs(data) > LARGEST)).reshape(
        len(data), -1).any(axis=1))
    if len(large):
        raise ConversionError(f"{source}, row {large[0] + 1} holds a number beyond {LARGEST:.2g}, "
                              "the largest of float32")
    return data


def board_rows(x, inputs):
    """Samples that read_data() gave as [samples, elements] for a model with these inputs, its
    Tensors; ConversionError if they do not fit.

    Images come as the board has them, or with their channels first where the shape says so.
    """
    if x.ndim > 2 and len(inputs) == 1 and len(inputs[0].shape) == 3:
        x = in_order(x, channels_first("input", inputs[0].shape))
    x = x.reshape(len(x), -1)
    check_columns(x.shape[1], sum(size(t.shape) for t in inputs))
    return x


def read_labels(source, samples=None):
    """Classes of samples, one dimension: ints, names, or floats where a number is not whole.

    .csv, .txt (one on a line), .npy, .npz (its only array, or y), or FILE.py:NAME. samples: how
    many there are; with one line more, the first is a header.
    """
    labels = _targets(source, samples)
    if labels.ndim > 1:
        raise ConversionError(f"{source} has {labels.shape[1]} columns: give one, the class of "
                              "each sample")
    return labels


def read_targets(source, samples=None):
    """What the outputs should be, [samples, outputs]; a single column: as read_labels."""
    return _targets(source, samples)


def _targets(source, samples):
    values = _read(source, csv_files.read_classes, ".csv or .txt", "y", (".csv", ".txt"))
    if not values.size:
        raise ConversionError(f"{source} holds no data")
    values = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
    if 1 in values.shape:
        values = values.ravel()
    if values.dtype.kind in "US":
        return _named(source, values, samples)
    if values.dtype.kind not in "biuf":
        raise ConversionError(f"{source} holds {KINDS.get(values.dtype.kind, values.dtype)}: give "
                              "classes as whole numbers or as names")
    values = values.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(wrong):
        raise ConversionError(f"{source}, row {wrong[0] + 1} is not a number: give every sample "
                              "its class")
    whole = values.ndim == 1 and (values == np.round(values)).all() and \
        np.abs(values).max() < 2 ** 53
    return values.astype(int) if whole else values


def _named(source, names, samples):
    """Names as str; without a header, which a file of one line too many has."""
    if names.dtype.kind == "S":
        try:
            names = np.char.decode(names, "utf-8")
        except UnicodeDecodeError:
            raise ConversionError(f"{source} has names that are not UTF-8")
    if names.ndim > 1:
        raise ConversionError(f"{source} has {names.shape[1]} columns of names: give one, the "
                              "class of each sample")
    header = samples is not None and len(names) == samples + 1 and names[0] not in names[1:]
    return names[1:] if header else names


def _read(source, read_text, texts, name, suffixes=(".csv",)):
    """An array of any kind, of any source. name: of the array in a .npz with several."""
    file, _, attribute = str(source).rpartition(":")
    if file.endswith(".py"):
        return _of_script(source, script(file), attribute)
    suffix = Path(source).suffix.lower()
    if suffix in (".npy", ".npz"):
        return read_array(source, name)
    if suffix in suffixes:
        return np.asarray(read_text(source))
    raise ConversionError(f"{source} is not .npy, .npz, {texts} or FILE.py:NAME")


def _of_script(source, found, attribute):
    with found.calling():
        value = found.variable(attribute)
        value = value() if callable(value) else value
        if hasattr(value, "__next__"):
            value = _collected(source, value)
    try:
        with found.active():
            data = np.asarray(value)
            if data.dtype.kind != "O":
                return data
            if all(isinstance(v, str) for v in data.ravel()):
                return data.astype(str)
            return data.astype(np.float64)  # of Decimal, say; or a table that mixes
    except Exception as error:  # whatever arrays and tables of other packages raise
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise ConversionError(f"{source} cannot be read as an array: {words[0]}")


def _collected(source, samples):
    """What a generator yields, if it ends."""
    found, count = [], 0
    for sample in samples:
        found.append(sample)
        count += max(np.size(sample), 1)
        if count > NUMBERS:
            raise ConversionError(f"{source} yields more than the {NUMBERS:,} numbers that are "
                                  "read: let it end")
    return found

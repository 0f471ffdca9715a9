"""Files of Keras: the configuration and the variables out of .keras and .h5.

They may come from anywhere: nothing in them is run, no other file is opened through their links,
and what they declare is checked before memory is taken for it.
"""
import io
import json
import math
import re
import struct
import zipfile
from contextlib import contextmanager

import h5py
import numpy as np

from ..graph import ConversionError

MOST_CONFIG = 1 << 23  # bytes of JSON
MOST = 1 << 27  # bytes of all variables: far more than any board holds
INFLATION = 1100  # what zlib makes at most of a byte


@contextmanager
def open_model(path):
    """(configuration, source of variables) of a .keras or .h5 file."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            config = json.loads(_member(archive, "config.json", MOST_CONFIG))
            about = json.loads(_member(archive, "metadata.json", MOST_CONFIG)) \
                if "metadata.json" in archive.namelist() else {}
            weights = io.BytesIO(_member(archive, "model.weights.h5", MOST))
        with h5py.File(weights, "r") as h5:
            yield config, Archive(h5, config, str(about.get("keras_version", 3)))
        return
    with h5py.File(path, "r") as h5:
        if path.stat().st_size > 2 * MOST:
            raise ConversionError(f"{path} is larger than a network for a board")
        if "model_config" not in h5.attrs:
            raise ConversionError(f"{path} holds weights only: save the whole model, with "
                                  "model.save('model.keras')")
        config = json.loads(_attribute(h5, "model_config", path))
        version = _attribute(h5, "keras_version", path) if "keras_version" in h5.attrs else "2"
        yield config, Legacy(h5["model_weights"], version)


def _member(archive, name, most):
    size = archive.getinfo(name).file_size  # of which zipfile reads no byte more
    if size > most:
        raise ConversionError(f"{archive.filename}: its {name} has {size} bytes, more than a "
                              "network for a board")
    return archive.read(name)


def _attribute(h5, name, path):
    """A string: h5py gives str or bytes, by the version that wrote it."""
    kind = h5.attrs.get_id(name)
    if math.prod(kind.shape) != 1 or kind.dtype.itemsize > MOST_CONFIG \
            or kind.dtype.kind == "O" and not _lengths(path.read_bytes(), name) <= MOST_CONFIG:
        raise ConversionError(f"the attribute {name} of {path} is not one string: save the model "
                              "again with model.save('model.keras')")
    value = np.asarray(h5.attrs[name]).ravel()[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def _lengths(data, name):
    """The largest length that an attribute of this name declares: HDF5 takes so much memory unseen.

    An attribute message is: 1, 0, three sizes of 16 bits, name, type and space, each to a multiple
    of 8 bytes, and the value, here its length in 32 bits. Versions 2 and 3 fill up nothing, and
    version 3 has a byte for the name's encoding after the sizes.
    """
    found = []
    name = name.encode() + b"\0"
    at = data.find(name)
    while at >= 0:
        for version, head in ((1, 8), (2, 8), (3, 9)):
            if data[at - head] == version:
                sizes = struct.unpack_from("<HHH", data, at - head + 2)
                step = 8 if version == 1 else 1
                value = at + sum((size + step - 1) // step * step for size in sizes)
                found += struct.unpack_from("<I", data, value)
        at = data.find(name, at + 1)
    return max(found, default=math.inf)


class _File:
    """Datasets by path: of hard links only, so that no other file is opened, and nothing twice."""

    def __init__(self, group, version):
        self.version = version
        self.left = MOST
        self.found = {}
        group.visititems(self._visit)

    def _visit(self, path, item):
        if isinstance(item, h5py.Dataset):
            self.found[path.replace("\\", "/")] = item  # Keras on Windows

    def read(self, path, layer):
        dataset = self.found[path]
        kind, size = dataset.dtype, dataset.size * dataset.dtype.itemsize
        # bfloat16 is saved as two bytes without a meaning
        if kind.kind not in "fiu" and kind != np.dtype("V2"):
            raise ConversionError(f"layer {layer!r} has a variable that is not of numbers ({kind})")
        if dataset.external or dataset.is_virtual:
            raise ConversionError(f"layer {layer!r} has a variable outside of the file: save the "
                                  "model again with model.save('model.keras')")
        stored = dataset.id.get_storage_size() * (INFLATION if dataset.chunks else 1)
        self.left -= size
        if size > stored or self.left < 0:
            raise ConversionError(f"layer {layer!r} declares a variable of shape {dataset.shape}, "
                                  "more than the file holds or a board could")
        return dataset[()]


class Legacy(_File):
    """.h5: LAYER/.../VARIABLE or, of Keras 2, LAYER/.../VARIABLE:0."""

    def variables(self, trail, layer):
        """[(name, array)] of a layer inside the models named in trail."""
        name = layer["config"]["name"]
        found = []
        for path in self.found:
            first, *inner, last = path.split("/")
            # Keras makes the names of scopes unique: what is in a layer's own group is its own
            own = path.startswith(f"{name}/") if not trail else (
                path.startswith(f"{trail[0]}/") and inner and inner[-1] == name)
            if own:
                found.append((last.split(":")[0], self.read(path, name)))
        return found


class Archive(_File):
    """.keras: layers/CLASS_COUNTER/vars/NUMBER, in the order of the model's layers."""

    def __init__(self, group, config, version):
        super().__init__(group, version)
        self.folders = {}
        self._name_folders(config, (), "")

    def _name_folders(self, model, trail, prefix):
        counters = {}
        config = model["config"]
        for layer in config["layers"]:
            kind = _snake(layer["class_name"])
            count = counters.get(kind, 0)
            counters[kind] = count + 1
            key = f"{kind}_{count}" if count else kind
            name = layer["config"].get("name") or layer.get("name")
            folders = [f"{prefix}{start}/{key}/"
                       for start in ("layers", "_layer_checkpoint_dependencies")]
            if "layers" in layer["config"]:
                inside = next((f for f in folders if any(p.startswith(f) for p in self.found)), "?")
                self._name_folders(layer, (*trail, name), inside)
            else:
                self.folders[(*trail, name)] = folders

    def variables(self, trail, layer):
        """[(None, array)] of a layer inside the models named in trail: numbers for names."""
        name = layer["config"]["name"]
        paths = [p for folder in self.folders[(*trail, name)] for p in self.found
                 if re.fullmatch(re.escape(folder) + r"vars/\d+", p)]
        numbers = sorted(int(p.rsplit("/", 1)[1]) for p in paths)
        if numbers != list(range(len(paths))):
            raise ConversionError(f"layer {name!r} lacks variables: save the model again with "
                                  "model.save('model.keras')")
        return [(None, self.read(p, name))
                for p in sorted(paths, key=lambda p: int(p.rsplit("/", 1)[1]))]


def _snake(name):
    """Keras's own rule for the names of classes in files."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()

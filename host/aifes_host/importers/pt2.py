"""A .pt2 file of torch.export.save(): a zip of JSON and raw weights.

It is read as just that: PyTorch is not needed for it, and nothing in it is unpickled. It may come
from anywhere, so nothing is taken out of it before its size is known.
"""
import json
import math
import zipfile
from pathlib import Path

import numpy as np

from ..graph import ConversionError
from .folding import MOST
from .nodes import Ref
from .torch import graph, operation

# of PyTorch's export schema
DTYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "?"}
BFLOAT16 = 13


def read(path, output=None):
    """A Graph of a .pt2 file, as torch.export.save() of PyTorch 2.9 and newer writes it."""
    path = Path(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # the others: of damaged lists
        raise ConversionError(f"{path} is not a .pt2 file of torch.export.save(), or not whole")
    with archive:
        try:
            return _read(archive, path, output)
        except ConversionError:
            raise
        except Exception as error:  # zlib, zipfile, JSON and NumPy have many for damaged files
            raise ConversionError(f"{path} cannot be read as a .pt2 file ({type(error).__name__}: "
                                  f"{error}): write it with torch.export.save()")


def _read(archive, path, output):
    names = {name.partition("/")[2]: name for name in archive.namelist()}
    if "models/model.json" not in names:
        raise ConversionError(f"{path} was not written by torch.export.save() of PyTorch 2.9 or "
                              "newer; a pickle (.pt, .pth) can run any code and is not opened: "
                              "load it in a train.py of your own and give train.py:model")

    def member(name, most=MOST):
        size = archive.getinfo(names[name]).file_size
        if size > most:
            raise ConversionError(f"{path} has a part {name!r} of {size} bytes: more than a "
                                  "network for a board needs")
        return archive.read(names[name])

    model = json.loads(member("models/model.json"))["graph_module"]
    configs = {folder: json.loads(member(f"data/{folder}/model_{folder}_config.json"))["config"]
               for folder in ("weights", "constants")}
    keys, starts = {}, []
    for spec in model["signature"]["input_specs"]:
        (kind, value), = spec.items()
        if kind == "user_input":
            if "as_tensor" in value["arg"]:
                starts.append(value["arg"]["as_tensor"]["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            keys[value["arg"]["name"]] = value[f"{kind}_name"]
    ends = [next(iter(spec["user_output"]["arg"].values()))
            for spec in model["signature"]["output_specs"] if "user_output" in spec]
    program = model["graph"]
    dimensions = {name: [d.get("as_int", -1) for d in value["sizes"]]
                  for name, value in program["tensor_values"].items()}
    modules = model["module_call_graph"]
    spec = json.loads(modules[0]["signature"]["out_spec"])[1] if modules else None

    def constant(name):
        if name not in keys:
            return None
        key = keys[name]
        folder = "weights" if key in configs["weights"] else "constants"
        return _tensor(lambda part: member(f"data/{folder}/{part}", 8 * MOST),
                       configs[folder].get(key), key)

    return graph([_node(node) for node in program["nodes"] if node["outputs"]], constant, starts,
                 [end["name"] if isinstance(end, dict) else "" for end in ends], dimensions, spec,
                 output, path.stem)


def _node(node):
    options = {i["name"]: _argument(i["arg"]) for i in node["inputs"]}
    stack = (node.get("metadata") or {}).get("nn_module_stack", "")
    layer = stack.split(";")[-1].split(",")[1] if "," in stack else ""
    output = next(iter(node["outputs"][0].values()))
    name = output[0]["name"] if isinstance(output, list) else \
        output.get("name", output.get("as_name", ""))
    return operation(node["target"].removeprefix("torch.ops."), options, name, layer)


def _argument(argument):
    (kind, value), = argument.items()
    if kind in ("as_tensor", "as_name"):
        return Ref(value["name"] if isinstance(value, dict) else value)
    if kind == "as_tensors":
        return [Ref(v["name"]) for v in value]
    if kind in ("as_sym_int", "as_sym_ints"):
        return [_argument(v) for v in value] if isinstance(value, list) else _argument(value)
    if kind == "as_float":
        return float(value)  # "Infinity" and "NaN" are written as strings
    return None if kind == "as_none" else value


def _tensor(member, entry, key):
    if entry is None or entry.get("use_pickle"):
        raise ConversionError(f"the tensor {key!r} is kept as a pickle, which is not opened")
    meta = entry["tensor_meta"]
    sizes, strides = ([d["as_int"] for d in meta[k]] for k in ("sizes", "strides"))
    dtype = meta["dtype"]
    if dtype not in DTYPES and dtype != BFLOAT16:
        raise ConversionError(f"the tensor {key!r} is of an element type that cannot be converted: "
                              "save the model in float32")
    if min(sizes, default=1) < 1 or len(sizes) != len(strides) or math.prod(sizes) > MOST:
        raise ConversionError(f"the tensor {key!r} has the shape {sizes}: a board holds no more "
                              f"than {MOST} numbers")
    flat = np.frombuffer(member(entry["path_name"]), DTYPES.get(dtype, "<u2"))
    offset = meta["storage_offset"]["as_int"]
    last = offset + sum((d - 1) * s for d, s in zip(sizes, strides))
    if min(strides, default=0) < 0 or offset < 0 or last >= len(flat):
        raise ConversionError(f"the tensor {key!r} is truncated")
    array = np.lib.stride_tricks.as_strided(
        flat[offset:], sizes, [s * flat.itemsize for s in strides])
    if dtype == BFLOAT16:
        array = (array.astype("<u4") << 16).view("<f4")
    return array.astype(np.float64) if array.dtype.kind == "f" else array.copy()

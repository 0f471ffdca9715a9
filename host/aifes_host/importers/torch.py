"""PyTorch: a module that torch.export can trace, an ExportedProgram, a .pt2 file.

A .pt2 file is read as what it is, a zip of JSON and raw weights: PyTorch is not needed for it, and
nothing in it is unpickled.
"""
import json
import operator
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..graph import ConversionError
from .chain import batch_norm
from .nodes import Node, Ref, X, arithmetic, build, unknown

ALLOWED = ("Linear, BatchNorm1d, ReLU, LeakyReLU, ELU, Sigmoid, Tanh, Softsign, Softmax, Dropout, "
           "Flatten, and + - * / with constants")
ACTIVATIONS = ("relu", "sigmoid", "tanh", "softsign")
PASSED = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "alias", "detach",
          "detach_", "clone", "contiguous", "to", "_to_copy", "identity", "lift_fresh_copy",
          "_assert_tensor_metadata", "getitem")
DTYPES = {6: "<f2", 7: "<f4", 8: "<f8", 5: "<i8", 4: "<i4"}  # of PyTorch's export schema


def convert(model):
    """A Graph of a torch.nn.Module or of a torch.export.ExportedProgram."""
    import torch

    name = type(model).__name__
    if not hasattr(model, "graph_signature"):
        model = _export(model, torch)
    constants = {}
    signature, start = model.graph_signature, None
    for spec in signature.input_specs:
        kind = spec.kind.name
        if kind == "USER_INPUT":
            if start is not None:
                raise ConversionError("the module takes several inputs: it must take one tensor")
            start = spec.arg.name
        else:
            tensor = model.state_dict.get(spec.target)
            if tensor is None:
                tensor = model.constants[spec.target]
            constants[spec.arg.name] = tensor.detach().cpu().double().numpy()
    nodes, shape = [], None
    for node in model.graph.nodes:
        if node.op == "placeholder" and node.name == start:
            shape = [_dimension(d) for d in node.meta["val"].shape]
        elif node.op == "call_function":
            nodes.append(_live_node(node, torch))
        elif node.op == "output":
            ends = node.args[0]
    if start is None or len(ends) != 1:
        raise ConversionError("the module must take one tensor and return one")
    return _graph(nodes, constants, start, shape, ends[0].name, name)


def read(path):
    """A Graph of a .pt2 file, as torch.export.save() of PyTorch 2.9 and newer writes it."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            if "models/model.json" not in names:
                raise ConversionError(f"{path} was not written by torch.export.save() of PyTorch "
                                      "2.9 or newer; a pickle (.pt, .pth) can run any code and is "
                                      "not opened: load it in a train.py of your own and give "
                                      "train.py:model")
            model = json.loads(archive.read(names["models/model.json"]))["graph_module"]
            weights = json.loads(archive.read(names["data/weights/model_weights_config.json"]))
            fixed = json.loads(archive.read(names["data/constants/model_constants_config.json"]))
            constants, start = {}, None
            for spec in model["signature"]["input_specs"]:
                (kind, value), = spec.items()
                if kind == "user_input":
                    if start is not None:
                        raise ConversionError("the module takes several inputs: it must take one")
                    start = value["arg"]["as_tensor"]["name"]
                elif kind in ("parameter", "buffer", "tensor_constant"):
                    key = value[f"{kind}_name"]
                    folder, entry = ("weights", weights["config"].get(key)) \
                        if key in weights["config"] else ("constants", fixed["config"].get(key))
                    constants[value["arg"]["name"]] = _tensor(archive, names, folder, entry, key)
        graph = model["graph"]
        nodes = [_saved_node(node) for node in graph["nodes"]]
        shape = [s.get("as_int", -1) for s in graph["tensor_values"][start]["sizes"]]
        if len(graph["outputs"]) != 1:
            raise ConversionError("the module must return one tensor")
        return _graph(nodes, constants, start, shape,
                      graph["outputs"][0]["as_tensor"]["name"], path.stem)
    except ConversionError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError,
            zipfile.BadZipFile) as error:
        raise ConversionError(f"{path} cannot be read as a .pt2 file ({type(error).__name__}: "
                              f"{error}): write it with torch.export.save()")


def _export(model, torch):
    """Trace a live module; the size of its input is that of its first layer with parameters."""
    if not isinstance(model, torch.nn.Module):
        raise ConversionError(f"a {type(model).__name__} cannot be converted: give a "
                              "torch.nn.Module or a torch.export.ExportedProgram")
    n = next((m.in_features if isinstance(m, torch.nn.Linear) else m.num_features
              for m in model.modules()
              if isinstance(m, (torch.nn.Linear, torch.nn.BatchNorm1d))), None)
    if n is None:
        raise ConversionError(f"the {type(model).__name__} has no Linear layer")
    was = model.training
    try:
        first = next(model.parameters(), torch.empty(0))
        x = torch.zeros(2, n, dtype=first.dtype, device=first.device)
        return torch.export.export(model.eval(), (x,))
    except Exception as error:  # whatever the user's forward() raises
        raise ConversionError(
            f"torch.export cannot trace the {type(model).__name__} with an input of shape (2, {n}) "
            f"({str(error).strip().splitlines()[0]}): give torch.export.export(model.eval(), "
            "(example,)) instead")
    finally:
        model.train(was)


def _dimension(d):
    return d if isinstance(d, int) else -1


def _live_node(node, torch):
    layer = next(reversed((node.meta.get("nn_module_stack") or {"": ("", "")}).values()))[0]
    if node.target is operator.getitem:
        return Node("getitem", [Ref(node.args[0].name)], {}, node.name, layer or node.name)

    def plain(value):
        if isinstance(value, torch.fx.Node):
            return Ref(value.name)
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return value if isinstance(value, (int, float, bool, type(None))) else str(value)

    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema is not None else []
    options = dict(zip(names, map(plain, node.args)))
    options.update({k: plain(v) for k, v in node.kwargs.items()})
    return _node(str(node.target), options, node.name, layer)


def _saved_node(node):
    options = {i["name"]: _saved(i["arg"]) for i in node["inputs"]}
    stack = node.get("metadata", {}).get("nn_module_stack", "")
    layer = stack.split(";")[-1].split(",")[1] if "," in stack else ""
    output = next(iter(node["outputs"][0].values()))
    name = output[0]["name"] if isinstance(output, list) else \
        output.get("name", output.get("as_name", ""))
    return _node(node["target"].removeprefix("torch.ops."), options, name, layer)


def _saved(argument):
    (kind, value), = argument.items()
    if kind in ("as_tensor", "as_name"):
        return Ref(value["name"] if isinstance(value, dict) else value)
    if kind in ("as_sym_int", "as_sym_ints"):
        return [_saved(v) for v in value] if isinstance(value, list) else _saved(value)
    return None if kind == "as_none" else value


def _tensor(archive, names, folder, entry, key):
    if entry is None or entry.get("use_pickle"):
        raise ConversionError(f"the tensor {key!r} is kept as a pickle, which is not opened")
    meta = entry["tensor_meta"]
    sizes, strides = ([d["as_int"] for d in meta[k]] for k in ("sizes", "strides"))
    if meta["dtype"] not in DTYPES:
        raise ConversionError(f"the tensor {key!r} is of an element type that cannot be converted: "
                              "save the model in float32")
    flat = np.frombuffer(archive.read(names[f"data/{folder}/{entry['path_name']}"]),
                         DTYPES[meta["dtype"]])[meta["storage_offset"]["as_int"]:]
    last = sum((d - 1) * s for d, s in zip(sizes, strides))
    if min(strides, default=0) < 0 or min(sizes, default=1) < 1 or last >= len(flat):
        raise ConversionError(f"the tensor {key!r} is truncated")
    return np.lib.stride_tricks.as_strided(
        flat, sizes, [s * flat.itemsize for s in strides]).astype(np.float64)


def _node(target, options, name, layer):
    op = target.split(".")[1] if target.startswith("aten.") else target
    if op.endswith("_") and not op.startswith("_"):
        op = op[:-1]  # the variant in place
    return Node(op, list(options.values()), options, name, layer or name)


def _graph(nodes, constants, start, shape, end, name):
    chain = build(nodes, constants, start, shape[1:], end, _fold, _apply, _measure)
    return chain.graph(name)


FOLDED = {
    "t": lambda a: a.T, "numpy_T": lambda a: a.T, "neg": np.negative, "sqrt": np.sqrt,
    "rsqrt": lambda a: 1 / np.sqrt(a), "reciprocal": np.reciprocal, "exp": np.exp, "abs": np.abs,
    "permute": lambda a, dims: a.transpose(dims),
    "transpose": lambda a, i, j: a.swapaxes(i, j), "unsqueeze": np.expand_dims,
    "add": lambda a, b, *_: a + b, "sub": lambda a, b, *_: a - b, "mul": np.multiply,
    "div": np.divide, "view": lambda a, s: a.reshape(s), "reshape": lambda a, s: a.reshape(s)}


def _fold(node):
    if node.op in PASSED:
        return node.args[0]
    if node.op not in FOLDED:
        raise unknown(node, ALLOWED)
    return FOLDED[node.op](*node.args)


def _apply(chain, node):
    op, o = node.op, node.options
    if op in PASSED:
        return
    if op == "linear":
        chain.dense(o["weight"].T, o.get("bias"), node.layer)
    elif op in ("addmm", "mm", "matmul"):
        _matmul(chain, node)
    elif op in ("add", "sub", "mul", "div"):
        if o.get("alpha", 1) != 1 or o.get("rounding_mode"):
            raise unknown(node, ALLOWED)
        arithmetic(chain, node, op)
    elif op == "rsub" and o.get("alpha", 1) == 1:
        arithmetic(chain, replace(node, args=node.args[1::-1]), "sub")
    elif op in ("batch_norm", "_native_batch_norm_legit_no_training"):
        mean, variance = o.get("running_mean"), o.get("running_var")
        if mean is None or variance is None:
            raise ConversionError(f"layer {node.layer!r} keeps no running statistics: use "
                                  "track_running_stats=True")
        slope, offset = batch_norm(o.get("weight"), o.get("bias"), mean, variance, o["eps"])
        if len(chain.shape) > 1:  # one for each channel, the first dimension
            slope, offset = (np.reshape(v, (-1,) + (1,) * (len(chain.shape) - 1))
                             if np.ndim(v) else v for v in (slope, offset))
        chain.affine(slope, offset, node.layer)
    elif op in ACTIVATIONS:
        chain.activation(op, node.layer)
    elif op == "leaky_relu":
        chain.activation(op, node.layer, o.get("negative_slope", 0.01))
    elif op == "elu" and o.get("scale", 1) == 1 and o.get("input_scale", 1) == 1:
        chain.activation(op, node.layer, o.get("alpha", 1))
    elif op in ("softmax", "_softmax"):
        if o["dim"] not in (-1, len(chain.shape)):
            raise ConversionError(f"layer {node.layer!r} is a Softmax(dim={o['dim']}), not over "
                                  f"the outputs: use dim={len(chain.shape)}")
        chain.activation("softmax", node.layer)
    elif op == "flatten":
        if o.get("start_dim", 0) != 1 or o.get("end_dim", -1) not in (-1, len(chain.shape)):
            raise ConversionError(f"layer {node.layer!r} is a flatten of other dimensions than all "
                                  "but the first: use flatten(1)")
        chain.flatten(node.layer)
    elif op in ("view", "reshape", "_unsafe_view"):
        chain.reshape((o.get("size") or o.get("shape"))[1:], node.layer)
    else:
        raise unknown(node, ALLOWED)


def _measure(node, shape):
    if node.op == "sym_size":
        return -1 if node.options["dim"] == 0 else shape[node.options["dim"] - 1]
    return None


def _matmul(chain, node):
    o = node.options
    if node.op == "addmm":
        bias, x, weights = o["self"], o["mat1"], o["mat2"]
        if bias is X or o.get("alpha", 1) != 1 or o.get("beta", 1) != 1:
            raise unknown(node, ALLOWED)
    else:
        bias, x, weights = None, o["self"], o.get("mat2", o.get("other"))
    if x is not X or weights is X:
        raise ConversionError(f"layer {node.layer!r} multiplies weights by its input from the "
                              "left: use x @ weights")
    chain.dense(weights, bias, node.layer)

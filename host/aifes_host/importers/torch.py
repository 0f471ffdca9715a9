"""PyTorch: a module that torch.export can trace, an ExportedProgram, a .pt2 file (pt2.py)."""
import json
import operator

import numpy as np

from ..graph import ConversionError
from . import elementwise, outputs, shapes, torch_images
from .folding import MOST, batch_norm
from .nodes import Node, Ref, build, unknown
from .value import Value

# what users may write, by PyTorch's public names
TAKEN = (
    "torch.nn.Linear", "torch.nn.BatchNorm1d", "torch.nn.ReLU", "torch.nn.ReLU6",
    "torch.nn.LeakyReLU", "torch.nn.PReLU", "torch.nn.RReLU", "torch.nn.ELU", "torch.nn.CELU",
    "torch.nn.SELU", "torch.nn.GELU", "torch.nn.SiLU", "torch.nn.Mish", "torch.nn.Sigmoid",
    "torch.nn.LogSigmoid", "torch.nn.Hardsigmoid", "torch.nn.Hardswish", "torch.nn.Hardtanh",
    "torch.nn.Tanh", "torch.nn.Softsign", "torch.nn.Softplus", "torch.nn.Softmax",
    "torch.nn.LogSoftmax", "torch.nn.Dropout", "torch.nn.Flatten", "torch.nn.Identity",
    *(f"torch.nn.{name}{n}d" for name in (
        "Conv", "ConvTranspose", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
      for n in (1, 2)), "torch.nn.BatchNorm2d", "torch.nn.ZeroPad2d",
    "torch.nn.ZeroPad1d", "torch.nn.Upsample", "torch.mean", "torch.permute",
    "torch.add", "torch.cat", "torch.clamp", "torch.minimum", "torch.maximum", "torch.squeeze",
    "torch.unsqueeze", "torch.reshape")
ALLOWED = (*(name.rpartition(".")[2] for name in TAKEN), "- * / with constants")

# PyTorch's operation: that of elementwise.py, and after x its parameters, (name, default) or fixed
ELEMENTWISE = {
    **{op: (op,) for op in ("relu", "sigmoid", "tanh", "softsign", "selu", "silu", "mish",
                            "log_sigmoid", "neg", "abs", "exp", "expm1", "log", "log1p", "sqrt",
                            "erf", "reciprocal")},
    "log_sigmoid_forward": ("log_sigmoid",), "hardswish": ("hard_swish",),
    "hardsigmoid": ("hard_sigmoid", 1 / 6, 0.5), "relu6": ("clamp", 0.0, 6.0),
    "hardtanh": ("clamp", ("min_val", -1.0), ("max_val", 1.0)),
    "clamp": ("clamp", ("min", -np.inf), ("max", np.inf)),
    "clip": ("clamp", ("min", -np.inf), ("max", np.inf)),
    "clamp_min": ("max", ("min", None)), "clamp_max": ("min", ("max", None)),
    "minimum": ("min", ("other", None)), "maximum": ("max", ("other", None)),
    "leaky_relu": ("leaky_relu", ("negative_slope", 0.01)),
    "prelu": ("leaky_relu", ("weight", None)), "_prelu_kernel": ("leaky_relu", ("weight", None)),
    "elu": ("scaled_elu", ("alpha", 1.0), ("scale", 1.0), ("input_scale", 1.0)),
    "celu": ("celu", ("alpha", 1.0)), "softplus": ("softplus", ("beta", 1.0), ("threshold", 20.0)),
    "threshold": ("threshold", ("threshold", None), ("value", None)),
    "pow": ("pow", ("exponent", None)), "square": ("pow", 2.0), "rsqrt": ("pow", -0.5),
    "where": ("where", ("self", None), ("other", None)), "logical_not": ("not",),
    **{op: (op, ("other", None)) for op in ("add", "sub", "mul", "div", "gt", "lt", "ge", "le")},
    **{op: ("identity",) for op in (
        "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout",
        "alias", "detach", "clone", "contiguous", "to", "_to_copy", "identity",
        "lift_fresh_copy")}}
FLOATS = (None, "torch.float32", "torch.float64", "torch.float16", "torch.bfloat16",
          6, 7, 8, 13)  # of live programs, of PyTorch's export schema


def convert(model, output=None):
    """A Graph of a torch.nn.Module or of a torch.export.ExportedProgram."""
    import torch

    name = type(model).__name__
    if not hasattr(model, "graph_signature"):
        model = _export(model, torch)
    tensors, starts, signature = {}, {}, model.graph_signature
    for spec in signature.input_specs:
        if spec.kind.name == "USER_INPUT":
            starts[spec.arg.name] = None
        elif hasattr(spec.arg, "name"):
            tensor = model.state_dict.get(spec.target)
            tensors[spec.arg.name] = model.constants.get(spec.target) if tensor is None else tensor
    nodes, dimensions = [], {}
    for node in model.graph.nodes:
        value = node.meta.get("val")
        dimensions[node.name] = [_dimension(d) for d in value.shape] if isinstance(
            value, torch.Tensor) else None
        if node.op == "call_function":
            nodes.append(_live_node(node, torch))
    starts = {s: dimensions[s] for s in starts if dimensions.get(s) is not None}
    ends = [getattr(s.arg, "name", "") for s in signature.output_specs
            if s.kind.name == "USER_OUTPUT"]
    try:
        spec = json.loads(torch.utils._pytree.treespec_dumps(model.call_spec.out_spec))[1]
    except Exception:  # of a class that PyTorch cannot write down
        spec = None

    def constant(name):
        return None if tensors.get(name) is None else _array(tensors[name], name)

    return graph(nodes, constant, starts, ends, dimensions, spec, output, name)


def read(path, output=None):
    """A Graph of a .pt2 file."""
    from . import pt2

    return pt2.read(path, output)


def _array(tensor, name):
    if tensor.numel() > MOST:
        raise ConversionError(f"the tensor {name!r} has {tensor.numel()} numbers: more than a "
                              "board holds")
    if tensor.is_complex() or tensor.is_quantized:
        raise ConversionError(f"the tensor {name!r} is of type {tensor.dtype}: save the model in "
                              "float32")
    tensor = tensor.detach().cpu()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()


def graph(nodes, constant, starts, ends, dimensions, spec, output, name):
    """The Graph of a program: its nodes, inputs and outputs, and the shapes of those by name.

    spec: PyTorch's description of what forward() returns, or None.
    """
    names = _leaves(spec, "")
    if len(names) != len(ends):
        names = [str(i) for i in range(len(ends))]
    chosen = outputs.choose([outputs.Output(n or "0", value, outputs.shape(dimensions[value]))
                             for n, value in zip(names, ends) if dimensions.get(value) is not None],
                            outputs.wanted(output))

    def source(builder, start):
        shape = dimensions[start]
        if len(shape) < 2:  # one sample without a batch
            return builder.input(start, None if -1 in shape else shape, 1, 0)
        return builder.input(start, None if -1 in shape[1:] else shape[1:],
                             None if shape[0] < 0 else shape[0])

    return build(nodes, constant, list(starts), source, chosen, _fold, _apply, _measure, ALLOWED,
                 name)


def _leaves(spec, prefix):
    """Names of what forward() returns: keys of dicts, numbers in tuples and lists."""
    if not isinstance(spec, dict) or spec.get("type") is None:
        return [prefix]
    children = spec["children_spec"]
    keys = json.loads(spec["context"]) if str(spec["type"]).lower().endswith("dict") else None
    if not isinstance(keys, list) or len(keys) != len(children):
        keys = range(len(children))
    return [leaf for key, child in zip(keys, children)
            for leaf in _leaves(child, f"{prefix}.{key}" if prefix else str(key))]


def _export(model, torch):
    """Trace a live module; the size of its input is that of its first layer with parameters."""
    if not isinstance(model, torch.nn.Module):
        raise ConversionError(f"a {type(model).__name__} cannot be converted: give a "
                              "torch.nn.Module or a torch.export.ExportedProgram")
    first = next((m for m in model.modules() if isinstance(m, (
        torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.modules.conv._ConvNd))), None)
    if isinstance(first, torch.nn.modules.conv._ConvNd):
        size = "".join(f", {d}" for d in ("rows", "columns")[:len(first.kernel_size)])
        raise ConversionError(
            f"the {type(model).__name__} does not say how large its images are: give "
            f"torch.export.export(model.eval(), (torch.zeros(1, {first.in_channels}{size}),))")
    n = getattr(first, "in_features", getattr(first, "num_features", None))
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

    def plain(value):
        if isinstance(value, torch.fx.Node):
            return Ref(value.name)
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return value if isinstance(value, (int, float, bool, type(None))) else str(value)

    if node.target is operator.getitem:  # of an operation with several results: the first is x
        first = node.args[1] == 0
        return Node("identity" if first else "getitem", [plain(node.args[0])], {}, node.name,
                    layer or node.name)
    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema is not None else []
    options = dict(zip(names, map(plain, node.args)))
    options.update({k: plain(v) for k, v in node.kwargs.items()})
    return operation(str(node.target), options, node.name, layer)


def operation(target, options, name, layer):
    """A Node from PyTorch's name of an operation, such as aten.relu.default, and its arguments."""
    op = target.split(".")[1] if target.startswith("aten.") else target
    if op.endswith("_") and not op.startswith("_"):
        op = op[:-1]  # the variant in place
    args = list(options.values())
    if not layer or layer.startswith("_empty_nn_module_stack"):  # PyTorch's word for none
        layer = name
    known = ELEMENTWISE.get(op)
    first = args[0] if args else None
    # such as max over a dimension, not of two values
    other = Node(f"aten.{op}" if op in elementwise.FUNCTIONS else op, args, options, name, layer,
                 called=op)
    if op == "gelu":
        known = ("gelu_tanh" if options.get("approximate") == "tanh" else "gelu",)
    elif op in ("rrelu", "rrelu_with_noise", "rrelu_with_noise_functional"):
        known = ("leaky_relu", (options.get("lower", 1 / 8) + options.get("upper", 1 / 3)) / 2)
    elif op == "rsub":
        first, known = options["other"], ("sub", options["self"])
    if known is None or options.get("alpha", 1) != 1 and op in ("add", "sub", "rsub") or \
            options.get("rounding_mode") or options.get("dtype") not in FLOATS:
        return other
    parameters = [p if not isinstance(p, tuple) else p[1] if options.get(p[0]) is None
                  else options[p[0]] for p in known[1:]]
    if None in parameters:
        return other
    return Node(known[0], [first, *parameters], {}, name, layer, called=op)


def _full(size, value):
    if np.prod(size, dtype=float) > MOST:
        raise ConversionError(f"a constant of shape {size} has more numbers than a board holds")
    return np.full(size, value)


def _arange(start, end, *_):
    if not 0 <= end - start <= MOST:
        raise ConversionError(f"a constant of {end - start} numbers: more than a board holds")
    return np.arange(start, end, dtype=float)


FOLDED = {
    "arange": _arange, "_to_copy": lambda a, *_: np.trunc(a),  # to whole numbers
    "t": lambda a: a.T, "numpy_T": lambda a: a.T, "permute": lambda a, dims: a.transpose(dims),
    "transpose": lambda a, i, j: a.swapaxes(i, j), "unsqueeze": np.expand_dims,
    "squeeze": lambda a, dim=None: a.squeeze(None if dim is None else tuple(np.ravel(dim))),
    "view": lambda a, s: a.reshape(s), "reshape": lambda a, s: a.reshape(s),
    "full": lambda size, value, *_: _full(size, value), "scalar_tensor": lambda v, *_: np.array(v)}


def _fold(node):
    if node.op in elementwise.FUNCTIONS:
        return elementwise.fold(node)
    if node.op not in FOLDED:
        raise unknown(node, ALLOWED)
    return FOLDED[node.op](*node.args)


def _apply(x, node):
    op, o = node.op, node.options
    if op == "linear":
        return _dense(x, np.asarray(o["weight"]).T, o.get("bias"), node)
    elif op in ("addmm", "mm", "matmul", "mv", "addmv"):
        return _matmul(x, node)
    elif op in ("batch_norm", "_native_batch_norm_legit_no_training"):
        mean, variance = o.get("running_mean"), o.get("running_var")
        if mean is None or variance is None:
            raise ConversionError(f"layer {node.layer!r} keeps no running statistics: use "
                                  "track_running_stats=True")
        slope, offset = batch_norm(o.get("weight"), o.get("bias"), mean, variance, o["eps"])
        if x.shape is not None and len(x.shape) > 1:  # by channel, the first dimension
            slope, offset = (np.reshape(v, (-1,) + (1,) * (len(x.shape) - 1))
                             if np.ndim(v) else v for v in (slope, offset))
        return x.affine(slope, offset, node.layer)
    elif op in ("softmax", "_softmax", "log_softmax", "_log_softmax") and \
            o.get("dtype") in FLOATS:
        return shapes.softmax(x, op.removeprefix("_"), o["dim"], node.layer)
    elif op == "flatten":
        return shapes.flatten(x, o.get("start_dim", 0), o.get("end_dim", -1), node.layer)
    elif op in ("view", "reshape", "_unsafe_view"):
        return shapes.view(x, o["size"] if "size" in o else o["shape"], node.layer)
    elif op == "unflatten":
        return shapes.unflatten(x, o["dim"], o["sizes"], node.layer)
    elif op == "squeeze":
        dim = o.get("dim")
        return shapes.squeeze(x, [dim] if isinstance(dim, int) else dim, node.layer)
    elif op == "unsqueeze":
        return shapes.unsqueeze(x, [o["dim"]], node.layer)
    elif op in torch_images.OPERATIONS:
        return torch_images.OPERATIONS[op](x, node)
    elif op == "select":
        return shapes.select(x, o["dim"], o["index"], node.layer)
    else:
        raise unknown(node, ALLOWED)


def _measure(node, x):
    if node.op == "sym_size" and x.shape is not None:
        dim = node.options["dim"]
        return -1 if dim in (0, -1 - len(x.shape)) else x.shape[dim - 1 if dim > 0 else dim]
    return None


def _matmul(x, node):
    o = node.options
    if node.op in ("addmm", "addmv"):
        left, weights = (o["mat1"], o["mat2"]) if node.op == "addmm" else (o["mat"], o["vec"])
        bias, alpha, beta = o["self"], o.get("alpha", 1), o.get("beta", 1)
    else:
        left, weights = o["self"], next(o[k] for k in ("mat2", "other", "vec") if k in o)
        bias, alpha, beta = None, 1, 1
    if left is not x or weights is x or bias is x:
        raise ConversionError(f"layer {node.layer!r} multiplies weights by its input from the "
                              "left: use x @ weights")
    return _dense(x, np.asarray(weights) * alpha, None if bias is None else np.asarray(bias) * beta,
           node)


def _dense(x, weights, bias, node):
    if isinstance(bias, Value) or weights.dtype.kind != "f":
        raise ConversionError(f"layer {node.layer!r} has weights that are not float constants: "
                              "export the float network")
    return shapes.dense(x, weights, bias, node.layer)

"""ONNX: files and ModelProtos of PyTorch, tf2onnx, skl2onnx and others."""
import math
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from ..graph import ConversionError
from . import classifiers, elementwise, onnx_images, outputs, shapes
from .folding import MOST, batch_norm
from .nodes import Node, Ref, build, unknown
from .onnx_tensors import Tensors, dimensions
from .value import Value

# operators that users may have in their files
TAKEN = (*onnx_images.OPERATORS, "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Neg",
         "BatchNormalization", "Relu", "LeakyRelu", "PRelu", "Elu", "Celu", "Selu", "Gelu",
         "Swish", "Mish", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softsign", "Softplus",
         "Softmax", "LogSoftmax", "Clip", "Min", "Max", "Sum", "Concat", "Flatten", "Reshape",
         "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "Scaler", "Normalizer",
         "LinearClassifier", "LinearRegressor", "ZipMap")
ALLOWED = (*TAKEN, "each with constants, Add, Sum and Concat with others too")

# ONNX's operator: that of elementwise.py, and after its inputs the attributes, (name, default)
ELEMENTWISE = {
    "Relu": ("relu",), "Sigmoid": ("sigmoid",), "Tanh": ("tanh",), "Softsign": ("softsign",),
    "Mish": ("mish",), "HardSwish": ("hard_swish",), "PRelu": ("leaky_relu",),
    "LeakyRelu": ("leaky_relu", ("alpha", 0.01)), "Celu": ("celu", ("alpha", 1.0)),
    "Elu": ("scaled_elu", ("alpha", 1.0), 1.0, 1.0),
    "Selu": ("scaled_elu", ("alpha", 1.67326319217681884765625),
             ("gamma", 1.05070102214813232421875), 1.0),
    "HardSigmoid": ("hard_sigmoid", ("alpha", 0.2), ("beta", 0.5)),
    "Softplus": ("softplus", 1.0, np.inf), "Swish": ("swish", ("alpha", 1.0)),
    "ThresholdedRelu": ("threshold", ("alpha", 1.0), 0.0),
    "Add": ("add",), "Sub": ("sub",), "Mul": ("mul",), "Div": ("div",), "Neg": ("neg",),
    "Abs": ("abs",), "Exp": ("exp",), "Log": ("log",), "Sqrt": ("sqrt",), "Pow": ("pow",),
    "Reciprocal": ("reciprocal",), "Erf": ("erf",), "Where": ("where",), "Greater": ("gt",),
    "Less": ("lt",), "GreaterOrEqual": ("ge",), "LessOrEqual": ("le",), "Not": ("not",),
    "Identity": ("identity",), "Dropout": ("identity",), "ZipMap": ("identity",)}
FLOATS = (1, 10, 11, 16)  # of TensorProto.DataType
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# computed by ONNX's own reference where their inputs are constants; none makes more than it gets
FOLDED = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Concat", "Gather", "Slice",
          "Cast", "Shape", "Constant", "Equal")


def read(path, output=None):
    """A Graph of an .onnx file, with its weights in a file of their own beside it or not."""
    path = Path(path)
    if path.stat().st_size > 16 * MOST:
        raise ConversionError(f"{path} is larger than any network for a board")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError:
        raise
    except Exception as error:  # protobuf's DecodeError and others
        raise ConversionError(f"{path} is not an ONNX file ({type(error).__name__}): export it "
                              "again")
    return convert(model, path.stem, output, path.parent)


def convert(model, name=None, output=None, folder=None):
    """A Graph of an onnx.ModelProto; folder: where files with its weights may be."""
    try:
        return _convert(model, name or model.graph.name or "network", output, folder)
    except (ConversionError, OSError):
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError,
            RecursionError) as error:
        raise ConversionError(f"the ONNX model is damaged ({type(error).__name__}: "
                              f"{str(error)[:200]}): export it again")


def _convert(model, name, output, folder):
    graph = model.graph
    constants = Tensors(graph, folder)
    inputs = {i.name: i for i in graph.input if i.name not in constants}
    if not inputs:
        raise ConversionError("the model has no input: export it again")
    opset = [o for o in model.opset_import if o.domain in DOMAINS]
    version = max((o.version for o in opset if o.domain != "ai.onnx.ml"), default=17)
    if version > onnx.defs.onnx_opset_version():
        raise ConversionError(f"the model is of ONNX's operator set {version}, newer than the "
                              f"installed onnx package: pip install -U onnx")
    nodes = [node for n in graph.node for node in _node(n, version, constants)]
    chosen, classes = classifiers.chosen(graph, constants, outputs.wanted(output))
    for one in chosen:
        one.value = classifiers.second_class(nodes, constants, one.value)

    def source(builder, start):
        kind = inputs[start].type.tensor_type
        if kind.elem_type not in FLOATS and not all(
                n.op_type == "Cast" for n in graph.node if start in n.input):
            raise ConversionError(f"the input {start!r} is not of floats: export the float network")
        dims = dimensions(inputs[start])
        if dims is None:
            return builder.input(start)
        if len(dims) < 2:  # one sample without a batch
            return builder.input(start, None if None in dims else dims, 1, 0)
        return builder.input(start, None if None in dims[1:] else dims[1:], dims[0])

    def labels(values):
        n = sum(v.size for v in values)
        return classes if len(classes) in (n, 2 * n) else ()

    return build(nodes, constants.get, list(inputs), source, chosen, lambda n: _fold(n, opset),
                 _apply, _measure, ALLOWED, name, labels)


def _node(proto, opset, constants):
    """The Node of an operator, or those of one that stands for several."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
    attributes["opset"] = opset
    op, args = proto.op_type, [Ref(i) if i else None for i in proto.input]
    layer = proto.name or (proto.output[0] if proto.output else op)
    for i, name in enumerate(proto.output):
        if i and op in classifiers.CLASSIFIERS:  # the scores; the class itself is not a number
            yield Node(op, args, attributes, name, layer, proto)
        elif i:
            continue
        elif op in classifiers.CLASSIFIERS:
            yield Node(f"class of a {op}", args, {}, name, layer, proto)
        elif proto.domain not in DOMAINS and (proto.domain, op) != ("com.microsoft", "Gelu"):
            yield Node(f"{proto.domain}.{op}", args, attributes, name, layer, proto)
        elif op in ("Min", "Max", "Sum") and len(args) > 1:
            kind = {"Min": "min", "Max": "max", "Sum": "add"}[op]
            for j, other in enumerate(args[1:]):
                last = j == len(args) - 2
                made = name if last else f"{name}/{j}"
                yield Node(kind, [args[0] if j == 0 else Ref(f"{name}/{j - 1}"), other], {}, made,
                           layer, proto, op)
        elif op == "Gemm" and len(args) > 2 and args[2] and args[2] not in constants and \
                attributes.get("beta", 1.0) == 1:  # a fused sum of two values
            product = Ref(f"{name}/product")
            yield Node(op, args[:2], attributes, product, layer, proto)
            yield Node("add", [product, args[2]], {}, name, layer, proto, op)
        else:
            yield _operation(op, args, attributes, name, layer, proto)


def _operation(op, args, a, name, layer, proto):
    known = ELEMENTWISE.get(op)
    if op == "Gelu":
        known = ("gelu_tanh" if a.get("approximate") == b"tanh" else "gelu",)
    elif op == "Cast" and a.get("to") in FLOATS:
        known = ("identity",)
    elif op == "Clip":
        ends = [args[i] if len(args) > i and args[i] is not None else a.get(key, default)
                for i, key, default in ((1, "min", -np.inf), (2, "max", np.inf))]
        return Node("clamp", [args[0], *ends], {}, name, layer, proto, op)
    if known is None:
        return Node(op, args, a, name, layer, proto)
    if known[0] == "identity":
        args = args[:1]
    parameters = [a.get(*p) if isinstance(p, tuple) else p for p in known[1:]]
    return Node(known[0], args + parameters, {}, name, layer, proto, op)


def _fold(node, opset):
    """Compute a node whose inputs are constants, with ONNX's own reference."""
    if node.op in elementwise.FUNCTIONS:
        value = elementwise.fold(node)
        integers = all(np.asarray(a).dtype.kind in "iu" for a in node.args)
        return np.trunc(value).astype(np.int64) if node.op == "div" and integers else value
    if node.op in ("ConstantOfShape", "Expand"):
        return _repeated(node)
    if node.op not in FOLDED:
        raise unknown(node, ALLOWED)
    proto = node.source
    if node.op == "Constant":
        return _constant(node, proto)
    known = {n: np.asarray(v) for n, v in zip(proto.input, node.args) if n}
    sizes = [v.size for v in known.values()]
    if node.op == "Gather" and len(sizes) == 2 and math.prod(sizes) > MOST or any(
            v.dtype.kind not in "fiub" for v in known.values()):
        raise ConversionError(f"layer {node.layer!r} ({node.called}) makes a constant that no "
                              "board holds")
    info = [onnx.helper.make_tensor_value_info(
        n, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in known.items()]
    graph = onnx.helper.make_graph(
        [proto], "constant", info, [onnx.ValueInfoProto(name=proto.output[0])])
    try:
        return ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=opset)).run(
            None, known)[0]
    except Exception as error:  # of any operator of ONNX
        raise ConversionError(f"layer {node.layer!r} ({node.called}) cannot be computed: "
                              f"{str(error)[:200]}")


def _constant(node, proto):
    a = node.options
    for key in ("value_float", "value_int", "value_floats", "value_ints"):
        if key in a:
            return np.asarray(a[key], float if "float" in key else np.int64)
    return Tensors.array(a["value"], node.layer)


def _repeated(node):
    shape = np.asarray(node.args[-1 if node.op == "Expand" else 0])
    shape = tuple(int(d) for d in shape.ravel())
    value = node.args[0] if node.op == "Expand" else Tensors.array(
        node.options["value"], node.layer).ravel()[0] if "value" in node.options else np.float32(0)
    whole = np.broadcast_shapes(np.shape(value), shape) if min(shape, default=0) >= 0 else (MOST, 2)
    if math.prod(whole) > MOST:
        raise ConversionError(f"layer {node.layer!r} ({node.called}) makes a constant of shape "
                              f"{shape}: more than a board holds")
    return np.broadcast_to(value, whole).copy()


def _measure(node, x):
    if node.op == "Shape" and x.shape is not None:
        start = node.options.get("start", 0)
        return np.array((-1, *x.shape), np.int64)[start:node.options.get("end")]
    return None


def _apply(x, node):
    op, a, args = node.op, node.options, node.args
    rank = x.lead + (1 if x.shape is None else len(x.shape))
    if op == "MatMul":
        if args[0] is not x:
            raise ConversionError(f"layer {node.layer!r} multiplies weights by its input from the "
                                  "left: use x @ weights")
        return _dense(x, args[1], None, node)
    elif op == "Gemm":
        return _gemm(x, node)
    elif op == "BatchNormalization":
        slope, offset = batch_norm(*args[1:5], a.get("epsilon", 1e-5))
        return x.affine(*(v.reshape((-1,) + (1,) * (rank - x.lead - 1))
                       for v in (slope, offset)), node.layer)
    elif op in ("Softmax", "LogSoftmax"):
        old = a["opset"] < 13
        return shapes.softmax(x, "softmax" if op == "Softmax" else "log_softmax",
                       a.get("axis", 1 if old else -1), node.layer, old)
    elif op == "Flatten":
        axis = a.get("axis", 1)
        if axis % rank != x.lead:
            raise ConversionError(f"layer {node.layer!r} is a Flatten at axis {axis}, which mixes "
                                  f"the samples of a batch: use axis={x.lead}")
        return shapes.flatten(x, x.lead, -1, node.layer)
    elif op == "Reshape":
        target = [int(d) for d in np.ravel(args[1])]
        if not a.get("allowzero") and x.shape is not None:
            known = [-1 if x.batch is None else x.batch] * x.lead + list(x.shape)
            target = [d or known[i] for i, d in enumerate(target)]
        return shapes.view(x, target, node.layer)
    elif op in ("Squeeze", "Unsqueeze"):
        axes = args[1] if len(args) > 1 else a.get("axes")
        axes = None if axes is None else [int(v) for v in np.ravel(axes)]
        return (shapes.squeeze if op == "Squeeze" else shapes.unsqueeze)(x, axes, node.layer)
    elif op in onnx_images.OPERATORS and args[0] is x:
        return onnx_images.OPERATORS[op](x, node)
    elif op in ("Gather", "ArrayFeatureExtractor") and args[0] is x:
        axis = a.get("axis", 0) if op == "Gather" else -1
        return classifiers.pick(x, args[1], axis % rank if axis < 0 else axis, node)
    elif op == "Scaler":
        scale, offset = np.array(a["scale"], float), np.array(a["offset"], float)
        return x.affine(scale, -offset * scale, node.layer)
    elif op in ("LinearClassifier", "LinearRegressor"):
        return classifiers.linear(x, node)
    elif op == "Normalizer" and a.get("norm") == b"L1" and x.kind == "softmax":
        return x  # the sum is 1 already
    else:
        raise unknown(node, ALLOWED)


def _gemm(x, node):
    a, (left, weights, *bias) = node.options, node.args
    if left is not x or weights is x or a.get("transA"):
        raise ConversionError(f"layer {node.layer!r} transposes its input: use transA=0")
    weights = np.asarray(weights) * a.get("alpha", 1.0)
    bias = None if not bias or bias[0] is None else np.asarray(bias[0]) * a.get("beta", 1.0)
    return _dense(x, weights.T if a.get("transB") else weights, bias, node)


def _dense(x, weights, bias, node):
    if np.asarray(weights).dtype.kind != "f" or isinstance(bias, Value):
        raise ConversionError(f"layer {node.layer!r} has weights that are not float constants: "
                              "export the float network")
    return shapes.dense(x, weights, bias, node.layer)

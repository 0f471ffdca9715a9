"""ONNX: files and ModelProtos of PyTorch, tf2onnx, skl2onnx and others."""
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from ..graph import ConversionError
from .chain import batch_norm
from .nodes import Node, Ref, X, arithmetic, build, unknown

ALLOWED = ("Gemm, MatMul, Add, Sub, Mul, Div with constants, BatchNormalization, Relu, LeakyRelu, "
           "Elu, Sigmoid, Tanh, Softsign, Softmax, Flatten, Reshape, Identity")
ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softsign": "softsign",
               "softsign": "softsign"}
ALPHA = {"LeakyRelu": ("leaky_relu", 0.01), "Elu": ("elu", 1.0)}
PASSED = ("Identity", "Dropout", "ZipMap")
# the order of inputs and outputs of these: ONNX's operator documentation
SCORES = {"LinearClassifier": 1}


def read(path):
    """A Graph of an .onnx file, with its weights in a file of their own beside it or not."""
    path = Path(path)
    try:
        model = onnx.load(str(path))
    except OSError:
        raise
    except Exception as error:  # protobuf's DecodeError, onnx's checker
        raise ConversionError(f"{path} is not an ONNX file ({type(error).__name__}): export it "
                              "again")
    return convert(model, path.stem)


def convert(model, name=None):
    """A Graph of an onnx.ModelProto."""
    try:
        return _convert(model, name or model.graph.name or "network")
    except ConversionError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConversionError(f"the ONNX model is damaged ({type(error).__name__}: {error}): "
                              "export it again")


def _convert(model, name):
    graph = model.graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    if len(inputs) != 1:
        raise ConversionError(f"the model has {len(inputs)} inputs: it must have one")
    dims = [d.dim_value or -1 for d in inputs[0].type.tensor_type.shape.dim]
    shape = dims[1:] if len(dims) > 1 else dims
    shape = shape if shape and -1 not in shape else None
    nodes = [_node(n) for n in graph.node]
    end, labels = _output(graph, constants)
    end = _second_class(nodes, constants, end)
    opset = [o for o in model.opset_import if o.domain == ""] or [onnx.helper.make_opsetid("", 17)]
    chain = build(nodes, constants, inputs[0].name, shape, end,
                  lambda node: _fold(node, opset), _apply, _measure)
    if len(labels) not in (0, chain.shape[0], 2 * chain.shape[0]):
        labels = ()
    return chain.graph(name, labels)


def _node(proto):
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
    output = proto.output[SCORES.get(proto.op_type, 0)]
    args = [Ref(i) if i else None for i in proto.input]
    return Node(proto.op_type, args, attributes, output, proto.name or output, proto)


def _output(graph, constants):
    """The value to compute, and the labels of a classifier: (name, labels)."""
    made = {o: n for n in graph.node for o in n.output}
    labels = ()
    for node in graph.node:
        for a in node.attribute:
            if a.name.startswith("classlabels_"):
                labels = labels or [v.decode() if isinstance(v, bytes) else v
                                    for v in onnx.helper.get_attribute_value(a)]
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in constants:
            labels = labels or constants[node.input[0]].ravel().tolist()
    names = [o.name for o in graph.output]
    # a classifier's first output is its label, made of the other one
    chosen = next((n for n in names if "prob" in n.lower()), names[-1] if len(names) == 2 else
                  names[0] if len(names) == 1 else None)
    if chosen is None:
        raise ConversionError(f"the model has {len(names)} outputs: it must have one")
    while chosen in made and made[chosen].op_type in ("ZipMap", "Identity"):
        chosen = made[chosen].input[0]
    return chosen, labels


def _second_class(nodes, constants, end):
    """[1 - p, p] of a classifier with two classes is p, the probability of the second."""
    by_name = {n.name: n for n in nodes}
    concat = by_name.get(end)
    if concat is not None and concat.op == "Concat" and len(concat.args) == 2:
        first, p = concat.args
        sub = by_name.get(first)
        if sub is not None and sub.op == "Sub" and sub.args[1] == p and np.all(
                constants.get(sub.args[0], 0) == 1):
            return p
    return end


def _fold(node, opset):
    """Compute a node whose inputs are constants with ONNX's own reference."""
    proto = node.source
    known = {n: np.asarray(v) for n, v in zip(proto.input, node.args) if n}
    info = [onnx.helper.make_tensor_value_info(
        n, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in known.items()]
    graph = onnx.helper.make_graph(
        [proto], "constant", info, [onnx.ValueInfoProto(name=proto.output[0])])
    try:
        return ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=opset)).run(
            None, known)[0]
    except Exception as error:  # of any operator of ONNX
        raise ConversionError(f"layer {node.layer!r} ({node.op}) cannot be computed: {error}")


def _measure(node, shape):
    if node.op == "Shape" and shape is not None:
        start = node.options.get("start", 0)
        return np.array((-1, *shape), np.int64)[start:node.options.get("end")]
    return None


def _apply(chain, node):
    op, a, args = node.op, node.options, node.args
    rank = 1 if chain.shape is None else len(chain.shape)
    if op in PASSED or op == "Cast" and a["to"] in (1, 11):  # to float32, float64
        return
    if op == "MatMul":
        if args[0] is not X or args[1] is X:
            raise ConversionError(f"layer {node.layer!r} multiplies weights by its input from the "
                                  "left: use x @ weights")
        chain.dense(args[1], None, node.layer)
    elif op == "Gemm":
        _gemm(chain, node)
    elif op in ("Add", "Sub", "Mul", "Div"):
        arithmetic(chain, node, op.lower())
    elif op == "BatchNormalization":
        slope, offset = batch_norm(*args[1:5], a.get("epsilon", 1e-5))
        chain.affine(*(v.reshape((-1,) + (1,) * (rank - 1)) for v in (slope, offset)), node.layer)
    elif op in ACTIVATIONS:
        chain.activation(ACTIVATIONS[op], node.layer)
    elif op in ALPHA:
        kind, alpha = ALPHA[op]
        chain.activation(kind, node.layer, a.get("alpha", alpha))
    elif op == "Softmax":
        if a.get("axis", -1) not in (-1, rank):
            raise ConversionError(f"layer {node.layer!r} is a Softmax over axis {a['axis']}, not "
                                  f"over the outputs: use axis={rank}")
        chain.activation("softmax", node.layer)
    elif op == "Flatten" and a.get("axis", 1) == 1:
        chain.flatten(node.layer)
    elif op == "Reshape":
        shape = [int(d) for d in args[1]]
        keeps_batch = len(shape) > 1 and (shape[0] in (-1, 0, 1) or shape[1:] != [-1])
        chain.reshape(shape[1:] if keeps_batch else shape, node.layer)
    elif op in ("Squeeze", "Unsqueeze"):
        chain.flatten(node.layer)
    elif op == "Scaler":
        scale, offset = np.array(a["scale"], float), np.array(a["offset"], float)
        chain.affine(scale, -offset * scale, node.layer)
    elif op in ("LinearClassifier", "LinearRegressor"):
        _linear(chain, node)
    elif op == "Normalizer" and a.get("norm") == b"L1" and chain.layers[-1].kind == "softmax":
        return  # the sum is 1 already
    else:
        raise unknown(node, ALLOWED)


def _gemm(chain, node):
    a, (x, weights, *bias) = node.options, node.args
    if x is not X or a.get("transA"):
        raise ConversionError(f"layer {node.layer!r} transposes its input: use transA=0")
    weights = np.asarray(weights, float) * a.get("alpha", 1.0)
    n = weights.shape[0 if a.get("transB") else 1]
    bias = None if not bias or bias[0] is None else np.broadcast_to(
        np.ravel(bias[0]) * a.get("beta", 1.0), n)
    chain.dense(weights.T if a.get("transB") else weights, bias, node.layer)


def _linear(chain, node):
    """scikit-learn's linear models, as skl2onnx writes them."""
    a = node.options
    bias = np.array(a.get("intercepts", (0.0,)), float)
    weights = np.array(a["coefficients"], float).reshape(len(bias), -1).T
    after = a.get("post_transform", b"NONE").decode()
    if after == "LOGISTIC" and len(bias) == 2:  # the first class is the second one's negative
        weights, bias = weights[:, 1:], bias[1:]
    chain.dense(weights, bias, node.layer)
    if after == "LOGISTIC":
        chain.activation("sigmoid", node.layer + "/sigmoid")
    elif after == "SOFTMAX":
        chain.activation("softmax", node.layer + "/softmax")
    elif after != "NONE":
        raise ConversionError(f"layer {node.layer!r} ends with {after}, which has no Q7 kernel")

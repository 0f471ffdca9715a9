"""Classifiers in ONNX, as skl2onnx writes them: a class, its name, and a score for each class."""
import numpy as np
import onnx

from ..graph import ConversionError
from . import outputs
from .onnx_tensors import dimensions

CLASSIFIERS = ("LinearClassifier",)  # outputs: the class, the scores
# what skl2onnx does with a class after it is chosen, and with the scores
_OF_CLASS = ("ArrayFeatureExtractor", "Cast", "Reshape", "Squeeze", "Identity")
_OF_SCORES = ("ZipMap", "Identity", "Normalizer", "Cast", "ArrayFeatureExtractor")
_PASSED = ("ZipMap", "Identity")


def chosen(graph, constants, names):
    """(the Outputs to convert, names of the classes) of a graph; names: of the outputs, or None."""
    made = {o: n for n in graph.node for o in n.output}
    found = [outputs.Output(o.name, _back(made, o.name, _PASSED)[-1],
                            outputs.shape(dimensions(o))) for o in graph.output]
    classes = [o for o in found if _chosen_from(made, constants, o.name)] if len(found) < 3 else []
    if names is None and len(found) == 2 and len(classes) == 1:
        scores, = (o for o in found if o is not classes[0])
        source = _chosen_from(made, constants, classes[0].name)
        if source in _back(made, scores.name, _OF_SCORES, constants):
            names = [scores.name]
    ends = outputs.choose(found, names)
    for end in ends:
        if end in classes:
            raise ConversionError(f"the output {end.name!r} is a class, the one with the best "
                                  "score: convert the scores, of which the board takes the best")
    labels = []
    for one in classes:
        if len(ends) == 1 and _chosen_from(made, constants, one.name) in _back(
                made, ends[0].name, _OF_SCORES, constants):
            labels = labels or _labels(made, constants, one.name)
    return ends, labels


def _back(made, name, ops, constants=()):
    """The values from which `name` is made by nothing but ops, itself first."""
    names = [name]
    while names[-1] in made and made[names[-1]].op_type in ops and len(names) <= len(made):
        node = made[names[-1]]
        following = [i for i in node.input if i and i not in constants]
        if not following:
            break
        names.append(following[0])
    return names


def _chosen_from(made, constants, name):
    """The scores of which the value is the best one's class, or None: it is something else."""
    name = _back(made, name, _OF_CLASS, constants)[-1]
    node = made.get(name)
    if node is None or not node.input:
        return None
    if node.op_type == "ArgMax":
        return node.input[0]
    if node.op_type in CLASSIFIERS and len(node.output) > 1 and name == node.output[0]:
        return node.output[1]
    return None


def _labels(made, constants, name):
    for value in _back(made, name, _OF_CLASS, constants):
        node = made.get(value)
        if node is None:
            continue
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in constants:
            return [v.decode() if isinstance(v, bytes) else v
                    for v in constants.names(node.input[0])]
        for a in node.attribute:
            if a.name.startswith("classlabels_"):
                return [v.decode() if isinstance(v, bytes) else v
                        for v in onnx.helper.get_attribute_value(a)]
    return []


def second_class(nodes, constants, end):
    """[1 - p, p] or [-p, p] of a classifier with two classes is p, of the second class."""
    by_name = {n.name: n for n in nodes}
    both = by_name.get(end)
    if both is None or both.op != "Concat" or len(both.args) != 2:
        return end
    first, p = both.args
    node = by_name.get(first)
    if node is None or p not in node.args:
        return end
    other = next((a for a in node.args if a != p), None)
    other = constants.get(other) if isinstance(other, str) else other
    value = None if other is None or np.size(other) != 1 else float(np.ravel(other)[0])
    complement = node.op == "sub" and node.args[1] == p and value == 1
    negative = node.op == "neg" or node.op == "mul" and value == -1
    return p if complement or negative else end


def pick(x, index, axis, node):
    """Some of the outputs of the last dense layer, by their numbers."""
    index = np.asarray(index)
    n = x.size
    if axis != x.lead + len(x.shape or (0,)) - 1 or index.dtype.kind not in "iu" or \
            not index.size or index.min() < -n or index.max() >= n or index.size > n:
        picked = None
    else:
        picked = x.pick(index.ravel())
    if picked is None:
        raise ConversionError(f"layer {node.layer!r} ({node.called}) takes a part of the values: "
                              "leave that to the program around the network")
    return picked if index.ndim else picked.seen(picked.shape[:-1])


def linear(x, node):
    """scikit-learn's linear models."""
    a = node.options
    bias = np.array(a.get("intercepts", (0.0,)), float)
    weights = np.array(a["coefficients"], float).reshape(len(bias), -1).T
    after = a.get("post_transform", b"NONE").decode()
    if after == "LOGISTIC" and len(bias) == 2:  # the first class is the second one's negative
        weights, bias = weights[:, 1:], bias[1:]
    y = x.dense(weights, bias, node.layer)
    if after == "LOGISTIC":
        return y.activation("sigmoid", node.layer + "/sigmoid")
    if after == "SOFTMAX":
        return y.activation("softmax", node.layer + "/softmax")
    if after != "NONE":
        raise ConversionError(f"layer {node.layer!r} ends with {after}, which cannot be converted: "
                              "use NONE, LOGISTIC or SOFTMAX")
    return y

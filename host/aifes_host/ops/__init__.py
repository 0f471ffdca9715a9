"""The layers of a float network and what becomes of them, one file for each op of the device.

A file NAME.py has the classes of its layers, with
    kind, name, parameters      what it is, what it is called, how many weights and biases it has
    label                       how it stands in a graph's repr
    boundary                    what a single result must exceed to mean "yes": 0, or 0.5
    shape(*shapes)              of the result; ConversionError if these inputs do not fit
    __call__(*x)                float results; x: arrays [samples, elements]
and functions of these layers,
    quantize(walk, node)        adds the int8 ops of a Node to a quantizer.Walk
    float_ops(node, n, lower)   adds its float32 ops to a float32.Lowering; n: elements
    float32_result(layer, *x)   its result as those ops compute it
    gradients(layer, x, y, g)   for each input, of the gradient g of the result y
    calibrated(layer, y)        what is wrong with its results on the calibration data, or None
and of the op in a buffer,
    int8(buf, op, tensors)      a function from arrays of int8 to the result, as the engines compute
    float32(buf, op, tensors)   the same of float32
    arranged(buf, op, tensors, width, group)    the op, its constants as bytes, in a target's order
    instructions(op, tensors, chip), products(op, tensors)      cost.py, of int8
buf: array of uint8; op: aifes.format.Op; tensors: those of its Plan.
"""
from . import add, dense, map, softmax
from .add import Add
from .dense import Dense
from .map import Activation
from .softmax import Softmax

__all__ = ["KINDS", "ROOMS", "Activation", "Add", "Dense", "Softmax", "activation", "room"]
ROOMS = {"dense": dense, "map": map, "softmax": softmax, "add": add}  # by their name on the device
KINDS = (*map.KINDS, *softmax.KINDS)


def room(what):
    """The module of a layer's class, or of an op of this name on the device."""
    if isinstance(what, str):
        return ROOMS[what]
    return ROOMS[type(what).__module__.rpartition(".")[2]]


def activation(kind, alpha=0.0, beta=0.0, name=""):
    """The layer of this kind, one of KINDS."""
    if kind in softmax.KINDS:
        return Softmax(kind, name)
    return Activation(kind, alpha, beta, name)

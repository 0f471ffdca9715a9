"""The layers of a float network and what becomes of them, one file for each op of the device.

A file NAME.py has the classes of its layers, with
    kind, name, label           what it is, what it is called, how it stands in a graph's repr
    parameters, trained         how many weights and biases; the names of their arrays
    boundary                    what a single result must exceed to mean "yes": 0, or 0.5
    elementwise                 whether it can be looked up in the op before it
    by_element                  whether inputs and results may have a scale for each element
    in_aifes, in_float32        whether method "aifes", and float32 models, have it
    shape(*shapes)              of the result; ConversionError if these inputs do not fit
    __call__(*x)                float results; x: arrays [samples, elements]
with functions of these layers,
    CHOICES                     what search() tries instead of the rule
    quantize(walk, node)        gives the int8 ops of a Node to a walk.Walk
    factored(layer)             as float32 models have it, and the factors that layers around take
    float_ops(node, n, lower)   gives its float32 ops to a float32.Lowering; n: elements
    float32_result(layer, *x)   its result as those ops compute it
    gradients(layer, x, y, g)   for each input of the list x, of the gradient g of the result y
    parameter_gradients(layer, x, g), stored_shifts(layer), as_stored(layer, shifts)
                                where there are parameters: dense.py
    warnings(layer, y, labels)  what its results on the calibration data lack; labels: of classes
and of the op in a buffer,
    int8(buf, op, tensors)      a function from arrays of int8 to the result, as the engines compute
    float32(buf, op, tensors)   the same of float32
    arranged(...)               where the constants have an order: dense.py
    instructions(op, tensors, chip), products(op, tensors)      what cost.py counts, of int8
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


__all__ = ["Activation", "Add", "Dense", "KINDS", "ROOMS", "Softmax", "activation", "room"]


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

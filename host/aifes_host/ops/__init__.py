"""The layers of a float network and what becomes of them, one file for each op of the device.

A file NAME.py has the classes of its layers, Layers (layer.py says what they can), and of the op in
a buffer these functions:
    int8(buf, op, tensors)      a function from arrays of int8, the inputs, to the result, as the
    float32(buf, op, tensors)   engines compute it; the same of float32
    products(op, tensors)       multiplications of one inference
    instructions(op, tensors, chip)     of one inference in int8, by the prices of a cost.Chip
    windows_of(op, tensors)     where it has them: its windows.Windows
    boundary(op)                what a single float32 result must exceed to mean "yes"
    CLASSES                     whether the results belong to classes, of which the largest is meant
    arranged(buf, op, tensors, width, group)    where it has weights: {field: value} in the order of
                                                layout.TARGETS, constants as bytes
buf: array of uint8; op: aifes.format.Op; tensors: those of its Plan.
"""
from . import add, conv, dense, map, mean, multiply, pool, softmax
from .add import Add
from .concat import Concat
from .conv import Conv
from .dense import Dense
from .map import Activation
from .multiply import Multiply
from .pool import Pool
from .softmax import Softmax

__all__ = ["KINDS", "ROOMS", "Activation", "Add", "Concat", "Conv", "Dense", "Multiply", "Pool",
           "Softmax", "activation"]
# by their name on the device
ROOMS = {"dense": dense, "map": map, "softmax": softmax, "add": add, "conv": conv, "pool": pool,
         "mean": mean, "multiply": multiply}
KINDS = (*map.KINDS, *softmax.KINDS)


def activation(kind, alpha=0.0, beta=0.0, name=""):
    """The layer of this kind, one of KINDS."""
    if kind in softmax.KINDS:
        return Softmax(kind, name)
    return Activation(kind, alpha, beta, name)

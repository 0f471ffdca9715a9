"""map: y = table[x], elementwise; float32: y = function(x)."""
from collections import namedtuple

from ..format import FLOAT32, size

FIELDS = "<I"
NAMES = ("table",)
Fields = namedtuple("Map", NAMES)  # float32: alpha, of those functions that have one
CONSTANTS = 1
ENDS = 1, 1
IN_PLACE = True
TABLE = True
FUNCTIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softsign")  # float32, by flags


def check(look, op, x, y):
    look.check(size(x[0].shape) == size(y[0].shape), "shape")
    if x[0].dtype == FLOAT32:
        look.check(op.flags < len(FUNCTIONS), "function")
        look.constants(op.fields, lengths(op, x, y), 4)
        if 1 <= op.flags <= 2:
            look.finite(op.fields.table, 1)
    else:
        look.check(not op.flags, "field")
        look.constants(op.fields, lengths(op, x, y))


def window(op, x, y):
    n = y[0].shape[0]
    return (n, 0, 0, 1, 1) if len(y[0].shape) == 3 and x[0].shape[0] == n else None


def lengths(op, x, y):
    if x[0].dtype == FLOAT32:
        return (4 if 1 <= op.flags <= 2 else 0,)
    return (256,)


def parameters(op, x, y):
    return 0

"""Softmax by hand, and its Drafts."""
from ..format import ModelError, size
from ..ops.softmax import NEAREST, Fields
from . import activations
from .assemble import Draft

OPCODE = 3


def softmax(n, table, nearest=False):
    """The Draft; table: 256 uint16, exp of 0, -1, .. -255 steps in any scale; float32: None."""
    return Draft(OPCODE, NEAREST if nearest else 0, n, n, Fields(
        bytes(table) if table else None), None, 0)


class Softmax:
    """exp(x) / sum(exp(x)) over the whole sample, scale 2**-8, zero point -128"""

    kind = "softmax"

    def result(self, x):
        return x

    def tensors(self, x):
        return ()

    def lower(self, drafts, x, q, exact, number):
        """Add the Draft of int8; the scale of the result. x: the input's shape, q: its scale."""
        make = activations.exact_softmax_table if exact else activations.aifes_softmax_table
        if not 0 <= q[0] <= 24:
            raise ModelError(f"softmax is defined for shifts 0 to 24, not {q[0]}")
        drafts.append(softmax(size(x), make(q[0]), exact))
        return activations.OUT_SCALE["softmax"]

    def lower_float(self, drafts, x, number):
        """Add the Draft of float32."""
        drafts.append(softmax(size(x), None))

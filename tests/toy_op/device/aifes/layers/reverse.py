"""The Draft of reverse, of int8 and float32."""
from ..ops.reverse import Fields
from .assemble import Draft

OPCODE = 9


def reverse(n):
    return Draft(OPCODE, 0, n, n, Fields(), None, 0)

"""Checks of what a program gives to layers by hand."""
from array import array

from ..format import ModelError


def count(n, what):
    """n, if it can be a number of elements; else ModelError."""
    if not isinstance(n, int) or not 0 < n < 1 << 24:
        raise ModelError(f"{what} takes a number of elements, 1 or more, not {n!r}")
    return n


def raw(values, n, what):
    """The bytes of n float32, given as numbers or as such bytes; ModelError if they are not n."""
    if isinstance(values, str):  # a buffer on MicroPython
        raise ModelError(f"{what} takes {n} numbers")
    try:
        memoryview(values)
    except TypeError:
        try:
            values = array("f", values)
        except (TypeError, OverflowError):
            raise ModelError(f"{what} takes {n} numbers")
    data = bytes(values)
    if len(data) != 4 * n:
        raise ModelError(f"{what} takes {n} float32 numbers, {4 * n} bytes, not {len(data)} bytes")
    return data

"""Arenas whose bytes read as 0..255: MicroPython cannot view a bytearray as int8.

There the inputs of each op are copied first, to where all ops have theirs.
"""
from array import array


class Signed:
    """n: bytes of the inputs of the op that has most."""

    def __init__(self, n):
        self._scratch = memoryview(array("b", bytes(n)))

    def part(self, raw):
        """Of int8, for views of bytes."""
        found, at = (), 0
        for view in raw:
            found += self._scratch[at:at + len(view)],
            at += len(view)
        return found

    def __call__(self, x, raw):
        """Bring what lies in the arena to the views of part()."""
        for k in range(len(x)):
            signed, view = x[k], raw[k]
            for i in range(len(view)):
                signed[i] = ((view[i] & 255) ^ 128) - 128

"""The arena of a float32 model: the caller's memory, of whatever type, as float32."""
from .model import ModelError, flat, size


def view(arena, need):
    """The caller's buffer as a memoryview of float32, or of bytes where it cannot be viewed so."""
    try:
        found = flat(arena)
        if len(found) and _item_size(found) not in (1, 4):
            raise TypeError
        if hasattr(found, "cast"):
            found = found.cast("B")
            found = found[:len(found) & ~3].cast("f")
        have = len(found) * _item_size(found)
        if have < need:
            raise ModelError(f"the arena has {have} bytes, this network needs {need}")
        found[0] = found[0]
    except TypeError:
        raise ModelError("the arena must be a writable buffer: array('f') or bytearray")
    return found


def part(arena, tensor):
    """A tensor's elements in such an arena."""
    item = _item_size(arena)
    return arena[tensor.offset // item:(tensor.offset + 4 * size(tensor.shape)) // item]


def _item_size(arena):
    return len(bytes(arena[0:1])) or 1

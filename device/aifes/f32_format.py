"""Models of float32: their ops, checked as format.decode does; loaded for such models only."""
import struct
import sys

from .format import OP, OP_SIZE, OPS_AT, ModelError, Op, _check, _inside, size
from .format import OP_NAMES as OP_NAMES_INT8

DENSE_F32 = 4  # y = bias + x.w
ACTIVATION_F32 = 5  # elementwise, `flags` says which; `table`: offset of alpha
SOFTMAX_F32 = 6
OP_NAMES = OP_NAMES_INT8 + ("dense", "activation", "softmax")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "softsign")


def check_op(buf, i, low, high, arena):
    """The Op of record i, checked."""
    f = struct.unpack_from(OP, buf, OPS_AT + i * OP_SIZE)
    op = Op(*(f[:7] + f[8:18]))
    if not DENSE_F32 <= op.opcode <= SOFTMAX_F32:
        raise ModelError(f"unknown opcode {op.opcode} in layer {i} of a float32 model: update "
                         "aifes on the board")
    dense = op.opcode == DENSE_F32
    has_alpha = op.opcode == ACTIVATION_F32 and 1 <= op.flags <= 2
    used = (op.flags if op.opcode == ACTIVATION_F32 else 0, dense and op.weights,
            dense and op.bias, 0, has_alpha and op.table, dense and op.interleave, int(dense))
    _check(not (any(f[2:8]) or any(f[18:])) and op[11:] == tuple([int(v) for v in used[1:]])
           and op.flags == used[0] and op.flags < len(ACTIVATIONS), "reserved field, layer", i)
    n, m = 4 * op.n_in, 4 * op.n_out
    _check(n and m and op.x + n <= arena and op.y + m <= arena and not (op.x | op.y) & 3,
           "arena, layer", i)
    apart = op.x + n <= op.y or op.y + m <= op.x
    if dense:
        _check(apart and op.interleave in (1, op.n_out), "layer", i)
        _floats(buf, op.weights, op.n_in * op.n_out, low, high, i)
        _floats(buf, op.bias, op.n_out, low, high, i)
    else:
        _check(n == m and (apart or op.x == op.y), "layer", i)
        if has_alpha:
            _floats(buf, op.table, 1, low, high, i)
    return op


def _floats(buf, at, n, low, high, i):
    """n float32 that are finite, at a multiple of 4."""
    _inside(at, 4 * n, low, high, i)
    _check(not at & 3, "constants, layer", i)
    for j in range(at + 3, at + 4 * n, 4):
        _check(buf[j] & 127 < 127 or buf[j - 1] < 128, "parameter, it is not finite, layer", i)


def engine(name):
    """The Engine of this name for float32 models; None if there is no such name."""
    if name == "native":
        return _native()
    if name == "viper":
        from .f32_viper import Engine
    elif name == "python":
        from .f32_python import Engine
    else:
        return None
    return Engine


def _native():
    """The engine in C: a file _aifes_f32.mpy, or a part of the firmware, as model._native()."""
    # its files are those of ESP32, but it has no FPU: the code would stop at the first float
    if "S2" in getattr(sys.implementation, "_machine", "").rpartition("ESP32")[2][:3]:
        raise ImportError("no FPU")
    try:
        from ._aifes_f32 import load
    except ImportError:
        from _aifes_f32 import load

    def make(buf, plan, arena):
        try:
            return load(buf, arena)  # modaifes_f32.c
        except ValueError as e:
            raise ModelError(str(e))

    return make


def view(arena, need):
    """The caller's buffer as a memoryview of float32, or of bytes where it cannot be viewed so."""
    from .model import flat

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
    return floats(arena, tensor.offset, size(tensor.shape))


def floats(arena, offset, n):
    """The view of n float32 at this offset in bytes."""
    item = _item_size(arena)
    return arena[offset // item:(offset + 4 * n) // item]


def _item_size(arena):
    return len(bytes(arena[0:1])) or 1

"""The engine in C for float32 models: _aifes_f32.mpy, as engine_native.py has _aifes.mpy."""
import sys

from .format import ModelError

# its files are those of ESP32, but it has no FPU: the code would stop at the first float
if "S2" in getattr(sys.implementation, "_machine", "").rpartition("ESP32")[2][:3]:
    raise ImportError("no FPU")
try:
    from ._aifes_f32 import load
except ImportError:
    from _aifes_f32 import load


def Engine(buf, plan, arena):
    """A net of modaifes_f32.c. Only a long sample comes back from it between two layers."""
    try:
        return load(buf, arena)
    except ValueError as e:
        raise ModelError(str(e))


def ram(plan):
    """Bytes of a net on a 32-bit board: net_obj_t of module.h."""
    return 120 + 76 * len(plan.ops)

"""The engine in C: a file _aifes.mpy, beside this one or in /lib, or a part of the firmware."""
try:
    from ._aifes import load
except ImportError:
    from _aifes import load


def Engine(buf, plan, arena):
    """A net of modaifes.c. Only a long sample comes back from it between two layers."""
    return load(buf, arena)


def ram(plan):
    """Bytes of a net on a 32-bit board: net_obj_t of modaifes.c."""
    return 120 + 76 * len(plan.ops)

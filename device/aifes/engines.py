"""The engines, fastest first. All execute the same plan with the same results to the last bit.

An Engine(buf, plan, arena) has `name`, `ram` (bytes it holds besides the arena), forward() and
run(x, y) as Model describes them.
"""
import sys

from .format import ModelError

_found = {}


def choose(name):
    """The Engine class of a name, or the fastest one for None."""
    for candidate in ("native", "viper", "python") if name is None else (name,):
        if candidate not in _found:
            _found[candidate] = _engine(candidate)
        if _found[candidate]:
            return _found[candidate]
    raise ModelError(f"no engine {name} here: leave it out and the fastest one is taken")


def _engine(name):
    try:
        if name == "native":
            from .engine_native import Engine
        elif name == "viper" and sys.implementation.name == "micropython":
            from .engine_viper import Engine
        elif name == "python":
            from .engine_python import Engine
        else:
            return None
        return Engine
    except (ImportError, SyntaxError):  # no such file; no viper in this firmware
        return None
    except ValueError as e:
        raise ModelError(f"the {name} engine is for another board or firmware ({e}): copy the "
                         "right file with `aifes deploy`, or delete it")

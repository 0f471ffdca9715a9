"""The engines, fastest first. All execute the same plan with the same results to the last bit.

Engine(buf, plan, arena) makes a net, which is called:
    net(x, y, 0)    runs all samples of x into y, as Model.run() describes them; 0: done
    net(0)          runs the sample that lies in the arena
    net(a, b)       runs the ops a to b - 1 only (float32 models)
A result > 0 is to be given instead of the 0 to go on; < 0: x and y do not fit the model.
"""
import sys

from .format import ModelError

_found = {}


def choose(name, floats=False):
    """The name and the Engine of this name, or those of the fastest one for None.

    floats: of the engines for float32 models.
    """
    for candidate in ("native", "viper", "python") if name is None else (name,):
        key = "f32_" + candidate if floats else candidate
        if key not in _found:
            _found[key] = _engine(candidate, floats)
        if _found[key]:
            return candidate, _found[key]
    raise ModelError(f"no engine {name} here: leave it out and the fastest one is taken")


def _engine(name, floats):
    try:
        if name == "viper" and sys.implementation.name != "micropython":
            return None
        if floats:
            from .f32_format import engine

            return engine(name)
        if name == "native":
            from .engine_native import Engine
        elif name == "viper":
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

"""Which of a network's outputs are converted: the user says so, if there are several."""
from dataclasses import dataclass

from ..graph import ConversionError


@dataclass
class Output:
    """One output: what the user calls it, the value it is, its shape in words."""

    name: str
    value: str
    shape: str

    def __str__(self):
        return f"{self.name!r} {self.shape}"


def wanted(output):
    """The names that the user gave, a list: of a name, a number, or several of these; None: none.

    Raises ConversionError if one is given twice.
    """
    if output is None:
        return None
    names = [str(n) for n in (output if isinstance(output, (list, tuple)) else [output])]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None or not names:
        raise ConversionError("the list of outputs is empty: name one" if twice is None else
                              f"the output {twice!r} is asked for twice: name it once")
    return names


def choose(outputs, names=None):
    """The Outputs called `names`, in that order, or the only one."""
    if not outputs:
        raise ConversionError("the network has no output: export it again")
    if names is not None:
        by_name = {o.name: o for o in reversed(outputs)}
        for name in names:
            if name not in by_name:
                raise ConversionError(f"the network has no output {name!r}: it has "
                                      f"{_all(outputs)}")
        return [by_name[name] for name in names]
    if len({o.value for o in outputs}) > 1:
        raise ConversionError(f"the network has {len(outputs)} outputs, {_all(outputs)}: say which "
                              "one with --output NAME (output=NAME in Python)")
    return outputs[:1]


def _all(outputs):
    shown = ", ".join(map(str, outputs[:20]))
    return shown if len(outputs) <= 20 else f"{shown} and {len(outputs) - 20} more"


def shape(dimensions):
    """Words for a list of dimensions, ints or anything else where they are open; None: unknown."""
    if dimensions is None:
        return "of unknown shape"
    return "[" + ", ".join(str(d) if isinstance(d, int) and d >= 0 else "n"
                           for d in dimensions) + "]"

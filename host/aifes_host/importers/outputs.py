"""Which of a network's outputs is converted: the user says so, if there are several."""
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


def choose(outputs, name=None):
    """The Output called `name`, or the only one."""
    if not outputs:
        raise ConversionError("the network has no output: export it again")
    if name is not None:
        found = [o for o in outputs if o.name == str(name)]
        if not found:
            raise ConversionError(f"the network has no output {str(name)!r}: it has "
                                  f"{_all(outputs)}")
        return found[0]
    if len({o.value for o in outputs}) > 1:
        raise ConversionError(f"the network has {len(outputs)} outputs, {_all(outputs)}: say which "
                              "one with --output NAME (output=NAME in Python)")
    return outputs[0]


def _all(outputs):
    shown = ", ".join(map(str, outputs[:20]))
    return shown if len(outputs) <= 20 else f"{shown} and {len(outputs) - 20} more"


def shape(dimensions):
    """Words for a list of dimensions, ints or anything else where they are open; None: unknown."""
    if dimensions is None:
        return "of unknown shape"
    return "[" + ", ".join(str(d) if isinstance(d, int) and d >= 0 else "n"
                           for d in dimensions) + "]"

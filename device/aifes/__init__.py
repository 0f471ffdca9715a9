"""Neural networks on a microcontroller. load() a model and run() it; docs: README.md.

Only what inference needs is imported here; building by hand is loaded on first use.
"""
from .model import Model, ModelError, load

__version__ = "0.1.0"
__all__ = ("load", "Model", "ModelError")

# compiled, this file has at most 512 bytes: then littlefs keeps it in its folder, in no block
# modules and their names; one string takes less of the heap than as many of them
_PARTS = """layers.sequential Sequential Input ReLU LeakyReLU ELU Sigmoid Tanh Softsign Softmax
layers.dense Dense
layers q7
layers.image Conv2D Conv1D MaxPool2D AvgPool2D Flatten BatchNorm
quantizer quantize Quantizer
summary finite"""


def __getattr__(name):
    # not `from . import layers`: MicroPython would look the submodule up here again
    for part in _PARTS.split("\n"):
        part, *names = part.split()
        if name in names:
            return getattr(__import__("aifes." + part, None, None, (name,)), name)
    raise AttributeError(name)

"""Neural networks on a microcontroller. load() a model and run() it; docs: README.md.

Only what inference needs is imported here; building by hand is loaded on first use.
"""
from .model import Model, ModelError, load

__version__ = "0.1.0"
__all__ = ("load", "Model", "ModelError")

# compiled, this file has at most 512 bytes: then littlefs keeps it in its folder, in no block
# one string takes less of the heap than eleven
_LAYERS = "Sequential Input Dense ReLU LeakyReLU ELU Sigmoid Tanh Softsign Softmax q7"


def __getattr__(name):
    # not `from . import layers`: MicroPython would look the submodule up here again
    if name in _LAYERS.split():
        import aifes.layers as module
    elif name in ("quantize", "Quantizer"):
        import aifes.quantizer as module
    elif name == "finite":
        import aifes.summary as module
    else:
        raise AttributeError(name)
    return getattr(module, name)

"""Neural networks on a microcontroller. load() a model and run() it; docs: README.md.

Only what inference needs is imported here; building by hand is loaded on first use.
"""
from .format import ModelError
from .model import Model, load

__version__ = "0.1.0"
__all__ = ("load", "Model", "ModelError")

_LAYERS = ("Sequential", "Input", "Dense", "ReLU", "LeakyReLU", "ELU", "Sigmoid", "Tanh",
           "Softsign", "Softmax")


def __getattr__(name):
    # not `from . import layers`: MicroPython would look the submodule up here again
    if name in _LAYERS:
        import aifes.layers

        return getattr(aifes.layers, name)
    if name in ("quantize", "Quantizer"):
        import aifes.quantizer

        return getattr(aifes.quantizer, name)
    if name == "finite":
        import aifes.summary

        return aifes.summary.finite
    if name == "q7":
        try:
            import aifes.q7
        except ImportError:
            import aifes.layers  # which says how to get both

        return aifes.q7
    raise AttributeError(name)

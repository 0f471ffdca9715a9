"""What layers with weights have in common."""
import numpy as np

from ..graph import LARGEST, ConversionError
from .layer import Layer


class Weighted(Layer):
    """weights: with the outputs as the last dimension; bias: [outputs]."""

    linear = True
    choices = ("finer", "weights")
    trained = ("weights", "bias")

    def take_parameters(self, form):
        """Weights and bias as float64, checked; form: the weights' dimensions, in words."""
        self.weights = np.asarray(self.weights, np.float64)
        self.bias = np.asarray(self.bias, np.float64)
        if self.weights.ndim != len(form) or self.bias.shape != self.weights.shape[-1:]:
            raise ConversionError(
                f"{self.kind} layer {self.name!r}: weights {self.weights.shape} and bias "
                f"{self.bias.shape} must be [{', '.join(form)}] and [outputs]")
        largest = max(np.abs(self.weights).max(initial=0), np.abs(self.bias).max(initial=0))
        if not largest <= LARGEST:  # NaN neither
            raise ConversionError(f"{self.kind} layer {self.name!r} has parameters that are not "
                                  "finite as float32: train again with a smaller learning rate")

    @property
    def parameters(self):
        return self.weights.size + self.bias.size

"""What layers with weights have in common."""
from dataclasses import replace

import numpy as np

from ..graph import LARGEST, ConversionError
from .layer import Layer


class Weighted(Layer):
    """weights: with the outputs as the last dimension; bias: [outputs].

    of_inputs(channels): what belongs to each channel of the input, as the weights have it.
    """

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

    def equalized(self, given, own):
        """The same layer in float32, of inputs and with results whose channels were multiplied by
        factors: float32 arrays, or None."""
        weights, bias = self.weights.astype(np.float32), self.bias.astype(np.float32)
        if own is not None:
            own = np.resize(own, len(bias))
            weights, bias = weights * own, bias * own
        if given is not None:
            weights = weights / self.of_inputs(given)
        return replace(self, weights=weights, bias=bias)

    @property
    def parameters(self):
        return self.weights.size + self.bias.size

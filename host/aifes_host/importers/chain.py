"""What every importer builds its Graph with: dense layers, activations, and affine steps.

Affine steps (scalers, normalization, batch normalization) are folded into a neighbouring layer.
"""
import math

import numpy as np

from ..graph import Activation, ConversionError, Dense, Graph

MOST_INPUTS = 1 << 20  # far more than any board holds


class Chain:
    """Layers one after another. shape: that of the values so far without the batch, or None."""

    def __init__(self, shape=None):
        self.layers = []
        self.inputs = None
        self.start(shape)

    def start(self, shape):
        """Tell the input's shape: a tuple of ints, or None if the first layer will tell."""
        self.shape = None if shape is None else tuple(int(d) for d in shape)
        if self.shape is not None and self.inputs is None:
            self.inputs = math.prod(self.shape)
            if min(self.shape, default=1) < 1 or self.inputs > MOST_INPUTS:
                raise ConversionError(f"the network takes inputs of shape {self.shape}: a board "
                                      f"holds 1 to {MOST_INPUTS}")
        self._slope = self._offset = None  # what waits for the next dense layer: slope * x + offset

    def dense(self, weights, bias, name):
        """x @ weights + bias; weights: [inputs, outputs]; bias: [outputs] or None."""
        weights = np.asarray(weights, np.float64)
        if weights.ndim != 2:
            raise ConversionError(f"layer {name!r} has weights of shape {weights.shape}, not "
                                  "[inputs, outputs]")
        n_in, n_out = weights.shape
        if self.shape is not None and len(self.shape) != 1:
            raise ConversionError(f"layer {name!r} gets values of shape {self.shape}: put a "
                                  "Flatten before it")
        if self.shape is not None and self.shape != (n_in,):
            raise ConversionError(f"layer {name!r} takes {n_in} inputs but gets {self.shape[0]}")
        bias = np.zeros(n_out) if bias is None else np.asarray(bias, np.float64)
        if self._slope is not None:
            slope, offset = (np.broadcast_to(v, n_in) for v in (self._slope, self._offset))
            weights, bias = slope[:, None] * weights, bias + offset @ weights
            self._slope = None
        self.layers.append(Dense(weights, bias, name))
        self.inputs = self.inputs or n_in
        self.shape = (n_out,)

    def affine(self, slope, offset, name):
        """slope * x + offset for each element; scalars or arrays that broadcast to the shape."""
        slope, offset = (np.asarray(v, np.float64) for v in (slope, offset))
        if not (np.isfinite(slope).all() and np.isfinite(offset).all()):
            raise ConversionError(f"layer {name!r} has parameters that are not finite")
        if self.shape is None and max(slope.ndim, offset.ndim) == 1:
            self.start((max(slope.size, offset.size),))
        if self.shape is not None:
            try:
                slope, offset = (np.broadcast_to(v, self.shape).ravel() for v in (slope, offset))
            except ValueError:
                raise ConversionError(f"layer {name!r} has {slope.size} parameters for values of "
                                      f"shape {self.shape}")
        last = self.layers[-1] if self.layers else None
        if last is not None and last.kind == "dense":
            self.layers[-1] = Dense(last.weights * slope, last.bias * slope + offset, last.name)
        elif self._slope is None:
            self._slope, self._offset = slope, offset
        else:
            self._slope, self._offset = slope * self._slope, slope * self._offset + offset

    def activation(self, kind, name, alpha=0.0, beta=0.0):
        """One of graph.ACTIVATIONS, elementwise; softmax over the last axis."""
        if kind in ("softmax", "log_softmax") and self.shape is not None and len(self.shape) != 1:
            raise ConversionError(f"layer {name!r} is a softmax over one axis of {self.shape}: "
                                  "put a Flatten before it")
        self._settle(name)
        self.layers.append(Activation(kind, float(alpha), float(beta), name))

    def reshape(self, shape, name):
        """The same values in another shape; -1 stands for what is left."""
        if self.shape is None:
            return
        n = int(np.prod(self.shape))
        shape = list(shape)
        if shape.count(-1) == 1:
            known = int(np.prod([d for d in shape if d != -1]))
            shape[shape.index(-1)] = n // known if known else 0
        if int(np.prod(shape)) != n:
            raise ConversionError(f"layer {name!r} mixes the samples of a batch: keep the first "
                                  "dimension")
        self.shape = tuple(int(d) for d in shape)

    def flatten(self, name):
        self.reshape((-1,), name)

    def graph(self, name, labels=()):
        """The Graph of all that was added."""
        self._settle("the last step")
        if not any(layer.kind == "dense" for layer in self.layers):
            raise ConversionError(f"the network {name!r} has no dense (Linear, Gemm) layer")
        return Graph(self.inputs, self.layers, name, [str(v) for v in labels])

    def _settle(self, name):
        """An affine step with no dense layer to go into becomes a diagonal one."""
        if self._slope is None:
            return
        if self.shape is None:
            raise ConversionError(f"the number of inputs before layer {name!r} is unknown: give "
                                  "the network an input layer with a shape")
        n = int(np.prod(self.shape))
        slope, offset = (np.broadcast_to(v, n) for v in (self._slope, self._offset))
        self._slope = None
        self.layers.append(Dense(np.diag(slope), offset, f"scale_{len(self.layers)}"))


def batch_norm(gamma, beta, mean, variance, epsilon):
    """(slope, offset) of a batch normalization as at inference; gamma and beta may be None."""
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    with np.errstate(all="ignore"):  # a negative variance: Chain.affine refuses its square root
        slope = (1.0 if gamma is None else np.asarray(gamma, np.float64)) / np.sqrt(
            variance + epsilon)
    return slope, (0.0 if beta is None else np.asarray(beta, np.float64)) - mean * slope

"""What every importer builds its Graph with: dense layers, activations, and affine steps.

Affine steps (scalers, normalization, batch normalization) are folded into a neighbouring layer.
"""
import math

import numpy as np

from ..graph import Activation, ConversionError, Dense, Graph

MOST = 1 << 24  # numbers in all the constants of a network: far more than any board holds
MOST_INPUTS = 1 << 20  # far more than any board holds


class Chain:
    """Layers one after another. shape: that of the values so far without the batch, or None.

    batch: the number of samples if the network is made for one number only; lead: how many
    dimensions stand before the shape, one for the batch.
    """

    def __init__(self, shape=None, batch=None, lead=1):
        self.layers = []
        self.inputs = None
        self.batch, self.lead = batch, lead
        self._weights = 0  # how many so far
        self._slope = self._offset = None  # what waits for a dense layer: slope * x + offset
        self.start(shape)

    def start(self, shape):
        """Tell the input's shape: a tuple of ints, or None if the first layer will tell."""
        self.shape = None if shape is None else tuple(int(d) for d in shape)
        if self.shape is not None and self.inputs is None:
            self.inputs = math.prod(self.shape)
            if min(self.shape, default=1) < 1 or self.inputs > MOST_INPUTS:
                raise ConversionError(f"the network takes inputs of shape {self.shape}: a board "
                                      f"holds 1 to {MOST_INPUTS}")

    def dense(self, weights, bias, name):
        """x @ weights + bias; weights: [inputs, outputs]; bias: [outputs] or None."""
        weights = np.asarray(weights, np.float64)
        if weights.ndim != 2:
            raise ConversionError(f"layer {name!r} has weights of shape {weights.shape}, not "
                                  "[inputs, outputs]")
        n_in, n_out = weights.shape
        self._weights += weights.size
        if self._weights > MOST:
            raise ConversionError(f"layer {name!r} is the one with which the network has more than "
                                  f"{MOST} weights: no board holds them")
        around = () if self.shape is None else self.shape[:-1]
        if self.shape == () or math.prod(around) != 1:
            raise ConversionError(f"layer {name!r} gets values of shape {self.shape}: put a "
                                  "Flatten before it")
        if self.shape is not None and self.shape[-1] != n_in:
            raise ConversionError(f"layer {name!r} takes {n_in} inputs but gets {self.shape[-1]}")
        bias = np.zeros(n_out) if bias is None else np.asarray(bias, np.float64)
        self._into_last()
        if self._slope is not None:
            slope, offset = (np.broadcast_to(v, n_in) for v in (self._slope, self._offset))
            weights, bias = slope[:, None] * weights, bias + offset @ weights
            self._slope = None
        self.layers.append(Dense(weights, bias, name))
        self.inputs = self.inputs or n_in
        self.shape = (*around, n_out)

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
        if self._slope is None:
            self._slope, self._offset = slope, offset
        else:
            self._slope, self._offset = slope * self._slope, slope * self._offset + offset

    def activation(self, kind, name, alpha=0.0, beta=0.0):
        """One of graph.ACTIVATIONS, elementwise; softmax over the last axis."""
        if kind in ("softmax", "log_softmax") and self.shape is not None and len(self.shape) != 1:
            raise ConversionError(f"layer {name!r} is a softmax over one axis of {self.shape}: "
                                  "put a Flatten before it")
        if kind == "celu" and not alpha:
            raise ConversionError(f"layer {name!r} is a CELU with alpha 0, which divides by it: "
                                  "use ReLU")
        self._settle(name)
        self.layers.append(Activation(kind, float(alpha), float(beta), name))

    @property
    def outputs(self):
        """How many values there are so far; 0: not known yet."""
        return 0 if self.shape is None else math.prod(self.shape)

    def pick(self, index):
        """Some of the outputs of the dense layer that was the last; False: it was none."""
        self._into_last()
        if self._slope is not None or not self.layers or self.layers[-1].kind != "dense":
            return False
        last = self.layers[-1]
        self.layers[-1] = Dense(last.weights[:, index], last.bias[index], last.name)
        self.shape = (*self.shape[:-1], len(index))
        return True

    def log(self, name):
        """The logarithm of a softmax or sigmoid that was the last layer; False: of others."""
        if self._slope is not None or not self.layers or self.layers[-1].kind not in (
                "softmax", "sigmoid"):
            return False
        self.layers[-1] = Activation(f"log_{self.layers[-1].kind}", name=name)
        return True

    def reshape(self, shape, name):
        """The same values in another shape; -1 stands for what is left."""
        if self.shape is None:
            return
        n = math.prod(self.shape)
        shape = list(shape)
        if shape.count(-1) == 1:
            known = math.prod(d for d in shape if d != -1)
            shape[shape.index(-1)] = n // known if known else 0
        if math.prod(shape) != n:
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

    def _into_last(self):
        """An affine step after a dense layer becomes part of that one."""
        last = self.layers[-1] if self.layers else None
        if self._slope is not None and last is not None and last.kind == "dense":
            self.layers[-1] = Dense(last.weights * self._slope,
                                    last.bias * self._slope + self._offset, last.name)
            self._slope = None

    def _settle(self, name):
        """An affine step with no dense layer to go into becomes a diagonal one."""
        self._into_last()
        if self._slope is None:
            return
        if self.shape is None:
            raise ConversionError(f"the number of inputs before layer {name!r} is unknown: give "
                                  "the network an input layer with a shape")
        n = math.prod(self.shape)
        if n * n > MOST:
            raise ConversionError(f"layer {name!r} comes after a scaling of {n} values, more than "
                                  "a board holds: put a dense layer before it")
        slope, offset = (np.broadcast_to(v, n) for v in (self._slope, self._offset))
        self._slope = None
        if (slope == 1).all() and (offset == 0).all():
            return
        self.layers.append(Dense(np.diag(slope), offset, f"scale_{len(self.layers)}"))


def batch_norm(gamma, beta, mean, variance, epsilon):
    """(slope, offset) of a batch normalization as at inference; gamma and beta may be None."""
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    with np.errstate(all="ignore"):  # a negative variance: Chain.affine refuses its square root
        slope = (1.0 if gamma is None else np.asarray(gamma, np.float64)) / np.sqrt(
            variance + epsilon)
    return slope, (0.0 if beta is None else np.asarray(beta, np.float64)) - mean * slope

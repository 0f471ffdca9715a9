"""A Value: what a step makes, seen as a framework sees it, and what can be made of that."""
import math
from dataclasses import dataclass, replace

import numpy as np

from ..graph import ConversionError, Trained
from ..ops import Conv, Dense, Pool, activation
from . import order
from .folding import MOST, Affine, Step
from .joining import Joining

MOST_INPUTS = 1 << 20  # far more than any board holds


@dataclass(eq=False)
class Source:
    """An input of the network; shape: without the samples, None until a layer tells it."""

    name: str
    shape: tuple = None
    order: np.ndarray = None  # where each element lies, if not one after another

    kind = "input"

    @property
    def places(self):
        """The order in the shape of the input."""
        return None if self.order is None else self.order.reshape(self.shape)

    @property
    def trained(self):
        """What a Tensor says of it."""
        return None if self.order is None else Trained(self.shape, self.order)

    def tell(self, shape):
        """Set the shape: a tuple of ints."""
        self.shape = tuple(int(d) for d in shape)
        if min(self.shape, default=1) < 1 or math.prod(self.shape) > MOST_INPUTS:
            raise ConversionError(f"the network takes inputs of shape {self.shape}: a board "
                                  f"holds 1 to {MOST_INPUTS}")


@dataclass(frozen=True, eq=False)
class Value(Joining):
    """What a step makes, seen in a shape; methods: what can be made of it.

    builder: the Builder of the step; own: the shape without the batch, or None: that of the source,
    as far as it is known; lead: how many dimensions stand before the shape; batch: see
    Builder.input(). moved: where the elements lie, if not one after another: order.py.
    """

    builder: object
    step: Step
    own: tuple
    lead: int
    batch: int
    source: Source
    moved: np.ndarray = None

    @property
    def shape(self):
        """Without the batch; None: not known yet."""
        return self.source.shape if self.own is None else self.own

    @property
    def size(self):
        """How many numbers a sample has; 0: not known yet."""
        return 0 if self.shape is None else math.prod(self.shape)

    @property
    def kind(self):
        """Of the layer that made it; "affine", "input"."""
        return self.step.layer.kind

    @property
    def places(self):
        """Where each element lies, an array of the shape; None: one after another."""
        return self.source.places if self.own is None else self.moved

    def tell(self, shape):
        """Set the shape of a value of unknown shape."""
        self.source.tell(shape)

    def seen(self, shape, lead=None):
        """The same numbers in another shape."""
        shape, places = tuple(shape), self.places
        return replace(self, own=shape, lead=self.lead if lead is None else lead,
                       moved=None if places is None else places.reshape(shape))

    def transposed(self, axes):
        """The same numbers with the dimensions of the shape in another order."""
        places = order.of(self.places, self.shape).transpose(axes)
        return replace(self, own=places.shape, moved=order.plain(places))

    def _then(self, layer, shape, *others):
        """What a layer makes of each element, which stays in its place."""
        step = self.builder.step(layer, self.step, *(v.step for v in others))
        step.image = self.step.image
        return replace(self, step=step, own=shape, moved=None if shape is None else self.places)

    def _made(self, layer, shape, moved=None):
        """What a layer makes of all elements."""
        return replace(self, step=self.builder.step(layer, self.step), own=tuple(shape),
                       moved=moved)

    def dense(self, weights, bias, name):
        """x @ weights + bias; weights: [inputs, outputs]; bias: [outputs] or None."""
        weights = np.asarray(weights, np.float64)
        self._count(weights, name)
        bias = np.zeros(weights.shape[-1:]) if bias is None else bias
        n_in, n_out = Dense(weights, bias, name).weights.shape  # refused by name, if it is none
        around = () if self.shape is None else self.shape[:-1]
        if self.shape == ():
            raise ConversionError(f"layer {name!r} gets values of shape (): put a Flatten before "
                                  "it")
        if self.shape is not None and self.shape[-1] != n_in:
            raise ConversionError(f"layer {name!r} takes {n_in} inputs but gets {self.shape[-1]}")
        if math.prod(around) != 1:  # for each pixel
            rows = around[0] if len(around) == 1 else math.prod(around[:-1])
            x = self.seen((rows, math.prod(around) // rows, n_in))
            return x.conv(weights[None, None], bias, name).seen((*around, n_out))
        if self.shape is None:
            self.tell((n_in,))
        if self.places is not None:
            weights = _put(weights, self.places)
        places = self.builder.orders.get(self.builder.number)
        if places is not None:
            weights, bias = _put(weights.T, places).T, _put(np.asarray(bias), places)
            places = places.reshape(*around, n_out)
        return self._made(Dense(weights, bias, name), (*around, n_out), places)

    def conv(self, weights, bias, name, **how):
        """A convolution of an image; weights, bias, how: as Conv has them."""
        weights = np.asarray(weights, np.float64)
        if self._is_row:
            padding = how.pop("padding", (0, 0, 0, 0))
            how = {key: value if key == "groups" else value[::-1] for key, value in how.items()}
            return self._turned().conv(weights.swapaxes(0, 1), bias, name, **how,
                                       padding=(*padding[2:], *padding[:2]))._turned()
        self._count(weights, name)
        x, padding = self._image(name), how.pop("padding", (0, 0, 0, 0))
        around = x._around
        if around:  # it pads itself
            spread = how.get("spread", (1, 1))
            padding = [a + b * spread[k // 2] for k, (a, b) in enumerate(zip(padding, around))]
            x = x._inside()
        n_out = weights.shape[-1] if weights.ndim else 0
        bias = np.zeros(n_out) if bias is None else bias
        return x._pixels(Conv(weights, bias, padding=padding, name=name, **how))

    def pool(self, kernel, stride, padding, name, average=False, whole=False):
        """The largest or the mean of windows of an image; the rest as Pool has it."""
        if self._is_row:
            return self._turned().pool(kernel[::-1], stride[::-1], (*padding[2:], *padding[:2]),
                                       name, average, whole)._turned()
        x = self._image(name)
        around = x._around
        if around and not any(padding) and x._may_be_padding(kernel, stride, around, average):
            x, padding, whole = x._inside(), around, average
        # of one window it does not matter, and may be more than a Pool has
        stride = [1 if n + before + after == k else s for n, before, after, k, s in zip(
            x.shape, padding[::2], padding[1::2], kernel, stride)]
        return x._pixels(Pool(kernel, stride, padding, average, whole and any(padding), name))

    def pad(self, padding, name):
        """An image with zeros above, below, left and right of it: part of a convolution or pooling
        that alone reads it, if that can be, else a copy."""
        if not any(padding):
            return self
        if self._is_row:
            return self._turned().pad((*padding[2:], *padding[:2]), name)._turned()
        x = self._image(name)
        around = x._around
        if around:
            x, padding = x._inside(), [a + b for a, b in zip(padding, around)]
        return x._pixels(_copy(x.shape[2], name, padding=padding))

    def upsampled(self, factors, name):
        """An image of whose pixels each stands several times, in rows and columns."""
        if set(factors) == {1}:
            return self
        if self._is_row:
            return self._turned().upsampled(factors[::-1], name)._turned()
        x, (rows, columns) = self._image(name), factors
        return x._pixels(_copy(x.shape[2], name, factors, spread=factors, padding=(
            rows - 1, rows - 1, columns - 1, columns - 1)))

    @property
    def _around(self):
        """The zeros around an image that pad() put there; None: it did not make this value."""
        layer = self.step.layer
        only_pads = layer.kind == "conv" and layer.keeps and layer.spread == (1, 1)
        return layer.padding if only_pads else None

    def _inside(self):
        """What is inside of these."""
        layer = self.step.layer
        return replace(self, step=self.step.inputs[0], own=layer.image)

    def _may_be_padding(self, kernel, stride, around, average):
        """Whether zeros around this image, just put there, may be the padding of a pooling: in a
        mean they count, and the largest is none of them if nothing is below 0."""
        layer = self.step.inputs[0].layer
        least = {"relu": 0, "sigmoid": 0, "clamp": getattr(layer, "alpha", 0)}.get(layer.kind, -1)
        for k in range(2):
            n = self.shape[k] - around[2 * k] - around[2 * k + 1]
            last = (self.shape[k] - kernel[k]) // stride[k] * stride[k] - around[2 * k]
            if around[2 * k] >= kernel[k] or last >= n:  # a window of nothing else
                return False
        return average or least >= 0

    @property
    def _is_row(self):
        """Whether it is a signal, of one column, seen as one row."""
        image = self.step.image
        return image not in (None, self.shape) and len(self.shape) == 3 and (
            image == (self.shape[1], self.shape[0], self.shape[2]) and 1 in image[:2])

    def _turned(self):
        return self.transposed((1, 0, 2))

    def _image(self, name):
        """Itself as an image, in order in memory."""
        x = self
        if len(x.shape) != 3:
            raise ConversionError(f"layer {name!r} gets values of shape {x.shape}: it takes images "
                                  "of rows, columns and channels")
        if x.places is not None:
            order.put_in_order(x, order.of(None, x.shape), x.shape)
            raise ConversionError(f"layer {name!r} takes the dimensions of an image in another "
                                  "order than the layers before it give them: do not transpose "
                                  "between them")
        order.tell_image(x.step, x.shape, name)
        return x

    def _pixels(self, layer):
        """What a convolution or a pooling makes."""
        shape = layer.shape(self.shape)
        _check_size(shape, layer.name)
        y = self._made(layer, shape)
        y.step.image = shape
        return y

    def _count(self, weights, name):
        self.builder.weights += weights.size
        if self.builder.weights > MOST:
            raise ConversionError(f"layer {name!r} is the one with which the network has more than "
                                  f"{MOST} weights: no board holds them")

    def affine(self, slope, offset, name):
        """slope * x + offset for each element; scalars or arrays that broadcast to the shape."""
        slope, offset = (np.asarray(v, np.float64) for v in (slope, offset))
        if not (np.isfinite(slope).all() and np.isfinite(offset).all()):
            raise ConversionError(f"layer {name!r} has parameters that are not finite")
        if self.shape is None and max(slope.ndim, offset.ndim) == 1:
            self.tell((max(slope.size, offset.size),))
        if self.shape is not None:
            try:
                slope, offset = (np.broadcast_to(v, self.shape).ravel() for v in (slope, offset))
                if self.places is not None:
                    slope, offset = (_put(v, self.places) for v in (slope, offset))
            except ValueError:
                raise ConversionError(f"layer {name!r} has {slope.size} parameters for values of "
                                      f"shape {self.shape}")
        return self._then(Affine(slope, offset), self.own)

    def activation(self, kind, name, alpha=0.0, beta=0.0):
        """One of ops.KINDS, elementwise; softmax over the last axis."""
        if kind in ("softmax", "log_softmax") and self.shape is not None and len(self.shape) != 1:
            raise ConversionError(f"layer {name!r} is a softmax over one axis of {self.shape}: "
                                  "put a Flatten before it")
        if kind == "celu" and not alpha:
            raise ConversionError(f"layer {name!r} is a CELU with alpha 0, which divides by it: "
                                  "use ReLU")
        return self._then(activation(kind, float(alpha), float(beta), name), self.own)

    def pick(self, index):
        """Some of the outputs of a dense layer; None if it is of another layer."""
        columns = index if self.places is None else self.places.ravel()[index]
        step = self._picked(self.step, columns)
        return step and replace(self, step=step, own=(*self.shape[:-1], len(index)), moved=None)

    def _picked(self, step, index):
        layer = step.layer
        if layer.kind == "affine":
            inner = self._picked(step.inputs[0], index)
            return inner and self.builder.step(
                Affine(*(v[index] if v.ndim else v for v in (layer.slope, layer.offset))), inner)
        if layer.kind != "dense":
            return None
        return self.builder.step(Dense(layer.weights[:, index], layer.bias[index], layer.name),
                                 *step.inputs)

    def log(self, name):
        """The logarithm of a softmax or sigmoid; None if it is of another layer."""
        if self.kind not in ("softmax", "sigmoid"):
            return None
        return replace(self, step=self.builder.step(
            activation(f"log_{self.kind}", name=name), *self.step.inputs))

    def reshape(self, shape, name):
        """The same values in another shape; -1 stands for what is left."""
        if self.shape is None:
            return self
        shape = list(shape)
        if shape.count(-1) == 1:
            known = math.prod(d for d in shape if d != -1)
            shape[shape.index(-1)] = self.size // known if known else 0
        if math.prod(shape) != self.size:
            raise ConversionError(f"layer {name!r} mixes the samples of a batch: keep the first "
                                  "dimension")
        return self.seen(int(d) for d in shape)

    def flatten(self, name):
        return self.reshape((-1,), name)


def _copy(channels, name, kernel=(1, 1), **how):
    """A convolution of which each result is one element of its input, or 0."""
    return Conv(np.ones((*kernel, 1, channels)), np.zeros(channels), groups=channels, name=name,
                **how)


def _put(values, places):
    """An array whose items along the first dimension come to lie at those places."""
    found = np.empty_like(values)
    found[places.ravel()] = values
    return found


def _check_size(shape, name):
    if math.prod(shape) > MOST_INPUTS:
        raise ConversionError(f"layer {name!r} makes an image of shape {tuple(shape)}: a board "
                              f"holds up to {MOST_INPUTS} values")

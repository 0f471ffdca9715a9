"""What is made of two Values or more: sums, differences, products, concatenations."""
from dataclasses import replace

import numpy as np

from ..graph import ConversionError
from ..ops import Add, Concat, Conv, Multiply
from . import order


class Joining:
    """The part of value.Value that takes others; others are Values too."""

    def minus(self, other, name):
        """The difference of two values of the same shape."""
        return self.plus(other.affine(-1, 0, name), name)

    def plus(self, other, name):
        """The sum of two values of the same shape."""
        if self._differ(other):
            raise ConversionError(f"layer {name!r} adds values of shapes {self.shape} and "
                                  f"{other.shape}: they must be equal")
        self._align(other, name, "adds")
        return self._then(Add(name), self.shape, other)

    def times(self, other, name):
        """The product of two values: of the same shape, or with factors for channels or pixels."""
        if self.shape is None or other.shape is None or self.size == other.size:
            if self._differ(other):
                raise ConversionError(f"layer {name!r} multiplies values of shapes {self.shape} "
                                      f"and {other.shape}: they must be equal")
            self._align(other, name, "multiplies")
            return self._then(Multiply(name), self.shape, other)
        x, factors = (self, other) if self.size > other.size else (other, self)
        shape = (1,) * (len(x.shape) - len(factors.shape)) + factors.shape
        if x.lead != factors.lead or len(shape) != len(x.shape) or any(
                n not in (1, m) for n, m in zip(shape, x.shape)):
            raise ConversionError(f"layer {name!r} multiplies values of shapes {self.shape} and "
                                  f"{other.shape}: they must be equal, or one of them factors "
                                  "for each channel or pixel")
        factors, rank = factors.seen(shape), range(len(shape))
        wider = [i for i in rank if shape[i] < x.shape[i]]
        own = [i for i in rank if i not in wider]
        pixels = x.transposed((*own, *wider))
        if len(wider) == 1 < len(shape) and pixels.places is None:  # the same for all channels
            factors = factors.transposed((*own, *wider))
            factors = factors.dense(np.ones((1, pixels.shape[-1])), None, name)
            return pixels.times(factors, name).transposed(np.argsort((*own, *wider)))
        # in memory the factors are those of what lies side by side
        x, factors = x.transposed((*wider, *own)), factors.transposed((*wider, *own))
        for value in (x, factors):
            if value.places is not None:
                order.put_in_order(value, order.of(None, value.shape), value.shape)
                raise ConversionError(f"layer {name!r} multiplies values of shapes {self.shape} "
                                      f"and {other.shape}: the factors are one for each channel, "
                                      "pixel or element")
        if len(shape) == 3:
            order.tell_image(x.step, x.shape, name)
        return x._then(Multiply(name), x.shape, factors).transposed(np.argsort((*wider, *own)))

    def _differ(self, other):
        """Whether the shapes of two values are known and differ; one tells the other its own."""
        for one, two in ((self, other), (other, self)):
            if one.shape is None and two.shape is not None:
                one.tell(two.shape)
        return self.shape is not None and (self.shape, self.lead) != (other.shape, other.lead)

    def _align(self, other, name, does):
        """Raise ConversionError, or Reorder, if two values of one shape are of unknown shape, or in
        different orders."""
        if self.shape is None:
            raise ConversionError(f"layer {name!r} {does} values of unknown shape: give the "
                                  "network inputs of fixed size")
        one, two = self.places, other.places
        if (one is None) != (two is None) or one is not None and (one != two).any():
            for value, like in ((other, self), (self, other)):
                order.put_in_order(value, order.of(like.places, like.shape), like.step.image)
            raise ConversionError(f"layer {name!r} {does} values whose elements are in different "
                                  "orders: do not transpose one of them")
        for a, b in ((self, other), (other, self)):
            if a.step.image is None and b.step.image is not None:
                order.tell_image(a.step, b.step.image, name)

    def concat(self, others, axis, name):
        """Itself and other Values one after another along an axis, the batch counted."""
        values = (self, *others)
        if len(values) == 1:
            return self
        for v in values:
            if v.shape is None:
                raise ConversionError(f"layer {name!r} joins values of unknown shape: give the "
                                      "network inputs of fixed size")
        shapes, rank = [v.shape for v in values], len(self.shape)
        i = axis - self.lead if axis >= 0 else axis + rank
        if any(v.lead != self.lead for v in values) or not 0 <= i < rank or any(
                len(s) != rank or s[:i] + s[i + 1:] != self.shape[:i] + self.shape[i + 1:]
                for s in shapes):
            raise ConversionError(f"layer {name!r} joins values of shapes "
                                  f"{', '.join(map(str, shapes))} along dimension {axis}: all "
                                  "others must be equal, and the samples stay apart")
        found, at = [], 0
        for v in values:  # where the elements lie: all of one value, then all of the next
            found.append(order.of(v.places, v.shape) + at)
            at += v.size
        places = np.concatenate(found, i)
        asked = self.builder.orders.get(self.builder.number)
        if asked:
            image, target = asked
            y = self._side_by_side(values, np.split(
                target, np.cumsum([s[i] for s in shapes[:-1]]), i), image, name)
            return replace(y, own=target.shape, moved=order.plain(target))
        step = self.builder.step(Concat(name), *(v.step for v in values))
        step.places = places
        return replace(self, step=step, own=places.shape, moved=order.plain(places))

    def _side_by_side(self, values, targets, image, name):
        """Values as parts of the pixels of one image: the sum of as many images of its shape, each
        with zeros where the others are. targets: where in it the elements of each come to lie."""
        number, made = self.builder.number, None
        for v, target in zip(values, targets):
            box = [np.unique(i) for i in np.unravel_index(target, image)]
            first, shape = [b[0] for b in box], tuple(map(len, box))
            places = order.of(v.places, v.shape).ravel()[np.argsort(target.ravel())]
            x = replace(v, own=shape, moved=order.plain(places.reshape(shape)))._image(name)
            if shape[2] < image[2]:
                weights = np.zeros((1, 1, shape[2], image[2]))
                weights[0, 0, range(shape[2]), range(first[2], first[2] + shape[2])] = 1
                self._count(weights, name)
                x = x._pixels(Conv(weights, np.zeros(image[2]), name=name))
            else:
                x = x.pad((first[0], image[0] - first[0] - shape[0],
                           first[1], image[1] - first[1] - shape[1]), name)
            made = made.plus(x, name) if made else x
        self.builder.number = number + 1  # orders are those of a network in which it is one step
        return made

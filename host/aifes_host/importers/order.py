"""Where the elements of a value lie in memory, whatever shape a framework sees them in.

The board has images as [rows, columns, channels]. A framework may have the channels first: then a
value's places, an array of its shape, say where each element lies; None: one after another. A
layer that needs an image in order asks the inputs and dense layers that it comes from to lay their
elements so: with Reorder, upon which the network is built again.
"""
import math

import numpy as np

from ..graph import ConversionError

TURNS = 256
PIXELS = ("conv", "max_pool", "average_pool")
FIXED = (*PIXELS, "concat")
MOVABLE = ("input", "dense")


class Reorder(Exception):
    """orders: {number of a step: the place of each of its elements}; of a concatenation (the shape
    of the image that is wanted, the place in it of each of its elements)."""

    def __init__(self, orders):
        super().__init__(orders)
        self.orders = orders


def in_turns(make):
    """What make(orders) gives, once it asks for no other ones."""
    orders = {}
    for _ in range(TURNS):
        try:
            return make(orders)
        except Reorder as found:
            orders.update(found.orders)
    raise ConversionError("the network has too many layers between which the order of channels "
                          "changes: keep to one")


def plain(places):
    """places, None if they are one after another."""
    n = places.size
    return None if (places.ravel() == np.arange(n)).all() else places


def of(places, shape):
    """places as an array."""
    return np.arange(math.prod(shape)).reshape(shape) if places is None else places


def origins(step):
    """The steps whose results those of this one have the order and the image of."""
    found, left, seen = [], [step], set()
    while left:
        step = left.pop()
        if step in seen:
            continue
        seen.add(step)
        if step.layer.kind in FIXED + MOVABLE:
            found.append(step)
        else:
            left += step.inputs
    return found


def move(step, places, wanted, orders):
    """As put_in_order(), by moving what makes a value. orders: those that were asked for before."""
    found = origins(step)
    if all(s.layer.kind in MOVABLE and s.number not in orders and _may(s) for s in found):
        target = np.empty(places.size, int)
        target[places.ravel()] = wanted.ravel()
        raise Reorder({s.number: target for s in found})


def put_in_order(value, wanted, image):
    """Raise Reorder, so that the elements of a value that lie at its places will lie at `wanted`,
    as an image of this shape, None: not known; return if they cannot.

    What is joined side by side in each pixel, as channels or columns, is no longer a matter of
    where its parts lie: it is computed.
    """
    step, places = value.step, of(value.places, value.shape)
    move(step, places, wanted, value.builder.orders)
    target = np.empty(wanted.size, int)
    target[places.ravel()] = wanted.ravel()
    joined = [s for s in origins(step) if s.layer.kind == "concat"]
    if joined and len(image or ()) != 3:
        image = joined[0].places.shape
    if joined and len(image) == 3:
        raise Reorder({s.number: (image, target[s.places]) for s in joined})


def _may(step):
    """Samples of one row of numbers do not tell their order: it stays as it is."""
    shape = getattr(step.layer, "shape", None)
    return step.layer.kind == "dense" or shape is not None and len(shape) > 1


def tell_image(step, image, name):
    """The result of a step, and of those before it, is an image of this shape for layer `name`."""
    left = [step]
    while left:
        step = left.pop()
        if step.image is None:
            step.image = image
            if step.layer.kind not in MOVABLE + FIXED:
                left += step.inputs
        elif step.image != image:
            raise ConversionError(f"layer {name!r} takes values as an image of shape {image} that "
                                  f"are one of shape {step.image}: keep the shape as it is")

"""Operations that only change the shape of a value x: the elements stay, in their order.

Frameworks count the batch among the dimensions, a Value does not: `x.lead` dimensions stand before
its shape.
"""
import math

import numpy as np

from ..graph import ConversionError


def view(x, target, name):
    """x in the shape `target`, the batch among its dimensions; -1: what is left, or the batch."""
    if x.shape is None:
        return x
    target, n = [int(d) for d in target], math.prod(x.shape)
    batch = 1 if x.lead == 0 else x.batch
    for lead in (1, 0, 2):  # how many of the target's dimensions may be the batch
        front, shape = target[:lead], target[lead:]
        if len(front) < lead or min(target, default=0) < -1 or shape.count(-1) > 1:
            continue
        samples = math.prod(d for d in front if d != -1)
        if front.count(-1) == 1:
            fits = samples == 1
        elif batch is None:
            fits = lead and (samples == 1 or -1 not in shape)
        else:
            fits = samples == batch
        known = math.prod(d for d in shape if d != -1)
        if fits and known and n % known == 0 and (-1 in shape or known == n):
            return x.seen((n // known if d == -1 else d for d in shape), lead)
    raise ConversionError(f"layer {name!r} mixes the samples of a batch: keep the first dimension")


def flatten(x, start, end, name):
    """The dimensions start..end as one, the batch counted."""
    if x.shape is None:
        return x
    rank = x.lead + len(x.shape)
    start, end = (v % rank if -rank <= v < rank else rank for v in (start, end))
    if end < start or start < x.lead and not (end == start or _lone(x)):
        raise ConversionError(f"layer {name!r} flattens the batch too: flatten all dimensions but "
                              "the first")
    if start < x.lead and end > start:  # a batch of one sample
        x = x.seen((1,) * x.lead + x.shape, 0)
    start, end = start - x.lead, end - x.lead
    if start < 0:
        return x
    inner = x.shape[start:end + 1]
    return x.seen(x.shape[:start] + (math.prod(inner),) + x.shape[end + 1:])


def unflatten(x, axis, sizes, name):
    """The dimension `axis` as several; -1 among their sizes: what is left."""
    if x.shape is None:
        return x
    i = _axis(axis, x.lead + len(x.shape), name) - x.lead
    if i < 0:
        raise ConversionError(f"layer {name!r} mixes the samples of a batch: keep the first "
                              "dimension")
    return x.reshape((*x.shape[:i], *_parts(x.shape[i], sizes), *x.shape[i + 1:]), name)


def _parts(n, sizes):
    """sizes with what is left of n in the place of -1."""
    known = math.prod(d for d in sizes if d != -1)
    return [n // known if d == -1 and known else d for d in sizes]


def squeeze(x, axes, name):
    """Without the dimensions `axes`, or without all dimensions of size 1 if None."""
    if x.shape is None:
        return x
    rank = x.lead + len(x.shape)
    gone = range(rank) if axes is None else {_axis(a, rank, name) for a in axes}
    shape = [d for i, d in enumerate(x.shape, x.lead) if i not in gone or d != 1]
    front = x.lead and 0 in gone and (x.lead > 1 or x.batch == 1)
    return x.seen(shape, x.lead - bool(front))


def unsqueeze(x, axes, name):
    """With dimensions of size 1 at `axes` of the result."""
    if x.shape is None:
        return x
    rank = x.lead + len(x.shape) + len(axes)
    for axis in sorted(_axis(a, rank, name) for a in axes):
        if axis < x.lead:
            x = x.seen(x.shape, x.lead + 1)
        else:
            i = axis - x.lead
            x = x.seen(x.shape[:i] + (1,) + x.shape[i:])
    return x


def softmax(x, kind, axis, name, beyond=False):
    """A softmax over one axis, the batch counted; beyond: over all axes from there on."""
    shape = x.shape or (0,)
    axis = _axis(axis, x.lead + len(shape), name)
    over = shape[axis - x.lead:] if beyond else shape[axis - x.lead:axis - x.lead + 1]
    if axis < x.lead:
        raise ConversionError(f"layer {name!r} is a softmax over axis {axis}, not over the "
                              f"outputs: use axis {x.lead + len(shape) - 1}")
    if math.prod(over) != math.prod(shape):
        raise ConversionError(f"layer {name!r} is a softmax over one axis of {shape}: put a "
                              "Flatten before it")
    if x.shape is None:
        return x.activation(kind, name)
    return x.seen((math.prod(shape),)).activation(kind, name).seen(shape)


def _lone(x):
    return x.batch == 1 or x.lead == 0


def _axis(axis, rank, name):
    if not -rank <= axis < rank:
        raise ConversionError(f"layer {name!r} names the dimension {axis} of {rank}")
    return axis % rank


def select(x, axis, index, name):
    """The only element along an axis, without that axis."""
    if x.shape is None:
        raise ConversionError(f"layer {name!r} takes a part of values of unknown number: give the "
                              "network an input of fixed size")
    axis = _axis(axis, x.lead + len(x.shape), name)
    if axis < x.lead or x.shape[axis - x.lead] != 1 or index not in (0, -1):
        raise ConversionError(f"layer {name!r} takes a part of {x.shape} values: leave that to "
                              "the program around the network")
    return squeeze(x, [axis], name)


def dense(x, weights, bias, name):
    """x @ weights + bias; weights of one dimension give one value, without a dimension."""
    weights = np.asarray(weights)
    n_out = weights.shape[1] if weights.ndim == 2 else 1
    if bias is not None:
        try:
            bias = np.broadcast_to(bias, (1, n_out))[0]
        except ValueError:
            raise ConversionError(f"layer {name!r} has a bias of shape {np.shape(bias)} for "
                                  f"{n_out} outputs: it must be one for each output")
    y = x.dense(weights[:, None] if weights.ndim == 1 else weights, bias, name)
    return y.seen(y.shape[:-1]) if weights.ndim == 1 else y

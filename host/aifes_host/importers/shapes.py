"""Operations that only change the shape of X: the elements stay, in their order.

Frameworks count the batch among the dimensions, a Chain does not: `chain.lead` dimensions stand
before its shape.
"""
import math

import numpy as np

from ..graph import ConversionError


def view(chain, target, name):
    """X in the shape `target`, the batch among its dimensions; -1: what is left, or the batch."""
    if chain.shape is None:
        return
    target, n = [int(d) for d in target], math.prod(chain.shape)
    batch = 1 if chain.lead == 0 else chain.batch
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
            chain.shape = tuple(n // known if d == -1 else d for d in shape)
            chain.lead = lead
            return
    raise ConversionError(f"layer {name!r} mixes the samples of a batch: keep the first dimension")


def flatten(chain, start, end, name):
    """The dimensions start..end as one, the batch counted."""
    if chain.shape is None:
        return
    rank = chain.lead + len(chain.shape)
    start, end = (v % rank if -rank <= v < rank else rank for v in (start, end))
    if end < start or start < chain.lead and not (end == start or _lone(chain)):
        raise ConversionError(f"layer {name!r} flattens the batch too: flatten all dimensions but "
                              "the first")
    if start < chain.lead and end > start:  # a batch of one sample
        chain.lead, chain.shape = 0, (1,) * chain.lead + chain.shape
    start, end = start - chain.lead, end - chain.lead
    if start >= 0:
        inner = chain.shape[start:end + 1]
        chain.shape = chain.shape[:start] + (math.prod(inner),) + chain.shape[end + 1:]


def squeeze(chain, axes, name):
    """Without the dimensions `axes`, or without all dimensions of size 1 if None."""
    if chain.shape is None:
        return
    rank = chain.lead + len(chain.shape)
    gone = range(rank) if axes is None else {_axis(a, rank, name) for a in axes}
    shape = [d for i, d in enumerate(chain.shape, chain.lead) if i not in gone or d != 1]
    if chain.lead and 0 in gone and (chain.lead > 1 or chain.batch == 1):
        chain.lead -= 1
    chain.shape = tuple(shape)


def unsqueeze(chain, axes, name):
    """With dimensions of size 1 at `axes` of the result."""
    if chain.shape is None:
        return
    rank = chain.lead + len(chain.shape) + len(axes)
    for axis in sorted(_axis(a, rank, name) for a in axes):
        if axis < chain.lead:
            chain.lead += 1
        else:
            i = axis - chain.lead
            chain.shape = chain.shape[:i] + (1,) + chain.shape[i:]


def softmax(chain, kind, axis, name, beyond=False):
    """A softmax over one axis, the batch counted; beyond: over all axes from there on."""
    shape = chain.shape or (0,)
    axis = _axis(axis, chain.lead + len(shape), name)
    over = shape[axis - chain.lead:] if beyond else shape[axis - chain.lead:axis - chain.lead + 1]
    if axis < chain.lead:
        raise ConversionError(f"layer {name!r} is a softmax over axis {axis}, not over the "
                              f"outputs: use axis {chain.lead + len(shape) - 1}")
    if math.prod(over) != math.prod(shape):
        raise ConversionError(f"layer {name!r} is a softmax over one axis of {shape}: put a "
                              "Flatten before it")
    shape, chain.shape = chain.shape, None if chain.shape is None else (math.prod(shape),)
    chain.activation(kind, name)
    chain.shape = shape


def _lone(chain):
    return chain.batch == 1 or chain.lead == 0


def _axis(axis, rank, name):
    if not -rank <= axis < rank:
        raise ConversionError(f"layer {name!r} names the dimension {axis} of {rank}")
    return axis % rank


def select(chain, axis, index, name):
    """The only element along an axis, without that axis."""
    if chain.shape is None:
        raise ConversionError(f"layer {name!r} takes a part of values of unknown number: give the "
                              "network an input of fixed size")
    axis = _axis(axis, chain.lead + len(chain.shape), name)
    if axis < chain.lead or chain.shape[axis - chain.lead] != 1 or index not in (0, -1):
        raise ConversionError(f"layer {name!r} takes a part of {chain.shape} values: leave that to "
                              "the program around the network")
    squeeze(chain, [axis], name)


def dense(chain, weights, bias, name):
    """x @ weights + bias; weights of one dimension give one value, without a dimension."""
    weights = np.asarray(weights)
    n_out = weights.shape[1] if weights.ndim == 2 else 1
    if bias is not None:
        try:
            bias = np.broadcast_to(bias, (1, n_out))[0]
        except ValueError:
            raise ConversionError(f"layer {name!r} has a bias of shape {np.shape(bias)} for "
                                  f"{n_out} outputs: it must be one for each output")
    chain.dense(weights[:, None] if weights.ndim == 1 else weights, bias, name)
    if weights.ndim == 1:
        chain.shape = chain.shape[:-1]

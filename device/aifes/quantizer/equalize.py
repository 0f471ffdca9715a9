"""Factors for the channels of results between two layers with weights, so that each fills the
range that they share: cross-layer equalization (Nagel and others 2019, arXiv 1906.04721).

They go into the weights before and behind; between them are ReLU and pooling, which let them pass.
"""
from array import array

from ..ops import room
from . import scales


def equalize(work):
    """{tensor of the float32 network: a factor for each channel}"""
    found = {}
    for op, own in zip(work.plan.ops, work.rooms):
        y = op.outputs[0]
        if not hasattr(own, "WEIGHTS") or _passes(work, op, own) or work.behind(y)[0] != "relu":
            continue
        tensors = _followed(work, work.readers(y)[0].outputs[0])
        if tensors is None:
            continue
        n, high = work.plan.tensors[y].shape[-1], work.data.high[y]
        factors = array("f", scales.factors([
            max([high[k] for k in range(c, len(high), n)]) for c in range(n)]))
        for t in [y] + tensors:
            found[t] = factors
    return found


def _followed(work, t):
    """The tensors that have the channels of tensor t, with it, up to layers with weights; None if
    anything else reads them."""
    if work.is_output(t) or t in work.homes:
        return None
    found = [t]
    for op in work.readers(t):
        reader = room(op.opcode, "aifes.quantizer.")
        if _passes(work, op, reader):
            more = _followed(work, op.outputs[0])
            if more is None:
                return None
            found += more
        elif not hasattr(reader, "WEIGHTS"):
            return None
    return found


def _passes(work, op, own):
    return hasattr(own, "passes") and own.passes(work, op)

"""The engines that run anywhere: plain Python loops over buffer and arena.

The kernels of both number formats of an op are in a file NAME.py, imported when a model has it:
    int8(buf, op, x, y, mask)       x, y: lists of views of int8; mask: & of what is stored
    float32(buf, op, x, y, work)    of float32; work: float32.Work
op: a Step.
"""
from array import array
from collections import namedtuple

# inputs, outputs: Tensors, of ops on images; view: of what is computed row by row, as Rows.place()
# fills it; behind that as many ints as there are channels, where a kernel has SUMS
Step = namedtuple("Step", ("flags", "inputs", "outputs", "fields", "view"))


def step(kernel, op, x, y):
    """The Step of an Op. x, y: its Tensors; kernel: the module with its kernels."""
    from ..ops import windows  # not kept: model.forget

    window, view = windows(op, x, y), None
    if window:
        sums = y[0].shape[2] if hasattr(kernel, "SUMS") else 0
        row = y[0].shape[1] * y[0].shape[2]
        view = array("i", (x[0].shape[0], window[0], window[1], 0, window[1], 0, row)
                     + (0,) * sums)
    if len(x[0].shape) == 1:  # only the ops of images heed their shapes
        x = y = ()
    return Step(op.flags, x, y, op.fields, view)

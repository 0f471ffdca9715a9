"""The engines that run anywhere: plain Python loops over buffer and arena.

The kernels of both number formats of an op are in a file NAME.py, imported when a model has it:
    int8(buf, op, x, y, mask)       x, y: lists of views of int8; mask: & of what is stored
    float32(buf, op, x, y, work)    of float32; work: float32.Work
op: as ops.placed() makes it. SUMS: where in its view a kernel has one int for each channel.
"""

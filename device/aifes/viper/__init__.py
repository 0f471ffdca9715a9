"""The engines for MicroPython without the files in C: machine code that MicroPython makes of this.

The kernels of both number formats of an op are in a file NAME.py, imported when a model has it:
    int8(op, x, y)             (kernel, p, n): kernel(buf, arena, p, n) computes the op
    float32(op, x, y, work)    likewise; work: lanes.new(), of which lanes.py makes functions
x, y: lists of Tensors; p: an array of what the kernel has to know; n: elements of the result.

Never imported on CircuitPython, whose compiler refuses the decorator. Viper reads bytes as 0..255,
32-bit words of a 64-bit chip as positive: what may be negative is kept with 32, 128 .. added.
"""

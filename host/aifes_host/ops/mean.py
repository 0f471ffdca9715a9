"""mean: that of all pixels of an image, for each channel: layout.by_rows() puts it for a pool."""
import numpy as np

CLASSES = False


def int8(buf, op, tensors):
    f, (rows, columns, channels) = op.fields, tensors[op.inputs[0]].shape
    n = rows * columns

    def run(q):
        total = (q.reshape(-1, n, channels).astype(np.int64) - f.x_zero).sum(1)
        return np.clip((2 * (total << f.up) + n) // (2 * n) + f.zero_point, -128, 127).astype(
            np.int8)

    return run


def products(op, tensors):
    return 0


def instructions(op, tensors, chip):
    rows, columns, channels = tensors[op.inputs[0]].shape
    window, result, element, mean = chip.pooling
    return rows * (window + channels * columns * element) + channels * (result + mean)


def boundary(op):
    return 0

"""Small networks that several tests run."""
from array import array

import aifes


def network():
    """2 -> 3 -> 2, exact, softmax at the end."""
    return aifes.Sequential([
        aifes.Input(2, (5, 10)),
        aifes.Dense(3, array("b", [10, -20, 30, 40, -50, 60]), [100, -200, 300], (5, 0), (4, 0)),
        aifes.Tanh(),
        aifes.Dense(2, array("b", [1, 2, 3, 4, 5, 6]), [7, 8], (4, 0), (4, 0), transposed=True),
        aifes.Softmax()], exact=True, name="two")


def floats(last=aifes.Softmax, n=2):
    """A float32 network of 2 inputs and n outputs."""
    return aifes.Sequential([
        aifes.Input(2), aifes.Dense(3, [1, -2, 3, 4, -5, 6], [0.5, 1, -1]), aifes.Tanh(),
        aifes.Dense(n, [1, -1, 2, 0.5, 3, -2][:3 * n], [0.25, -1][:n]), last()], dtype="f")

"""What the float32 kernels share: each operation rounded as the engines round it."""
import numpy as np
from aifes.python.float32 import EXP

F = np.float32
CHUNK = 512  # samples that stay in a cache
CONSTANTS = np.array(EXP, F)


def exp(x):
    """exp of x <= 0 by the engines' polynomial (docs/arithmetic.md)."""
    log2e, ln2_high, ln2_low, *series = CONSTANTS
    small = ~(x >= -86)
    x = np.where(small, F(0), x)
    n = np.trunc(x * log2e - F(0.5)).astype(F)
    r = x - n * ln2_high - n * ln2_low
    p = np.full_like(r, series[0])
    for c in (*series[1:], F(1), F(1)):
        p = p * r + c
    return np.where(small, F(0), np.ldexp(p, n.astype(int)))

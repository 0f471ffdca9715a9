"""Damaged copies of a file, for readers that must refuse them in one sentence."""
import numpy as np


def mutations(data, count, seed=0):
    """Yield `count` damaged copies of bytes: flipped, overwritten, cut, doubled parts."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        found = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(found)))
            n = int(rng.integers(1, 1 + min(16, len(found))))
            kind = rng.integers(6)
            if kind == 0:
                found[at] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                found[at:at + n] = rng.bytes(n)
            elif kind == 2:
                found[at:at + n] = (b"\0", b"\xff", b"9")[int(rng.integers(3))] * n
            elif kind == 3 and at:
                del found[at:]
            elif kind == 4:
                found[at:at] = found[at:at + 8 * n]
            elif len(found) > n:
                del found[at:at + n]
        yield bytes(found)

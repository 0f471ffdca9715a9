"""Rearranged weights: what the chip reads changes, what it computes does not."""
import numpy as np
import pytest
import random_models
from aifes.format import DENSE, decode
from aifes_host import Simulator
from aifes_host.layout import TARGETS, arrange


@pytest.mark.parametrize("target", TARGETS)
def test_results_stay(target):
    rng = np.random.default_rng(3)
    for _ in range(100):
        buf = random_models.model(rng)
        other = arrange(buf, target)
        n = Simulator(buf).plan.ops[0].n_in
        x = np.stack([random_models.inputs(rng, n) for _ in range(4)])
        assert (Simulator(other).run(x) == Simulator(buf).run(x)).all()
        assert (Simulator(other)(x / 8) == Simulator(buf)(x / 8)).all()
        width = TARGETS[target][0]
        for op in decode(other).ops:
            if op.opcode == DENSE:
                order = TARGETS[target] if op.n_out >= width else (1, 1)
                assert (op.interleave, op.group) == order
        at, length = decode(other).metadata
        old_at, old_length = decode(buf).metadata
        assert other[at:at + length] == buf[old_at:old_at + old_length]

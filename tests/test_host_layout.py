"""Rearranged weights: what the chip reads changes, what it computes does not."""
from pathlib import Path

import numpy as np
import pytest
import random_models
from aifes.format import decode, size
from aifes.ops import NAMES
from aifes_host import Simulator
from aifes_host.layout import TARGETS, arrange

FORMAT1 = Path(__file__).parent / "format1"


@pytest.mark.parametrize("branches", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_results_stay(target, branches):
    rng = np.random.default_rng(3)
    for _ in range(100):
        buf = random_models.model(rng, branches)
        other = arrange(buf, target)
        before, after = Simulator(buf), Simulator(other)
        x = np.stack([random_models.inputs(rng, before.n_in) for _ in range(4)])
        assert (after.run(x) == before.run(x)).all()
        assert (after(x / 8) == before(x / 8)).all()
        assert arrange(other, target) == other
        for op in after.plan.ops:
            if NAMES[op.opcode] == "dense":
                n_out = size(after.plan.tensors[op.outputs[0]].shape)
                order = TARGETS[target] if n_out >= TARGETS[target][0] else (1, 1)
                assert (op.fields.interleave, op.fields.group) == order
        (at, length), (old_at, old_length) = (s.plan.metadata for s in (after, before))
        assert other[at:at + length] == buf[old_at:old_at + old_length]


@pytest.mark.parametrize("path", sorted(FORMAT1.glob("*.aifes")), ids=lambda path: path.stem)
def test_files_of_format_1_become_format_2(path):
    buf = path.read_bytes()
    rng, before = np.random.default_rng(0), Simulator(buf)
    x = before.quantized(rng.normal(size=(20, before.n_in)))
    for target in TARGETS:
        other = arrange(buf, target)
        assert buf[4] == 1 and other[4] == 2 and decode(other).head is other
        assert np.array_equal(Simulator(other).run(x), before.run(x), equal_nan=before.is_float)

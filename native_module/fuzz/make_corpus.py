"""Write the fuzzer's first inputs into corpus/: small models that use all of the format."""
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
import float_models  # noqa: E402
import random_models  # noqa: E402
from aifes.format import FLOAT32, INT8, Op, decode  # noqa: E402
from aifes.layers.assemble import assemble  # noqa: E402
from aifes.ops import NAMES, mean  # noqa: E402
from aifes_host import Simulator  # noqa: E402
from aifes_host.layout import parts  # noqa: E402
from aifes_host.rolling import roll  # noqa: E402
from hostile_models import MODELS  # noqa: E402


def rolled(model, input_rows, endless):
    """A model whose ops take turns, its means by the op; None if that cannot be."""
    simulator = Simulator(model)
    ops, tensors, metadata = parts(simulator, model)
    ops, tensors = list(ops), list(tensors)
    for i, op in enumerate(ops):
        x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
        if NAMES[op.opcode] == "pool" and op.flags & 1 and y.shape[:2] == (1, 1) and not endless:
            f = op.fields
            tensors.append(x._replace(shape=(4 * x.shape[2] + 3,)))
            ops[i] = Op(NAMES.index("mean"), 0, op.inputs, (op.outputs[0], len(tensors) - 1),
                        mean.Fields(f.zero_point, f.x_zero, f.up, 0))
    plan = decode(model)
    found = roll(ops, tensors, plan.n_inputs, plan.n_outputs, {}, input_rows, endless)
    return found and bytes(assemble(ops, found.tensors, plan.n_inputs, plan.n_outputs, found.arena,
                                    metadata))


def main():
    folder = HERE / "corpus"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    rng = np.random.default_rng(0)
    models = dict(MODELS)
    while len(models) < 50:
        model = random_models.model(rng, len(models) % 2 == 1, 24)
        if len(model) < 2500:
            models[f"random {len(models)}"] = model
    number = 0
    while number < 30:
        model = float_models.assemble(*float_models.model(rng, 12), number)
        if len(model) < 2500:
            models[f"float {number}"] = model
            number += 1
    for dtype, kind in ((INT8, "image"), (FLOAT32, "float image")):
        number = 0
        while number < 25:
            model = random_models.images(rng, dtype, 100)
            if len(model) < 2500:
                models[f"{kind} {number}"] = model
                number += 1
    number = 0
    for _ in range(4000):
        try:
            model = rolled(random_models.images(rng, INT8, 100), number % 3 > 0, number % 3 == 2)
        except Exception:  # a net that has no such order
            continue
        if model and len(model) < 2500:
            models[f"rows {number}"] = model
            number += 1
        if number == 45:
            break
    for i, (name, model) in enumerate(models.items()):
        # fields are tried with the length repaired, floats in and out; every other one with an op
        # whose x and y are neighbours or overlap, and with x and y in the arena
        choices = 0x34 | (i & 1) * (0x80 | 3 << 24 | i << 15) | (i >> 1 & 1) << 26
        (folder / name.replace(" ", "_").replace(",", "")).write_bytes(
            choices.to_bytes(4, "little") + model)


if __name__ == "__main__":
    main()

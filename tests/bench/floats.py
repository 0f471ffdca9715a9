"""Instructions of one inference of float32 models on emulated chips, beside plain C with libgcc."""
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
import float_models  # noqa: E402
from emulator import ESP32, FLOAT_CHIPS, PLAIN, build, emulator  # noqa: E402

FAMILY = ["-DAIFES_CNN=0"]  # _aifes_f32
NETS = {
    "A": ((3, 3, 2), ("leaky_relu", np.float32(0.01)), ("sigmoid", np.float32(0))),
    "B": ((16, 32, 16, 4), ("relu", np.float32(0)), ("softmax",)),
    "C": ((64, 128, 64, 10), ("relu", np.float32(0)), ("softmax",)),
}


def network(name, columns):
    """(layers, an input) of a net with random weights."""
    rng = np.random.default_rng(0)
    sizes, hidden, last = NETS[name]
    layers = []
    for i, (n, m) in enumerate(zip(sizes, sizes[1:])):
        w = rng.normal(size=(m, n)) / n ** 0.5
        layers.append(("dense", w.astype(np.float32),
                       (rng.normal(size=m) / 8).astype(np.float32), columns))
        layers.append(last if i == len(sizes) - 2 else hidden)
    return layers, rng.normal(size=sizes[0]).astype(np.float32)


def measure(chip, elf, name, columns=True):
    """Instructions of one inference whose result was compared with NumPy's."""
    layers, x = network(name, columns)
    board = emulator(chip, elf, float_models.assemble(layers, [len(x)]))
    want = float_models.run(layers, [x], False)[0][-1]
    assert board.run([x.tobytes()], [len(want)], True) == [want.astype("<f4").tobytes()]
    return board.count


def main():
    macs = {name: sum(n * m for n, m in zip(sizes, sizes[1:]))
            for name, (sizes, *_) in NETS.items()}
    table = Table(title="float32: instructions for one inference (for each multiplication)")
    for title in ("", "weights", *(f"{n} {'-'.join(map(str, NETS[n][0]))}" for n in NETS)):
        table.add_column(title, justify="right" if "-" in title else "left")
    with tempfile.TemporaryDirectory() as folder:
        for chip, (title, *_) in FLOAT_CHIPS.items():
            rows = [(title, FAMILY)]
            if chip not in ("M4", ESP32):  # these have an FPU
                rows.append((title + ", libgcc", [*FAMILY, PLAIN]))
            for row, options in rows:
                elf = build(chip, folder, options, is_float=True)
                for columns in (True, False):
                    counts = {n: measure(chip, elf, n, columns) for n in NETS}
                    table.add_row(row, "by input" if columns else "by output", *[
                        f"{count:,} ({count / macs[n]:.1f})" for n, count in counts.items()])
    Console(width=120).print(table)


if __name__ == "__main__":
    main()

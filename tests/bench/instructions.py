"""Instructions of one inference, int8 in and out, on emulated chips, beside other libraries'.

The engine is the family _aifes; that of firmware and _aifes_cnn, which looks how many inputs and
outputs there are, takes 15 more.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
from aifes_host import Simulator, from_model, quantize
from aifes_host.layout import arrange
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from emulator import CHIPS, ESP32, PORTABLE, build, emulator  # noqa: E402

NETS = {
    "A": ((3, 3, 2), ("leaky_relu", 0.01), "sigmoid"),
    "B": ((16, 32, 16, 4), "relu", "softmax"),
    "C": ((64, 128, 64, 10), "relu", "softmax"),
    "D": ((784, 64, 10), "relu", "softmax"),
}
TARGET = {"M0+": "cortex-m0", "M4": "cortex-m4", ESP32: "esp32"}
# the same nets, gcc 12.2 -O2, one inference: measured with the libraries themselves
OTHERS = {
    "M0+": {"AIfES Q7": (1250, 25329, 326349, 922576),
            "CMSIS-NN s8": (None, 20748, 142931, 334104),
            "TinyMaix int8": (None, 46032, 228727, 339106)},
    "M4": {"AIfES Q7": (922, 17231, 218958, 615428),
           "CMSIS-NN s8": (None, 7231, 47144, 104241),
           "TinyMaix int8": (None, 18525, 101875, 168812)},
    "RV32": {"AIfES Q7": (933, 19019, 251465, 716536),
             "TinyMaix int8": (None, 37335, 183299, 247578)},
}
REACH = {"M0+": (450, 6500, 66000, 185000), "M4": (400, 3300, 30000, 80000),
         "RV32": (400, 6000, 75000, 220000), ESP32: (450, 6200, 60000, 170000)}


def network(name):
    """(the .aifes buffer, one int8 input) of a net with random weights."""
    rng = np.random.default_rng(0)
    sizes, hidden, last = NETS[name]
    layers = []
    for i, (n, m) in enumerate(zip(sizes, sizes[1:])):
        layers.append(("dense", rng.normal(size=(n, m)) / n ** 0.5, rng.normal(size=m) / 8))
        layers.append(last if i == len(sizes) - 2 else hidden)
    x = rng.normal(size=(200, sizes[0]))
    return quantize(from_model(layers), x).model, rng.integers(-128, 128, sizes[0]).astype(np.int8)


def measure(chip, elf, name, target):
    """Instructions of one inference whose result was compared with the simulator's."""
    model, x = network(name)
    model = arrange(model, target)
    board = emulator(chip, elf, model)
    want = Simulator(model).run(x[None])[0]
    assert board.run([x.tobytes()], [len(want)]) == [want.tobytes()]
    return board.count


def main():
    with tempfile.TemporaryDirectory() as folder:
        for chip in CHIPS:
            table = Table(title=f"{CHIPS[chip].name}: instructions for one inference")
            table.add_column("")
            for name, (sizes, *_) in NETS.items():
                table.add_column(f"{name} {'-'.join(map(str, sizes))}", justify="right")
            own = build(chip, folder, several=False)
            portable = build(chip, folder, [PORTABLE], several=False)
            rows = {"portable C": (portable, "any")}
            if chip in TARGET:
                rows["portable C, " + TARGET[chip]] = portable, TARGET[chip]
                rows["aifes"] = own, "any"
                rows["aifes, " + TARGET[chip]] = own, TARGET[chip]
            for title, (elf, target) in rows.items():
                table.add_row(title, *[f"{measure(chip, elf, n, target):,}" for n in NETS])
            table.add_row("to reach", *[f"{n:,}" for n in REACH[chip]], style="bold")
            for title, counts in OTHERS.get(chip, {}).items():
                table.add_row(title, *["-" if n is None else f"{n:,}" for n in counts],
                              style="dim")
            Console().print(table)


if __name__ == "__main__":
    main()

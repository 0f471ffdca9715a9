"""The engines on the MicroPython of this PC, side by side in one run."""
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from instructions import NETS, network  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "host" / "aifes_host" / "native" / "x64_6.3"
ENGINES = ("python", "viper", "native")
CODE = """
import time, aifes
from array import array
for name in "{names}":
    for engine in {engines}:
        net = aifes.load(name + ".aifes", engine=engine)
        x, y = array("f", [1.0] * len(net.input)), array("f", [0.0] * len(net.output))
        n = 1
        spent = 0
        while spent < 200000:
            n *= 2
            start = time.ticks_us()
            for _ in range(n):
                net.run(x, y)
            spent = time.ticks_diff(time.ticks_us(), start)
        print(n / spent * 1e6)
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name in NETS:
            Path(folder, name + ".aifes").write_bytes(network(name)[0])
        out = subprocess.run(
            [Path(sys.executable).parent / "micropython", "-c",
             CODE.format(names="".join(NETS), engines=ENGINES)],
            cwd=folder, check=True, text=True, stdout=subprocess.PIPE,
            env={"MICROPYPATH": f"{ROOT / 'device'}:{NATIVE}"}).stdout
    rates = iter(map(float, out.split()))
    table = Table(title="run() of one sample on MicroPython x64, floats in and out: samples/s")
    table.add_column("network")
    for engine in ENGINES:
        table.add_column(engine, justify="right")
    for name, (sizes, *_) in NETS.items():
        found = [next(rates) for _ in ENGINES]
        table.add_row(f"{name} {'-'.join(map(str, sizes))}",
                      *[f"{r:,.0f} ({r / found[0]:.0f}x)" for r in found])
    Console().print(table)


if __name__ == "__main__":
    main()

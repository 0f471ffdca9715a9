"""Samples per second of the simulator on one core, beside the bare float64 matrix products."""
import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import time  # noqa: E402

import numpy as np  # noqa: E402
from aifes_host import Simulator, from_model, quantize  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

SAMPLES = 20000


def rate(function):
    """The best of five runs, in samples per second."""
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return SAMPLES / best


def main():
    rng = np.random.default_rng(0)
    table = Table(title="Simulator, samples/s on one core")
    for title in ("network", "simulator", "bare products"):
        table.add_column(title, justify="right")
    for sizes in ((3, 3, 2), (16, 32, 16, 4), (64, 128, 64, 10), (784, 64, 10)):
        weights = [rng.normal(size=s) / 8 for s in zip(sizes, sizes[1:])]
        layers = [v for w in weights for v in (("dense", w, np.zeros(w.shape[1])), "relu")]
        x = rng.normal(size=(SAMPLES, sizes[0]))
        simulator = Simulator(quantize(from_model(layers), x[:500]).model)

        def bare(x=x, weights=weights):
            for w in weights:
                x = x @ w

        table.add_row("-".join(map(str, sizes)), f"{rate(lambda s=simulator, x=x: s(x)):,.0f}",
                      f"{rate(bare):,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()

"""What --search and --finetune gain, on samples that neither training nor calibration saw.

Networks of several sizes and tasks, 3 seeds each: digits (classes, points lost against float) and
a control law (mean error against the law itself, in thousandths of its span).
"""
import os
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process for each core is faster
import numpy as np
from aifes_host import finetune, from_model, quantize, search, simulate
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_host_quantizer import robot  # noqa: E402

warnings.simplefilter("ignore", ConvergenceWarning)


def digits(hidden, method, seed):
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    model = make_pipeline(StandardScaler(), MLPClassifier(hidden, max_iter=300, random_state=seed))
    graph = from_model(model.fit(x[:1000], y[:1000]))

    def score(outputs):
        return 100 * (outputs.argmax(1) != y[1200:]).mean()

    return graph, x[:1200], y[:1200], x[1200:], score, method


def control(hidden, method, seed):
    rng = np.random.default_rng(seed)
    x, y = robot(3000, rng)
    model = MLPRegressor(hidden_layer_sizes=hidden, activation="tanh", max_iter=1000, tol=1e-6,
                         random_state=seed).fit(x[:1500], y[:1500])
    graph = from_model(model)

    def score(outputs):
        return 1000 * np.abs(outputs - y[2000:]).mean() / np.ptp(y)

    return graph, x[:2000], y[:2000], x[2000:], score, method


TASKS = [
    ("digits 64-4-10, wrong in %", digits, (4,), "mse"),
    ("digits 64-16-10", digits, (16,), "mse"),
    ("digits 64-32-16-10", digits, (32, 16), "mse"),
    ("digits 64-16-10, AIfES's rule", digits, (16,), "aifes"),
    ("control 3-8-2, error in 1/1000", control, (8,), "mse"),
    ("control 3-24-24-2", control, (24, 24), "mse"),
    ("control 3-8-8-8-8-2", control, (8, 8, 8, 8), "mse"),
    ("control 3-24-24-2, AIfES's rule", control, (24, 24), "aifes")]


def measure(make, hidden, method, seed):
    """The score of float, Q7, Q7 with search and with fine-tuning."""
    graph, x, y, test, score, method = make(hidden, method, seed)
    plain = quantize(graph, x, method)
    found = [graph(test), simulate(plain.model, test)]
    searched = search(graph, x) if method == "mse" else plain
    tuned = finetune(graph, x, y, method)
    return [score(v) for v in (*found, simulate(searched.model, test),
                               simulate(tuned.model, test))]


def main():
    table = Table(title="mean of 3 seeds; on unseen samples")
    for title in ("network", "float", "Q7", "--search", "--finetune"):
        table.add_column(title, justify="left" if title == "network" else "right")
    with ProcessPoolExecutor() as pool:
        found = [[pool.submit(measure, *task, seed) for seed in range(3)] for _, *task in TASKS]
    for (title, *_, method), seeds in zip(TASKS, found):
        scores = np.mean([one.result() for one in seeds], axis=0)
        table.add_row(title, *[f"{v:.2f}" for v in scores[:2]],
                      "-" if method == "aifes" else f"{scores[2]:.2f}", f"{scores[3]:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

"""The AIfES tutorial's robot: quantize its net, follow a line under MicroPython, draw the path.

    python -m aifes_host.demo        writes demo/line.aifes and demo/path.png
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from .graph import sequential
from .ops import Activation, Dense
from .quantizer import quantize

DEVICE = Path(__file__).parents[2] / "device"
EXAMPLES = DEVICE / "examples"

# trained in AIfES's tutorial: color (red, green, blue) -> speed of the left and the right wheel
W1 = [[3.6454, -3.60981, 1.57631], [-2.98952, -1.91465, 3.0615], [-2.76578, -1.24335, 0.71257]]
B1 = [0.72655, 2.67281, -0.21291]
W2 = [[-1.09249, -2.44526], [3.23528, -2.88023], [-2.51201, 2.52683]]
B2 = [0.14391, -1.34459]

COLORS = np.array([(0.05, 0.05, 0.05), (0.95, 0.95, 0.95), (0.9, 0.1, 0.1)])  # as the sensor sees


def make_model():
    """The tutorial's network, quantized with 400 spots of black, white and red as a Quantized."""
    rng = np.random.default_rng(0)
    spots = rng.dirichlet((0.4, 0.4, 0.4), 400) @ COLORS + rng.normal(0, 0.02, (400, 3))
    graph = sequential(3, [Dense(W1, B1), Activation("leaky_relu", 0.01), Dense(W2, B2),
                           Activation("sigmoid")], "line follower")
    return quantize(graph, spots)


def find_micropython():
    """Path of a MicroPython beside this Python or on PATH; None if there is none."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("micropython", path=beside) or shutil.which("micropython")


def drive(model, interpreter):
    """line_demo.run() of a model file in another process; returns its dict."""
    folders = os.pathsep.join((str(DEVICE), str(EXAMPLES)))
    env = dict(os.environ, PYTHONPATH=folders, MICROPYPATH=folders + os.pathsep + ".frozen")
    done = subprocess.run([interpreter, str(EXAMPLES / "line_demo.py"), str(model)], env=env,
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"line_demo.py failed under {interpreter}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def facts(run):
    """A drive in one line, which its picture carries."""
    return f"{run['steps']} steps, {run['length']:.2f} cm, mean {run['mean_distance']:.4f} cm"


def verdict(run):
    """One sentence about a drive."""
    if run["success"]:
        return "The robot followed the edge of the line and stopped at the red mark."
    if not run["on_line"]:
        return "The robot lost the edge of the line."
    return "The robot did not stop at the red mark."


def show(result, run, folder, console):
    """Print what was made and what happened."""
    table = Table(box=box.SIMPLE, show_header=False, padding=(0, 1))
    report = result.as_dict()
    for name, value in (
            ("network", "3 inputs, 3 LeakyReLU, 2 sigmoid; int8"),
            ("model", f"{report['bytes']} bytes, arena {report['arena']} bytes"),
            ("ran on", f"{run['interpreter']}, {run['engine']} engine"),
            ("drive", f"{run['steps']} steps, {run['seconds']:.1f} s, {run['length']:.0f} cm"),
            ("distance from the edge",
             f"mean {run['mean_distance']:.2f} cm, largest {run['max_distance']:.2f} cm"),
            ("stopped at the red mark", "yes" if run["at_mark"] else "no"),
            ("files", f"{folder}/line.aifes, {folder}/path.png")):
        table.add_row(name, value)
    console.print(table)


def main():
    console = Console(highlight=False)
    folder = Path("demo")
    folder.mkdir(exist_ok=True)
    result = make_model()
    (folder / "line.aifes").write_bytes(result.model)
    micropython = find_micropython()
    if not micropython:
        console.print("No micropython found: the loop runs on this Python instead.")
    run = drive(folder / "line.aifes", micropython or sys.executable)

    from .demo_plot import draw

    draw(run, folder / "path.png", EXAMPLES, facts(run))
    show(result, run, folder, console)
    console.print(verdict(run))
    return 0 if run["success"] else 1


if __name__ == "__main__":
    sys.exit(main())

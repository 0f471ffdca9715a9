"""Small convolutional nets in int8, beside TensorFlow Lite's own conversion of the same float nets.

Both are calibrated with the same samples; counted on others, neither trained nor calibrated with:
the squared error of the outputs against float, ours divided by theirs, and how often the largest
output is float's. Fails where ours is farther from float than LIMIT and POINTS allow. Beside it
what --search and --finetune make of it.

TensorFlow has an environment of its own (needs.py); it and what it made are kept in AIFES_CACHE.
"""
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process for each core is faster
import numpy as np
from aifes_host import finetune, quantize, search, simulate
from aifes_host.importers import from_file
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits, load_sample_images

sys.path.insert(0, str(Path(__file__).parents[1]))
import needs  # noqa: E402
from boards.start import CACHE, alone  # noqa: E402

NETS_OF_TFLITE = Path(__file__).with_name("tflite_nets.py")
LIMIT = 1.2  # times the squared error of TensorFlow Lite
POINTS = 0.3  # of agreement with float that may be missing to theirs, mean of the classifiers
CALIBRATION = 300  # samples
TUNED, TRAINED = ("plain", "motion", "autoencoder"), 600  # which nets are fine-tuned, on so many
SIDE = 12  # of a square of a photograph


def digits():
    """Images of 8 x 8 pixels, of ten classes."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return (x[order] / 16).reshape(-1, 8, 8, 1), y[order]


def photographs():
    """Squares of SIDE x SIDE pixels, as bytes: which of two photographs they are from."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=2400)
    images = load_sample_images().images
    at = [rng.integers(np.array(images[k].shape[:2]) - SIDE) for k in y]
    return np.stack([images[k][r:r + SIDE, c:c + SIDE] for k, (r, c) in zip(y, at)]), y


def motion(samples=3000, rate=32):
    """Two seconds of an accelerometer, simulated: how it is moved, of five ways."""
    rng = np.random.default_rng(0)
    y = rng.integers(5, size=samples)
    around = [v / np.linalg.norm(v, axis=1)[:, None] for v in (
        rng.normal(size=(samples, 3)), rng.normal(size=(samples, 3)) / 3 + (0, 0, 1))]
    speed = np.array((0, 1, 1.8, 2.8, 4))[y] * rng.uniform(0.85, 1.15, samples)
    width = np.array((0, 0.8, 0.3, 1.2, 0.15))[y] * rng.uniform(0.6, 1.4, samples)
    angle = 2 * np.pi * (speed[:, None] * np.arange(64) / rate + rng.uniform(size=(samples, 1)))
    wave = (width[:, None] * np.sin(angle))[..., None]
    x = around[1][:, None] + wave * around[0][:, None] + rng.normal(size=(samples, 64, 3)) / 12
    return x, y


def same(make):
    """For a net that is to give back its input."""
    x, _ = make()
    return x, x


# of the names in tflite_nets.py: title, samples
NETS = {"plain": ("digits: conv, pool, dense", digits),
        "separable": ("digits: depthwise separable", digits),
        "residual": ("photographs: residual", photographs),
        "motion": ("accelerometer: conv over time", motion),
        "autoencoder": ("digits: autoencoder", lambda: same(digits))}


def samples():
    """What tflite_nets.py takes: two thirds to train with, the first of them to calibrate with."""
    found = {}
    for name, (_, make) in NETS.items():
        x, y = make()
        n = 2 * len(x) // 3
        parts = {"x": x[:n], "calibration": x[:CALIBRATION], "test": x[n:]}
        found.update({f"{name}_{part}": v.astype(np.float32) for part, v in parts.items()})
        found.update({f"{name}_y": y[:n], f"{name}_wanted": y[n:]})
    return found


def made(data):
    """The folder with what tflite_nets.py made of these data; None without TensorFlow."""
    key = hashlib.sha256(NETS_OF_TFLITE.read_bytes() + needs.TENSORFLOW.encode())
    for name in sorted(data):
        key.update(name.encode() + data[name].tobytes())
    folder = CACHE / f"tflite-{key.hexdigest()[:16]}"
    if not (folder / "done").exists():
        with alone():
            python = needs.tensorflow(CACHE)
            if not python:
                return None
            folder.mkdir(exist_ok=True)
            np.savez(folder / "data.npz", **data)
            print("training and converting (once, two minutes)", flush=True)
            done = subprocess.run([python, NETS_OF_TFLITE, folder], capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr[-2000:])
            (folder / "done").touch()
    return folder


def measure(folder, data, name):
    """(squared errors against float, % of largest outputs that are float's or None, wrong in %) of
    float, TensorFlow Lite, ours: converted, searched, perhaps fine-tuned."""
    graph = from_file(folder / f"{name}.keras")
    x, y, calibration, test, wanted = [data[f"{name}_{what}"] for what in (
        "x", "y", "calibration", "test", "wanted")]
    theirs = np.load(folder / f"{name}.npz")
    real, int8 = [theirs[what].reshape(len(test), -1) for what in ("real", "int8")]
    test, calibration = [v.reshape(len(v), -1) for v in (test, calibration)]
    assert np.abs(graph(test) - real).max() < 1e-5 * np.ptp(real)  # it is the same net
    models = [quantize(graph, calibration), search(graph, calibration)]
    if name in TUNED:
        targets, meant = (y.reshape(len(y), -1), "values") if y.ndim > 1 else (y, "classes")
        models.append(finetune(graph, x[:TRAINED].reshape(-1, graph.n_in), targets[:TRAINED],
                               meant=meant))
    outputs = [real, int8, *[simulate(q.model, test) for q in models]]
    errors = [((v - real) ** 2).mean() for v in outputs]
    if y.ndim > 1:
        return errors, None, [100 * np.sqrt(((v - wanted.reshape(v.shape)) ** 2).mean())
                              for v in outputs]
    agree, wrong = [[100 * (v.argmax(1) == to).mean() for v in outputs]
                    for to in (real.argmax(1), wanted)]
    return errors, agree, [100 - v for v in wrong]


def main():
    data = samples()
    folder = made(data)
    if not folder:
        print("left out: the comparison with TensorFlow Lite")
        return
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(NETS, pool.map(measure, *zip(*[(folder, data, name) for name in NETS]))))
    table = Table(title="squared error of the outputs against float; outputs whose largest is "
                        "float's, in %")
    for title in ("net", "TFLite", "ours / theirs", "--search", "TFLite", "ours", "--search"):
        table.add_column(title, justify="left" if title == "net" else "right")
    for name, (errors, agree, _) in found.items():
        theirs, ours, searched = errors[1:4]
        table.add_row(NETS[name][0], f"{theirs:.1e}", f"{ours / theirs:.2f}",
                      f"{searched / theirs:.2f}",
                      *([f"{v:.2f}" for v in agree[1:4]] if agree else "---"))
    wrong = Table(title="against what is right: wrong in %, autoencoder: root of the mean squared "
                        "error in %")
    for title in ("net", "float", "TFLite", "ours", "--search", "--finetune"):
        wrong.add_column(title, justify="left" if title == "net" else "right")
    for name, (*_, lost) in found.items():
        wrong.add_row(NETS[name][0], *[f"{v:.2f}" for v in lost], *"-" * (5 - len(lost)))
    console = Console(width=110)
    console.print(table)
    console.print(wrong)
    far = [name for name, (errors, *_) in found.items() if not errors[2] <= LIMIT * errors[1]]
    theirs, ours = np.mean([agree[1:3] for _, agree, _ in found.values() if agree], axis=0)
    if far or ours < theirs - POINTS:
        sys.exit(f"farther from float than TensorFlow Lite: {', '.join(far) or 'none'}; largest "
                 f"outputs as float's: {theirs:.2f} % of theirs, {ours:.2f} % of ours")


if __name__ == "__main__":
    main()

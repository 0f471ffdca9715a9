"""Train the vibration classifier on the PC and write vibration.aifes; needs scikit-learn.

    python vibration_train.py [FILE]

The windows are simulated (vibration_simulated.py), so the accuracy says nothing about a real
machine: put recordings of yours in the place of windows().
"""
import sys
from array import array
from pathlib import Path

import numpy as np
from aifes_host import from_model, quantize
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from vibration_features import AXES, FEATURES, SAMPLES, features
from vibration_simulated import STATES, Machine


def windows(n, seed):
    """Features [n, 5] and names of the states of n windows."""
    machine, window = Machine(seed), array("h", bytes(2 * AXES * SAMPLES))
    x, found, states = array("f", bytes(4 * len(FEATURES))), [], []
    for _ in range(n):
        machine.read_window(window)
        features(window, x)
        found.append(x.tolist())
        states.append(STATES[machine.state])
    return np.array(found), np.array(states)


def train():
    """The quantized network and its comparison on windows that it has not seen."""
    x, states = windows(2000, 1)
    model = make_pipeline(StandardScaler(), MLPClassifier((12,), max_iter=2000, random_state=0))
    model.fit(x, states)
    result = quantize(from_model(model, "vibration"), x)
    return result, result.compare(*windows(1000, 2))


def main(path="vibration.aifes"):
    result, comparison = train()
    Path(path).write_bytes(result.model)
    right, right_q7 = comparison["accuracy_float"], comparison["accuracy_q7"]
    print(f"{path}: {len(result.model)} bytes; 1,000 simulated windows that it has not seen:")
    print(f"float {100 * right:.1f} %, int8 {100 * right_q7:.1f} % right")


if __name__ == "__main__":
    main(*sys.argv[1:])

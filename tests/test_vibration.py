"""The vibration example: training, and the board's program on MicroPython."""
import json
import sys

import aifes
import pytest
from conftest import ROOT, micropython
from test_device import run

EXAMPLES = ROOT / "device" / "examples"
WINDOWS = 300
CODE = f"""
import gc, json, aifes
import vibration
from array import array
from vibration_simulated import Machine, STATES
net = aifes.load("vibration.aifes")
machine = Machine(5)
states, classes = array("b", bytes({WINDOWS})), array("b", bytes({WINDOWS}))
free = array("l", (0, 0))
n = 0
def read(window):
    global n
    if n == 2 or n == {WINDOWS} - 1:
        free[n > 2] = gc.mem_free()
    machine.read_window(window)
    states[n] = machine.state
    n += 1
changes = array("h", bytes(2 * {WINDOWS}))
def report(best, at):
    changes[at] = best + 1
gc.collect()
gc.disable()
vibration.watch(net, read, report, {WINDOWS})
best = 0
for i in range({WINDOWS}):
    best = changes[i] or best
    classes[i] = best - 1
print(json.dumps([list(free), [net.labels[c] for c in classes], [STATES[s] for s in states]]))
"""


@pytest.fixture(scope="module")
def trained():
    sys.path.insert(0, str(EXAMPLES))
    import vibration_train

    return vibration_train.train()


def test_accuracy(trained):
    _, comparison = trained
    print(comparison)
    assert comparison["accuracy_float"] > 0.95
    assert comparison["accuracy_q7"] > comparison["accuracy_float"] - 0.01


def test_on_micropython(trained, tmp_path):
    """The classes of CPython with the simulator; nothing is allocated by the loop."""
    result, _ = trained
    (tmp_path / "vibration.aifes").write_bytes(result.model)
    out = run(micropython(), ["-c", CODE], f"{ROOT / 'device'}:{EXAMPLES}", tmp_path)
    free, classes, states = json.loads(out)
    assert free[0] == free[1]
    assert sum(a == b for a, b in zip(classes, states)) > 0.95 * WINDOWS
    import vibration
    from vibration_simulated import Machine

    seen = []
    net = aifes.load(result.model)
    vibration.watch(net, Machine(5).read_window, lambda best, n: seen.append((n, best)), WINDOWS)
    here, changes, best = [], dict(seen), 0
    for i in range(WINDOWS):
        best = changes.get(i, best)
        here.append(net.labels[best])
    assert here == classes

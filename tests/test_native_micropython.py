"""The C engine inside MicroPython: hostile programs, Ctrl-C, images, several inputs and outputs."""
import subprocess
import time

import aifes
import numpy as np
import random_models
from aifes.format import FLOAT32, INT8
from aifes.layers.assemble import Draft, chain
from aifes.ops import dense as dense_op
from conftest import ROOT, micropython
from test_device import run
from test_native_images import image_case

HOSTILE = """
import _aifes, aifes, gc
from array import array
good = open("good.aifes", "rb").read()
def fails(error, f, *a):
    try:
        f(*a)
    except error:
        return
    raise AssertionError((f, a))
bad = bytearray(good)
bad[40 + 5] = 1                             # the input lies outside the arena
for model in (b"", bad, good[:-1], bytes(200), array("i", bytes(80))):
    fails(ValueError, _aifes.load, model, model, bytearray(100))
    fails(ValueError, _aifes.load, good, model if model is not bad else b"", bytearray(100))
fails(ValueError, _aifes.load, good, good, bytearray(2))
for arguments in ((good,), (good, good), (5, good, bytearray(9)), (good, 5, bytearray(9)),
                  (good, good, 5), (good, good, bytes(100)), (None, None, None)):
    fails(TypeError, _aifes.load, *arguments)
arena = bytearray(100)
net = _aifes.load(good, good, arena)
Net = type(net)
fails(TypeError, Net)                       # no nets but those of load()
fails(TypeError, Net, good, good, arena)
fails(AttributeError, lambda: net.model)
try:                                        # nor classes made of it
    class Forged(Net):
        pass
    fails(TypeError, Forged)
except TypeError:
    pass
fails(AttributeError, lambda: Net.__call__)
x, y = array("b", [1, 2]), array("b", [0, 0])
assert net(x, y, 0) == 0
want = bytes(y)
for at in (1, 2, 3, 77, (1 << 62), -1, -(1 << 40)):
    assert net(x, y, at) == 0
for a, b in ((x, array("b")), (x, bytes(2)), (5, y), (None, y), (x, None), ("ab", y), (x, "ab"),
             (x, array("h", [0, 0])), (array("d", [0, 0]), y), (x, array("f", [0])), (x, x[:1])):
    assert net(a, b, 0) < 0
for arguments in ((), (x, y, 0, 0), (x, y, None), (x, y, 1.5)):
    fails(TypeError, net, *arguments)
buf = bytearray(good)                       # memory that moves or shrinks under a net
moving = array("b", bytes(100))
net = _aifes.load(buf, buf, moving)
for i in range(50):
    moving.extend(array("b", bytes(1000)))
    buf.extend(bytes(1000))
    gc.collect()
    assert net(x, y, 0) == 0 and bytes(y) == want
buf[40 + 5] = 1                             # what has moved is checked anew
x, y = array("b", [1, 2]), array("b", [0, 0])
assert net(x, y, 0) == 0 and bytes(y) == want
for i in range(99):                         # until it has moved
    buf.extend(bytes(10000))
    hold = bytearray(10000)
    try:
        assert net(x, y, 0) == 0 and bytes(y) == want
    except ValueError:
        break
else:
    raise AssertionError
fails(ValueError, net, x, y, 0)
buf[40 + 5] = 0
assert net(x, y, 0) == 0 and bytes(y) == want
print("ok")
"""


def test_hostile_python(native_x64, tmp_path):
    """Whatever Python code tries, a buffer that was not checked does not run."""
    layers = [aifes.Input(2, (0, 0)), aifes.Dense(3, bytes(range(6)), [0] * 3, (2, 0), (2, 0)),
              aifes.Dense(2, bytes(range(6)), [0] * 2, (0, 0), (0, 0)), aifes.Softmax()]
    (tmp_path / "good.aifes").write_bytes(aifes.Sequential(layers).to_bytes())
    assert run(micropython(), ["-c", HOSTILE], f"{ROOT / 'device'}:{native_x64}",
               tmp_path) == "ok\n"


def test_interrupt(native_x64, tmp_path):
    """Ctrl-C ends a batch that would run for minutes."""
    draft = Draft(1, 0, 500, 500, dense_op.Fields(
        0, 128, -128, 127, 9, 1, 1, bytes(250000), bytes(2000), None, None, None), None, 0)
    (tmp_path / "long.aifes").write_bytes(chain([draft], (0, 0), (0, 0)))
    code = ("import aifes\nfrom array import array\nnet = aifes.load('long.aifes')\n"
            "x = array('b', bytes(500 * 100000))\n"
            "try:\n print(net.engine)\n net.run(x, x)\n"
            "except KeyboardInterrupt:\n print('interrupted')\n")
    process = subprocess.Popen(
        [micropython(), "-X", "heapsize=200m", "-c", code], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, env={"MICROPYPATH": f"{ROOT / 'device'}:{native_x64}"})
    assert process.stdout.readline() == "native\n"
    time.sleep(0.5)  # by now it computes
    process.send_signal(2)
    out, _ = process.communicate(timeout=60)
    assert out == "interrupted\n"


IMAGES = """
import aifes
from array import array
for i in range(60):
    net = aifes.load("%d.aifes" % i, engine="native")
    kind = "f" if i % 2 else "b"
    x = array(kind, open("%d.x" % i, "rb").read())
    y = tuple([array(kind, bytes(v)) for v in net.outputs])
    net.run(x, y[0] if len(y) == 1 else y)
    assert b"".join([bytes(v) for v in y]) == open("%d.y" % i, "rb").read(), i
print("ok")
"""


def test_images_in_micropython(native_x64, tmp_path):
    """The files with conv and pool, of both types of number."""
    rng = np.random.default_rng(12)
    for i in range(60):
        buf, x, want = image_case(rng, FLOAT32 if i % 2 else INT8)
        (tmp_path / f"{i}.aifes").write_bytes(buf)
        (tmp_path / f"{i}.x").write_bytes(b"".join(v.tobytes() for v in x))
        (tmp_path / f"{i}.y").write_bytes(b"".join(v.tobytes() for v in want))
    assert run(micropython(), ["-c", IMAGES], f"{ROOT / 'device'}:{native_x64}",
               tmp_path) == "ok\n"


SEVERAL = """
import aifes
from array import array
net = aifes.load("several.aifes")
assert net.engine == "native"
def arrays(tensors):
    return tuple([array("b", bytes(len(t))) for t in tensors])
x, y = arrays(net.inputs), arrays(net.outputs)
for v in x:
    for i in range(len(v)):
        v[i] = 7 * i % 50
net.run(x, y)
slow = aifes.load("several.aifes", engine="python")
want = arrays(net.outputs)
slow.run(x, want)
assert [bytes(v) for v in y] == [bytes(v) for v in want]
def fails(x, y):
    try:
        net.run(x, y)
    except aifes.ModelError as error:
        return
    raise AssertionError((x, y))
for a, b in ((x[0], y), (x, y[0]), (list(x), y), (x, list(y)), (x[:-1], y), (x + y, y), (5, y),
             (x[:-1] + (5,), y), (x, y[:-1] + (bytes(len(y[-1])),)), (x, y[:-1] + (y[-1][1:],)),
             (tuple([v + v for v in x]), y), ((), y), (None, None)):
    fails(a, b)
x, y = [tuple([v + v for v in vs]) for vs in (x, y)]
net.run(x, y)
assert [bytes(v) for v in y] == [bytes(v + v) for v in want]
print("ok")
"""


def test_several_inputs_and_outputs_in_micropython(native_x64, tmp_path):
    """x and y as tuples, and nothing else."""
    rng = np.random.default_rng(0)
    buf = b""
    while not buf or min(len(sizes) for sizes in random_models.ends(buf)) < 2:
        buf = random_models.model(rng, True)
    (tmp_path / "several.aifes").write_bytes(buf)
    assert run(micropython(), ["-c", SEVERAL], f"{ROOT / 'device'}:{native_x64}",
               tmp_path) == "ok\n"

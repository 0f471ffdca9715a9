"""`aifes deploy` and its relatives on emulated boards, as a user calls them."""
import contextlib
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import aifes
import graphs
import numpy as np
import pytest
from aifes_host import Simulator, from_model, quantize
from aifes_host.boards import deploy
from aifes_host.boards.board import SerialBoard
from aifes_host.boards.transport import BoardError, Connection
from bench.instructions import network
from boards import qemu_board
from conftest import PREBUILT, ROOT
from golden_models import tutorial

AIFES = Path(sys.executable).parent / "aifes"


def command(*arguments, code=0):
    """What `aifes` prints, as JSON if that was asked for; code: its exit code."""
    done = subprocess.run([AIFES, *map(str, arguments)], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    if code:
        assert done.stderr.startswith("aifes: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


@pytest.mark.parametrize("name", [
    pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in ("pico", "pico-c",
                                                                *qemu_board.MACHINES)])
def test_journey(name, boards, model, tmp_path):
    """A fresh board: deploy, deploy again, change the model, run, and what the board then does."""
    port = boards(name).port
    first = command("deploy", model, "--port", port, "--json")
    print(first)
    assert first["engine"] == "native" and first["verified"]
    assert ("firmware" in first["why"]) == (name == "pico-c")
    assert "/line.aifes" in first["written"] and len(first["written"]) <= 12
    again = command("deploy", model, "--port", port, "--json")
    assert again["written"] == [] and again["verified"] and again["uploaded_bytes"] == 0
    model.write_bytes(network("A")[0])
    assert command("deploy", model, "--port", port, "--json")["written"] == ["/line.aifes"]
    x = np.random.default_rng(0).uniform(-2, 2, (50, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    out = command("run", model, "-i", tmp_path / "x.npy", "--port", port, "--json")
    assert out["different"] == 0 and out["samples"] == 50
    assert np.array_equal(out["outputs"], Simulator(model.read_bytes())(x))
    connection = Connection(port)
    said = connection.execute(
        "import aifes\nnet = aifes.load('line.aifes')\nprint(net.engine, net.predict((1, 0, 0)))\n"
        "print(aifes.load('line.aifes.old').predict((1, 0, 0)))")
    connection.close()
    assert said.splitlines()[0].split()[0] == "native"
    want = Simulator(tutorial())(np.array([[1, 0, 0]]))[0].tolist()
    assert said.splitlines()[1] == str(want)


def test_what_is_printed(boards, model):
    port = boards().port
    out = command("deploy", model, "--port", port)
    print(out)
    assert "Raspberry Pi Pico with RP2040, MicroPython 1.25.0" in out
    assert "engine   native: C for armv6m" in out and "bit by bit" in out
    out = command("bench", model, "--port", port)
    print(out)
    assert "by layer" in out and "plain Python" in out and "0 allocated by run()" in out
    found = command("bench", model, "--port", port, "--json")
    assert found["native"]["run"][1] < 4000 and found["native"]["allocated"] == 0
    assert found["float"][1] > 5 * found["native"]["run"][1]
    layers = [layer[3] for layer in found["native"]["layers"]]
    assert sum(layers) == found["native"]["forward"][1]


def test_what_it_takes(boards, model, tmp_path):
    """Few files and blocks of flash; a model of another kind adds what it needs, --all the rest."""
    port = boards().port

    def free():
        with SerialBoard(port) as board:
            return board.info.flash_free

    before = free()
    first = command("deploy", model, "--port", port, "--json")
    print(first)
    assert len(first["written"]) <= 12 and first["flash_bytes"] <= 49152
    # os.statvfs counts the blocks of a folder twice: two for /lib, two for /lib/aifes
    assert before - free() == first["flash_bytes"] + 4 * 4096
    floats = tmp_path / "floats.aifes"
    net = aifes.Sequential([aifes.Input(2), aifes.Dense(2, (1, 2, 3, 4), (0, 1)), aifes.Tanh()],
                           dtype="f")
    floats.write_bytes(net.to_bytes())
    second = command("deploy", floats, "--port", port, "--json")
    assert second["written"] == ["lib/aifes/float32.mpy", "lib/aifes/_aifes_f32.mpy",
                                 "/floats.aifes"]
    with SerialBoard(port) as board:
        with pytest.raises(BoardError, match="aifes.layers is not on this board: `aifes deploy "
                                             "--all` with any model brings it"):
            board.execute("import aifes\naifes.Sequential")
        assert board.execute("print(aifes.load('line.aifes').engine, "
                             "aifes.load('floats.aifes').engine)") == "native native\n"
    assert command("deploy", model, "--port", port, "--all", "--json")["verified"]
    assert command("deploy", floats, "--port", port, "--json")["written"] == []
    with SerialBoard(port) as board:
        assert "Dense" in board.execute("import aifes\nprint(aifes.Sequential, aifes.Dense(3))")


def test_run_shows_classes(boards, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",")
    result = quantize(from_model({"name": "n", "labels": ["rest", "move"], "layers": [
        ("dense", [[1, -1], [1, -1]], [0, 0]), "softmax"]}), x)
    (tmp_path / "n.aifes").write_bytes(result.model)
    names = np.array(["rest", "move"])[Simulator(result.model)(x).argmax(1)]
    names[0] = "move" if names[0] == "rest" else "rest"
    (tmp_path / "labels.csv").write_text("\n".join(names) + "\n")
    port = boards().port
    arguments = ("run", tmp_path / "n.aifes", "-i", tmp_path / "x.csv", "--port", port)
    out = command(*arguments, "--labels", tmp_path / "labels.csv")
    assert re.search(r"^sample +rest +move +predicted$", out, re.M), out
    assert "accuracy: 96.67 % of 30 samples" in out and "bit by bit" in out
    found = command(*arguments, "--json")
    assert found["predictions"][1:] == names[1:].tolist() and "accuracy" not in found


def test_ampy(boards, model, tmp_path):
    port = boards().port
    (tmp_path / "x.csv").write_text("1,0,0\n0,1,0\n")
    assert command("deploy", model, "--port", port, "--transport", "ampy", "--json")["verified"]
    out = command("run", model, "-i", tmp_path / "x.csv", "--port", port, "--transport", "ampy",
                  "--json")
    assert out["different"] == 0


def test_ampy_with_several_ends(boards, tmp_path):
    """A model of two inputs and two outputs, deployed and run by ampy."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 7)).astype(np.float32)
    path = tmp_path / "ends.aifes"
    path.write_bytes(quantize(graphs.two_ends(rng), x).model)
    np.save(tmp_path / "x.npy", x)
    arguments = ("--port", boards().port, "--transport", "ampy", "--json")
    assert command("deploy", path, *arguments)["verified"]
    out = command("run", path, "-i", tmp_path / "x.npy", *arguments)
    assert out["different"] == 0 and out["engine"] == "native"


def test_mip(boards, model):
    """mpremote mip install of the package, as source, and of the C engine beside it."""
    port = boards().port
    mpremote = [sys.executable, "-m", "mpremote", "connect", port]
    subprocess.run([*mpremote, "mip", "install", ROOT / "package.json"], check=True)
    subprocess.run([*mpremote, "fs", "cp", PREBUILT / "armv6m_6.3" / "_aifes.mpy", ":lib/"],
                   check=True)
    subprocess.run([*mpremote, "fs", "cp", model, ":"], check=True)
    done = subprocess.run(
        [*mpremote, "exec", "import aifes; print(aifes.load('line.aifes').engine)"],
        check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "native"


def test_choice():
    """Which engine for which board, and why."""
    def info(name="micropython", arch="armv6m", mpy=(6, 3), viper=True, c_module=False):
        from aifes_host.boards.board import Info

        return Info(name, (1, 25, 0), "", "", arch, mpy, viper, c_module, 4096, 0, 0)

    def choose(**kwargs):
        c = deploy.choose_engine(info(**kwargs))
        return c.engine, c.native and c.native.parent.name, c.target

    assert choose() == ("native", "armv6m_6.3", "cortex-m0")
    assert choose(arch="armv7emdp") == ("native", "armv7emdp_6.3", "cortex-m4")
    assert choose(arch="armv7em") == ("native", "armv7m_6.3", "any")
    assert choose(arch="xtensawin") == ("native", "xtensawin_6.3", "esp32")
    assert choose(arch="rv64imc") == ("viper", None, "any")
    assert choose(mpy=(6, 2)) == ("viper", None, "any")
    assert choose(arch=None, viper=False) == ("python", None, "any")
    assert choose(name="circuitpython", viper=False) == ("python", None, "any")
    assert choose(c_module=True) == ("native", None, "cortex-m0")
    assert "6.2" in deploy.choose_engine(info(mpy=(6, 2))).why
    assert "runtime.py" not in deploy.runtime_files(
        info(mpy=(5, 0)), deploy.choose_engine(info(mpy=(5, 0))))
    names = deploy.runtime_files(info(mpy=(6, 2)), deploy.choose_engine(info(mpy=(6, 2))))
    assert "model.mpy" in names and "viper/int8.py" in names
    assert not any(name.endswith(".mpy") and "_aifes" in name for name in names)


def test_shell(boards):
    """The board's prompt, in a terminal of its own; Ctrl-] leaves it."""
    board, (master, slave) = boards(), pty.openpty()
    process = subprocess.Popen([AIFES, "shell", "--port", board.port], stdin=slave, stdout=slave,
                               stderr=slave)
    said = b""
    for wanted, answer in ((b"Ctrl-]", b"\r"), (b">>> ", b"print(6 * 7)\r"), (b"42\r\n", b"\x1d")):
        for _ in range(30):
            if wanted in said:
                break
            if said and not select.select([master], [], [], 1)[0]:
                os.write(master, b"\r")  # typed before the shell read its keys, it is lost
            elif select.select([master], [], [], 1)[0]:
                said += os.read(master, 1000)
        assert wanted in said, said
        os.write(master, answer)
    assert process.wait(30) == 0


def test_run_shows_what_it_writes(boards, model, tmp_path):
    """A fresh board takes its time for the runtime, whichever command brings it."""
    np.save(tmp_path / "x.npy", np.zeros((1, 3), np.float32))
    board, (master, slave) = boards("cortex-m3"), pty.openpty()
    process = subprocess.Popen(
        [AIFES, "run", model, "-i", tmp_path / "x.npy", "--port", board.port], stdout=slave,
        env=dict(os.environ, TERM="xterm", COLUMNS="100"))
    os.close(slave)
    said = b""
    with contextlib.suppress(OSError):  # of a terminal that nobody has open
        while part := os.read(master, 1000):
            said += part
    assert process.wait(30) == 0 and b"writing" in said and b"bit by bit" in said


def test_no_board(model, tmp_path):
    assert shutil.which(AIFES)
    out = command("devices")
    assert "no board found" in out or "/dev/" in out

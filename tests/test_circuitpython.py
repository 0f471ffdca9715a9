"""CircuitPython as far as it can be seen without one: a folder as its drive, and what boards say.

What lies on the drive is run by MicroPython, whose files are the same but for a byte. The suite
runs on a CircuitPython where CIRCUITPYTHON or --port names one: conftest.py.
"""
import os
import subprocess
import sys

import numpy as np
import pytest
from aifes_host import Simulator
from aifes_host.boards import deploy, runtime
from aifes_host.boards.board import Drive, SerialBoard
from aifes_host.boards.transport import BoardError
from aifes_host.cli_board import _print_times
from aifes_host.layout import arrange
from bench.instructions import network
from boards.start import CACHE, TOOLS, start
from conftest import alone, build_native, micropython, need
from golden_models import tutorial
from test_deploy import command
from test_runtime import MODELS, info

VERSIONS = {"9.2.1": ".py", "10.3.0": ".mpy"}  # of CircuitPython: the files that it takes from here


@pytest.fixture(params=VERSIONS)
def drive(request, tmp_path):
    """The drive of a board with each of VERSIONS."""
    folder = tmp_path / "CIRCUITPY"
    folder.mkdir()
    (folder / "boot_out.txt").write_text(f"Adafruit CircuitPython {request.param} on 2026-01-01; "
                                         "Raspberry Pi Pico with rp2040\n")
    return folder


def taken(drive):
    """Of what kind the files are that it gets."""
    return VERSIONS[(drive / "boot_out.txt").read_text().split()[2]]


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def run_there(interpreter, drive, code):
    """What a program prints in the drive's folder; MicroPython gets its own first byte."""
    for path in drive.rglob("*.mpy"):
        data = path.read_bytes()
        assert data[:2] == b"C\x06"
        path.write_bytes(b"M" + data[1:])
    try:
        path = str(drive / "lib")
        done = subprocess.run([interpreter, "-c", code], cwd=drive, capture_output=True, text=True,
                              env=dict(os.environ, PYTHONPATH=path, MICROPYPATH=path))
    finally:
        for path in drive.rglob("*.mpy"):
            path.write_bytes(b"C" + path.read_bytes()[1:])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_drive(drive, tmp_path):
    kind = taken(drive)
    model = tmp_path / "line.aifes"
    model.write_bytes(tutorial())
    first = command("deploy", model, "--port", drive, "--json")
    assert first["engine"] == "python" and "Raspberry Pi Pico" in first["board"]
    assert command("deploy", model, "--port", drive, "--json")["written"] == []
    old = arrange(model.read_bytes(), "any")
    model.write_bytes(network("A")[0])
    assert command("deploy", model, "--port", drive, "--json")["written"] == ["/line.aifes"]
    assert (drive / "line.aifes.old").read_bytes() == old
    package = drive / "lib" / "aifes"
    needed = runtime.modules("python", runtime.Kind.of(Simulator(old)))
    assert files(package) == {name + kind for name in needed} | {"layers.py", "quantizer.py"}
    assert "ops/dense" in needed and "ops/softmax" not in needed
    everything = command("deploy", model, "--port", drive, "--all", "--json")
    assert f"lib/aifes/layers/dense{kind}" in everything["written"]
    assert files(package) == {name + kind for name in runtime.all_modules()
                              if not name.startswith("viper/")}
    assert command("deploy", model, "--port", drive, "--json")["written"] == []
    code = "import aifes; print(aifes.load('line.aifes').engine)"
    assert run_there(micropython(), drive, code) == "python\n"
    if kind == ".py":
        assert run_there(sys.executable, drive, code) == "python\n"
    assert "a drive cannot compute" in command("bench", model, "--port", drive, code=3)


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model(name, drive, tmp_path):
    """It computes there, also with several inputs and outputs, as the simulator does."""
    model = tmp_path / "net.aifes"
    model.write_bytes(MODELS[name]())
    command("deploy", model, "--port", drive)
    simulator = Simulator(model.read_bytes())
    ends = np.cumsum([np.prod(t.shape) for t in simulator.inputs])
    x = np.random.default_rng(0).uniform(-1, 1, ends[-1]).astype(np.float32)
    given = [v.tolist() for v in np.split(x, ends[:-1])]
    said = run_there(micropython(), drive, "import aifes; y = aifes.load('net.aifes').predict("
                     f"{given if len(given) > 1 else given[0]})\n"
                     "print(*[v for part in y for v in (part if type(part) == list else [part])])")
    assert np.allclose([float(v) for v in said.split()], simulator(x[None])[0], atol=1e-5)
    assert command("deploy", model, "--port", drive, "--json")["written"] == []


@pytest.mark.parametrize("name", MODELS)
def test_engine_in_firmware_lacks_nothing(name, drive, tmp_path, newest):
    """Nobody can ask a drive whether the C engine is in its firmware: what that needs is there."""
    model = tmp_path / "net.aifes"
    model.write_bytes(MODELS[name]())
    command("deploy", model, "--port", drive)
    assert run_there(newest, drive, "import aifes; net = aifes.load('net.aifes')\n"
                     "print(net.engine)\nprint(net)").startswith("native\n")


def say(**changes):
    """The Info of a serial board that says what it can."""
    return info(**{"name": "circuitpython", "viper": False, "arch": None, **changes})


def test_choice_by_what_a_board_says(tmp_path):
    """Not by its name: viper and C as far as it loads them."""
    plain, loads = say(), say(arch="armv6m", viper=True)
    assert runtime.choose_engine(plain).engine == "python"
    assert runtime.choose_engine(loads, native=tmp_path).engine == "viper"
    assert "CIRCUITPY_DIR" in runtime.choose_engine(loads, native=tmp_path).why
    file = tmp_path / "circuitpython" / "armv6m_6.3" / "_aifes.mpy"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"C")
    choice = runtime.choose_engine(loads, native=tmp_path)
    assert choice.engine == "native" and choice.native == file
    assert runtime.choose_engine(say(c_module=True)).engine == "native"
    mine, theirs = (runtime.needed_files(i, runtime.DENSE, (), ("viper", "python"))
                    for i in (loads, info(arch="armv6m")))
    assert {n for n in theirs if "viper/" in n} == {n for n in mine if "viper/" in n} != set()
    for name in mine:
        if name.endswith(".mpy"):
            assert mine[name][:1] == b"C" and mine[name][1:] == theirs[name][1:]
    assert "model.py" in runtime.needed_files(say(mpy=(5, 0)), runtime.DENSE)


def test_bench_has_no_column_without_figures(capsys):
    """Of cycles, where nobody can read the counter."""
    for cycles in ("1,000", ""):
        _print_times(["", "us", "cycles", "times as long"], [["python", "8.0", cycles, "1.0"]])
        said = capsys.readouterr().out
        assert ("cycles" in said) == bool(cycles) and "times as long" in said, said


def test_sources_take_more_heap(tmp_path):
    """The board compiles them: `deploy` counts that, too."""
    class Board(Drive):
        def has_room(self, blocks):
            self.asked = sum(blocks)
            return True

    asked = {}
    for version in VERSIONS:
        (tmp_path / "boot_out.txt").write_text(f"Adafruit CircuitPython {version}; Pico\n")
        board = Board(tmp_path)
        deploy.plan(board, tutorial(), "net.aifes")
        asked[version] = board.asked
    assert asked["9.2.1"] == asked["10.3.0"] + deploy.SOURCES


@pytest.fixture
def pico(tmp_path):
    need(*TOOLS["pico"])
    build_native("armv6m")
    with alone():
        running = start("pico", CACHE, tmp_path)
    with running:
        yield running


STORAGE = b"""
def getmount(path):
    return Mount

class Mount:
    readonly = True
"""


@pytest.mark.xdist_group("pico_drive")
@pytest.mark.parametrize("drive", ["9.2.1"], indirect=True)
def test_board_whose_files_the_computer_holds(pico, drive, tmp_path):
    """What its drive got runs by its serial port; what is to be written is refused with a way out.

    The board is MicroPython with a module `storage` like CircuitPython's; its version gets sources.
    """
    model = tmp_path / "line.aifes"
    model.write_bytes(tutorial())
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    floats = tmp_path / "floats.aifes"
    floats.write_bytes(MODELS["float32"]())
    np.save(tmp_path / "two.npy", np.eye(2, dtype=np.float32))
    for one in (model, floats):
        command("deploy", one, "--port", drive)
    with SerialBoard(pico.port) as board:
        board.mkdir("/lib")
        for path in ("/lib/aifes", "/lib/aifes/ops", "/lib/aifes/python"):
            board.mkdir(path)
        for name in files(drive):
            board.write("/" + name, (drive / name).read_bytes())
        board.write("/lib/storage.py", STORAGE)
        before = board.digests(board.files("/"))
    out = command("run", model, "-i", tmp_path / "x.npy", "--port", pico.port, "--json")
    assert out["engine"] == "python" and out["different"] == 0
    assert out["compared"] == "bit by bit"
    said = command("run", floats, "-i", tmp_path / "two.npy", "--port", pico.port)
    assert "2 samples: the simulator's results, within 1e-4" in said and "bit" not in said
    said = command("bench", model, "--port", pico.port)
    assert "python engine" in said and "plain Python" in said
    assert command("deploy", model, "--port", pico.port, "--json")["written"] == []
    model.write_bytes(network("A")[0])
    refused = command("deploy", model, "--port", pico.port, code=3)
    assert "storage.remount" in refused and "/line.aifes is to be written" in refused
    with SerialBoard(pico.port) as board:
        assert board.digests(board.files("/")) == before


@pytest.mark.xdist_group("pico_drive")
def test_cut_between_the_renames_on_a_board_that_cannot_write(pico, tmp_path):
    """`import aifes` works all the same; once the board can write, the files are put right."""
    model = tmp_path / "line.aifes"
    model.write_bytes(tutorial())
    command("deploy", model, "--port", pico.port)
    want = str(Simulator(tutorial())(np.array([[1, 0, 0]]))[0].tolist()) + "\n"
    code = "import aifes\nprint(aifes.load('line.aifes').predict((1, 0, 0)))"
    with SerialBoard(pico.port) as board:
        board.rename("/lib/aifes", "/lib/aifes.new")
        board.reset()
        assert board.execute("import rp2, vfs\nvfs.umount('/')\n"
                             "vfs.mount(rp2.Flash(), '/', readonly=True)\n" + code) == want
        with pytest.raises(BoardError, match="OSError"):
            board.execute("open('/x', 'w')")
        board.reset()
        assert board.files("/lib/aifes") is None
        assert board.execute(code) == want
        assert board.files("/lib/aifes") and board.files("/lib/aifes.new") is None

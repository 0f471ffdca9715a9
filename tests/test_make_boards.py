"""`make boards` by each way to end it: nothing that it started goes on."""
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from boards.start import CACHE, TOOLS, alone, start
from conftest import ROOT, need

BOARD = "cortex-m3"  # starts within a second
MAKE = ["make", "boards", f"BOARDS={BOARD}", f"VENV={sys.prefix}", f"PYTHON={sys.executable}",
        "-o", f"{sys.prefix}/.ready"]  # this environment is ready, whatever its files' dates
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL,
           signal.SIGABRT, signal.SIGUSR2]


def with_mark(mark):
    """{id: command} of all processes that have this mark in their environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(
                    b"\0", b" ").decode()
        except OSError:
            pass
    return found


def heed():
    """Signals do what they usually do, though these tests may run in the background or by nohup."""
    for number in SIGNALS:
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The firmware is there."""
    need(*TOOLS[BOARD])
    with alone(), start(BOARD, CACHE, tmp_path_factory.mktemp("board")):
        pass


@pytest.fixture
def running(tmp_path):
    """Function that starts a command and waits for its emulator: (process, its mark)."""
    mark = f"MARK={uuid.uuid4()}"

    def begin(command, cwd, said):
        name, _, value = mark.partition("=")
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=heed,
            env={**{k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))},
                 name: value, "TMPDIR": str(tmp_path)})
        if said:
            assert any(said in line for line in process.stdout)
        return process, mark

    yield begin
    for number in with_mark(mark):
        os.kill(number, signal.SIGKILL)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
@pytest.mark.parametrize("to", ["make", "python"])
def test_no_emulator_remains(built, running, to, number, tmp_path):
    command, cwd = (MAKE, ROOT) if to == "make" else (
        [sys.executable, "-m", "boards", BOARD], ROOT / "tests")
    process, mark = running(command, cwd, "Ctrl-C")
    assert any(c.startswith("qemu-system-arm") for c in with_mark(mark).values())
    process.send_signal(number)
    assert wait_for(lambda: not with_mark(mark), 10), with_mark(mark)
    process.stdout.close()
    assert process.wait() != 0
    if to == "make" or number in SIGNALS[:4]:  # it had the time to clear up
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL],
                         ids=lambda n: n.name)
def test_no_build_remains(running, number, tmp_path):
    """The same while a firmware is built: here by a compiler that takes its time."""
    script = tmp_path / "build.sh"
    script.write_text("#!/bin/sh\nsh -c 'sleep 1000; true'; true\n")
    script.chmod(0o755)
    process, mark = running(
        [sys.executable, "-c", "import os; from boards.process import build, orderly_end\n"
         f"orderly_end(); build(['{script}'], os.environ)"], ROOT / "tests", "")
    assert wait_for(lambda: any(c.startswith("sleep") for c in with_mark(mark).values()), 10)
    process.send_signal(number)
    assert wait_for(lambda: not with_mark(mark), 10), with_mark(mark)
    process.stdout.close()
    process.wait()

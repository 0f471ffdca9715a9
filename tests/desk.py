"""make test-board PORT=..: all tests on a real board; prints a table to paste into an issue.

Everything is done in one folder of its flash, aifes_test, which is removed at the end, however that
comes; all other files are compared with what they were.
"""
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import aifes
import numpy as np
import pytest
from aifes_host import Simulator, from_model, quantize
from aifes_host.boards import deploy, measure
from aifes_host.boards.board import SerialBoard
from aifes_host.boards.transport import BoardError
from aifes_host.layout import arrange
from boards.interface import OwnFolder

NETS = ((3, 3, 2), (16, 32, 16, 4))
X = 0.5  # each input of the nets after a power cut
PATIENCE = 90  # seconds for a hand at the cable
STOPS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def network(sizes):
    """The .aifes buffer of a net with random weights."""
    rng = np.random.default_rng(0)
    layers = []
    for n, m in zip(sizes, sizes[1:]):
        layers += [("dense", rng.normal(size=(n, m)) / n ** 0.5, rng.normal(size=m) / 8), "tanh"]
    return quantize(from_model(layers), rng.normal(size=(200, sizes[0]))).model


def files(port):
    """{path: digest} of all that is on the board but the folder of these tests, and its Info."""
    with SerialBoard(port) as board:
        found = {}
        for name in board.files(board.info.root):
            if not name.startswith("aifes_test/"):
                path = board.info.path(name)
                found[path] = board.digests([path])[0]
        return found, board.info


class Suite:
    """A pytest plugin: the results of its tests as rows of the table."""

    def __init__(self, port):
        self.rows, self._port = [], port

    def pytest_runtest_logreport(self, report):
        name, _, engine = report.nodeid.rpartition("::test_")[2].partition("[")
        engine = engine.removeprefix(self._port).strip("-]")
        what = f"{name}, {engine}" if engine else f"{name} data"
        ran = [value for kind, value in report.user_properties if kind == "ran"]
        if report.when == "call" and ran:
            text = f"{ran[0][3]:,} " + ("passed" if engine else "results, all right")
        else:
            text = ""
        if report.failed:
            said = report.longreprtext.strip().splitlines()
            wrong = [line[1:].strip() for line in said if line.startswith("E ")] or said[-1:]
            self.rows.append((what, f"**failed** {text} {wrong[0][:300]}".replace("|", "\\|")))
        elif report.when == "call":
            self.rows.append((what, text))
        elif report.skipped:
            self.rows.append((what, "not in this firmware"))


def bench(board):
    """Deploy two nets as `aifes deploy` does; rows of what each engine takes for them."""
    for sizes in NETS:
        name = "-".join(map(str, sizes))
        p = deploy.plan(board, network(sizes), "net.aifes", ("viper", "python"))
        deploy.execute(board, p)
        engine = deploy.verify(board, p)
        yield f"deploy {name}", f"{engine}: the simulator's results, bit by bit"
        spare = board.info.path("bench.aifes")
        rows = bytes(arrange(p.model, "any"))
        board.write(spare, rows)
        models = {engine: (p.path, p.model), **{
            other: (spare, rows) for other in ("viper", "python")
            if other != engine and (other == "python" or board.info.viper)}}
        for other, found in measure.bench(board, p, models).items():
            us, cycles = (found if other == "float" else found and found["run"]) or (None, None)
            text = "no room" if us is None else f"{us:,.0f} us"
            text += "" if cycles is None else f", {cycles:,} cycles"
            yield f"{name}, {'plain Python' if other == 'float' else other}", text


def ask(port, what, board=None, meanwhile=None):
    """Whether somebody at the terminal pulled the cable, as asked, and put it in again.

    meanwhile() is called until then, with this board, which is closed; a BoardError of it is the
    pulled cable.
    """
    print(f"\n>>> {what}, or press Enter to leave this out.", flush=True)
    end = time.monotonic() + PATIENCE
    with contextlib.suppress(BoardError):
        while os.path.exists(port):
            if select.select([sys.stdin], [], [], 0 if meanwhile else 0.2)[0]:
                sys.stdin.readline()
                return False
            if time.monotonic() > end:
                return False
            if meanwhile:
                meanwhile()
    if board:
        board.close()  # else its port would come back by another name
    print("... and plug it in again.", flush=True)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        time.sleep(1)
        if os.access(port, os.R_OK | os.W_OK):
            with contextlib.suppress(BoardError):
                OwnFolder(port).close()
                return True
    raise BoardError(f"{port} did not come back: press reset, or give the port it has now")


def power_off(port):
    """Off and on: what was deployed is still there and right."""
    with OwnFolder(port) as board:
        p = deploy.plan(board, network(NETS[0]), "net.aifes")
        deploy.execute(board, p)
    if not ask(port, "Unplug the board"):
        return "left out"
    with OwnFolder(port) as board:
        return f"{deploy.verify(board, p)}: right after it"


def power_cut(port):
    """The cable is pulled while a deploy writes: after it the old model or the new one runs."""
    models = [network(NETS[0]), network(NETS[0][:2] + (1,))]
    board = OwnFolder(port)
    if not board.info.inline:
        board.close()
        return "left out: on FAT a cut may damage other files"
    turn = iter(range(1 << 30))

    def write():
        deploy.execute(board, deploy.plan(board, models[next(turn) % 2], "cut.aifes"))

    try:
        write()
        if not ask(port, "Unplug it, while it is being written to", board, write):
            return "left out"
    finally:
        board.close()
    n = [3]
    answers = [Simulator(m)(np.full((1, *n), X))[0].tolist() for m in models]
    with OwnFolder(port) as board:
        said = board.execute("import aifes\nnet = aifes.load('cut.aifes')\n"
                             f"print(net.predict([{X}] * len(net.input)))", 30)
    got = said.strip().splitlines()[-1]
    if got not in map(str, answers):
        raise BoardError(f"neither the old nor the new model runs: {got}")
    return "the old or the new model runs"


def remove(port):
    """Remove the folder of these tests, whatever the board is doing."""
    for seconds in (0, 2, 5):  # after a cut it may need a moment
        time.sleep(seconds)
        try:
            with OwnFolder(port) as board:
                board.remove_folder()
                return
        except BoardError as error:
            last = error
    raise last


def table(rows):
    print("\n| what | result |\n|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def deaf():
    """From now on nothing stops this: it would leave the port open, or the folder there."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def interrupted(*_):
    deaf()
    raise KeyboardInterrupt


def main(port, selection):
    for number in STOPS:
        signal.signal(number, interrupted)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                            text=True, cwd=Path(__file__).parent).stdout.strip()
    rows = [("AIfES for MicroPython", f"{aifes.__version__} {commit}")]
    before = None

    def row(what, function, *arguments):
        try:
            rows.append((what, function(*arguments)))
        except Exception as error:  # whatever it is, the rest is tried
            rows.append((what, f"**failed** {error or type(error).__name__}"))

    def run_all():
        nonlocal before
        before, info = files(port)
        choice = deploy.choose_engine(info)
        rows.extend([
            ("board", info.title),
            ("takes .mpy files", f"{info.mpy[0]}.{info.mpy[1]}, {info.arch or 'none in C'}"),
            ("engine", f"{choice.engine}: {choice.why}"),
            ("free", f"{info.heap_free or 0:,} bytes of heap, {info.flash_free:,} of flash"),
            ("file system", f"{'littlefs' if info.inline else 'FAT or another'} at {info.root}")])

    def measured():
        with OwnFolder(port) as board:
            rows.extend(bench(board))
        return "done"

    try:
        row("connected", lambda: run_all() or f"yes, {len(before)} files on it")
        suite = Suite(port)
        code = pytest.main(["-v", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-W",
                            "ignore", "--port", port, str(Path(__file__).with_name(
                                "test_boards.py")), "-k", selection], plugins=[suite])
        rows.extend(suite.rows)
        if code == pytest.ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        row("bench", measured)
        for what, function in (("power off and on", power_off), ("power cut", power_cut)):
            if sys.stdin.isatty():
                row(what, function, port)
            else:
                rows.append((what, "left out: no terminal to ask at"))
    except KeyboardInterrupt:
        rows.append(("all of it", "**failed** interrupted: what is not above was not run"))
    finally:
        deaf()

    def restored():
        remove(port)
        if before is None:
            return "aifes_test is removed"
        after, _ = files(port)
        changed = sorted(p for p in {*before, *after} if before.get(p) != after.get(p))
        if changed:
            raise BoardError(f"other files than before: {', '.join(changed)}")
        return f"aifes_test is removed; all {len(after)} other files are as they were"

    row("put back", restored)
    table(rows)
    return any("**failed**" in text for _, text in rows)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("which port? make test-board PORT=/dev/ttyACM0 (`aifes devices` lists them)")
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "suite or golden"))

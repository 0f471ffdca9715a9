"""What a board may answer, or not, and files that are no models: one sentence each."""
import io
import json
import random
import subprocess
import sys
import time

import aifes
import numpy as np
import pytest
from aifes_host import cli_app, cli_board
from aifes_host.boards import board as boards
from aifes_host.boards import deploy, measure
from aifes_host.boards.on_board import measure as on_board
from aifes_host.boards.transport import BoardError, ExecError
from golden_models import tutorial
from mutate import mutations
from rich.console import Console

GOOD = {"root": "/", "name": "micropython", "version": [1, 25, 0], "machine": "a board",
        "platform": "rp2", "mpy": 0x1306, "viper": True, "c_module": False, "block": 4096,
        "flash_free": 1 << 20, "heap_free": 200000, "read_only": False}
JUNK = ["", "\n", "ready", "{", "null", "[]", "{}", "5", "[5]", '"x"', "\x00\ufffd", "[[1]]",
        '{"mpy": "x", "read_only": 0}', "Traceback\nhello", "[" * 5000]


class Talk:
    """In place of a Connection: each execute() gives the next answer; the last one stays."""

    def __init__(self, answers):
        self.answers = list(answers)

    def execute(self, code, timeout=10):
        if not code.startswith(("import json\nprint(", deploy.VERIFY[:20])):
            return ""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start(self, code):
        pass

    def write(self, data):
        pass

    def read(self, n):
        return b"+"

    def finish(self, timeout=10):
        return ""

    def enter(self):
        pass

    def close(self):
        pass


@pytest.fixture
def talk(monkeypatch):
    """Function that connects to a board which gives these answers."""
    def connect(*answers):
        monkeypatch.setattr(boards, "Connection", lambda port, transport: Talk(answers))
        return boards.SerialBoard("/dev/some")

    return connect


def said(error):
    text = str(error.value)
    assert text and "\n" not in text
    return text


@pytest.mark.parametrize("junk", JUNK)
def test_junk(talk, junk):
    with pytest.raises(BoardError) as error:
        talk(junk)
    assert "answered something else than was asked" in said(error)
    good = json.dumps(GOOD)
    for use in (lambda b: (b.files("/"), b.digests(["/a"])),
                lambda b: measure.run(b, Planned(b), np.zeros((3, 3)))):
        with pytest.raises(BoardError) as error:
            use(talk(good, junk))
        said(error)
    b = talk(good, junk)
    with pytest.raises(BoardError) as error:
        deploy.verify(b, Planned(b))
    assert "does not run on the board" in said(error)


def test_damaged_descriptions(talk):
    """Found out when it is connected, or later; never a traceback."""
    for data in mutations(json.dumps(GOOD).encode(), 300):
        try:
            b = talk(data.decode(errors="replace").replace("\n", " "))
            deploy.choose_engine(b.info)
        except BoardError:
            pass


class Planned:
    """Of a Plan, what comes after a deployment."""

    path, write_model, cut = "/a.aifes", False, None

    def __init__(self, b):
        self.model = tutorial()
        self.choice = deploy.choose_engine(b.info)


def test_exceptions_of_the_board(talk):
    for text, words in (("OSError: [Errno 28] ENOSPC", "flash is full"),
                        ("OSError: 28", "flash is full"),
                        ("OSError: [Errno 2] ENOENT", "give another path on it as --to"),
                        ("MemoryError: ", "MemoryError")):
        with pytest.raises(BoardError) as error:
            talk(json.dumps(GOOD), ExecError(text)).digests(["/a"])
        assert words in said(error)


def test_layer_times_are_never_negative(talk):
    """Where two measurements contradict each other, all is measured again, or nothing is said."""
    dense = aifes.Dense(2, [1] * 6, [0] * 2, (2, 0), (0, 0))
    net = aifes.Sequential([aifes.Input(3, (0, 0)), dense, aifes.Softmax()])
    model = bytes(net.to_bytes())

    def answer(first, whole):
        return json.dumps({"run": [20.0, 200], "forward": whole, "heap": 1, "allocated": 0,
                           "reading": [None, None], "layers": [first]})

    def bench(*answers):
        b = talk(json.dumps(GOOD), *answers)
        p = Planned(b)
        p.model = model
        return measure.bench(b, p, {p.choice.engine: (p.path, model)})[p.choice.engine]["layers"]

    wrong, right = answer([9.0, 90], [8.0, 80]), answer([5.0, 50], [8.5, 85])
    assert bench(right) == [("dense", 2, 5.0, 50), ("softmax", 2, 3.5, 35)]
    assert bench(wrong, right) == [("dense", 2, 5.0, 50), ("softmax", 2, 3.0, 30)]
    assert bench(wrong) == [("dense", 2, 9.0, 90), ("softmax", 2, None, None)]
    none = answer([None, 90], [None, None])  # no longer than an empty call
    assert bench(none) == [("dense", 2, None, 90), ("softmax", 2, None, None)]
    assert bench(none, right) == [("dense", 2, 5.0, 50), ("softmax", 2, 3.5, 35)]
    slow = answer([90.0, 900], [60000.0, None])  # too long for the counter of cycles
    assert bench(slow) == [("dense", 2, 90.0, 900), ("softmax", 2, 59910.0, None)]


def test_times_are_never_negative(monkeypatch):
    """Of one call: a busy machine takes longer for the empty call beside it; then nothing is
    said."""
    rng, found = random.Random(0), []
    monkeypatch.setattr(on_board, "microseconds", lambda: 0)
    monkeypatch.setattr(on_board, "elapsed", lambda start: rng.randrange(1000))
    monkeypatch.setattr(on_board, "find_counter", lambda: (lambda: rng.randrange(1000), 0xFFFFFF))
    for _ in range(100):
        found += on_board.measure(len, "")
    assert None in found and all(v is None or v > 0 for v in found)


@pytest.mark.parametrize("terminal", [False, True])
def test_work_that_takes_long_is_seen(terminal, monkeypatch):
    """A bar at a terminal, lines where there is none, silence for programs."""
    console = Console(file=io.StringIO(), force_terminal=terminal, highlight=False)
    monkeypatch.setattr(cli_board, "console", console)
    monkeypatch.setattr(cli_app, "console", console)
    monkeypatch.setattr(cli_board, "PATIENCE", 0.05)
    for quiet in (True, False):
        with cli_board._waiting("connecting", quiet):
            time.sleep(0.2)
        with cli_board._progress(1000, "writing", quiet) as advance:
            for _ in range(10):
                time.sleep(0.02)
                advance(100)
        said = console.file.getvalue()
        assert quiet == (said == "")
    assert "connecting" in said and "writing" in said
    if not terminal:
        lines = said.splitlines()
        assert lines[0] == "connecting" and 2 < len(lines) < 7
        assert all(line.endswith("00 of 1,000") for line in lines[1:])


def test_files_that_are_no_models(tmp_path):
    """Refused with exit code 2 before any board is looked for."""
    (tmp_path / "x.csv").write_text("1,2,3\n")
    (tmp_path / "damaged.aifes").write_bytes(tutorial()[:-1])
    (tmp_path / "text.aifes").write_text("hello")
    (tmp_path / "folder.aifes").mkdir()
    (tmp_path / "empty.aifes").write_bytes(b"")
    for name, command in (("missing", "deploy"), ("damaged", "deploy"), ("text", "run"),
                          ("folder", "bench"), ("empty", "deploy"), ("missing", "run")):
        more = ["-i", tmp_path / "x.csv"] if command == "run" else []
        done = subprocess.run([sys.executable, "-c", "from aifes_host.cli import main\nmain()",
                               command, tmp_path / f"{name}.aifes", "--port", "/dev/none", *more],
                              capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.startswith("aifes: "), done.stderr
        assert done.stderr.count("\n") == 1 and len(done.stderr) > 30, done.stderr

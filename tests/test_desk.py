"""`make test-board` on emulated boards that have files of their own: they stay as they are."""
import re
import subprocess
import sys

import pytest
from aifes_host.boards.board import SerialBoard, digest
from boards.interface import OwnFolder, suite_files
from boards.start import CACHE, TOOLS, alone, start
from conftest import ROOT, build_native, need

FILES = {"/main.py": b"print('mine')\n", "/boot.py": b"x = 1\n",
         "/lib/aifes/__init__.py": b"raise ImportError('not this one')\n",
         "/lib/aifes.py": b"recover\n", "/lib/_aifes.mpy": b"M\x06 of another board",
         "/net.aifes": bytes(range(256)) * 20, "/net.aifes.old": b"old", "/net.aifes.new": b"",
         "/run.py": b"raise ImportError('not this one')\n", "/data/deep/log.csv": b"1,2\n" * 3000}


@pytest.fixture
def boards(tmp_path):
    """Function that starts a board with these FILES: (the board, a path of its port)."""
    running = []

    def begin(name, suite=False):
        need(*TOOLS[name])
        build_native("armv6m", "armv7m")
        files = dict(FILES)
        with alone():
            if suite:  # as a killed run leaves it: a serial line would take minutes
                with start(name, CACHE, tmp_path) as fresh, OwnFolder(fresh.port) as serial:
                    files.update(suite_files(serial.info))
            running.append(start(name, CACHE, tmp_path, files))
        link = tmp_path / "ttyACM0"  # pulled like a cable
        link.symlink_to(running[-1].port)
        return running[-1], link

    yield begin
    for board in running:
        board.__exit__()


def desk(port, selection, stdin):
    return subprocess.Popen([sys.executable, ROOT / "tests" / "desk.py", port, selection],
                            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_table(boards):
    """A row for what was tested, for what was left out, and for what is on the board."""
    board, port = boards("cortex-m3", suite=True)
    said = desk(port, "native", subprocess.DEVNULL).communicate(timeout=300)[0].decode()
    table = dict(re.findall(r"^\| (.+?) \| (.+) \|$", said, re.M))
    assert "**failed**" not in said, said
    assert table["engine"] == "native: C for armv7m"
    assert re.fullmatch(r"\d+ passed", table["suite, native"])
    assert " us" in table["16-32-16-4, viper"] and " us" in table["3-3-2, plain Python"]
    assert table["power cut"] == "left out: no terminal to ask at"
    assert f"all {len(FILES)} other files" in table["put back"]
    with SerialBoard(board.port) as serial:
        assert serial.digests(list(FILES)) == [digest(data) for data in FILES.values()]
        assert serial.files("/aifes_test") is None

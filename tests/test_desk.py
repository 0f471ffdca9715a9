"""`make test-board` on emulated boards that have files of their own: they stay as they are."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import littlefs
import pytest
from aifes_host.boards.board import SerialBoard, digest
from boards.image import BLOCK
from boards.interface import OwnFolder, suite_files
from boards.pico_board import DISK
from boards.start import CACHE, TOOLS, alone, start
from conftest import ROOT, build_native, need

FILES = {"/main.py": b"print('mine')\n", "/boot.py": b"x = 1\n",
         "/lib/aifes/__init__.py": b"raise ImportError('not this one')\n",
         "/lib/aifes.py": b"recover\n", "/lib/_aifes.mpy": b"M\x06 of another board",
         "/net.aifes": bytes(range(256)) * 20, "/net.aifes.old": b"old", "/net.aifes.new": b"",
         "/run.py": b"raise ImportError('not this one')\n", "/data/deep/log.csv": b"1,2\n" * 3000}


@pytest.fixture
def used_board(tmp_path):
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


def wait_for(process, text, seconds=120):
    """What it prints until this text."""
    said, end = b"", time.monotonic() + seconds
    while text.encode() not in said:
        ready = select.select([process.stdout], [], [], end - time.monotonic())[0]
        piece = os.read(process.stdout.fileno(), 4096) if ready else b""
        assert piece, said.decode()
        said += piece
    return said.decode()


def in_flash(flash):
    """{path: contents} of all files in a Pico's flash."""
    start, size = DISK
    context = littlefs.UserContext(size)
    context.buffer[:] = flash.read_bytes()[start:start + size]
    disk = littlefs.LittleFS(context, block_size=BLOCK, block_count=size // BLOCK, mount=True)
    found = {}
    for folder, _, names in disk.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with disk.open(path, "rb") as file:
                found[path] = file.read()
    return found


def test_table(used_board):
    """A row for what was tested, for what was left out, and for what is on the board."""
    board, port = used_board("cortex-m3", suite=True)
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


def test_interrupted(used_board, tmp_path):
    """Ctrl-C in the middle of the suite, and once more: byte for byte the same flash."""
    board, port = used_board("pico")
    process = desk(port, "native", subprocess.DEVNULL)
    wait_for(process, "native] ")
    time.sleep(10)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 1 and "interrupted" in said
    assert f"all {len(FILES)} other files are as they were" in said
    board.kill()
    assert in_flash(tmp_path / "pico.flash") == FILES


def test_a_hand_at_the_cable(used_board, tmp_path):
    """Both prompts, answered by pulling the cable of an emulated Pico."""
    board, port = used_board("pico", suite=True)
    flash = tmp_path / "pico.flash"
    mine, its = pty.openpty()
    process = desk(port, "nothing", its)
    try:
        for prompt in ("Unplug the board", "Unplug it, while"):
            wait_for(process, prompt, 300)
            time.sleep(2)
            target = os.readlink(port)
            board.power_cycle(flash.read_bytes())
            port.unlink()
            wait_for(process, "plug it in again")
            port.symlink_to(target)
        said = process.communicate(timeout=120)[0].decode()
    finally:
        os.close(mine)
        os.close(its)
    assert "| power off and on | native: right after it |" in said
    assert "| power cut | the old or the new model runs |" in said
    board.kill()
    assert in_flash(flash) == FILES

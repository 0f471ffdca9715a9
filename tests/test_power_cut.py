"""The power fails during an upload, at any moment: after it the old model or the new one runs.

The emulated Pico's flash is followed byte by byte. Killing the emulator at a random moment leaves
what was written until then; a journal of one upload gives the flash at any other moment as well,
also in the middle of a page or of an erased sector.
"""
import random
import struct

import aifes_host.boards.deploy as deploy
import numpy as np
import pytest
from aifes_host import Simulator
from aifes_host.boards.board import SerialBoard
from aifes_host.boards.transport import BoardError, Connection
from bench.instructions import network
from boards.pico_board import Pico, build
from boards.start import TOOLS
from conftest import CACHE, alone, build_native, need
from golden_models import tutorial

CUTS = 200
KILLS = 10
X = (1, 0, 0)
pytestmark = pytest.mark.xdist_group("power_cut")  # one worker prepares its flash once
CHECK = f"import aifes\nprint(aifes.load('line.aifes').predict({X}))"


@pytest.fixture(scope="module")
def firmware():
    need(*TOOLS["pico"])
    build_native("armv6m")
    with alone():
        return build(CACHE)


def answers():
    """What the old and the new model say."""
    return [str(Simulator(m)(np.array([X]))[0].tolist()) for m in (tutorial(), network("A")[0])]


def upload(port, changed=True):
    """The update: another model, and another file of the runtime (of the same meaning)."""
    with SerialBoard(port) as board:
        p = deploy.plan(board, network("A")[0] if changed else tutorial(), "/line.aifes")
        if changed:
            name = "summary.mpy"
            p.runtime[name] += b"\0"
            p.write, p.copy = [name], [n for n in p.runtime if n != name]
        deploy.execute(board, p)


def what_runs(board, image):
    """The answer of the board after a power-up with this flash."""
    board.power_cycle(image)
    connection = Connection(board.port)
    said = connection.execute(CHECK, 30).strip().splitlines()[-1]
    connection.close()
    return said


@pytest.fixture(scope="module")
def pico(firmware, tmp_path_factory):
    """The board that looks at flashes."""
    with Pico(firmware, tmp_path_factory.mktemp("pico") / "flash") as running:
        yield running


@pytest.fixture(scope="module")
def before(firmware, pico, tmp_path_factory):
    """The flash of a board with the old model."""
    flash = tmp_path_factory.mktemp("power") / "flash"
    with Pico(firmware, flash) as board:
        upload(board.port, changed=False)
    assert what_runs(pico, flash.read_bytes()) == answers()[0]
    return flash.read_bytes()


@pytest.fixture(scope="module")
def journal(firmware, before, tmp_path_factory):
    """[(kind, offset, length, data)] of one whole update."""
    folder = tmp_path_factory.mktemp("journal")
    (folder / "flash").write_bytes(before)
    with Pico(firmware, folder / "flash", folder / "journal") as board:
        upload(board.port)
    raw, at, records = (folder / "journal").read_bytes(), 0, []
    while at < len(raw):
        kind, offset, n = struct.unpack_from("<cII", raw, at)
        at += 9
        data = raw[at:at + n] if kind == b"P" else b""
        at += len(data)
        records.append((kind, offset, n, data))
    image = bytearray(before)
    for record in records:
        apply(image, *record)
    assert image == (folder / "flash").read_bytes()  # the journal is the truth
    assert len(records) > 50
    return records


def apply(image, kind, offset, n, data):
    if kind == b"E":
        image[offset:offset + n] = b"\xff" * n
    else:
        for i in range(n):
            image[offset + i] &= data[i]


def test_whole_update(pico, before, journal):
    """What the cuts are measured by: without one, the new model runs."""
    image = bytearray(before)
    for record in journal:
        apply(image, *record)
    assert what_runs(pico, image) == answers()[1] != answers()[0]


def test_power_cut(pico, before, journal):
    rng = random.Random(0)
    seen = dict.fromkeys(answers(), 0)
    for _ in range(CUTS):
        image = bytearray(before)
        cut = rng.randrange(len(journal))
        for record in journal[:cut]:
            apply(image, *record)
        kind, offset, n, data = journal[cut]
        n = rng.randrange(n + 1)  # the last change is done in part
        apply(image, kind, offset, n, data)
        said = what_runs(pico, image)
        assert said in seen, (cut, n, said)
        seen[said] += 1
    print(seen)


def test_kill(firmware, pico, before, tmp_path):
    """The emulator is killed while the update runs, at random moments."""
    rng = random.Random(1)
    flash = tmp_path / "flash"
    for i in range(KILLS):
        flash.write_bytes(before)
        with Pico(firmware, flash) as board:
            count = rng.randrange(160)  # what the PC sends and waits for until then

            def kill_later(*arguments, attempt=Connection._try, board=board):
                nonlocal count
                count -= 1
                if count == 0:
                    board.kill()
                    board.unplug()
                return attempt(*arguments)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Connection, "_try", kill_later)
                try:
                    upload(board.port)
                except BoardError as error:
                    assert "broke off" in str(error)
        assert what_runs(pico, flash.read_bytes()) in answers(), i

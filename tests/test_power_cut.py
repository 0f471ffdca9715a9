"""The power fails during an upload, at any moment: after it the old model or the new one runs.

The emulated Pico's flash is followed byte by byte. Killing the emulator at a random moment leaves
what was written until then; a journal of one upload gives the flash at any other moment as well,
also in the middle of a page or of an erased sector. The models before and after are whole ones,
such whose input comes row by row, and such that are read in pieces.
"""
import contextlib
import random
import struct

import aifes_host.boards.deploy as deploy
import numpy as np
import pytest
import row_nets
from aifes_host import Simulator
from aifes_host.boards.board import SerialBoard
from aifes_host.boards.transport import BoardError, Connection
from aifes_host.layout import by_rows
from bench.instructions import network
from boards.pico_board import Pico, build
from boards.start import TOOLS
from conftest import CACHE, alone, build_native, need
from golden_models import tutorial

CUTS = 60  # anywhere, and two at each of the last changes, where the models are exchanged
LAST = 20
KILLS = 8
X = 0.5  # each input of all models
pytestmark = pytest.mark.xdist_group("power_cut")  # one worker prepares its flash once
CHECK = f"""
import aifes
net, n = aifes.load('line.aifes'), 1
for d in net.input_shape:
    n *= d
y = [round(v * 4096) for v in net.predict([{X}] * n)]
print(y, bool(net._plan.pieces))
"""
# what is there before and after, and whether in pieces; one in pieces of network C takes 5 blocks
UPDATES = {
    "whole": (("line", False), ("A", False)),
    "to pieces": (("line", False), ("C", True)),
    "pieces": (("C", True), ("B", True)),
    "from pieces": (("C", True), ("A", False)),
    "pieces to rows": (("C", True), ("rows", False)),
    "rows to pieces": (("rows", False), ("C", True)),
}


@pytest.fixture(scope="module")
def firmware():
    need(*TOOLS["pico"])
    build_native("armv6m")
    with alone():
        return build(CACHE)


def model(name):
    """The .aifes buffer."""
    if name == "line":
        return tutorial()
    if name == "rows":
        return by_rows(row_nets.quantized(row_nets.images(0), 0)[0], "rows")
    return network(name)[0]


def answers(update):
    """What the old and the new model say."""
    found = []
    for name, in_pieces in UPDATES[update]:
        simulator = Simulator(model(name))
        y = [round(v * 4096) for v in simulator(np.full((1, simulator.n_in), X))[0].tolist()]
        found.append(f"{y} {in_pieces}")
    assert found[0] != found[1]
    return found


def upload(port, what, runtime=False):
    """A model of UPDATES; runtime: with another file of the runtime, of the same meaning."""
    name, in_pieces = what
    with SerialBoard(port) as board:
        p = deploy.plan(board, model(name), "/line.aifes", pieces=in_pieces)
        if runtime:
            name = "summary.mpy"
            p.runtime[name] += b"\0"
            p.write.append(name)
            p.copy.remove(name)
        deploy.execute(board, p)


def what_runs(board, image):
    """The answer of the board after a power-up with this flash."""
    board.power_cycle(image)
    return answer(board)


def answer(board):
    with contextlib.closing(Connection(board.port)) as connection:
        return connection.execute(CHECK, 30).strip().splitlines()[-1]


@pytest.fixture(scope="module")
def pico(firmware, tmp_path_factory):
    """The board that looks at flashes."""
    with Pico(firmware, tmp_path_factory.mktemp("pico") / "flash") as running:
        yield running


@pytest.fixture(scope="module", params=UPDATES)
def update(request):
    return request.param


@pytest.fixture(scope="module")
def before(update, firmware, pico, tmp_path_factory):
    """The flash of a board with the old model."""
    flash = tmp_path_factory.mktemp("power") / "flash"
    with Pico(firmware, flash) as board:
        upload(board.port, UPDATES[update][0])
    assert what_runs(pico, flash.read_bytes()) == answers(update)[0]
    return flash.read_bytes()


@pytest.fixture(scope="module")
def journal(update, firmware, before, tmp_path_factory):
    """[(kind, offset, length, data)] of one whole update."""
    folder = tmp_path_factory.mktemp("journal")
    (folder / "flash").write_bytes(before)
    with Pico(firmware, folder / "flash", folder / "journal") as board:
        upload(board.port, UPDATES[update][1], runtime=True)
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


def moments(before, journal, rng):
    """(change, bytes of it that are done, flash) of all cuts, one after another."""
    cuts = [rng.randrange(len(journal)) for _ in range(CUTS)]
    for cut in range(len(journal) - LAST, len(journal)):
        cuts += [cut, cut]
    cuts = [(cut, rng.randrange(journal[cut][2] + 1)) for cut in cuts]
    cuts.append((len(journal) - 1, journal[-1][2]))
    image, done = bytearray(before), 0
    for cut, n in sorted(cuts):
        while done < cut:
            apply(image, *journal[done])
            done += 1
        found = bytearray(image)
        kind, offset, _, data = journal[cut]
        apply(found, kind, offset, n, data)  # the last change is done in part
        yield cut, n, found


def test_whole_update(update, pico, before, journal):
    """What the cuts are measured by: without one, the new model runs."""
    image = bytearray(before)
    for record in journal:
        apply(image, *record)
    assert what_runs(pico, image) == answers(update)[1]


def test_power_cut(update, pico, before, journal):
    """The old model until the last exchange, from then on the new one; never none."""
    old, new = answers(update)
    seen = {old: 0, new: 0}
    for cut, n, image in moments(before, journal, random.Random(0)):
        said = what_runs(pico, image)
        assert said in ((new,) if seen[new] else seen), (cut, n, said)
        seen[said] += 1
    print(len(journal), "changes:", seen)
    assert all(seen.values())


def test_next_upload(update, pico, before, journal):
    """After a cut the same deployment does what is left to do."""
    found = [image for _, _, image in moments(before, journal, random.Random(0))]
    for image in (found[CUTS // 2], found[-LAST]):
        pico.power_cycle(image)
        upload(pico.port, UPDATES[update][1])
        assert answer(pico) == answers(update)[1]


@pytest.mark.parametrize("update", ["whole", "to pieces"], indirect=True)
def test_kill(update, firmware, pico, before, tmp_path):
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
                    upload(board.port, UPDATES[update][1], runtime=True)
                except BoardError as error:
                    assert "broke off" in str(error)
        assert what_runs(pico, flash.read_bytes()) in answers(update), i

"""What goes wrong while deploying to emulated boards: a sentence, and what was there still runs."""
import aifes
import numpy as np
import pytest
from aifes_host.boards import deploy
from aifes_host.boards.board import SerialBoard
from aifes_host.boards.transport import BoardError, Connection
from bench.instructions import network
from conftest import PREBUILT
from test_deploy import command


def alive(port, expected="ok"):
    """The prompt answers."""
    connection = Connection(port)
    assert connection.execute("print('ok')") == expected + "\n"
    connection.close()


def test_wrong_native_file(boards, model):
    """For another architecture, of another version: a sentence, and deploy repairs it."""
    port = boards().port
    command("deploy", model, "--port", port, "--all")
    good = (PREBUILT / "armv6m_6.3" / "_aifes_cnn.mpy").read_bytes()
    other = (PREBUILT / "xtensawin_6.3" / "_aifes_cnn.mpy").read_bytes()
    for wrong in (other, good[:1] + b"\x05" + good[2:], good[:2] + b"\x12" + good[3:]):
        with SerialBoard(port) as board:
            board.write("/lib/aifes/_aifes_cnn.mpy", wrong)
            board.reset()
            with pytest.raises(BoardError, match="ModelError: the native engine is for another "
                                                 "board or firmware"):
                board.execute("import aifes\naifes.load('line.aifes')")
            assert board.execute("print(aifes.load('line.aifes', engine='viper').engine)") \
                == "viper\n"
        alive(port)
    with SerialBoard(port) as board:
        path = "/lib/aifes/model.mpy"
        choice = deploy.choose_engine(board.info)
        runtime = deploy.runtime_files(board.info, choice)["model.mpy"]
        board.write(path, runtime[:1] + b"\x05" + runtime[2:])
        board.reset()
        with pytest.raises(BoardError, match="incompatible .mpy file"):
            board.execute("import aifes")
    repaired = command("deploy", model, "--port", port, "--json")
    assert repaired["written"] == ["lib/aifes/model.mpy", "lib/aifes/_aifes_cnn.mpy"]
    assert repaired["verified"]


def test_too_large(boards, model, tmp_path):
    """Not enough heap, not enough flash: refused before anything is written."""
    port = boards().port
    command("deploy", model, "--port", port)
    rng = np.random.default_rng(0)
    large = aifes.Sequential([aifes.Input(500, (0, 0)), aifes.Dense(
        450, rng.bytes(225000), [0] * 450, (2, 0), (0, 0))]).to_bytes()
    path = tmp_path / "large.aifes"
    path.write_bytes(large)
    said = command("deploy", path, "--port", port, code=3)
    assert "not enough heap" in said and "Nothing was changed" in said
    with SerialBoard(port) as board:
        board.execute("import os\nb = bytes(4096)\nwith open('/fill', 'wb') as f:\n"
                      "    for i in range(os.statvfs('/')[3] - 6):\n        f.write(b)", timeout=60)
        with pytest.raises(BoardError, match="flash is full"):
            for i in range(3):
                board.write(f"/more{i}", bytes(20000))
    model.write_bytes(network("A")[0])
    said = command("deploy", model, "--port", port, code=3)
    assert "not enough flash" in said and "Nothing was changed" in said
    alive(port)
    with SerialBoard(port) as board:
        assert board.execute("import aifes\nprint(aifes.load('line.aifes').predict((1, 0, 0)))"
                             ) == "[0.00390625, 0.00390625]\n"


def test_not_enough_heap_on_the_board(boards, model):
    port = boards().port
    command("deploy", model, "--port", port)
    with SerialBoard(port) as board:
        with pytest.raises(BoardError, match="ModelError: .* bytes in one piece: load it first"):
            board.execute("import aifes\nf = open('big', 'wb')\nfor i in range(80):\n"
                          "    f.write(bytes(4000))\nf.close()\naifes.load('big')")
    alive(port)


def test_unplugged(boards, model, tmp_path):
    """In the middle of an upload: one sentence; after power-up the old model runs."""
    board = boards()
    command("deploy", model, "--port", board.port)
    model.write_bytes(network("C")[0])
    with SerialBoard(board.port) as connected:
        plan = deploy.plan(connected, model.read_bytes(), "/line.aifes")

        def unplug(_):
            board.kill()
            board.unplug()

        with pytest.raises(BoardError, match="broke off: plug the board in again"):
            deploy.execute(connected, plan, unplug)
    with SerialBoard(boards().port) as again:
        assert again.execute("import aifes\nprint(aifes.load('line.aifes').predict((1, 0, 0)))"
                             ) == "[0.00390625, 0.00390625]\n"


def test_what_broke_off_takes_no_flash(boards, model):
    """A part of a large model that was sent before, of the runtime too: it goes if its room is
    needed."""
    port = boards().port
    command("deploy", model, "--port", port)
    model.write_bytes(network("A")[0])
    with SerialBoard(port) as board:
        board.execute("import os\nos.mkdir('/lib/aifes.new')\nb = bytes(4096)\n"
                      "for path in ('/lib/aifes.new/part', '/line.aifes.new'):\n"
                      "    with open(path, 'wb') as f:\n"
                      "        for i in range(os.statvfs('/')[3] // 2 - 5):\n"
                      "            f.write(b)\n", timeout=120)
        board.execute("import os\nwith open('/fill', 'wb') as f:\n"
                      "    for i in range(os.statvfs('/')[3] - 9):\n"
                      "        f.write(bytes(4096))", timeout=120)
        assert board.flash_free() < 40000
    assert command("deploy", model, "--all", "--port", port, "--json")["verified"]
    with SerialBoard(port) as board:
        assert board.files("/lib/aifes.new") is None
        assert board.digests(["/line.aifes.new"]) == [None]


def test_two_programs_on_one_port(boards, model):
    port = boards().port
    connection = Connection(port)
    assert "in use by another program" in command("deploy", model, "--port", port, code=3)
    assert connection.execute("print(1)") == "1\n"
    connection.close()
    assert "there is no port" in command("deploy", model, "--port", "/dev/none", code=3)


def test_busy_main(boards, model):
    """A main.py that never ends is stopped; one that ignores Ctrl-C is named as the trouble."""
    board = boards()
    with SerialBoard(board.port) as connected:
        connected.write("/main.py", b"import time\ntime.sleep(1)\nn = 0\nwhile True:\n"
                                    b"    n += 1\n    print(n)\n")
    board.__exit__()
    board = boards()  # power-up: main.py runs
    assert command("deploy", model, "--port", board.port, "--json")["verified"]
    with SerialBoard(board.port) as connected:
        connected.write("/main.py", b"import micropython\nmicropython.kbd_intr(-1)\n"
                                    b"while True:\n    pass\n")
    board.__exit__()
    assert "ignore Ctrl-C" in command("deploy", model, "--port", boards().port, code=3)


@pytest.mark.parametrize("before, after", [(False, False), (False, True), (True, False)],
                         ids=["whole", "to pieces", "from pieces"])
def test_rollback(before, after, boards, model, monkeypatch):
    """A model that computes something else on the board does not stay."""
    with SerialBoard(boards().port) as board:
        old = deploy.plan(board, model.read_bytes(), "/line.aifes", pieces=before)
        deploy.execute(board, old)
        assert deploy.verify(board, old) == "native"
        new = deploy.plan(board, network("A")[0], "/line.aifes", pieces=after)
        deploy.execute(board, new)
        monkeypatch.setattr(deploy, "VERIFY", deploy.VERIFY + "\nprint(net.engine, '00')")
        with pytest.raises(BoardError, match="what was there before is current again"):
            deploy.verify(board, new)
        monkeypatch.undo()
        assert deploy.verify(board, old) == "native"

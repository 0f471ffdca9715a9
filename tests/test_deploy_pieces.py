"""Models that are larger than a Pico's heap, deployed and run there from their files."""
import aifes
import numpy as np
import pytest
from aifes_host import (
    Activation,
    Add,
    Conv,
    Dense,
    Graph,
    Node,
    Pool,
    Softmax,
    Tensor,
    quantize,
    sequential,
)
from aifes_host.boards import deploy
from aifes_host.boards.board import SerialBoard, digest
from aifes_host.boards.transport import BoardError
from aifes_host.layout import arrange
from aifes_host.pieces import cut
from golden_models import tutorial
from test_deploy import command

HEAP = 239408  # of a Pico


def autoencoder(rng):
    """Dense 640-128-..-8-..-128-640, as machines are listened to."""
    sizes = (640, 128, 128, 128, 8, 128, 128, 128, 640)
    layers = []
    for n, m in zip(sizes, sizes[1:]):
        layers += [Dense(rng.normal(size=(n, m)) / n ** 0.5, 0.1 * rng.normal(size=m)),
                   Activation("relu")]
    return sequential(640, layers[:-1])


def separable(rng):
    """Depthwise and pointwise convolutions, a way around two of them, and 4,608 inputs."""
    def conv(kernel, n_in, n_out, stride=1, groups=1):
        w = rng.normal(size=(kernel, kernel, n_in // groups, n_out)) / kernel / (
            n_in // groups) ** 0.5
        return Conv(w, 0.1 * rng.normal(size=n_out), (stride, stride), (kernel // 2,) * 4,
                    groups=groups)

    layers = [("x", "a", conv(3, 8, 64, 2)), ("a", "b", Activation("relu")),
              ("b", "c", conv(3, 64, 64, 2, 64)), ("c", "d", conv(1, 64, 256)),
              ("d", "e", Activation("relu")), ("e", "f", conv(3, 256, 256, 1, 256)),
              ("f", "g", conv(1, 256, 256)), ("g", "h", Activation("relu")),
              ("h", "i", conv(1, 256, 256)), ("i,e", "j", Add()), ("j", "k", Activation("relu")),
              ("k", "l", conv(1, 256, 256)), ("l", "m", Activation("relu")),
              ("m", "n", Pool((6, 6), (1, 1), average=True)),
              ("n", "o", Dense(rng.normal(size=(256, 10)) / 16, rng.normal(size=10))),
              ("o", "y", Softmax())]
    return Graph([Tensor("x", (24, 24, 8))], [Node(layer, x.split(","), (y,))
                                              for x, y, layer in layers], ["y"])


def large(make, tmp_path, samples=20):
    """(file of the model, of inputs, the model as a Pico gets it) of a graph."""
    rng = np.random.default_rng(5)
    graph = make(rng)
    x = rng.normal(size=(samples, graph.n_in)).astype(np.float32)
    model = quantize(graph, x).model
    (tmp_path / "large.aifes").write_bytes(model)
    np.save(tmp_path / "x.npy", x[:3])
    return tmp_path / "large.aifes", tmp_path / "x.npy", bytes(arrange(model, "cortex-m0"))


FILL = """
os.remove('kept')
with open('fill', 'wb') as f:
    for _ in range(os.statvfs('/')[3] - 6):
        f.write(bytes(4096))
"""


def test_autoencoder(boards, tmp_path):
    """One command; what it costs; damage while it runs and before it is loaded."""
    port = boards().port
    path, x, model = large(autoencoder, tmp_path, 60)
    found = cut(model)
    assert len(model) > HEAP - 23000 > 2 * found.largest
    said = command("deploy", path, "--port", port)
    print(said)
    assert f"read in {len(found.models) - 2} pieces" in said and "bit by bit" in said
    assert f"each inference reads {found.read:,} bytes of the file" in said
    ran = command("run", path, "-i", x, "--port", port, "--json")
    assert ran["different"] == 0 and ran["samples"] == 3 and ran["engine"] == "native"
    assert command("deploy", path, "--port", port, "--json")["written"] == []
    cost = command("bench", path, "--port", port, "--json")
    print(cost)
    one = cost["native"]
    assert one["allocated"] == 0 and one["layers"] == [] and one["len"] == len(found.file)
    assert 0 < one["reading"][0] < one["forward"][0] < one["run"][0] < 500000
    said = command("bench", path, "--port", port)
    assert "reading of the pieces" in said and "by layer" not in said
    with SerialBoard(port) as board:
        assert board.digests(["/large.aifes"]) == [digest(found.file)]
        # the file is removed while it is open, and its blocks become those of another one
        board.execute("import aifes, os\nnet = aifes.load('large.aifes')\n"
                      "os.rename('large.aifes', 'kept')\nnet.forward()\n")
        board.execute(FILL, timeout=120)
        with pytest.raises(BoardError, match="ModelError: large.aifes (cannot be read|has "
                                             "changed or is damaged).*: load it again"):
            board.execute("net.forward()")
        board.reset()
        board.execute("import os\nos.remove('/fill')")
    with pytest.raises(BoardError, match="not enough heap: this model needs"):
        with SerialBoard(port) as board:
            deploy.plan(board, model, "large.aifes", pieces=False)


def test_separable(boards, tmp_path):
    """Convolutions with a branch; the inputs are sent in parts."""
    port = boards().port
    path, x, model = large(separable, tmp_path)
    assert len(model) > HEAP - 23000
    done = command("deploy", path, "--port", port, "--json")
    assert done["verified"] and done["read_bytes"] == cut(model).read
    ran = command("run", path, "-i", x, "--port", port, "--json")
    assert ran["different"] == 0 and ran["samples"] == 3 and ran["engine"] == "native"


def test_unplugged(boards, tmp_path):
    """In the middle of the upload of pieces; after power-up the model before them runs."""
    board = boards()
    path, _, model = large(autoencoder, tmp_path, 60)
    small = tmp_path / "small.aifes"
    small.write_bytes(tutorial())
    command("deploy", small, "--to", "large.aifes", "--port", board.port)
    with SerialBoard(board.port) as connected:
        plan = deploy.plan(connected, model, "large.aifes")
        sent = 0

        def unplug(n):
            nonlocal sent
            sent += n
            if sent > 100000:
                board.kill()
                board.unplug()

        with pytest.raises(BoardError, match="broke off: plug the board in again"):
            deploy.execute(connected, plan, unplug)
    with SerialBoard(boards().port) as again:
        assert again.execute("import aifes\nprint(aifes.load('large.aifes').predict((1, 0, 0)))"
                             ) == "[0.00390625, 0.00390625]\n"


@pytest.mark.parametrize("name", ["pico", "cortex-m4"])
def test_wanted(name, boards, model, tmp_path):
    """A small model in pieces, until it is wanted whole; with every engine."""
    port = boards(name).port
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    assert command("deploy", model, "--port", port, "--json")["read_bytes"] == 0
    done = command("deploy", model, "--port", port, "--pieces", "--json")
    assert done["verified"] and done["read_bytes"] > 0
    assert set(done["written"]) == {"/line.aifes", "lib/aifes/pieces.mpy", "lib/aifes/reader.mpy"}
    assert command("deploy", model, "--port", port, "--pieces", "--all", "--json")["verified"]
    ran = command("run", model, "-i", tmp_path / "x.npy", "--port", port, "--json")
    assert ran["different"] == 0
    want = aifes.load(tutorial()).predict((1, 0, 0))
    with SerialBoard(port) as board:
        for engine in ("native", "viper", "python"):
            said = board.execute("import aifes\n"
                                 f"net = aifes.load('line.aifes', engine={engine!r})\n"
                                 "print(net._plan.pieces is net._net, net.predict((1, 0, 0)))")
            assert said == f"True {want}\n"
    assert command("deploy", model, "--port", port, "--no-pieces", "--json")["read_bytes"] == 0

"""Models in pieces: the same results as whole, on the PC; what of a damaged file is refused."""
import io
import random
import struct
import zlib
from array import array
from types import SimpleNamespace

import aifes
import graphs
import numpy as np
import pytest
import random_models
from aifes import seldom
from aifes.format import decode, nbytes
from aifes.layers.assemble import chain
from aifes.layers.dense import dense
from aifes.pieces import HEADER, MAGIC
from aifes_host import ConversionError, Simulator, float_model, from_model, quantize
from aifes_host.boards import deploy
from aifes_host.boards.board import digest
from aifes_host.layout import TARGETS, arrange
from aifes_host.pieces import cut, start
from hostile_models import mutate

SEEDS = 25
MUTANTS = 400


def written(tmp_path, data):
    path = tmp_path / "net.aifes"
    path.write_bytes(data)
    return str(path)


def check(tmp_path, model, rng):
    """All pieces are models; the file gives the simulator's integers, for int8 and for floats."""
    simulator, found = Simulator(model), cut(model)
    for piece in found.models:
        decode(piece)
    net = aifes.load(written(tmp_path, found.file))
    x = rng.integers(-128, 128, (3, simulator.n_in)).astype(np.int8)
    want = simulator.run(x)
    assert np.array_equal(graphs.on_device(None, x, net=net), want)
    assert np.array_equal(graphs.on_device(None, x[1:2], net=net), want[1:2])
    real = rng.normal(size=(1, simulator.n_in)).astype(np.float32)
    got = graphs.on_device(None, real, kind="f", net=net)
    assert np.array_equal(got, simulator(real).astype(np.float32))
    for k, (view, t) in enumerate(zip(net.inputs, simulator.inputs)):
        view[:] = array("b", np.split(x[0], np.cumsum([len(v) for v in net.inputs]))[k].tobytes())
        assert net._plan.tensors[k].shape == t.shape
    net.forward()
    assert np.array_equal(np.concatenate([np.array(v) for v in net.outputs]), want[0])
    whole = aifes.load(model)
    for name in ("input_shape", "output_shape", "input_scale", "output_scale", "input_zero_point",
                 "output_zero_point", "metadata", "labels"):
        assert getattr(net, name) == getattr(whole, name)
    if whole.metadata:
        assert str(net).splitlines()[1:] == str(whole).splitlines()[1:]
    return len(found.models) - 2


@pytest.mark.parametrize("kind", ["chain", "branches", "images"])
def test_random_models(kind, tmp_path):
    """Every kind of op, branches, several inputs and outputs, outputs that are read again."""
    pieces = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        model = random_models.images(rng) if kind == "images" else random_models.model(
            rng, kind == "branches")
        ends = [range(t.offset, t.offset + nbytes(t)) for t in Simulator(bytes(model)).outputs]
        if len(set().union(*ends)) < sum(map(len, ends)):
            with pytest.raises(ConversionError, match="output that is a part of another"):
                cut(bytes(model))
            continue
        pieces.append(check(tmp_path, bytes(model), rng))
    assert max(pieces) > 2, pieces


@pytest.mark.parametrize("name", graphs.GRAPHS)
@pytest.mark.parametrize("target", TARGETS)
def test_graphs(name, target, tmp_path):
    rng = np.random.default_rng(3)
    graph = graphs.GRAPHS[name](rng)
    model = quantize(graph, rng.normal(size=(50, graph.n_in))).model
    check(tmp_path, arrange(model, target), rng)


def test_scales_of_elements(tmp_path):
    """Inputs and outputs with a scale for each element, and classes by name."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 5)) * 9
    drafts = [dense(rng.bytes(4 * n), 3, [5, -6, 7, -8], 5, 3, 2) for n in (5, 4)]
    model = bytes(chain(drafts, ([3] * 5, [-300] * 5), ([4] * 4, [7, 3, 0, -1]), None,
                        b'{"labels": ["a", "b", "c", "d"]}'))
    net, whole = aifes.load(written(tmp_path, cut(model).file)), aifes.load(model)
    assert net.classify(x[0].tolist()) == whole.classify(x[0].tolist())
    assert net.predict(x[1].tolist()) == whole.predict(x[1].tolist())
    assert str(net).endswith("engine python, read in pieces")
    net.swap(whole)
    assert net.predict(x[1].tolist()) == whole.predict(x[1].tolist())


def test_as_few_as_fit():
    """No two neighbours would fit the buffer together; one op is never cut."""
    rng = np.random.default_rng(1)
    sizes = (20, 40, 8, 8, 8, 8, 30)
    model = quantize(from_model([("dense", rng.normal(size=s), np.zeros(s[1]))
                                 for s in zip(sizes, sizes[1:])]), rng.normal(size=(9, 20))).model
    found = cut(model)
    lengths = [len(m) for m in found.models[2:]]
    assert found.largest == max(lengths) and found.read == sum(lengths) < 1.4 * len(model)
    assert sum(len(decode(m).ops) for m in found.models[2:]) == len(decode(model).ops)
    shared = 40 + 28 + 3  # header, the tensor between them, up to a multiple of 4
    assert all(a + b - shared > found.largest for a, b in zip(lengths, lengths[1:]))
    assert len(lengths) == 3


def test_start():
    for data in (b"", b"\0", b"abc", bytes(range(256)) * 3):
        assert zlib.crc32(data, start(data)) == 0


def test_float32_is_refused():
    with pytest.raises(ConversionError, match="float32 .* `aifes quantize`"):
        cut(float_model(graphs.residual(np.random.default_rng(0))))


def residual():
    rng = np.random.default_rng(2)
    return quantize(graphs.residual(rng), rng.normal(size=(50, 5))).model


def signed(data):
    """With the CRC of its table, and those of its pieces, made right."""
    data = bytearray(data)
    (_, _, n, _, _) = struct.unpack_from(HEADER, data)
    at = 16 + 8 * n
    for i in range(min(n, (len(data) - 16) // 8)):
        length = struct.unpack_from("<I", data, 16 + 8 * i)[0]
        struct.pack_into("<I", data, 20 + 8 * i, start(bytes(data[at:at + min(length, 5000)])))
        at += length
    struct.pack_into("<I", data, 12, zlib.crc32(data[16:16 + 8 * n]))
    return bytes(data)


def test_damage_is_refused(tmp_path):
    """At load, in one sentence: any damage; where all CRCs were made right, or it runs."""
    good, rng = cut(residual()).file, random.Random(0)
    assert signed(good) == good
    refused = 0
    for i in range(MUTANTS):
        bad = mutate(good, rng)
        if i % 2:
            bad = signed(MAGIC + bad[4:] + bytes(16))
        elif bad[:len(good)] == good:
            continue
        try:
            net = aifes.load(written(tmp_path, bad))
            assert i % 2
            net.run(array("b", bytes(len(net.input))), array("b", bytes(len(net.output))))
        except aifes.ModelError as error:
            refused += 1
            assert 10 < len(str(error)) < 200 and "\n" not in str(error)
    assert MUTANTS / 2 < refused < MUTANTS


def test_changes_between_two_runs(tmp_path):
    """A file that is damaged, cut off or another one while the model runs; whole again, it runs."""
    model = residual()
    good = cut(model).file
    path = written(tmp_path, good)
    net = aifes.load(path)
    net._net._file.close()
    net._net._file = file = open(path, "r+b", buffering=0)
    x, y = array("b", (1, 2, 3, 4, 5)), array("b", bytes(3))
    net.run(x, y)
    want = y[:]
    other = bytearray(cut(quantize(graphs.residual(np.random.default_rng(9)), np.random.default_rng(
        9).normal(size=(50, 5))).model).file)
    damaged = bytearray(good)
    damaged[-9] ^= 4
    for bad in (damaged, good[:-20], other, b""):
        file.seek(0)
        file.truncate()
        file.write(bad)
        for call in (lambda: net.run(x, y), net.forward):
            with pytest.raises(aifes.ModelError, match="changed or is damaged, piece .*: load it"):
                call()
        file.seek(0)
        file.write(good)
        net.run(x, y)
        assert y == want
    file.close()


def test_failing_reads_at_load(tmp_path, monkeypatch, capsys):
    """Any read until all is checked: the model before; without one, a sentence that names the
    file. So does one after that, when the checked pieces are given to the engine."""
    model, x = residual(), (1, 2, 3, 4, 5)
    path = written(tmp_path, cut(model).file)
    want = aifes.load(model).predict(x)
    left = 0

    class Failing(io.FileIO):
        def readinto(self, view):
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(5, "EIO")
            return super().readinto(view)

    monkeypatch.setattr(seldom, "open", Failing, raising=False)
    pieces = len(cut(model).models)
    reads = 2 + pieces  # header, table
    for before in (None, model):
        if before:
            (tmp_path / "net.aifes.old").write_bytes(before)
        for k in range(reads):
            left = k
            if before:
                net = aifes.load(path)
                assert "EIO" in capsys.readouterr().out and not net._plan.pieces
                assert net.predict(x) == want
            else:
                with pytest.raises((OSError, aifes.ModelError),
                                   match="net.aifes cannot be read.*: .*copy it again"):
                    aifes.load(path)
    for k in range(reads, reads + pieces):
        left = k
        with pytest.raises(aifes.ModelError, match="net.aifes cannot be read.*: load it again"):
            aifes.load(path)
    left = -1  # none
    assert aifes.load(path)._plan.pieces


def test_the_model_before(tmp_path, capsys):
    """load() falls back to PATH.old, whole or in pieces."""
    model = residual()
    good = cut(model).file
    for before in (model, good):
        path = written(tmp_path, good[:-1])
        (tmp_path / "net.aifes.old").write_bytes(before)
        want = aifes.load(model).predict((1, 2, 3, 4, 5))
        assert aifes.load(path).predict((1, 2, 3, 4, 5)) == want
        assert "truncated model" in capsys.readouterr().out


def test_what_is_refused(tmp_path):
    good = cut(residual()).file
    net = aifes.load(written(tmp_path, good))
    with pytest.raises(aifes.ModelError, match="copy its file instead"):
        net.save(str(tmp_path / "other.aifes"))
    with pytest.raises(aifes.ModelError, match="x has 4 and y 3 elements"):
        net.run(array("b", bytes(4)), array("b", bytes(3)))
    for x, y in ((5, array("b", bytes(3))), (array("b", bytes(5)), [0, 0, 0]),
                 (array("b", bytes(10)), array("b", bytes(3)))):
        with pytest.raises(aifes.ModelError):
            net.run(x, y)
    with pytest.raises(aifes.ModelError, match="the arena has 3 bytes"):
        aifes.load(written(tmp_path, good), bytearray(3))
    newer = bytearray(good)
    newer[4] = 9
    with pytest.raises(aifes.ModelError, match="in pieces, format 9, this runtime reads 1"):
        aifes.load(written(tmp_path, newer))


def test_what_cannot_be_cut_is_deployed_whole():
    """Also over another file, of which it is asked whether it is this model in pieces."""
    model = float_model(from_model({"layers": [("dense", np.ones((3, 2)), np.zeros(2))]}))
    board = SimpleNamespace(has_room=lambda heap: True, info=None)
    assert deploy._in_pieces(board, None, model, [1], digest(b"another"), None) is None
    for seed in range(SEEDS):
        model = bytes(random_models.images(np.random.default_rng(seed)))
        assert deploy._in_pieces(board, None, model, [1], digest(b"another"), None) is None

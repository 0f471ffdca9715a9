"""Models whose ops take turns, row by row: the same numbers as of whole tensors, in less memory."""
import struct
from array import array

import aifes
import numpy as np
import pytest
import row_nets
import shared_library
from aifes import ModelError
from aifes.format import CRC_FROM, HEADER_SIZE, TENSOR_SIZE, decode, size
from aifes_host.graph import ConversionError
from aifes_host.layout import by_rows, whole
from aifes_host.simulator import Simulator

RESULT, PUSH = 1 << 28, shared_library.PUSH


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return shared_library.module(shared_library.build(tmp_path_factory.mktemp("rows")))


class InC:
    """What the tests need of a Model, over the library."""

    def __init__(self, module, model):
        self._arena = np.zeros(decode(model).arena, np.uint8)
        self._net = module.load(model, model, self._arena)
        self._at = 0

    def run(self, x, y):
        at = self._net(x, y, 0)
        while at > 0:
            at = self._net(x, y, at)
        assert not at

    def push(self, row, y):
        at = self._net(row, None, self._at | PUSH)
        while at & shared_library.MIDDLE and at > 0:
            at = self._net(row, None, at | PUSH)
        assert at >= 0
        self._at = RESULT
        if at:
            assert not self._net(None, y, PUSH)
        return bool(at)

    def reset(self):
        self._at = 0


def engines(library, model):
    return InC(library, model), aifes.load(model, engine="python")


def outcome(net, q, n):
    y = array("b", bytes(n))
    net.run(array("b", q.tolist()), y)
    return list(y)


@pytest.mark.parametrize("seed", range(150))
def test_rows(seed, library):
    """Any net, its input in the arena or pushed: engines against the simulator of the whole one."""
    graph = row_nets.images(seed)
    model, x = row_nets.quantized(graph, seed)
    simulator = Simulator(model)
    q = simulator.quantized(x[:3])
    want = simulator.run(q).tolist()
    found = by_rows(model)
    assert decode(found).arena <= decode(model).arena
    for variant in (found, by_rows(model, "rows")):
        assert Simulator(variant).run(q).tolist() == want
        for net in engines(library, variant):
            assert [outcome(net, v, len(want[0])) for v in q] == want
    rows = np.split(q[0], graph.inputs[0].shape[0])
    for net in engines(library, variant):
        for _ in range(2):
            y = array("b", bytes(len(want[0])))
            done = [net.push(array("b", row.tolist()), y) for row in rows]
            assert done == [False] * (len(rows) - 1) + [True] and list(y) == want[0]
            net.reset()
    if found != model:
        assert Simulator(whole(found)).run(q).tolist() == want
        assert whole(model) == model


@pytest.mark.parametrize("seed", range(80))
def test_endless(seed, library):
    """Each result equals that of the whole window, on a signal that goes on."""
    graph, hop = row_nets.signals(seed)
    model, _ = row_nets.quantized(graph, seed)
    endless, n = by_rows(model, "endless"), graph.inputs[0].shape[0]
    simulator, rng = Simulator(model), np.random.default_rng(seed)
    signal = rng.integers(-128, 128, (n + 5 * hop, graph.n_in // n)).astype(np.int8)
    for net in engines(library, endless):
        for _ in range(2):
            results = []
            for i, row in enumerate(signal[:-hop]):
                y = array("b", bytes(3))
                if net.push(array("b", row.tolist()), y):
                    results.append((i, list(y)))
            first = results[0][0]  # what no window reads at the end of the whole is not waited for
            assert n - 1 - hop < first < n
            assert [i for i, _ in results] == list(range(first, len(signal) - hop, hop))
            for i, y in results:
                window = signal[i - first:i - first + n]
                assert [y] == simulator.run(window.reshape(1, -1)).tolist()
            net.reset()
        assert outcome(net, signal[:n].ravel(), 3) == simulator.run(
            signal[:n].reshape(1, -1))[0].tolist()


def test_what_cannot_be_endless():
    graph = row_nets.images(3)
    model, _ = row_nets.quantized(graph, 3)
    with pytest.raises(ConversionError, match="without padding over time"):
        by_rows(model, "endless")


def test_floats_come_in_by_rows():
    graph, _ = row_nets.signals(1)
    model, x = row_nets.quantized(graph, 1)
    net = aifes.load(by_rows(model, "rows"), engine="python")
    want = Simulator(model)(x[:1])[0]
    assert net.predict(x[0].tolist()) == want.tolist()
    y = array("f", bytes(12))
    for row in np.split(x[0], graph.inputs[0].shape[0]):
        done = net.push(array("f", row.tolist()), y)
    assert done and list(y) == want.tolist()
    with pytest.raises(ModelError, match="row by row: use run.. or push"):
        net.forward()
    with pytest.raises(ModelError, match="push.. takes a row of"):
        net.push(array("f", (0, 0, 0, 0, 0, 0, 0)))
    with pytest.raises(AttributeError, match="--push"):
        aifes.load(model, engine="python").push(array("f", (0,)))


@pytest.mark.parametrize("seed", range(40))
def test_damaged_rows(seed, library):
    """Other rows or places of tensors: refused, or the right result, in C never out of bounds."""
    graph = row_nets.images(seed)
    model, x = row_nets.quantized(graph, seed)
    q = Simulator(model).quantized(x[:1])
    want = Simulator(model).run(q).tolist()
    rng = np.random.default_rng(seed)
    found = by_rows(model, "rows")
    for _ in range(40):
        damaged = bytearray(found)
        k = int(rng.integers(damaged[20]))
        at = HEADER_SIZE + TENSOR_SIZE * k
        if rng.integers(2):
            struct.pack_into("<H", damaged, at + 24, int(rng.integers(0, 9)))
        else:
            (old,) = struct.unpack_from("<I", damaged, at + 4)
            struct.pack_into("<I", damaged, at + 4, max(0, old + int(rng.integers(-20, 20))))
        struct.pack_into("<I", damaged, CRC_FROM - 4, aifes.format.crc32(damaged[CRC_FROM:])
                         & 0xFFFFFFFF)
        damaged = bytes(damaged)
        try:
            plan = decode(damaged)
        except ModelError:
            plan = None
        if plan:
            for net in engines(library, damaged):
                assert [outcome(net, q[0], len(want[0]))] == want
            continue
        (arena,) = struct.unpack_from("<I", damaged, 16)
        try:
            net = library.load(damaged, damaged, np.zeros(arena, np.uint8))
        except ValueError:
            continue
        n = size(decode(found).tensors[1].shape)
        at, y = 0, array("b", bytes(n))
        for _ in range(1000):
            at = net(array("b", q[0].tolist()), y, at)
            if at <= 0:
                break
        assert at <= 0


def test_an_arena_is_shared_by_rows():
    """As of the design: a few rows of each tensor are all that is needed."""
    graph = row_nets.images(0)
    model, _ = row_nets.quantized(graph, 0)
    assert decode(by_rows(model)).arena <= decode(model).arena


"""Concatenation by placement: parts lie in their whole, nothing is copied, one scale for all."""
import aifes
import numpy as np
import pytest
from aifes.format import ModelError, decode
from aifes.layers.assemble import assemble
from aifes.ops import NAMES
from aifes.quantizer.parts import parts
from aifes_host import (
    Activation,
    Add,
    Concat,
    Conv,
    ConversionError,
    Dense,
    Graph,
    Node,
    Pool,
    Simulator,
    Softmax,
    Tensor,
    float_model,
    quantize,
    search,
)
from aifes_host.layout import whole
from aifes_host.memory_map import blocks, lower_bound
from aifes_host.report import write_report
from aifes_host.report_model import describe
from aifes_host.stages import stages
from graphs import dense, on_device


def made(inputs, layers, outputs="y"):
    """A Graph of (what is read, what is made, layer)."""
    return Graph(inputs, [Node(layer, x.split(","), (y,)) for x, y, layer in layers],
                 outputs.split(","))


def conv(rng, n_in, n_out, kernel=3):
    return Conv(rng.normal(size=(kernel, kernel, n_in, n_out)) / kernel, 0.1 * rng.normal(
        size=n_out), padding=(kernel // 2,) * 4)


def vectors(rng):
    """An input is a part, too; relu and tanh, one within the other, read in place."""
    return made([Tensor("a", 3), Tensor("b", 4)], [
        ("a", "h", dense(rng, 3, 5)), ("h", "r", Activation("relu")),
        ("b", "g", dense(rng, 4, 6)), ("g", "t", Activation("tanh")),
        ("r,t,b", "all", Concat()), ("all", "k", dense(rng, 15, 7)),
        ("k,all", "more", Concat()), ("more", "leaky", Activation("leaky_relu", 0.1)),
        ("leaky", "y", dense(rng, 22, 2))], "y,all")


def heads(rng):
    """The output is a whole: two heads of one body, of which one is a softmax."""
    return made([Tensor("x", 5)], [
        ("x", "body", dense(rng, 5, 8)), ("body", "r", Activation("relu")),
        ("r", "one", dense(rng, 8, 3)), ("one", "p", Softmax()), ("r", "two", dense(rng, 8, 2)),
        ("two,p", "y", Concat())])


def copies(rng):
    """What lies in two wholes, or twice in one, is copied once."""
    return made([Tensor("x", 4)], [
        ("x", "a", dense(rng, 4, 3)), ("x", "b", dense(rng, 4, 3)),
        ("a,b,a", "one", Concat()), ("b,x", "two", Concat()),
        ("one", "c", dense(rng, 9, 4)), ("two", "d", dense(rng, 7, 4)),
        ("c,d", "e", Add()), ("e", "y", dense(rng, 4, 2))])


def rows(rng):
    """Images, one above the other: of pooling, which keeps its scale, of a mean, of a sum."""
    return made([Tensor("x", (6, 5, 2))], [
        ("x", "a", conv(rng, 2, 4)), ("a", "ar", Activation("relu")),
        ("ar", "big", Pool((3, 1), (1, 1), (1, 1, 0, 0))),
        ("x", "b", conv(rng, 2, 4, 1)), ("b", "mean", Pool((2, 1), (2, 1), average=True)),
        ("ar,b", "s", Add()), ("big,mean,s", "all", Concat()),
        ("all", "r", Activation("relu")), ("r", "c", conv(rng, 4, 3)),
        ("c", "g", Pool((15, 5), (1, 1), average=True)), ("g", "y", dense(rng, 3, 2))])


NETWORKS = {f.__name__: f for f in (vectors, heads, copies, rows)}
COPIES = {"copies": 2}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_the_network_computes(name):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        graph = NETWORKS[name](rng)
        x = rng.normal(size=(60, graph.n_in))
        ours = Simulator(float_model(graph))
        np.testing.assert_allclose(ours(x), graph(x), atol=1e-4)
        result = quantize(graph, x)
        assert ((Simulator(result.model)(x) - graph(x)) ** 2).mean() < 0.004 * graph(x).var()
        for model, kind in ((result.model, "b"), (float_model(graph), "f")):
            simulator = Simulator(model)
            plan = simulator.plan
            wholes = [n for n in graph.nodes if n.layer.placed]
            maps = sum(NAMES[op.opcode] == "map" for op in plan.ops)
            if kind == "f":
                functions = sum(isinstance(n.layer, Activation) for n in graph.nodes)
                assert maps == functions + COPIES.get(name, 0)
            assert 0 < len(parts(plan)) <= len(wholes)
            assert lower_bound(plan) <= plan.arena == max(b.offset + b.length for b in blocks(plan))
            q = simulator.quantized(x)
            for engine in ("python",):
                assert (on_device(model, q, engine, kind) == simulator.run(q)).all()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("samples", [20, 40])
def test_the_board_quantizes_alike(name, samples):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        graph = NETWORKS[name](rng)
        x = rng.normal(size=(samples, graph.n_in)).astype(np.float32)
        quantizer = aifes.Quantizer(aifes.load(float_model(graph)))
        board = quantizer.run(x.tolist(), None, None)
        assert board.len <= quantizer.parameter_memory_size()
        ours, theirs = Simulator(quantize(graph, x).model), Simulator(bytes(board._buf))
        assert (ours.run(ours.quantized(x)) == theirs.run(theirs.quantized(x))).all()
        assert [t[1:3] for t in ours.outputs] == [t[1:3] for t in theirs.outputs]
        plain = Simulator(whole(quantize(graph, x).model)).plan  # boards plan no rows
        assert ours.plan.arena <= plain.arena and theirs.plan.arena <= plain.arena


def test_the_board_quantizes_alike_what_has_different_ranges():
    """Inputs and outputs get a scale for each element, if they are no parts."""
    rng = np.random.default_rng(0)
    spread = np.array([1, 300, 0.01, 20, 1])
    for own in (True, False):
        head = made([Tensor("x", 5)], [
            ("x", "a", Dense(rng.normal(size=(5, 4)) / spread[:, None], rng.normal(size=4))),
            ("a", "b", dense(rng, 4, 6)), ("b", "c", dense(rng, 6, 5)),
            ("c", "y", Activation("relu"))]) if own else made([Tensor("x", 5)], [
                ("x", "a", Dense(rng.normal(size=(5, 4)) / spread[:, None], rng.normal(size=4))),
                ("a,x", "b", Concat()), ("b", "y", dense(rng, 9, 3))])
        x = (rng.normal(size=(40, 5)) * spread).astype(np.float32)
        board = aifes.Quantizer(aifes.load(float_model(head))).run(x.tolist(), None, None)
        result = quantize(head, x)
        ours, theirs = Simulator(result.model), Simulator(bytes(board._buf))
        assert bool(ours.inputs[0].scales) == bool(theirs.inputs[0].scales) == own
        assert (ours.run(ours.quantized(x)) == theirs.run(theirs.quantized(x))).all()
        inner = [s for s, _ in (result.scales[n] for n in head.tensors if n not in ("x", "y"))]
        assert all(isinstance(s, int) for s in inner)


def test_no_bytes_but_those_of_the_parts():
    """5 + 6 elements of 2 inputs: as much as a single layer of 11."""
    rng = np.random.default_rng(0)
    graph = made([Tensor("a", 3), Tensor("b", 4)], [
        ("a", "h", dense(rng, 3, 5)), ("b", "g", dense(rng, 4, 6)), ("h,g", "all", Concat()),
        ("all", "y", dense(rng, 11, 2))])
    plan = Simulator(quantize(graph, rng.normal(size=(40, 7))).model).plan
    assert len(plan.ops) == 3
    assert plan.arena <= 3 + 4 + 11


def test_a_whole_has_one_scale():
    rng = np.random.default_rng(0)
    graph = rows(rng)
    result = quantize(graph, rng.normal(size=(50, graph.n_in)))
    scale = {r.name: (r.shift, r.zero_point) for r in result.layers}
    assert len({scale[name] for name in ("big", "mean", "s", "all", "r")}) == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_reports_draw_it(name, tmp_path):
    rng = np.random.default_rng(0)
    graph = NETWORKS[name](rng)
    x = rng.normal(size=(30, graph.n_in))
    result = quantize(graph, x)
    found = stages(result, x)
    joined = [s for s in found if s.layers[-1].kind == "concat"]
    assert len(joined) == sum(n.layer.placed for n in graph.nodes)
    assert all(len(s.reads) > 1 for s in joined)
    assert [s.is_output for s in found].count(True) == len(graph.outputs)
    write_report(result, x, tmp_path / "a.html")
    describe(result.model, tmp_path / "b.html", x)
    assert "concat" in (tmp_path / "b.html").read_text()


def test_what_it_is_worth_to_be_finer_can_be_searched():
    rng = np.random.default_rng(0)
    graph = vectors(rng)
    x = rng.normal(size=(60, 7))
    result = search(graph, x)
    assert Simulator(result.model).plan.n_outputs == 2


def test_a_hole_is_refused():
    """What nobody wrote is read by no engine, not by one byte."""
    rng = np.random.default_rng(0)
    model = float_model(made([Tensor("x", 3)], [
        ("x", "a", dense(rng, 3, 2)), ("x", "b", dense(rng, 3, 2)), ("a,b", "c", Concat()),
        ("c", "y", dense(rng, 4, 1))]))
    plan = decode(model)
    whole, = parts(plan)
    for part in parts(plan)[whole]:
        tensors = list(plan.tensors)
        tensors[part] = tensors[part]._replace(shape=(1,))
        ops = [op._replace(fields=op.fields._replace(**{
            k: model[getattr(op.fields, k):][:n] for k, n in (("weights", 4 * 3 * 2), ("bias", 8))
        })) for op in plan.ops]
        with pytest.raises(ModelError, match="nobody wrote it"):
            decode(assemble(ops, tensors, 1, 1, plan.arena))


@pytest.mark.parametrize("inputs, layers, said", [
    ([Tensor("x", 3)], [("x", "y", Concat("alone"))], "'alone' is a concatenation of one value"),
    ([Tensor("x", 3), Tensor("z", 2)], [("x,z", "y", Concat())], "nothing to compute")])
def test_what_is_refused(inputs, layers, said):
    with pytest.raises(ConversionError, match=said):
        quantize(made(inputs, layers), np.eye(5))


def test_aifes_has_none():
    rng = np.random.default_rng(0)
    graph = heads(rng)
    with pytest.raises(ConversionError, match="AIfES has no concat"):
        quantize(graph, rng.normal(size=(20, 5)), "aifes")
    assert isinstance(graph.layers[0], Dense)

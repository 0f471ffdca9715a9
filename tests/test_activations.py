"""int8 tables of all activations: correctly rounded, with scales that fit what comes out."""
import json
import math

import aifes
import mpmath
import numpy as np
import pytest
from aifes.format import decode
from aifes.ops import NAMES
from aifes_host import (
    Activation,
    ConversionError,
    Dense,
    Simulator,
    Softmax,
    float_model,
    from_model,
    quantize,
    sequential,
)
from aifes_host import ops as rooms
from aifes_host.ops import KINDS
from aifes_host.ops.functions import FUNCTIONS, SLOPES
from aifes_host.ops.tables import exact_table, log_table
from aifes_host.stages import stages
from aifes_host.support import SUPPORT

PARAMETERS = {"clamp": (-0.7, 1.3), "hard_sigmoid": (1 / 6, 0.5), "celu": (1.5,), "elu": (0.9,),
              "leaky_relu": (0.1,)}
ELEMENTWISE = [k for k in KINDS if "softmax" not in k]
IMAGES = ["conv", "max_pool", "average_pool"]  # tests/test_host_images.py
M = mpmath.mpf
code = NAMES.index


def activation(kind):
    return rooms.activation(kind, *PARAMETERS.get(kind, ()))


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


TRUTH = {
    "relu": lambda x, a, b: max(x, 0),
    "leaky_relu": lambda x, a, b: x if x > 0 else M(float(np.float32(a))) * x,
    "elu": lambda x, a, b: x if x > 0 else M(float(np.float32(a))) * mpmath.expm1(x),
    "sigmoid": lambda x, a, b: sigmoid(x),
    "tanh": lambda x, a, b: mpmath.tanh(x),
    "softsign": lambda x, a, b: x / (1 + abs(x)),
    "clamp": lambda x, a, b: max(a, min(x, b)),
    "hard_sigmoid": lambda x, a, b: max(M(0), min(a * x + b, M(1))),
    "hard_swish": lambda x, a, b: x * max(M(0), min(x + 3, M(6))) / 6,
    "gelu": lambda x, a, b: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "gelu_tanh": lambda x, a, b: x * (1 + mpmath.tanh(
        mpmath.sqrt(2 / mpmath.pi) * (x + M("0.044715") * x ** 3))) / 2,
    "silu": lambda x, a, b: x * sigmoid(x),
    "selu": lambda x, a, b: M(1.0507009873554805) * (
        x if x > 0 else M(1.6732632423543772) * mpmath.expm1(x)),
    "celu": lambda x, a, b: x if x > 0 else a * mpmath.expm1(x / a),
    "softplus": lambda x, a, b: softplus(x),
    "mish": lambda x, a, b: x * mpmath.tanh(softplus(x)),
    "log_sigmoid": lambda x, a, b: -softplus(-x),
}


def rounded(y):
    """To the nearest int, halves away from zero."""
    n = int(mpmath.floor(abs(y) + M("0.5")))
    return n if y > 0 else -n


@pytest.mark.parametrize("kind", ELEMENTWISE)
@pytest.mark.parametrize("scale, out", [
    ((4, 0), (4, 0)), ((6, -128), (7, 100)), ((0, 127), (-1, 3)), ((1, -128), (0, -128)),
    ((12, 30), (14, 0)), ((-3, -20), (-4, 5)), ((5, 10), (9, -128)), ((-1, 0), (1, -50))])
def test_tables_are_correctly_rounded(kind, scale, out):
    layer = activation(kind)
    got = np.frombuffer(exact_table(layer, scale, out), np.int8)
    with mpmath.workdps(400):
        for q in range(-128, 128):
            x = M(q - scale[1]) * M(2) ** -scale[0]
            y = TRUTH[kind](x, M(layer.alpha), M(layer.beta)) * M(2) ** out[0]
            if kind in ("gelu", "gelu_tanh", "silu", "mish") and x > 0:
                y -= M(10) ** -300  # below x, if only by what 400 digits do not show
            assert got[q + 128] == max(-128, min(127, rounded(y) + out[1])), (q, y)


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_float_functions(kind):
    layer, x = activation(kind), np.linspace(-30, 30, 601)
    with mpmath.workdps(60):
        want = [float(TRUTH[kind](M(v), M(layer.alpha), M(layer.beta))) for v in x]
    assert np.allclose(layer(x), want, rtol=1e-6, atol=1e-12)


def test_table_of_logarithms():
    got = np.frombuffer(log_table(4, 100, -9.0), np.int8)
    assert got[0] == 100 - 144 and got[255] == 100
    for p in range(1, 256):
        assert got[p] == 100 + round(16 * math.log(p / 256))


def loss_db(graph, x, test=None, **options):
    """Signal to noise at the outputs."""
    real = graph(x if test is None else test)
    noise = Simulator(quantize(graph, x, **options).model)(x if test is None else test) - real
    return 10 * np.log10((real ** 2).mean() / (noise ** 2).mean())


def between(layers, seed, n=4, hidden=8, m=2, spread=1.0):
    """A Graph of a dense layer, these layers, a dense layer, and samples of N(0, 1)."""
    rng = np.random.default_rng(seed)
    layers = [Dense(spread * rng.normal(size=(n, hidden)), 0.5 * rng.normal(size=hidden)), *layers,
              Dense(rng.normal(size=(hidden, m)), rng.normal(size=m))]
    return sequential(n, layers), rng.normal(size=(1000, n))


@pytest.mark.parametrize("kind, alpha, least", [
    ("leaky_relu", 4, 28), ("leaky_relu", -2, 28), ("leaky_relu", 100, 28),
    ("leaky_relu", -30, 28), ("elu", 10, 27), ("elu", -3, 28), ("elu", 50, 27),
    ("leaky_relu", 0.01, 28), ("elu", 1, 28)])
def test_results_larger_than_what_goes_in(kind, alpha, least):
    """|alpha| > 1: the results have a scale of their own, or they would be cut off."""
    for seed in range(4):
        graph, x = between([Activation(kind, alpha)], seed)
        assert loss_db(graph, x) > least, seed


@pytest.mark.parametrize("kind", [k for k in ELEMENTWISE if k not in ("relu", "clamp")])
@pytest.mark.parametrize("first", ["tanh", "softplus", "leaky_relu"])
def test_two_activations_in_a_row(kind, first):
    """Both are looked up at once; what the first gives decides about the second one's scale."""
    graph, x = between([Activation(first, 3.0 if first == "leaky_relu" else 0),
                        activation(kind)], 1)
    result = quantize(graph, x)
    assert [op.opcode for op in decode(result.model).ops] == [code("dense")] * 2
    assert loss_db(graph, x) > 24
    graph, x = between([Activation(first), Activation("leaky_relu", 5)], 1)
    assert loss_db(graph, x) > 24


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_everywhere(kind):
    """In the middle, first, last; the board's runtime gives what the simulator gives."""
    layer = activation(kind)
    middle, x = between([layer], 2)
    places = {"middle": middle, "first": sequential(4, [layer, *middle.layers[::2]]),
              "last": sequential(4, [middle.layers[0], layer]),
              "behind softmax": sequential(4, [middle.layers[0], Softmax(), layer])}
    for place, graph in places.items():
        graph = sequential(4, [type(v)(**{**vars(v), "name": ""}) for v in graph.layers])
        result = quantize(graph, x)
        if kind != "log_softmax" and (place, kind) != ("behind softmax", "softmax"):
            assert loss_db(graph, x) > 22, place
        net = aifes.load(result.model)
        got = net.predict(x[0].tolist())
        assert np.allclose(got, Simulator(result.model)(x[:1].astype(np.float32))[0])
        found = stages(result, x)
        assert [v.name for s in found for v in s.layers] == [r.name for r in result.layers]
        assert np.allclose(found[-1].seen, Simulator(result.model)(x))


def test_saturated_tails():
    """A range far larger than what an ELU leaves of it does not coarsen what it leaves."""
    x = np.linspace(-300, 1, 500)[:, None]
    graph = sequential(1, [Dense([[1.0]], [0.0]), Activation("elu", 0.441)])
    low = Simulator(quantize(graph, x).model)([[-100.0]])
    assert abs(low[0, 0] + 0.441) < 0.01


def test_clamp_is_part_of_the_dense_layer():
    graph, x = between([Activation("clamp", 0, 6)], 3, spread=4)
    ops = decode(quantize(graph, x).model).ops
    assert [op.opcode for op in ops] == [code("dense")] * 2 and not ops[0].fields.table
    assert loss_db(graph, x) > 30
    assert loss_db(sequential(4, graph.layers[:2]), x) > 30


def test_clamped_observations():
    """A clamp as the first layer: outliers cost no accuracy, whatever the features' ranges."""
    graph, x = between([Activation("tanh")], 4)
    graph = sequential(4, [Activation("clamp", -5, 5), *graph.layers])
    wild = x.copy()
    wild[::50] *= 1000
    result = quantize(graph, wild)
    assert decode(result.model).ops[0].opcode == code("map")
    assert loss_db(graph, wild, x) > 25
    assert loss_db(graph, x * [1, 0.01, 30, 1]) > 20


def test_clamp_beyond_the_results():
    """A clamp whose ends no result reaches is a constant, not what the scale happens to reach."""
    x = np.random.default_rng(5).normal(size=(100, 2))
    for low, high in ((100, 101), (-101, -100), (-np.inf, -50), (70, np.inf), (5, 5)):
        graph = sequential(2, [Dense(np.eye(2), [0, 0]), Activation("clamp", low, high)])
        assert np.allclose(Simulator(quantize(graph, x).model)(x), graph(x), rtol=0.02), low
    graph = sequential(2, [Dense(np.eye(2), [0, 0]), Activation("clamp", -np.inf, np.inf)])
    assert loss_db(graph, x) > 35


def test_logarithm_of_softmax():
    """The same answers; probabilities below 1/512 are known as their mean only."""
    rng = np.random.default_rng(6)
    graph = sequential(6, [Dense(rng.normal(size=(6, 5)), rng.normal(size=5)),
                      Softmax("log_softmax")])
    x = rng.normal(size=(1000, 6))
    real, seen = graph(x), Simulator(quantize(graph, x).model)(x)
    assert (real.argmax(1) == seen.argmax(1)).mean() > 0.96
    likely = real > math.log(1 / 32)
    print(np.abs(real - seen)[likely].mean(), np.abs(real - seen)[likely].max())
    assert np.abs(real - seen)[likely].mean() < 0.05
    assert np.abs(real - seen)[likely].max() < 0.4


def test_aifes_has_no_such_layers():
    graph, x = between([Activation("gelu")], 7)
    with pytest.raises(ConversionError, match="AIfES has no gelu; use method 'mse'"):
        quantize(graph, x, "aifes")


@pytest.mark.parametrize("kind", [k for k in SUPPORT if k not in IMAGES])
def test_support_is_as_stated(kind):
    said = SUPPORT[kind]
    layers = [] if kind == "dense" else [activation(kind)]
    for place, want in (("between", said.float32), ("last", said.float32 is True)):
        graph, x = between(layers, 8)
        if place == "last":
            graph = sequential(4, graph.layers[:-1])
        assert quantize(graph, x).model
        if not want:
            with pytest.raises(ConversionError, match="`aifes quantize`"):
                float_model(graph)
            continue
        model = aifes.load(float_model(graph))
        x = x[:40].astype(np.float32)
        assert np.allclose(Simulator(float_model(graph))(x), graph(x), rtol=1e-3, atol=1e-4)
        board = aifes.quantize(model, [row.tolist() for row in x])
        assert np.abs(np.array(board.predict(x[0].tolist())) - graph(x[:1])[0]).max() < 0.5
    assert set(SUPPORT) == {"dense", *IMAGES, *KINDS}


def test_by_description():
    graph = from_model([("dense", np.eye(2), [0, 0]), ("clamp", 0, 6), "hard_sigmoid", "celu"])
    assert [(v.kind, v.alpha, v.beta) for v in graph.layers[1:]] == [
        ("clamp", 0, 6), ("hard_sigmoid", 1 / 6, 0.5), ("celu", 1, 0)]
    for wrong in ("clamp", ("clamp", 1), ("clamp", 0, 1, 2)):
        with pytest.raises(ConversionError, match="layer 1, clamp, has . parameters"):
            from_model([("dense", np.eye(2), [0, 0]), wrong])


def test_parameters_that_no_float32_holds():
    """What is beyond float32 is infinite on the board."""
    for weights, bias in (([[1e39]], [0]), ([[1]], [-1e39]), ([[math.nan]], [0])):
        with pytest.raises(ConversionError, match="not finite"):
            Dense(weights, bias)
    for kind, *parameters in (("leaky_relu", 1e39), ("elu", math.nan), ("hard_sigmoid", 1, 1e39),
                              ("clamp", 2, 1), ("clamp", math.nan, 1), ("clamp", 1e39, 1e40)):
        with pytest.raises(ConversionError, match="not finite or not in order"):
            Activation(kind, *parameters)
    with pytest.raises(ConversionError, match="above 0"):
        Activation("celu", 0.0)
    for shape in ((2, 0), (0, 2)):
        with pytest.raises(ConversionError, match="outputs"):
            Dense(np.zeros(shape), np.zeros(shape[1]))


def test_functions_are_complete():
    assert set(FUNCTIONS) == set(SLOPES) == set(ELEMENTWISE)
    assert json.dumps([vars(v) for v in SUPPORT.values()])

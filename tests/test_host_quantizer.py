"""The quantizer and the simulator: against float, against AIfES, and against the runtime."""
import json
import warnings
from array import array
from pathlib import Path

import aifes
import numpy as np
import pytest
from aifes_host import ConversionError, Simulator, from_model, quantize
from aifes_host.quantizer import METHODS
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

GOLDEN = Path(__file__).parent / "golden"
TUTORIAL = json.loads((GOLDEN / "tutorial.json").read_text())


def fit(model, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)


def tutorial_graph():
    t = TUTORIAL
    return from_model([("dense", t["w1"], t["b1"]), ("leaky_relu", 0.01),
                       ("dense", t["w2"], t["b2"]), "sigmoid"])


def robot(n, rng, scale=1.0):
    """Distance, heading error and its rate -> two wheel speeds: a smooth control law."""
    d, heading, rate = (rng.uniform(low, high, n) * scale
                        for low, high in ((0, 1), (-1, 1), (-2, 2)))
    turn = 0.6 * np.tanh(1.5 * heading + 0.3 * rate)
    speed = np.clip(d, 0, 1) * (1 - np.abs(turn))
    return np.stack([d, heading, rate], 1), np.tanh(np.stack([speed - turn, speed + turn], 1))


def test_tutorial_float_numbers():
    """The float results at the end of AIfES's tutorial."""
    x = TUTORIAL["inputs"]
    graph = tutorial_graph()
    results = graph.results(np.array(x))
    for i, node in enumerate(graph.nodes):
        layer, got = node.layer, results[node.output]
        for sample, wanted in enumerate(TUTORIAL["f32_layers_per_input"]):
            assert np.allclose(got[sample], wanted[i + 1], atol=2e-5), layer.name


def test_tutorial_by_aifes_rule():
    result = quantize(tutorial_graph(), TUTORIAL["inputs"], "aifes")
    scales = [(r.shift, r.zero_point) for r in result.layers]
    assert scales == [(7, -70), (4, -9), (4, -9), (3, 5), (8, -128)]
    y = Simulator(result.model)(TUTORIAL["inputs"])
    assert y.tolist() == [[0.99609375, 0.00390625], [0.00390625, 0.99609375],
                          [0.00390625, 0.00390625]]


def wrapping_aifes(graph, result, x):
    """AIfES's own arithmetic under the parameters of `result`: floor, piecewise, wrap-around.

    From the rules in docs/arithmetic.md, written here a second time on purpose.
    """
    (s, z), *rest = [(r.shift, r.zero_point) for r in result.layers]
    q = np.clip(np.round(x * 2.0 ** s + z), -128, 127).astype(int)
    for layer, (out_s, out_z) in zip(graph.layers, rest):
        if layer.kind == "dense":
            ws = aifes.q7.params(layer.weights.min(), layer.weights.max(), symmetric=True)[0]
            w = np.clip(np.round(layer.weights * 2.0 ** ws), -128, 127).astype(int)
            acc = (q - z) @ w + np.round(layer.bias * 2.0 ** (ws + s)).astype(int)
            q = ((acc >> (s + ws - out_s)) + out_z).astype(np.int8).astype(int)
        else:
            assert layer.kind == "tanh"
            a = np.abs(q - z) << max(0, 5 - s)  # the sigmoid rule with s - 1, in 4 or more bits
            t = max(s - 1, 4)
            b = 8 - t
            scaled = [a * 2.0 ** (b - 2), a * 2.0 ** (b - 3) + 31, a * 2.0 ** (b - 5) + 87]
            y = np.select([a < 16 << (t - 4), a < 38 << (t - 4), a < 80 << (t - 4)],
                          [np.floor(v).astype(int) for v in scaled], 127)
            q = np.where(q < z, -y, y)
        s, z = out_s, out_z
    return np.ldexp((q - z).astype(float), -s)


@pytest.mark.parametrize("seed", range(3))
def test_control_regression_beats_aifes_arithmetic(seed):
    rng = np.random.default_rng(seed)
    x, y = robot(2000, rng)
    test, _ = robot(1000, rng)
    graph = from_model(fit(MLPRegressor(hidden_layer_sizes=(24, 24), activation="tanh",
                                        max_iter=200, random_state=seed), x, y))
    real = graph(test)
    aifes_rule = quantize(graph, x, "aifes")
    theirs = np.abs(wrapping_aifes(graph, aifes_rule, test) - real).mean()
    same_parameters = same_parameters_exact(graph, aifes_rule)
    ours = np.abs(Simulator(same_parameters)(test) - real).mean()
    default = quantize(graph, x)
    best = default.compare(test)["mean_error"]
    print(f"mean error: AIfES {theirs:.4f}, same parameters {ours:.4f}, default {best:.4f}")
    assert ours <= theirs / 2 and best <= theirs / 2
    outside, _ = robot(1000, rng, 1.25)
    span = np.ptp(real)
    for model in (same_parameters, default.model):
        worst = np.abs(Simulator(model)(outside) - graph(outside)).max()
        print(f"25 % outside: largest error {worst / span:.4f} of the span")
        assert worst < 0.1 * span


def same_parameters_exact(graph, result):
    """AIfES's parameters, our arithmetic: by hand, through the device's Sequential."""
    layers = [aifes.Input(graph.n_in, (result.layers[0].shift, result.layers[0].zero_point))]
    shift = result.layers[0].shift
    for layer, r in zip(graph.layers, result.layers[1:]):
        if layer.kind == "dense":
            w_q = aifes.q7.params(layer.weights.min(), layer.weights.max(), symmetric=True)
            layers.append(aifes.Dense(
                r.elements, aifes.q7.quantize_tensor(layer.weights.ravel().tolist(), *w_q),
                aifes.q7.quantize_bias(layer.bias.tolist(), w_q[0] + shift), w_q,
                (r.shift, r.zero_point)))
        else:
            layers.append(aifes.Tanh())
        shift = r.shift
    return bytes(aifes.Sequential(layers, exact=True).to_bytes())


def test_digits_within_0_3_points():
    x, y = load_digits(return_X_y=True)
    lost = {method: [] for method in METHODS}
    for seed in range(5):
        a, b, c, d = train_test_split(x, y, test_size=0.4, random_state=seed)
        graph = from_model(fit(MLPClassifier((64, 32), max_iter=120, random_state=seed), a, c))
        for method in METHODS:
            found = quantize(graph, a, method).compare(b, d)
            lost[method].append(found["accuracy_float"] - found["accuracy_q7"])
    print({m: [round(100 * v, 2) for v in values] for m, values in lost.items()})
    assert np.mean(lost["mse"]) <= 0.003


def test_features_of_very_different_ranges():
    """0..1, -100..100 and 950..1050 through a StandardScaler: each input has its own scale."""
    rng = np.random.default_rng(0)
    u, y = robot(2000, rng)
    x = u * [1, 100, 25] + [0, 0, 1000]
    model = fit(make_pipeline(StandardScaler(), MLPRegressor(
        hidden_layer_sizes=(16, 16), activation="tanh", max_iter=200, random_state=0)), x, y)
    result = quantize(from_model(model), x)
    found = result.compare(x)
    assert found["mean_error"] < 0.01 * found["output_span"]
    net = aifes.load(result.model)
    assert net.input_scale[2] <= 1 and net.input_zero_point[2] < -128
    assert np.abs(np.array(net.predict(x[0].tolist())) - model.predict(x[:1])[0]).max() < 0.1


def random_graph(rng):
    kinds = ["relu", ("leaky_relu", 0.1), ("elu", 0.7), "sigmoid", "tanh", "softsign"]
    n = int(rng.integers(1, 20))
    layers, m = [], n
    for _ in range(rng.integers(1, 4)):
        k = int(rng.integers(1, 20))
        layers.append(("dense", rng.normal(size=(m, k)) * rng.uniform(0.1, 3), rng.normal(size=k)))
        layers.extend(kinds[i] for i in rng.integers(0, 6, rng.integers(0, 3)))
        m = k
    if rng.random() < 0.3:
        layers.append("softmax")
    return from_model(layers), n


@pytest.mark.parametrize("seed", range(40))
def test_simulator_equals_runtime(seed):
    rng = np.random.default_rng(seed)
    graph, n = random_graph(rng)
    x = rng.normal(size=(64, n)) * 10.0 ** rng.integers(-2, 2, n)
    for method in METHODS:
        try:
            result = quantize(graph, x, method)
        except ConversionError:
            assert method == "aifes"
            continue
        net = aifes.load(result.model)
        xs = (x * 1.5).astype(np.float32)
        got = array("f", bytes(4 * 64 * net.output_shape[0]))
        net.run(array("f", xs.ravel().tolist()), got)
        assert (np.array(got).reshape(64, -1) == Simulator(result.model)(xs)).all()


def golden_layer(layer, q, i8, i32):
    """A layer of golden/random_fnns, its parameters given by tensor, and (shift, zp) after it."""
    out = layer["out_shift"], layer["out_zp"]
    if layer["type"] == "dense":
        n, m = layer["n_in"], layer["n_out"]
        assert layer["b_shift"] == q[0] + layer["w_shift"]
        return aifes.Dense(m, i8[layer["w"]:][:n * m].tobytes(), i32[layer["b"]:][:m].tolist(),
                           (layer["w_shift"], layer["w_zp"]), out), out
    alpha = [tuple(layer[k] for k in ("alpha_value", "alpha_shift", "alpha_zp"))] \
        if "alpha_value" in layer else []
    kinds = {c.kind: c for c in (aifes.ReLU, aifes.LeakyReLU, aifes.ELU, aifes.Sigmoid,
                                 aifes.Tanh, aifes.Softsign, aifes.Softmax)}
    return kinds[layer["type"]](*alpha), out


def test_simulator_matches_golden_nets():
    """All 110 random AIfES nets: every layer from the one before it, and every net end to end.

    AIfES's softsign stores its input's zero point for 0, where we store 0: expected so in the
    layers; nets in which that happens are compared layer by layer only.
    """
    nets = json.loads((GOLDEN / "random_fnns.json").read_text())["nets"]
    data = np.load(GOLDEN / "random_fnns.npz")
    i8, i32 = data["i8"], data["i32"]
    layers = whole = 0
    for net in nets:
        q = q_in = net["input"]["shift"], net["input"]["zp"]
        x = x_in = i8[net["input"]["off"]:][:16 * net["n_in"]].reshape(16, -1)
        chain, quirk = [aifes.Input(net["n_in"], q)], False
        for layer in net["layers"]:
            want = i8[layer.get("out_sat", layer["out"]):][:16 * layer["n_out"]].reshape(16, -1)
            if layer["type"] == "softsign":
                expected = np.where(x == q[1], 0, want)
                quirk |= (expected != want).any()
            else:
                expected = want
            made, q_out = golden_layer(layer, q, i8, i32)
            one = aifes.Sequential([aifes.Input(x.shape[1], q), made]).to_bytes()
            assert (Simulator(bytes(one)).run(x) == expected).all(), (net["id"], layer["type"])
            chain.append(made)
            x, q = want, q_out
            layers += 1
        if not quirk:
            model = bytes(aifes.Sequential(chain).to_bytes())
            assert (Simulator(model).run(x_in) == x).all(), (net["id"], q_in)
            whole += 1
    print(f"{layers} layers, {whole} whole nets")
    assert layers == sum(len(net["layers"]) for net in nets) and whole > 80


def test_wrong_data_is_refused():
    graph = tutorial_graph()
    for data, word in (([[1, 2]], "columns"), ([[float("nan")] * 3], "finite"), ([], "columns"),
                       ([["a"] * 3], "numbers")):
        with pytest.raises(ConversionError, match=word):
            quantize(graph, data)
    with pytest.raises(ConversionError, match="unknown"):
        quantize(graph, [[0, 0, 0]], "nope")


def test_repr_fits_a_screen():
    rng = np.random.default_rng(0)
    layers = [v for _ in range(30) for v in (("dense", rng.normal(size=(40, 40)), np.zeros(40)),
                                             "relu")]
    graph = from_model({"layers": layers, "name": "deep", "labels": [f"class {i}" for i in
                                                                      range(40)]})
    assert repr(from_model(layers[:3])) == \
        "Graph('network', 40 -> 40 -> relu -> 40, 3280 parameters)"
    text = repr(graph)
    assert len(text) < 500 and "49200 parameters" in text and "class 7, .." in text
    assert repr(graph.layers[0]) == "Dense(40 -> 40, 'dense_0')"
    result = quantize(from_model(layers[:3]), rng.normal(size=(50, 40)))
    assert repr(result).endswith(f"method 'mse', {len(result.model)} bytes)")

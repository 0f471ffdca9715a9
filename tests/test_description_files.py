"""Networks described in JSON: read, or refused in one sentence."""
import json

import numpy as np
import pytest
from aifes_host import from_model, read_network
from test_data_files import data, refusal


@pytest.mark.parametrize("text, words", [
    ('{"layers": [["dense", [[1e39]], [0]]]}', "dense"),
    ('{"layers": [["dense", [[%s]], [0]]]}' % ("9" * 400), "layer 0"),
    ('{"layers": [["dense", [[%s]], [0]]]}' % ("9" * 5000), "JSON"),
    ('{"layers": [["dense", [[NaN]], [0]]]}', "not finite"),
    ('{"layers": [["dense", [[null]], [0]]]}', "not finite"),
    ('{"layers": [["dense", [["a"]], [0]]]}', "layer 0"),
    ('{"layers": [["dense", [[1], [1, 2]], [0]]]}', "layer 0"),
    ('{"layers": [["dense", [[]], []]]}', "outputs"),
    ('{"layers": [["dense", [], []]]}', "dense layer"),
    ('{"layers": [["dense", {}, 5]]}', "layer 0"),
    ('{"layers": [["dense", [[1]], [0]], ["elu", NaN]]}', "finite"),
    ('{"layers": [["dense", [[1]], [0]], ["elu", "x"]]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], ["elu", 1, 2]]}', "layer 1, elu, has 2 parameters"),
    ('{"layers": [["dense", [[1]], [0]], ["tanh", 1]]}', "layer 1, tanh, has 1 parameters"),
    ('{"layers": [["dense", [[1]], [0]], "clamp"]}', "layer 1, clamp, has 0 parameters"),
    ('{"layers": [["dense", [[1]], [0]], ["clamp", 2, 1]]}', "order"),
    ('{"layers": [["dense", [[1]], [0]], ["swish"]]}', "swish"),
    ('{"layers": [["dense", [[1]], [0]], ["relu6", 3, 4, 5]]}', "relu6"),
    ('{"layers": [["dense", [[1]], [0]], [["a"]]]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], {}]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], []]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], 5]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], null]}', "layer 1"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": 5}', "labels must be a list"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": "ab"}', "labels must be a list"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": {"a": 1}}', "labels must be a list"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": [[1], [2]]}', "[1] is no name"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": ["a"]}', "2 outputs and 1 labels"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": ["a", "a"]}', "twice"),
    ('{"layers": [["dense", [[1]], [0]]], "labels": ["a", "b", "c"]}', "1 outputs and 3 labels"),
    ('{"layers": [["dense", [[1]], [0]]], "name": 5}', "name"),
    ('{"layers": []}', "no dense layer"),
    ('"dense"', "no network"),
    ("", "not JSON"),
    (b"\x80\x81", "not JSON"),
])
def test_descriptions_that_are_refused(tmp_path, text, words):
    assert words in refusal(tmp_path, text, "net.json", read_network)


def test_descriptions_name_all_activations(tmp_path):
    from aifes_host.ops import KINDS

    dense = ["dense", [[1, 0], [0, 1]], [0, 0]]
    x = np.linspace(-7, 7, 40).reshape(-1, 2)
    for kind in KINDS:
        spec = ["clamp", -2, 3] if kind == "clamp" else kind
        assert np.isfinite(from_model([dense, spec])(x)).all()
    assert (from_model([dense, "relu6"])(x) == np.clip(x, 0, 6)).all()
    assert (from_model([dense, "hard_tanh"])(x) == np.clip(x, -1, 1)).all()
    assert (from_model([dense, ["clamp", -2, 3]])(x) == np.clip(x, -2, 3)).all()
    assert np.allclose(from_model([dense, "hard_sigmoid"])(x), np.clip(x / 6 + 0.5, 0, 1))
    assert from_model([dense, ["hard_sigmoid", 0.2, 0.5]])(x)[0, 0] == 0
    assert (from_model([dense, ["leaky_relu", 2]])(x) == np.where(x > 0, x, 2 * x)).all()
    text = json.dumps({"layers": [["dense", [[1]], [0]], "sigmoid"], "labels": ["no", 1]})
    assert data(tmp_path, text, "n.json", read_network).labels == ["no", "1"]

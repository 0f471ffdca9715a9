"""From a model's outputs to names of classes: what `aifes run` and `aifes simulate` show."""
import json

import aifes
import numpy as np
import pytest
from aifes.layers.assemble import chain
from aifes.layers.map import table_map
from aifes_host import Simulator
from aifes_host.graph import ConversionError
from aifes_host.predictions import Outputs


def outputs(count, meta, scale=(0, 0)):
    model = chain([table_map(count, bytes(range(256)))], (0, 0), scale,
                  metadata=json.dumps(meta).encode())
    return Outputs(bytes(model), Simulator(model).plan)


def test_several_outputs():
    o = outputs(3, {"labels": ["left", "straight", 7]})
    y = np.array([[0, 1, 0], [0.1, 0, 0.2]])
    assert o.headings() == ["left", "straight", "7"]
    assert o.predictions(y) == ["straight", "7"] and o.classes(y).tolist() == [1, 2]
    assert o.accuracy(y, ["straight", "left"]) == 0.5 and o.accuracy(y, ["straight", 7]) == 1


@pytest.mark.parametrize("meta, scale, boundary", [
    ({"boundary": 0.5}, (0, 0), 0.5), ({"boundary": 0}, (8, -128), 0),
    ({}, (8, -128), 0.5), ({}, (8, 0), 0), ({}, (4, 3), 0), ({"boundary": "x"}, (8, -128), 0.5)])
def test_single_output(meta, scale, boundary):
    o = outputs(1, dict(meta, labels=["no", "yes"]), scale)
    assert o.boundary == boundary and o.headings() == ["output 0"]
    y = np.array([[boundary - 0.1], [boundary], [boundary + 0.1]])
    assert o.predictions(y) == ["no", "no", "yes"]


def test_single_output_of_float32():
    for layer, boundary in ((aifes.Sigmoid(), 0.5), (aifes.Tanh(), 0)):
        net = aifes.Sequential([aifes.Input(1), aifes.Dense(1, (1.0,), (0.0,)), layer],
                               dtype="f")
        model = bytes(net.to_bytes())
        assert Outputs(model, Simulator(model).plan).boundary == boundary


@pytest.mark.parametrize("labels", [None, 5, [], ["a"], ["a", "b", "c"], {"a": 1}, "ab"])
def test_no_names(labels):
    o = outputs(2, {"labels": labels})
    assert o.headings() == ["output 0", "output 1"]
    y = np.eye(2)
    assert o.predictions(y) is None and o.accuracy(y, [0, 0]) == 0.5


def test_labels_that_do_not_fit():
    with pytest.raises(ConversionError, match="1 labels for 2 samples"):
        outputs(2, {}).accuracy(np.eye(2), [0])
    for wrong in (-5, 7, 0.5, np.nan, "left"):
        with pytest.raises(ConversionError, match=f"{wrong} is none of the network's 2 classes"):
            outputs(2, {}).accuracy(np.eye(2), [0, wrong])

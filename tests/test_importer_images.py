"""Convolutions and pooling of Keras, PyTorch and ONNX against what these compute themselves."""
import os

import numpy as np
import pytest
import random_images
from aifes_host import ConversionError, from_model, read_network
from frameworks import need

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.xdist_group("torch")  # which takes seconds to import


def agree(graph, x, wanted):
    """To 1e-5 of what the outputs span."""
    wanted = np.asarray(wanted, float).reshape(len(x), -1)
    found = graph(x)
    assert found.shape == wanted.shape and np.ptp(wanted) > 0
    assert np.abs(found - wanted).max() < 1e-5 * np.ptp(wanted)


def loaded(model, x, path, save):
    save(path)
    return read_network(str(path))


@pytest.mark.parametrize("seed", range(40))
def test_keras(tmp_path, seed):
    need("keras")
    import torch

    model, x = random_images.of_keras(seed)
    with torch.no_grad():
        wanted = np.asarray(model(x))
    agree(from_model(model), x, wanted)
    if seed % 4 == 0:
        path = tmp_path / f"net{'.h5' if seed % 8 else '.keras'}"
        model.save(path)
        agree(read_network(str(path)), x, wanted)


@pytest.mark.parametrize("seed", range(40))
def test_torch(tmp_path, seed):
    torch = need("torch")
    model, x = random_images.of_torch(seed)
    with torch.no_grad():
        wanted = model(torch.tensor(x)).numpy()
    shapes = ({0: torch.export.Dim.DYNAMIC},) if seed % 2 else None
    program = torch.export.export(model, (torch.tensor(x),), dynamic_shapes=shapes)
    agree(from_model(program), x, wanted)
    if seed % 4 == 0:
        torch.export.save(program, tmp_path / "net.pt2")
        agree(read_network(str(tmp_path / "net.pt2")), x, wanted)
    elif seed % 4 == 1:
        agree(from_model(program.run_decompositions()), x, wanted)


@pytest.mark.parametrize("seed", range(60))
def test_onnx(seed):
    need("onnx")
    runtime = need("onnxruntime")
    model, x = random_images.of_onnx(seed)
    wanted = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    agree(from_model(model), x, wanted)

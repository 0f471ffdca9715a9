"""PyTorch: live modules, exported programs and .pt2 files against what PyTorch computes."""
import sys
import warnings
import zipfile

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, read_network
from frameworks import agree, need

pytestmark = pytest.mark.xdist_group("torch")  # which takes seconds to import


@pytest.fixture(scope="module")
def torch():
    return need("torch")


def architecture(torch, seed):
    """A random module of all layers that can be converted, in one of four styles of writing."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    nn, functional = torch.nn, torch.nn.functional
    n = int(rng.integers(1, 12))
    parts, size = [nn.Flatten()] if rng.random() < 0.5 else [], n
    for _ in range(rng.integers(1, 5)):
        m = int(rng.integers(1, 20))
        if rng.random() < 0.3:
            parts.append(nn.BatchNorm1d(size, affine=bool(rng.random() < 0.7)))
        parts.append(nn.Linear(size, m, bias=bool(rng.random() < 0.8)))
        if rng.random() < 0.3:
            parts.append(nn.BatchNorm1d(m))
        parts.append([nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.ELU(0.5),
                      nn.Sigmoid(), nn.Tanh(), nn.Softsign(), nn.Dropout(0.2),
                      nn.Identity()][rng.integers(9)])
        size = m
    if rng.random() < 0.3:
        parts.append(nn.Softmax(dim=1))

    class Written(nn.Module):
        """Layers as attributes, the rest in forward()."""

        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(*parts)
            self.register_buffer("mean", torch.randn(n))
            self.matrix = nn.Parameter(torch.randn(size, 3))

        def forward(self, x):
            x = (x.view(x.size(0), -1) - self.mean) / 2.0
            x = functional.leaky_relu(self.body(x), 0.1) * 0.5 + 1
            return functional.softmax(functional.elu(x @ self.matrix), dim=-1)

    class Transposed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.scale = nn.Sequential(*parts), nn.Parameter(torch.rand(size) + 0.1)

        def forward(self, x):
            return torch.tanh(3 - torch.flatten(self.body(x), 1) * self.scale)

    style = seed % 4
    model = [nn.Sequential(*parts), nn.Sequential(nn.Sequential(*parts)), Written(),
             Transposed()][style]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.2, 2)
    return model, torch.randn(20, n)


@pytest.mark.parametrize("seed", range(36))
@pytest.mark.filterwarnings("ignore")
def test_agrees(torch, tmp_path, seed):
    model, x = architecture(torch, seed)
    model.train()
    graph = from_model(model)
    assert model.training, "the model is left as it was"
    wanted = model.eval()(x).detach().numpy()
    agree(graph, x.numpy(), wanted)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    agree(from_model(program), x.numpy(), wanted)
    torch.export.save(program, tmp_path / "net.pt2")
    agree(read_network(str(tmp_path / "net.pt2")), x.numpy(), wanted)
    if seed < 4:
        agree(from_model(program.run_decompositions()), x.numpy(), wanted)


def test_pt2_is_read_without_torch(torch, tmp_path, monkeypatch):
    torch.export.save(torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(2, 3),)),
                      tmp_path / "net.pt2")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert read_network(str(tmp_path / "net.pt2")).outputs == 2


@pytest.mark.filterwarnings("ignore")
def test_refusals_name_the_layer(torch, tmp_path):
    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x):
            return x + self.a(x)

    class Branching(nn.Module):
        def forward(self, x):
            if x.sum() > 0:
                return x
            return -x

    for model, words in (
            (nn.Sequential(nn.Linear(2, 2), nn.GELU()), "'1' is a gelu.*use Linear"),
            (nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=0)), r"Softmax\(dim=0\).*use dim=1"),
            (nn.Sequential(nn.Linear(2, 2), nn.Hardtanh()), "'1' is a hardtanh"),
            (nn.Sequential(nn.Linear(8, 2), nn.LayerNorm(2)), "'1' is a layer_norm"),
            (nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False), nn.Linear(2, 2)),
             "'0' keeps no running"),
            (Residual(), "only a chain"), (nn.Sequential(nn.Tanh()), "no Linear"),
            (nn.Sequential(nn.Linear(2, 2), Branching()), "torch.export cannot trace")):
        with pytest.raises(ConversionError, match=words):
            from_model(model)


def test_pickles_and_damaged_files_are_not_opened(torch, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "evil"), "w"))

    path = tmp_path / "net.pt2"
    torch.save(Evil(), path)
    with pytest.raises(ConversionError, match="pickle"):
        read_network(str(path))
    program = torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(2, 3),))
    torch.export.save(program, path)
    whole = path.read_bytes()
    for cut in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(ConversionError, match="net.pt2"):
            read_network(str(path))
    with zipfile.ZipFile(path, "w") as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.writestr("net/models/model.json", "{}")
    with pytest.raises(ConversionError, match="net.pt2"):
        read_network(str(path))
    assert not (tmp_path / "evil").exists()

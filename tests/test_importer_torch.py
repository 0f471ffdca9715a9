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


def more(nn):
    return [nn.ReLU6(), nn.Hardtanh(), nn.Hardtanh(-0.5, 2.0), nn.Hardsigmoid(), nn.Hardswish(),
            nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.SELU(), nn.CELU(0.7), nn.Softplus(),
            nn.Softplus(2.0), nn.Mish(), nn.LogSigmoid(), nn.PReLU(), nn.RReLU(),
            nn.AlphaDropout(0.2), nn.Threshold(0.0, 0.0)]


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
                      nn.Sigmoid(), nn.Tanh(), nn.Softsign(), nn.Dropout(0.2), nn.Identity(),
                      *more(nn)][rng.integers(9 + (seed > 35) * len(more(nn)))])
        size = m
    if rng.random() < 0.3:
        parts.append([nn.Softmax(dim=1), nn.LogSoftmax(dim=-1)][seed > 35 and rng.integers(2)])

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


@pytest.mark.parametrize("seed", range(72))
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
    if seed < 4 or 36 <= seed < 48:
        agree(from_model(program.run_decompositions()), x.numpy(), wanted)


def ways(torch, model, x, folder, output=None):
    """The Graphs of a module: live, exported for any batch and for this one, and of a file."""
    yield from_model(model, output=output)
    for shapes in (None, ({0: torch.export.Dim.DYNAMIC},)):
        program = torch.export.export(model.eval(), (x,), dynamic_shapes=shapes)
        yield from_model(program, output=output)
        yield from_model(program.run_decompositions(), output=output)
        torch.export.save(program, folder / "net.pt2")
        yield read_network(str(folder / "net.pt2"), output=output)


@pytest.mark.filterwarnings("ignore")
def test_clipped_policy(torch, tmp_path):
    """As reinforcement learning writes them: clipped, scaled observations and clipped actions."""
    from torch.nn.utils import prune

    class Policy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.action = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)
            prune.l1_unstructured(self.hidden, "weight", amount=0.5)
            self.register_buffer("mean", torch.randn(4))
            self.register_buffer("low", torch.full((2,), -0.3))

        def forward(self, x):
            x = torch.clamp((x.float() - self.mean) / 2, -1.5, 1.5).unsqueeze(1)
            x = torch.nn.functional.dropout(self.hidden(x).squeeze(1).clamp_min(-0.2), 0.1, False)
            x = torch.clamp(torch.nn.functional.silu(x).view(x.size(0), -1), max=1.0)
            return torch.clamp(self.action(x), self.low, -self.low)

    model, x = Policy(), 2 * torch.randn(20, 4)
    for graph in ways(torch, model, x, tmp_path):
        agree(graph, x.numpy(), model(x).detach().numpy())
        assert [v.kind for v in graph.layers if v.kind != "dense"][0] == "clamp"
        assert (graph.layers[-1].alpha, graph.layers[-1].beta) == pytest.approx((-0.3, 0.3))


@pytest.mark.filterwarnings("ignore")
def test_outputs_are_chosen(torch, tmp_path):
    class ActorCritic(torch.nn.Module):
        def __init__(self, result):
            super().__init__()
            self.body, self.result = torch.nn.Linear(4, 8), result
            self.actor, self.critic = torch.nn.Linear(8, 3), torch.nn.Linear(8, 1)

        def forward(self, x):
            h = torch.tanh(self.body(x))
            return self.result(torch.tanh(self.actor(h)), self.critic(h).squeeze(-1), h)

    x = torch.randn(20, 4)
    for result, names in (
            (lambda a, v, h: (a, v), ["0", "1"]), (lambda a, v, h: [a, v, None], ["0", "1"]),
            (lambda a, v, h: {"actions": a, "values": v}, ["actions", "values"]),
            (lambda a, v, h: (a, (v, h * h)), ["0", "1.0"])):
        model = ActorCritic(result)
        h = torch.tanh(model.body(x))
        wanted = torch.tanh(model.actor(h)), model.critic(h)
        for name, value in zip(names, wanted):
            for graph in ways(torch, model, x, tmp_path, name):
                agree(graph, x.numpy(), value.detach().numpy())
        for source, read in ((model, from_model), (str(tmp_path / "net.pt2"), read_network)):
            with pytest.raises(ConversionError, match=rf"'{names[0]}' \[\w+, 3\], '{names[1]}' \["):
                read(source)
            with pytest.raises(ConversionError, match=f"no output 'q': it has '{names[0]}'"):
                read(source, output="q")
    assert from_model(ActorCritic(lambda a, v, h: (a, a))).n_out == 3
    with pytest.raises(ConversionError, match="no output '1'"):
        from_model(torch.nn.Linear(2, 2), output=1)


@pytest.mark.filterwarnings("ignore")
def test_inputs(torch):
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(3, 2)

        def forward(self, x, z):
            return self.a(x), self.a(x) + z

    program = torch.export.export(Two().eval(), (torch.zeros(2, 3), torch.zeros(2, 2)))
    assert from_model(program, output=0).n_in == 3
    assert [t.name for t in from_model(program, output=1).inputs] == ["x", "z"]


def test_pt2_is_read_without_torch(torch, tmp_path, monkeypatch):
    torch.export.save(torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(2, 3),)),
                      tmp_path / "net.pt2")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert read_network(str(tmp_path / "net.pt2")).n_out == 2


@pytest.mark.filterwarnings("ignore")
def test_refusals_name_the_layer(torch, tmp_path):
    nn = torch.nn

    class Quotient(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x):
            return x / self.a(x)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x):
            return self.a(x).to(torch.int64).float()

    class Branching(nn.Module):
        def forward(self, x):
            if x.sum() > 0:
                return x
            return -x

    class Of(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.a, self.function = nn.Linear(3, 3), function

        def forward(self, x):
            return self.function(self.a(x))

    slopes = nn.PReLU(2)
    nn.init.normal_(slopes.weight)
    for model, words in (
            (nn.Sequential(nn.Linear(2, 2), nn.Hardshrink()), r"'1' \(hardshrink\).*use Linear"),
            (nn.Sequential(nn.Linear(2, 2), slopes), "one slope for all"),
            (nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=0)), "axis 0.*use axis 1"),
            (nn.Sequential(nn.Linear(8, 2), nn.LayerNorm(2)), r"'1' \(layer_norm\)"),
            (Whole(), r"'to' \(to\)"),
            (nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False), nn.Linear(2, 2)),
             "'0' keeps no running"),
            (Of(lambda h: torch.max(h, 1)[0]), r"\(max\) cannot be converted"),
            (Of(lambda h: h.max() + h), r"\(max\) cannot be converted"),
            (Of(lambda h: torch.add(h, 1, alpha=2)), r"\(add\) cannot be converted"),
            (Of(lambda h: torch.add(h, h.relu(), alpha=2)), r"\(add\) combines several"),
            (Of(lambda h: torch.div(h, 2, rounding_mode="floor")), r"\(div\) cannot be converted"),
            (Quotient(), "only a sum"), (nn.Sequential(nn.Tanh()), "no Linear"),
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

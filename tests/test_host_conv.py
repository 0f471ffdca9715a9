"""Convolutions and pooling on the PC: the simulator against loops over pixels, against PyTorch and
against the Python engine; quantizing, searching and fine-tuning small networks with them."""
import json
import re
import sys
from array import array
from fractions import Fraction
from math import floor
from pathlib import Path

import aifes
import numpy as np
import pytest
from aifes.layers.assemble import chain
from aifes.layers.conv import Geometry, conv, float_conv
from aifes.layers.map import fuse_clamp, fuse_map
from aifes.layers.pool import pool
from aifes_host import (
    Activation,
    Add,
    Conv,
    ConversionError,
    Dense,
    Graph,
    Node,
    Pool,
    Simulator,
    Softmax,
    Tensor,
    finetune,
    quantize,
    search,
    sequential,
)
from aifes_host.cost import CHIPS, estimate, multiplications
from aifes_host.float32 import float_model
from aifes_host.layout import TARGETS, arrange
from aifes_host.memory_map import blocks, lower_bound
from aifes_host.stages import stages
from aifes_host.support import SUPPORT

GOLDEN = Path(__file__).parent / "golden"


def pixels(x, spread, padding, outside):
    """An image [rows, columns, channels], spread, with what lies outside around it."""
    rows, columns = [(n - 1) * s + 1 for n, s in zip(x.shape, spread)]
    top, bottom, left, right = padding
    found = np.full((rows + top + bottom, columns + left + right, x.shape[2]), outside, x.dtype)
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            found[top + r * spread[0], left + c * spread[1]] = x[r, c]
    return found


def by_loops(x, w, stride, padding, dilation, spread, groups, outside):
    """The sums of products [rows, columns, outputs]; w: [kernel rows, columns, channels, outputs].
    """
    image = pixels(x, spread, padding, outside)
    k_rows, k_columns, per, n_out = w.shape
    found, r = [], 0
    while r + dilation[0] * (k_rows - 1) < len(image):
        row, c = [], 0
        while c + dilation[1] * (k_columns - 1) < image.shape[1]:
            sums = []
            for j in range(n_out):
                first = j // (n_out // groups) * per
                part = image[r:r + dilation[0] * (k_rows - 1) + 1:dilation[0],
                             c:c + dilation[1] * (k_columns - 1) + 1:dilation[1], first:first + per]
                sums.append((part * w[..., j]).sum())
            row.append(sums)
            c += stride[1]
        found.append(row)
        r += stride[0]
    return np.array(found)


def two(rng, low, high):
    return tuple(int(v) for v in rng.integers(low, high, 2))


def random_conv(rng):
    """(shape of the image, that of the weights, what else Conv takes) of which something comes."""
    while True:
        groups = int(rng.choice([1, 1, 2, 3, 17]))
        per = int(rng.integers(1, 18 if groups == 1 else 3))
        shape = *two(rng, 1, 8), groups * per
        kernel, stride, dilation, spread = (two(rng, 1, n) for n in (6, 4, 3, 3))
        padding = tuple(int(v) for v in rng.integers(0, 4, 4))
        if not rng.integers(3):
            dilation = spread = (1, 1)
        n_out = groups * int(rng.integers(1, 18 if groups == 1 else 4))
        if all((shape[k] - 1) * spread[k] + padding[2 * k] + padding[2 * k + 1]
               >= dilation[k] * (kernel[k] - 1) for k in range(2)):
            return shape, (*kernel, per, n_out), {
                "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
                "spread": spread}


def geometry(shape, w_shape, more):
    y = Conv(np.zeros(w_shape), np.zeros(w_shape[3]), **more).shape(shape)
    return Geometry(shape, y, w_shape[:2], more["stride"], more["padding"][::2], more["dilation"],
                    more["spread"], more["groups"])


def int8_conv(rng):
    """(model, shape of the image, results of an image)"""
    shape, w_shape, more = random_conv(rng)
    w = rng.integers(-128, 128, w_shape)
    n_out, zero, x_zero = w_shape[3], int(rng.integers(-128, 128)), int(rng.integers(-128, 128))
    bias = rng.integers(-1 << 14, 1 << 14, n_out).tolist()
    shift = [int(v) for v in rng.integers(5, 14, n_out)]
    alike = bool(rng.integers(2))
    if alike:
        shift = shift[:1] * n_out
    nearest = bool(rng.integers(2))
    draft = conv(geometry(shape, w_shape, more), w.reshape(-1, n_out).T.astype(np.int8).tobytes(),
                 bias, x_zero, shift[0] if alike else shift, zero, nearest)
    drafts, low, high, table = [draft], -128, 127, None
    if rng.integers(2):
        low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
        fuse_clamp(drafts, draft.n_out, low, high)
    elif rng.integers(2):
        table = rng.integers(-128, 128, 256).astype(np.int8)
        fuse_map(drafts, draft.n_out, table.tobytes())

    def wanted(q):
        acc = by_loops(q.reshape(shape).astype(int) - x_zero, w, more["stride"], more["padding"],
                       more["dilation"], more["spread"], more["groups"], 0)
        y = [max(low, min(high, zero + floor(Fraction(int(v) + b, 1 << s) + (
            Fraction(1, 2) if nearest and s else 0))))
             for pixel in acc.reshape(-1, n_out) for v, b, s in zip(pixel, bias, shift)]
        return [int(table[v + 128]) for v in y] if table is not None else y

    return chain(drafts, (0, 0), (0, 0), shape), shape, wanted


def float32_conv(rng):
    shape, w_shape, more = random_conv(rng)
    w = rng.normal(size=w_shape).astype("<f4")
    bias = rng.normal(size=w_shape[3]).astype("<f4")
    draft = float_conv(geometry(shape, w_shape, more), w.reshape(-1, len(bias)).T.tobytes(),
                       bias.tobytes())
    return chain([draft], (0, 0), (0, 0), shape, dtype=aifes.format.FLOAT32), shape, lambda x: (
        by_loops(x.reshape(shape).astype(float), w.astype(float), more["stride"], more["padding"],
                 more["dilation"], more["spread"], more["groups"], 0) + bias).ravel()


def random_pool(rng):
    """A Pool and the shape of its image."""
    while True:
        shape = (*two(rng, 1, 10), int(rng.integers(1, 18)))
        kernel, stride = two(rng, 1, 12), two(rng, 1, 5)
        padding = tuple(int(v) for v in rng.integers(0, 3, 4))
        layer = Pool(kernel, stride, padding, bool(rng.integers(2)), bool(rng.integers(2)))
        try:
            layer.shape(shape)
        except ConversionError:
            continue
        return layer, shape


def pooled(layer, x, mean, largest):
    """By loops: mean(list of ints or floats, n), largest(list) of each window."""
    rows, columns, channels = layer.shape(x.shape)
    found = []
    for r in range(rows):
        for c in range(columns):
            for k in range(channels):
                inside = [x[i, j, k] for i in range(r * layer.stride[0] - layer.padding[0],
                                                    r * layer.stride[0] - layer.padding[0]
                                                    + layer.kernel[0])
                          for j in range(c * layer.stride[1] - layer.padding[2],
                                         c * layer.stride[1] - layer.padding[2] + layer.kernel[1])
                          if 0 <= i < x.shape[0] and 0 <= j < x.shape[1]]
                n = layer.kernel[0] * layer.kernel[1] if layer.whole else len(inside)
                found.append(mean(inside, n) if layer.average else largest(inside))
    return np.array(found)


def pool_draft(layer, shape, *scales):
    return pool(shape, layer.shape(shape), layer.kernel, layer.stride, layer.padding[::2],
                layer.average, layer.whole, *scales)


def int8_pool(rng):
    layer, shape = random_pool(rng)
    x_zero, zero, up = *two(rng, -128, 128), int(rng.integers(0, 5))
    scales = ((3, x_zero), (3 + up, zero)) if layer.average else ((3, x_zero), (3, x_zero))

    def wanted(q):
        return pooled(layer, q.reshape(shape).astype(int), lambda v, n: max(-128, min(127, floor(
            Fraction(sum(int(i) - x_zero for i in v) << up, n) + Fraction(1, 2)) + zero)), max)

    return chain([pool_draft(layer, shape, *scales)], (0, 0), (0, 0), shape), shape, wanted


def float32_pool(rng):
    layer, shape = random_pool(rng)
    model = chain([pool_draft(layer, shape)], (0, 0), (0, 0), shape, dtype=aifes.format.FLOAT32)
    return model, shape, lambda x: pooled(layer, x.reshape(shape).astype(float),
                                          lambda v, n: sum(v) / n, max)


def values(rng, samples, shape, is_float):
    size = samples, int(np.prod(shape))
    if is_float:
        x = rng.normal(size=size).astype(np.float32)
        x[rng.random(size) < 0.1] = rng.choice(np.float32([0.0, -0.0]))  # ties of zeros
        return x
    return rng.integers(-128, 128, size).astype(np.int8)


@pytest.mark.parametrize("make, times", [(int8_conv, 1500), (int8_pool, 1500), (float32_conv, 300),
                                         (float32_pool, 300)])
def test_simulator_as_loops_over_pixels(make, times):
    rng = np.random.default_rng(1)
    for case in range(times):
        model, shape, wanted = make(rng)
        x = values(rng, 2, shape, "float" in make.__name__)
        got = Simulator(model).run(x)
        for q, y in zip(x, got):
            if "float" in make.__name__:
                np.testing.assert_allclose(y, wanted(q), rtol=1e-5, atol=1e-5)
            else:
                assert y.tolist() == list(wanted(q)), case


@pytest.mark.parametrize("make", [int8_conv, int8_pool, float32_conv, float32_pool])
def test_simulator_as_the_python_engine(make):
    """Bit for bit, in all orders of the weights, in the model's arena."""
    rng = np.random.default_rng(2)
    for case in range(60):
        model, shape, _ = make(rng)
        is_float = "float" in make.__name__
        x = values(rng, 1, shape, is_float)
        wanted = Simulator(model).run(x)
        for target in TARGETS if not is_float else ["any"]:
            net = aifes.load(bytes(arrange(model, target)), engine="python")
            y = array("f" if is_float else "b", bytes(wanted.nbytes))
            net.run(array(y.typecode, x.tobytes()), y)
            assert y.tobytes() == wanted.tobytes(), (case, target)
            assert (Simulator(arrange(model, target)).run(x) == wanted).all()


def test_chunks_of_samples_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    for make in (int8_conv, float32_conv):
        model, shape, _ = make(rng)
        x = values(rng, 50, shape, make is float32_conv)
        wanted = Simulator(model).run(x)
        monkeypatch.setattr("aifes_host.ops.windows.ELEMENTS", 1000)
        assert (Simulator(model).run(x) == wanted).all()
        monkeypatch.undo()


def torch_conv(torch, x, w, bias, more):
    top, bottom, left, right = more["padding"]
    x = torch.nn.functional.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
    return torch.nn.functional.conv2d(
        x, w.permute(3, 2, 0, 1).contiguous(), bias, more["stride"], 0, more["dilation"],
        more["groups"]).permute(0, 2, 3, 1)


def test_layer_as_pytorch():
    """Results and gradients of conv2d."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    for _ in range(150):
        shape, w_shape, more = random_conv(rng)
        if more["spread"] != (1, 1):
            continue
        layer = Conv(rng.normal(size=w_shape), rng.normal(size=w_shape[3]), **more)
        layer.shape(shape)
        x = torch.tensor(rng.normal(size=(3, *shape)), requires_grad=True)
        w, b = (torch.tensor(v, requires_grad=True) for v in (layer.weights, layer.bias))
        want = torch_conv(torch, x, w, b, more)
        g = rng.normal(size=want.shape)
        (want * torch.tensor(g)).sum().backward()
        flat = x.detach().numpy().reshape(3, -1)
        got = layer(flat)
        np.testing.assert_allclose(got, want.detach().numpy().reshape(3, -1), atol=1e-10)
        back, = layer.gradients([flat], got, g.reshape(3, -1))
        np.testing.assert_allclose(back, x.grad.numpy().reshape(3, -1), atol=1e-10)
        for own, theirs in zip(layer.parameter_gradients([flat], g.reshape(3, -1)), (w, b)):
            np.testing.assert_allclose(own, theirs.grad.numpy(), atol=1e-10)


def test_transposed_as_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    compared = 0
    for _ in range(100):
        x = rng.normal(size=(2, *two(rng, 1, 6), int(rng.integers(1, 4))))
        kernel, stride, dilation = two(rng, 1, 5), two(rng, 1, 4), two(rng, 1, 3)
        before, more = two(rng, 0, 2), tuple(int(rng.integers(0, s)) for s in stride)
        w = rng.normal(size=(*kernel, x.shape[3], int(rng.integers(1, 4))))
        padding = [v for k, d, p, m in zip(kernel, dilation, before, more)
                   for v in (d * (k - 1) - p, d * (k - 1) - p + m)]
        if min(padding) < 0:
            continue
        try:
            want = torch.nn.functional.conv_transpose2d(
                torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(w).permute(2, 3, 0, 1), None,
                stride, before, more, 1, dilation).permute(0, 2, 3, 1)
        except RuntimeError:  # PyTorch wants the additional padding to be less than the dilation
            continue
        layer = Conv(w[::-1, ::-1], np.zeros(w.shape[3]), padding=padding, dilation=dilation,
                     spread=stride)
        assert layer.shape(x.shape[1:]) == tuple(want.shape[1:])
        np.testing.assert_allclose(layer(x.reshape(2, -1)), want.reshape(2, -1), atol=1e-10)
        compared += 1
    assert compared > 40


def test_pool_as_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    for _ in range(100):
        kernel, stride = two(rng, 1, 5), two(rng, 1, 4)
        p = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
        shape = (*two(rng, 4, 9), 3)
        average, whole = bool(rng.integers(2)), bool(rng.integers(2))
        layer = Pool(kernel, stride, (p[0], p[0], p[1], p[1]), average, whole)
        layer.shape(shape)
        x = torch.tensor(rng.normal(size=(3, *shape)), requires_grad=True)
        if average:
            want = torch.nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), kernel, stride, p,
                                                  count_include_pad=whole)
        else:
            want = torch.nn.functional.max_pool2d(x.permute(0, 3, 1, 2), kernel, stride, p)
        want = want.permute(0, 2, 3, 1)
        g = rng.normal(size=want.shape)
        (want * torch.tensor(g)).sum().backward()
        flat = x.detach().numpy().reshape(3, -1)
        got = layer(flat)
        np.testing.assert_allclose(got, want.detach().numpy().reshape(3, -1), atol=1e-12)
        back, = layer.gradients([flat], got, g.reshape(3, -1))
        np.testing.assert_allclose(back, x.grad.numpy().reshape(3, -1), atol=1e-12)


def made_conv(rng, kernel, n_in, n_out, stride=1, groups=1):
    per = n_in // groups
    return Conv(rng.normal(size=(kernel, kernel, per, n_out)) / kernel / per ** 0.5,
                0.1 * rng.normal(size=n_out), (stride, stride), (kernel // 2,) * 4, groups=groups)


def residual(rng):
    """A network with a branch, all kinds of layers on images."""
    layers = [("x", "a", made_conv(rng, 3, 2, 8)), ("a", "b", Activation("relu")),
              ("b", "c", made_conv(rng, 3, 8, 8, groups=8)), ("c", "d", Activation("clamp", 0, 6)),
              ("d", "e", made_conv(rng, 1, 8, 8)), ("e,b", "f", Add()),
              ("f", "g", Activation("relu")), ("g", "h", Pool((2, 2), (2, 2))),
              ("h", "i", made_conv(rng, 3, 8, 12, 2)), ("i", "j", Activation("tanh")),
              ("j", "k", Pool((2, 2), (1, 1), average=True)),
              ("k", "y", Dense(rng.normal(size=(12, 4)), rng.normal(size=4)))]
    return Graph([Tensor("x", (9, 7, 2))], [Node(layer, x.split(","), (y,))
                                            for x, y, layer in layers], ["y"])


def test_random_networks_are_quantized_well():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        graph = residual(rng)
        result = quantize(graph, rng.normal(size=(150, 9, 7, 2)))
        x = rng.normal(size=(150, 126))
        real, seen = graph(x), Simulator(result.model)(x)
        assert ((seen - real) ** 2).mean() < 0.0015 * real.var()
        for target in TARGETS:
            assert (Simulator(arrange(result.model, target))(x) == seen).all()
        net = aifes.load(result.model, engine="python")
        assert np.array_equal(net.predict(x[0].tolist()), seen[0])
        assert [s.title for s in stages(result, x)][-1] == "y"


def test_the_arena_is_what_is_needed_at_once():
    rng = np.random.default_rng(0)
    graph = residual(rng)
    for model, unit in ((quantize(graph, rng.normal(size=(40, 126))).model, 1),
                        (float_model(no_clamp(graph)), 4)):
        plan = Simulator(model).plan
        # the third convolution needs most: the branch, input, result, and its column
        assert plan.arena == lower_bound(plan) == unit * (3 * 9 * 7 * 8 + 8)
        assert sum("scratch" in b.name for b in blocks(plan)) == 4


def no_clamp(graph):
    return Graph(graph.inputs, [Node(Activation("relu") if node.layer.kind == "clamp"
                                     else node.layer, node.inputs, node.outputs)
                                for node in graph.nodes], graph.outputs)


def test_float32_is_the_network():
    rng = np.random.default_rng(0)
    graph = no_clamp(residual(rng))
    x = rng.normal(size=(20, 126))
    model = float_model(graph)
    got = Simulator(model)(x)
    np.testing.assert_allclose(got, graph(x), atol=1e-4)
    net = aifes.load(model, engine="python")
    assert np.array_equal(np.float32(net.predict(x[0].tolist())), np.float32(got[0]))


@pytest.mark.parametrize("samples", [20, 40])
def test_the_board_quantizes_alike(samples):
    """With and without corrected means: each op has the same numbers."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        graph = no_clamp(residual(rng))
        if seed == 2:  # a transposed convolution, a mean with padding, its scale at the end
            w = rng.normal(size=(3, 2, 2, 6))
            graph = sequential((4, 3, 4), [
                Conv(w, rng.normal(size=6), (1, 2), (1, 2, 0, 1), (1, 2), 2, (2, 1)),
                Activation("elu", 1.0), Pool((2, 2), (1, 1), (1, 0, 1, 1), True, True),
                Activation("relu"), Pool((2, 1), (2, 1)), Activation("relu")])
        x = rng.normal(size=(samples, graph.n_in)).astype(np.float32)
        model = aifes.load(float_model(graph))
        quantizer = aifes.Quantizer(model)
        board = quantizer.run(x.tolist(), None, None)
        assert board.len <= quantizer.parameter_memory_size()
        ours, theirs = Simulator(quantize(graph, x).model), Simulator(bytes(board._buf))
        assert (ours.run(ours.quantized(x)) == theirs.run(theirs.quantized(x))).all()
        kinds = sorted(op.opcode for op in ours.plan.ops)
        assert kinds == sorted(op.opcode for op in theirs.plan.ops)
        assert [t[2:4] for t in ours.outputs] == [t[2:4] for t in theirs.outputs]


def test_support_is_as_stated():
    """All of it was made above."""
    kinds = {node.layer.kind for node in residual(np.random.default_rng(0)).nodes}
    for kind in ("conv", "max_pool", "average_pool"):
        assert kind in kinds
        assert SUPPORT[kind].int8 is SUPPORT[kind].float32 is SUPPORT[kind].on_board is True


@pytest.fixture(scope="module")
def digits():
    """(graph, images, their digits) of a CNN that PyTorch trained for the digits of scikit-learn:
    the images are such as it was not trained with."""
    torch = pytest.importorskip("torch")
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).reshape(-1, 8, 8, 1), y[order]
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
                        nn.Flatten(), nn.Linear(64, 10))
    data, targets = torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2), torch.tensor(y)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(15):
        for part in torch.randperm(1200).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(data[part]), targets[part]).backward()
            optimizer.step()
    torch.set_num_threads(threads)
    w = [p.detach().numpy().astype(float) for p in net.parameters()]
    # PyTorch's vector of an image has the channels first
    dense = w[4].reshape(10, 16, 2, 2).transpose(2, 3, 1, 0).reshape(64, 10)
    graph = sequential((8, 8, 1), [
        Conv(w[0].transpose(2, 3, 1, 0), w[1], padding=(1,) * 4), Activation("relu"),
        Pool((2, 2), (2, 2)), Conv(w[2].transpose(2, 3, 1, 0), w[3], padding=(1,) * 4),
        Activation("relu"), Pool((2, 2), (2, 2), average=True), Dense(dense, w[5])])
    np.testing.assert_allclose(graph(x[:5]), net(data[:5]).detach().numpy(), atol=1e-4)
    return graph, x[1200:].reshape(-1, 64), y[1200:]


def test_digits(digits):
    graph, x, y = digits
    found = quantize(graph, x[:300]).compare(x, y)
    print(found)
    assert found["accuracy_float"] > 0.9
    assert found["accuracy_q7"] > found["accuracy_float"] - 0.007
    assert found["mean_error"] < 0.006 * found["output_span"]


def test_digits_searched_and_trained_on(digits, monkeypatch):
    graph, x, y = digits
    monkeypatch.setattr(sys.modules["aifes_host.finetune"], "EPOCHS", 15)
    found = search(graph, x[:60])
    assert found.improved["error_after"] <= found.improved["error_before"]
    print(found.improved)
    found = finetune(graph, x[:200], y[:200])
    print(found.improved)
    assert found.improved["loss_after"] <= found.improved["loss_before"]
    assert found.improved["accuracy_after"] >= found.improved["accuracy_before"] - 0.02


def test_costs(digits):
    graph, x, _ = digits
    model = quantize(graph, x[:100]).model
    assert multiplications(Simulator(model).plan) == 64 * 9 * 8 + 16 * 72 * 16 + 640
    assert all(estimate(model, chip).instructions > 23000 for chip in CHIPS)


def test_border_pixels_that_never_change_need_no_warning(digits):
    graph, x, _ = digits
    assert (x == x[0]).all(axis=0).any()
    assert quantize(graph, x[:100]).warnings == []


@pytest.mark.parametrize("layer, said", [
    (Conv(np.ones((3, 3, 2, 4)), np.zeros(4)), "takes 2 channels but gets 1"),
    (Conv(np.ones((9, 9, 1, 4)), np.zeros(4)), "smaller than its window"),
    (Pool((2, 2), (2, 2), (2, 0, 0, 0)), "nothing but its padding"),
    (Pool((9, 9), (1, 1)), "smaller than its window")])
def test_what_does_not_fit(layer, said):
    with pytest.raises(ConversionError, match=said):
        sequential((8, 8, 1), [layer])


@pytest.mark.parametrize("make, said", [
    (lambda: Conv(np.ones((3, 3, 4)), np.zeros(4)), "must be"),
    (lambda: Conv(np.ones((3, 3, 1, 4)), np.zeros(4), padding=(0, -1, 0, 0)), "whole numbers"),
    (lambda: Conv(np.ones((3, 3, 1, 4)), np.zeros(4), stride=(1.5, 1)), "whole numbers"),
    (lambda: Conv(np.ones((3, 3, 1, 4)), np.zeros(4), groups=3), "groups"),
    (lambda: Conv(np.full((3, 3, 1, 4), np.nan), np.zeros(4)), "not finite"),
    (lambda: Conv(np.ones((9, 9, 128, 1)), np.zeros(1)), "8192"),
    (lambda: Pool((0, 2), (1, 1)), "whole numbers"),
    (lambda: Pool((2048, 2048), (1, 1)), "elements")])
def test_what_is_no_layer(make, said):
    with pytest.raises(ConversionError, match=said):
        make()


def test_a_vector_is_no_image():
    with pytest.raises(ConversionError, match="takes an image"):
        sequential(64, [Conv(np.ones((3, 3, 1, 4)), np.zeros(4))])


def test_one_layer_for_images_of_two_sizes():
    layer = Pool((2, 2), (1, 1))
    with pytest.raises(ConversionError, match="make a layer of its own"):
        sequential((8, 8, 1), [layer, layer])


@pytest.mark.parametrize("layer", [Conv(np.ones((3, 3, 1, 1)), np.zeros(1)),
                                   Pool((2, 2), (2, 2)), Pool((2, 2), (2, 2), average=True)])
def test_aifes_rule_has_none(layer):
    graph = sequential((4, 4, 1), [layer])
    x = np.random.default_rng(0).normal(size=(40, 16))
    with pytest.raises(ConversionError, match=re.escape(f"AIfES has no {layer.kind}; use method "
                                                        "'mse'")):
        quantize(graph, x, "aifes")
    with pytest.raises(aifes.ModelError, match="in int8; use method 'mse'"):
        aifes.quantize(aifes.load(float_model(graph)), x.tolist(), method="aifes")


CASES = json.loads((GOLDEN / "cnn_inference.json").read_text())
ARRAYS = np.load(GOLDEN / "cnn_inference.npz")


class Builder:
    """The layers of a network of AIfES, with the channels last: takes its parameters in order."""

    def __init__(self, case):
        self.parameters = ARRAYS[case["key"] + "_params"].astype(float)
        self.shape = tuple(case["input_shape"])  # as AIfES has it

    def take(self, *shape):
        n = int(np.prod(shape))
        found, self.parameters = self.parameters[:n], self.parameters[n:]
        return found.reshape(shape)

    def layer(self, given):
        kind, first = given["type"], given.get("axis") == 1
        if kind == "conv2d":
            shape = self.shape if not first else (*self.shape[1:], self.shape[0])
            n, k = given["filters"], given["kernel"]
            w = self.take(n, shape[2], *k).transpose(2, 3, 1, 0) if first else self.take(
                n, *k, shape[2]).transpose(1, 2, 3, 0)
            p = given["padding"]
            return Conv(w, self.take(n), given["stride"], (p[0], p[0], p[1], p[1]),
                        given["dilation"])
        if kind == "maxpool2d":
            p = given["padding"]
            return Pool(given["kernel"], given["stride"], (p[0], p[0], p[1], p[1]))
        if kind == "batch_norm":
            n = self.shape[0 if first else 2]
            beta, gamma, mean, variance = self.take(4, n)
            factor = gamma / np.sqrt(variance + given["eps"])
            return Conv(factor.reshape(1, 1, 1, n), beta - mean * factor, groups=n)
        if kind == "dense":
            w = self.take(int(np.prod(self.shape)), given["n"])
            if self.flattened:
                channels, rows, columns = self.flattened
                w = w.reshape(channels, rows, columns, -1).transpose(1, 2, 0, 3).reshape(w.shape)
            self.flattened = None
            return Dense(w, self.take(given["n"]))
        return Softmax() if kind == "softmax" else Activation(kind, given.get("alpha", 0.0))

    def graph(self, case):
        """The Graph, and for each of its layers the place of its result and whether it has the
        channels first."""
        image, layers, results = self.shape, [], []
        self.flattened, first = None, any(v.get("axis") == 1 for v in case["layers"])
        for i, given in enumerate(case["layers"]):
            if given["type"] == "reshape":
                image = self.shape = tuple(given["shape"])
            elif given["type"] == "flatten":
                self.flattened = self.shape if first else None
            else:
                layers.append(self.layer(given))
                results.append(i)
            self.shape = tuple(case["result_shapes"][i][1:])
        if first:
            image = (*image[1:], image[0])
        assert not self.parameters.size
        return sequential(image, layers), results, first


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_as_aifes(case):
    """Each layer's float results; those of the float32 model too."""
    graph, places, first = Builder(case).graph(case)

    def ours(y):
        y = y.transpose(0, 2, 3, 1) if first and y.ndim == 4 else y
        return y.reshape(len(y), -1)

    x = ours(ARRAYS[case["key"] + "_x"]) if case["name"] != "reshape" else ARRAYS[
        case["key"] + "_x"]
    simulator = Simulator(float_model(graph))
    on_board = simulator.results(simulator.quantized(x))
    for node, place, y in zip(graph.nodes, places, on_board):
        want = ours(ARRAYS[f"{case['key']}_y{place}"])
        if isinstance(node.layer, Softmax):
            want = ARRAYS[case["key"] + "_out_exact"]
        np.testing.assert_allclose(graph.results(x.astype(float))[node.output], want, atol=1e-4)
        np.testing.assert_allclose(y, want, atol=1e-4)

"""The arithmetic of convolutions and pooling on the PC: the simulator against loops over pixels and
against the Python engine, the layers against PyTorch."""
from array import array
from fractions import Fraction
from math import floor

import aifes
import numpy as np
import pytest
from aifes.layers.assemble import chain
from aifes.layers.conv import Geometry, conv, float_conv
from aifes.layers.map import fuse_clamp, fuse_map
from aifes.layers.pool import pool
from aifes_host import Conv, ConversionError, Pool, Simulator
from aifes_host.layout import TARGETS, arrange


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


def compare(rng, torch, layer, x, want, error):
    """A layer's results, and gradients of its inputs, with PyTorch's: (inputs, the gradient of the
    results, a random one), both as rows."""
    g = rng.normal(size=want.shape)
    (want * torch.tensor(g)).sum().backward()
    flat, g = x.detach().numpy().reshape(3, -1), g.reshape(3, -1)
    got = layer(flat)
    np.testing.assert_allclose(got, want.detach().numpy().reshape(3, -1), atol=error)
    back, = layer.gradients([flat], got, g)
    np.testing.assert_allclose(back, x.grad.numpy().reshape(3, -1), atol=error)
    return flat, g


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
        flat, g = compare(rng, torch, layer, x, want, 1e-10)
        for own, theirs in zip(layer.parameter_gradients([flat], g), (w, b)):
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
        compare(rng, torch, layer, x, want, 1e-12)

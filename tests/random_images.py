"""Random small networks of images and signals for the tests of the importers, one maker a trainer.

Each gives (model, x): of Keras and PyTorch live models, of ONNX a ModelProto; x: float32 samples.
"""
import numpy as np

SAMPLES = 4


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def of_keras(seed):
    import keras

    rng = np.random.default_rng(seed)
    layers, rank = keras.layers, int(rng.integers(1, 3))
    of = lambda name, *a, **o: getattr(layers, f"{name}{rank}D")(*a, **o)  # noqa: E731
    shape = (*map(int, rng.integers(7, 12, rank)), int(rng.integers(1, 5)))

    def numbers(low, high):
        return tuple(map(int, rng.integers(low, high, rank)))

    def conv(x):
        k, one = numbers(1, 4), (1,) * rank
        stride, dilation = pick(rng, (one, one), ((pick(rng, 1, 2),) * rank, one),
                                (one, numbers(1, 3)))
        how = {"padding": pick(rng, "valid", "same"), "strides": stride,
               "dilation_rate": dilation, "use_bias": bool(rng.random() < 0.8),
               "activation": pick(rng, None, "relu", "tanh")}
        kind = rng.integers(4)
        if kind == 0:
            return of("DepthwiseConv", k, depth_multiplier=pick(rng, 1, 2), **how)(x)
        if kind == 1:
            return of("SeparableConv", int(rng.integers(1, 6)), k, depth_multiplier=pick(
                rng, 1, 2), **how)(x)
        groups = 2 if x.shape[-1] % 2 == 0 else 1
        return of("Conv", 2 * int(rng.integers(1, 4)), k, groups=groups, **how)(x)

    def transposed(x):
        return getattr(layers, f"Conv{rank}DTranspose")(
            int(rng.integers(1, 5)), numbers(1, 4), strides=numbers(1, 4),
            padding=pick(rng, "valid", "same"))(x)

    def pool(x):
        if rng.random() < 0.3:  # the same below and above: else Keras on PyTorch counts padding
            return of("AveragePooling", 3, 1, padding="same")(x)
        kind, padding = pick(rng, ("MaxPooling", "valid"), ("MaxPooling", "same"),
                             ("AveragePooling", "valid"))
        return of(kind, numbers(1, 4), pick(rng, None, 1, 2), padding=padding)(x)

    def padded(x):
        return of("Conv", 3, 2)(of("ZeroPadding", 1 if rank == 2 else (0, 2))(x))

    def residual(x):
        y = of("Conv", x.shape[-1], 3, padding="same")(x)
        return layers.Add()([layers.BatchNormalization()(y), x])

    def larger(x):
        return pick(rng, of("ZeroPadding", 1), of("UpSampling", 2))(x)

    def joined(x):
        y = of("Conv", x.shape[-1], 1)(x)
        return layers.Concatenate(axis=pick(rng, 1, 2, -1))([y, layers.ReLU()(y)])

    first = x = keras.Input(shape)
    if rng.random() < 0.3:
        x = layers.Rescaling(0.5, 0.25)(x)
    for _ in range(rng.integers(2, 5)):
        if min(x.shape[1:-1]) > 3:
            x = pick(rng, conv, conv, transposed, pool, padded, residual, joined, larger)(x)
        x = pick(rng, lambda x: x, layers.BatchNormalization(), layers.ReLU(max_value=6),
                 layers.Dropout(0.5), layers.LeakyReLU(), layers.Dense(3))(x)
    end = rng.integers(5)
    if end == 0:
        x = layers.Dense(3)(layers.Flatten()(x))
    elif end == 4:
        x = layers.Concatenate()([of(f"Global{kind}Pooling")(x) for kind in ("Average", "Max")])
        x = layers.Dense(3)(x)
    elif end == 1:
        x = of(pick(rng, "GlobalAveragePooling", "GlobalMaxPooling"))(x)
        x = layers.Dense(3, "tanh")(x)
    elif end == 2:
        x = of("GlobalAveragePooling", keepdims=True)(x)
        x = of("Conv", 3, 1)(layers.BatchNormalization()(x))
    model = keras.Model(first, x if end != 3 else of("Conv", 2, 1)(x))
    model.set_weights([np.abs(rng.normal(size=w.shape)) + 0.2 if "variance" in v.name
                       else rng.normal(size=w.shape) / 2
                       for w, v in zip(model.get_weights(), model.weights)])
    return model, rng.normal(size=(SAMPLES, *shape)).astype("f")


def of_torch(seed):
    import torch
    from torch import nn

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    rank = int(rng.integers(1, 3))
    of = lambda name: getattr(nn, f"{name}{rank}d")  # noqa: E731
    shape = (int(rng.integers(1, 5)), *map(int, rng.integers(7, 12, rank)))
    x = start = torch.randn(SAMPLES, *shape)

    class Residual(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.conv, self.norm = of("Conv")(n, n, 3, padding=1), of("BatchNorm")(n)

        def forward(self, x):
            return torch.relu(x + self.norm(self.conv(x)))

    class Call(nn.Module):
        def __init__(self, call):
            super().__init__()
            self.call = call

        def forward(self, x):
            return self.call(x)

    class Joined(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.conv = of("Conv")(n, n, 1)
            self.dim = int(rng.integers(1, 3))

        def forward(self, x):
            x = self.conv(x)
            return torch.cat([torch.relu(x), x], self.dim)

    def conv(x):
        n, (k, d) = x.shape[1], (int(rng.integers(1, 4)), pick(rng, 1, 1, 2))
        groups = pick(rng, 1, 2, n) if n % 2 == 0 else pick(rng, 1, n)
        stride = pick(rng, 1, 1, 2)
        padding = pick(rng, 0, 1, "same") if stride == 1 else pick(rng, 0, 1)
        return of("Conv")(n, groups * int(rng.integers(1, 4)), k, stride, padding, d, groups,
                          bool(rng.random() < 0.8))

    def transposed(x):
        n, stride = x.shape[1], int(rng.integers(1, 4))
        groups = pick(rng, 1, n)
        return of("ConvTranspose")(n, groups * int(rng.integers(1, 3)), 3, stride, pick(
            rng, 0, 1), int(rng.integers(stride)), groups)

    def pool(x):
        k, ceil = int(rng.integers(2, 4)), bool(rng.random() < 0.5)
        padding = pick(rng, 0, 1)
        if rng.random() < 0.5:
            return of("MaxPool")(k, pick(rng, None, 2), padding, ceil_mode=ceil)
        whole = bool(rng.random() < 0.5)
        return of("AvgPool")(k, pick(rng, None, 2), padding, ceil and not (whole and padding),
                             whole)

    def last(x):
        n, end = x.shape[1], rng.integers(6)
        dims = tuple(range(2, rank + 2))
        if end == 0:
            return nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 3))
        if end == 1:
            return nn.Sequential(of("AdaptiveAvgPool")(1), nn.Flatten(), nn.Linear(n, 3))
        if end == 2:
            return nn.Sequential(Call(lambda x: x.mean(dims)), nn.Linear(n, 3))
        if end == 5:
            both = Call(lambda x: torch.cat([x.flatten(1), x.mean(dims)], 1))
            return nn.Sequential(both, nn.Linear(x[0].numel() + n, 3))
        if end == 3:
            return nn.Sequential(Call(lambda x: x.view(x.size(0), -1)), nn.Linear(x[0].numel(), 3))
        return nn.Sequential(of("AdaptiveMaxPool")(1), of("Conv")(n, 3, 1), nn.Flatten(1))

    parts = [Call(lambda x: x / 2 - 0.3)] if rng.random() < 0.3 else []
    for _ in range(rng.integers(2, 5)):
        if min(x.shape[2:]) > 4:
            parts.append(pick(rng, conv, conv, transposed, pool, lambda x: Residual(x.shape[1]),
                              lambda x: Joined(x.shape[1]),
                              lambda x: pick(rng, nn.ConstantPad1d((2, 1), 0) if rank == 1 else
                                             nn.ZeroPad2d((1, 2, 0, 1)),
                                             nn.Upsample(scale_factor=2)),
                              lambda x: nn.Sequential(nn.ConstantPad1d((1, 2), 0) if rank == 1 else
                                                      nn.ZeroPad2d((1, 0, 0, 2)), conv(x)))(x))
        n = parts[-1](x).shape[1] if len(parts) and min(x.shape[2:]) > 4 else x.shape[1]
        parts.append(pick(rng, nn.Identity(), of("BatchNorm")(n), nn.ReLU6(), nn.Dropout(0.5),
                          nn.LeakyReLU(), nn.SiLU()))
        x = nn.Sequential(*parts).eval()(start)
    model = nn.Sequential(*parts, last(x)).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in name
                            else torch.randn_like(value) / 2)
    return model, start.numpy()


def of_onnx(seed):
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 3))
    last = rng.random() < 0.4  # channels last, with transposes around what wants them first
    nodes, given = [], {}
    size, n = list(map(int, rng.integers(7, 12, rank))), int(rng.integers(1, 5))
    shape = (*size, n) if last else (n, *size)

    def constant(values, integer=False):
        name = f"c{len(given)}"
        given[name] = np.asarray(values, np.int64 if integer else np.float32)
        return name

    def add(op, *inputs, **attributes):
        made = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [made], f"{op}_{made}", **attributes))
        return made

    def random(*shape):
        return constant(rng.normal(size=shape) / 2)

    def pads():
        return list(map(int, rng.integers(0, 2, 2 * rank)))

    def after(k, s, d, p):
        """The size that a window leaves of each dimension."""
        return [(v + a + b - d * (k - 1) - 1) // s + 1 for v, a, b in zip(size, p, p[rank:])]

    def conv(x):
        nonlocal size, n
        k, d, groups, s = int(rng.integers(1, 4)), pick(rng, 1, 1, 2), pick(rng, 1, n), 1
        n_out, auto = groups * int(rng.integers(1, 4)), pick(rng, None, "SAME_UPPER", "SAME_LOWER")
        how = {"dilations": [d] * rank, "group": groups}
        if auto:
            how["dilations"] = [1] * rank
        else:
            s, p = pick(rng, 1, 2), pads()
            how["pads"], size = p, after(k, s, d, p)
        bias = [random(n_out)] if rng.random() < 0.7 else []
        made = add("Conv", x, random(n_out, n // groups, *[k] * rank), *bias, strides=[s] * rank,
                   **how, **({"auto_pad": auto} if auto else {}))
        n = n_out
        return made

    def transposed(x):
        nonlocal size, n
        s, p, each, groups = int(rng.integers(1, 3)), pads(), int(rng.integers(1, 4)), pick(
            rng, 1, n)
        more = int(rng.integers(s))
        made = add("ConvTranspose", x, random(n, each, *[3] * rank), random(each * groups),
                   strides=[s] * rank, pads=p, group=groups, output_padding=[more] * rank)
        size = [(v - 1) * s + 3 - a - b + more for v, a, b in zip(size, p, p[rank:])]
        n = each * groups
        return made

    def pool(x):
        nonlocal size
        k, s, p = int(rng.integers(2, 4)), pick(rng, 1, 2), pads()
        size = after(k, s, 1, p)
        op, how = pick(rng, ("MaxPool", {}), ("AveragePool", {"count_include_pad": 1}),
                       ("AveragePool", {}))
        return add(op, x, kernel_shape=[k] * rank, strides=[s] * rank, pads=p, **how)

    def padded(x):
        nonlocal size
        before, behind = [0, 0] + pads()[:rank], [0, 0] + pads()[:rank]
        size = [a + v + b for a, v, b in zip(before[2:], size, behind[2:])]
        return conv(add("Pad", x, constant(before + behind, True)))

    def larger(x):
        nonlocal size
        if rng.integers(2):
            ends = [0, 0] + [1] * rank
            size = [v + 2 for v in size]
            return add("Pad", x, constant(ends + ends, True))
        size = [2 * v for v in size]
        return add("Resize", x, "", constant([1, 1] + [2] * rank), mode="nearest")

    def joined(x):
        nonlocal size, n
        y, axis = conv(x), int(rng.integers(1, 3))
        made = add("Concat", y, add("Relu", y), axis=axis)
        if axis == 1:
            n *= 2
        else:
            size[0] *= 2
        return made

    def each(x):
        return pick(rng, lambda: x, lambda: add("Relu", x), lambda: add("Tanh", x), lambda: add(
            "BatchNormalization", x, random(n), random(n), random(n), constant(rng.random(n) + 0.5)
        ), lambda: add("Mul", x, random(1, n, *[1] * rank)))()

    first, ends = [0, rank + 1, *range(1, rank + 1)], [0, *range(2, rank + 2), 1]
    x = "x"
    for _ in range(rng.integers(2, 5)):
        x = add("Transpose", x, perm=first) if last else x
        if min(size) > 4:
            x = pick(rng, conv, conv, transposed, pool, padded, joined, larger)(x)
        x = each(x)
        x = add("Transpose", x, perm=ends) if last else x
    pixels = list(range(1, rank + 1)) if last else list(range(2, rank + 2))
    end = rng.integers(4)
    if end == 0:
        x, n = add("Flatten", x), n * int(np.prod(size))
    elif end == 1 and not last:
        x = add("Flatten", add(pick(rng, "GlobalAveragePool", "GlobalMaxPool"), x))
    elif end == 2:
        x = add("Reshape", x, constant([0, -1], True))
        n *= int(np.prod(size))
    else:
        x = add(pick(rng, "ReduceMean", "ReduceMax"), x, constant(pixels, True), keepdims=0)
    add("Gemm", x, random(3, n), random(3), transB=1)
    nodes[-1].output[0] = "y"
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [info("x", 1, ["n", *shape])], [info("y", 1, None)], [
        numpy_helper.from_array(v, k) for k, v in given.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return model, rng.normal(size=(SAMPLES, *shape)).astype("f")

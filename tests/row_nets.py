"""Random convolutional nets for the tests of rows, quantized, not yet by rows."""
import numpy as np
from aifes_host.graph import Graph, Node, Tensor
from aifes_host.ops import Add, Conv, Dense, Multiply, Pool, Softmax, activation
from aifes_host.quantizer import build


def images(seed):
    """A Graph with branches; any kernels, strides, dilations and paddings."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(5, 14)), int(rng.integers(1, 7)), int(rng.integers(1, 4))
    nodes, x, shapes = [], "x", {"x": shape}

    def put(layer, *inputs):
        name = f"t{len(nodes)}"
        nodes.append(Node(layer, inputs, (name,)))
        shapes[name] = layer.shape(*[shapes[k] for k in inputs])
        return name

    for _ in range(int(rng.integers(2, 7))):
        rows, columns, channels = shapes[x]
        kind = rng.integers(6)
        if kind == 0 and rows > 2 and columns > 1:
            k = int(rng.integers(2, 4)), int(rng.integers(1, 3))
            x = put(Pool(k, (int(rng.integers(1, 3)), 1), _padding(rng, k, k),
                         average=bool(rng.integers(2))), x)
        elif kind == 1:
            y = put(conv(rng, shapes[x], channels, same=True), x)
            if rng.integers(2):
                y = put(conv(rng, shapes[y], channels, same=True), y)
            x = put((Add, Multiply)[rng.integers(2)](), x, y)
        elif kind == 2:
            x = put(conv(rng, shapes[x], channels, groups=channels), x)
        elif kind == 3:
            x = put(activation("tanh"), x)
        elif kind == 4 and rows < 12:
            x = put(conv(rng, shapes[x], int(rng.integers(1, 4)), spread=2), x)
        else:
            x = put(conv(rng, shapes[x], int(rng.integers(1, 6))), x)
    rows, columns, _ = shapes[x]
    end = rng.integers(4)
    if end == 0:
        x = put(Pool((rows, columns), (1, 1), average=True), x)
    if end < 3:
        n = int(np.prod(shapes[x]))
        x = put(Dense(rng.normal(size=(n, 3)) / n ** 0.5, rng.normal(size=3)), x)
        if rng.integers(2):
            x = put(Softmax(), x)
    return Graph([Tensor("x", shape)], nodes, [x])


def conv(rng, shape, outputs, groups=1, same=False, spread=1):
    if same:
        k, stride, dilation = (3, 1), (1, 1), (int(rng.integers(1, 3)), 1)
        padding = dilation[0], dilation[0], 0, 0
    else:
        k = int(rng.integers(1, min(5, shape[0] + 1))), int(rng.integers(1, min(4, shape[1] + 1)))
        stride = int(rng.integers(1, 3)), int(rng.integers(1, 3))
        dilation, padding = (1, 1), _padding(rng, k, k)
    return Conv(rng.normal(size=(*k, shape[2] // groups, outputs)) / (k[0] * k[1]) ** 0.5,
                rng.normal(size=outputs) / 4, stride, padding, dilation, groups,
                (spread, 1))


def _padding(rng, rows, columns):
    return tuple(int(rng.integers(0, k)) for k in (rows[0], rows[0], columns[1], columns[1]))


def signals(seed):
    """A Graph over time whose windows lie inside of the signal; (it, rows from one result to the
    next)."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(14, 30)), int(rng.integers(1, 3)), int(rng.integers(1, 4))
    nodes, x, hop, step = [], "x", 1, shape
    for i in range(int(rng.integers(1, 4))):
        k, stride = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        if step[0] < k + 4:
            break
        if rng.integers(3):
            layer = Conv(rng.normal(size=(k, 1, step[2], 3)) / k ** 0.5, rng.normal(size=3) / 4,
                         (stride, 1))
        else:
            layer = Pool((k, 1), (stride, 1), average=bool(rng.integers(2)))
        nodes.append(Node(layer, (x,), (f"t{i}",)))
        x, step, hop = f"t{i}", layer.shape(step), hop * stride
    if rng.integers(2):
        layer = Pool(step[:2], (1, 1), average=True)
        nodes.append(Node(layer, (x,), ("mean",)))
        x, step = "mean", layer.shape(step)
    n = int(np.prod(step))
    nodes.append(Node(Dense(rng.normal(size=(n, 3)) / n ** 0.5, rng.normal(size=3)), (x,), ("y",)))
    return Graph([Tensor("x", shape)], nodes, ["y"]), hop


def quantized(graph, seed):
    """The .aifes buffer of a Graph, and real samples."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, graph.n_in)).astype(np.float32)
    return build(graph, x.astype(float)).model, x

"""Networks with several inputs or outputs: predict(), and net(x, y, 0) as in samples.py.

x, if there are several inputs, and y, if there are several outputs, are tuples.
"""
from .model import TELLS_TYPE, ModelError, fill, flat


def run(net, x, y, at):
    """All samples of x into y; 0, or -1 if they do not fit. One sample allocates nothing."""
    sizes, n = net._sizes, net._n_inputs
    m = len(sizes) - n
    if n > 1 and not (isinstance(x, tuple) and len(x) == n) or (
            m > 1 and not (isinstance(y, tuple) and len(y) == m)):
        return -1
    count = len(_end(net, 0, x, y)) // sizes[0]
    for k in range(n + m):
        if not count or len(_end(net, k, x, y)) != count * sizes[k]:
            return -1
    return _batch(net, x, y, count) if count > 1 or TELLS_TYPE else _sample(net, x, y)


def _end(net, k, x, y):
    """The buffer of tensor k."""
    n = net._n_inputs
    if k < n:
        return x[k] if n > 1 else x
    return y[k - n] if n + 1 < len(net._sizes) else y


def _batch(net, x, y, count):
    sizes, n = net._sizes, net._n_inputs
    ends = [flat(_end(net, k, x, y)) for k in range(len(sizes))]
    for i in range(count):
        part = [v[i * m:(i + 1) * m] for v, m in zip(ends, sizes)]
        if _sample(net, part if n > 1 else part[0], part[n:] if n + 1 < len(part) else part[n]):
            return -1
    return 0


def _sample(net, x, y):
    stream, sizes, views = net._io, net._sizes, net._views
    n = net._n_inputs
    for k in range(n, len(sizes)):
        end = _end(net, k, x, y)
        if not net._item_size(end, sizes[k]):
            return -1
        stream.seek(0)
        stream.readinto(end)  # refuses what is read-only
    for k in range(n):
        end = _end(net, k, x, y)
        item = net._item_size(end, sizes[k])
        stream.seek(0)
        if item == 4:
            net._quantize(k, end)
        elif item:
            stream.readinto(views[k])
        else:
            return -1
    net.forward()
    for k in range(n, len(sizes)):
        end = _end(net, k, x, y)
        item = net._item_size(end, sizes[k])
        stream.seek(0)
        if item == 4:
            net._dequantize(k, end)
        else:
            net._move(views[k], end)
    return 0


def predict(model, values):
    """Model.predict() of a network with several inputs or outputs."""
    n = model._plan.n_inputs
    xs, ys = tuple(model._floats[:n]), tuple(model._floats[n:])
    if n == 1:
        values = (values,)
    if not isinstance(values, (tuple, list)) or len(values) != n:
        raise ModelError(f"predict() of this network takes {n} sequences of numbers")
    for x, v in zip(xs, values):
        fill(x, v)
    model.run(xs if n > 1 else xs[0], ys if len(ys) > 1 else ys[0])
    return [list(y) for y in ys] if len(ys) > 1 else list(ys[0])

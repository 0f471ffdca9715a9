"""Run a deployed model on samples that the PC sends."""
from array import array
from binascii import a2b_base64, b2a_base64


def open_net(path):
    global net, sizes, n_in
    import aifes

    net = aifes.load(path)
    plan = net._plan
    sizes = []
    for t in plan.tensors[:plan.n_inputs + plan.n_outputs]:
        n = 1
        for d in t.shape:
            n *= d
        sizes.append(n)
    n_in = plan.n_inputs
    return net.engine


def infer(text):
    """Outputs, as the model has them, for float32 inputs, both in base64: sample after sample, of
    each all inputs, or all outputs, one after another."""
    x = memoryview(array("f", a2b_base64(text)))
    code = chr(net._plan.tensors[0].dtype)
    result = b""
    at = 0
    while at < len(x):
        xs = []
        for n in sizes[:n_in]:
            xs.append(array("f", x[at:at + n]))
            at += n
        ys = [array(code, bytes(n if code == "b" else 4 * n)) for n in sizes[n_in:]]
        net.run(xs[0] if len(xs) == 1 else tuple(xs), ys[0] if len(ys) == 1 else tuple(ys))
        for y in ys:
            result += bytes(y)
    return str(b2a_base64(result), "ascii")


def put(k, at, text):
    """Part of input k into the arena, from element `at` on: int8 in base64."""
    data = a2b_base64(text)
    net.inputs[k][at:at + len(data)] = data


def push(n, text):
    """Rows of n elements for an input that comes in rows: int8 in base64."""
    rows = array("b", a2b_base64(text))
    for at in range(0, len(rows), n):
        net.push(rows[at:at + n])


def forward():
    """The int8 outputs in base64, one after another, for what put() or push() brought."""
    if net.input is not None:
        net.forward()
    return [str(b2a_base64(bytes(y)), "ascii") for y in net.outputs]

"""Float networks with branches, several inputs and outputs, and how the runtime computes them."""
from array import array

import aifes
import numpy as np
from aifes.format import size
from aifes_host import (
    Activation,
    Add,
    Concat,
    Conv,
    Dense,
    Graph,
    Multiply,
    Node,
    Pool,
    Softmax,
    Tensor,
)


def dense(rng, n, m, name=""):
    return Dense(rng.normal(size=(n, m)) / n ** 0.5, 0.3 * rng.normal(size=m), name)


def residual(rng, blocks=2, n=5, width=12, m=3, kind="relu"):
    """Dense layers with a way around each two of them, as in ResNets; ends in a softmax."""
    nodes, x = [Node(dense(rng, n, width), ["x"], ["stem"])], "stem"
    for k in range(blocks):
        nodes += [Node(dense(rng, width, width), [x], [f"a{k}"]),
                  Node(Activation(kind), [f"a{k}"], [f"b{k}"]),
                  Node(dense(rng, width, width), [f"b{k}"], [f"c{k}"]),
                  Node(Add(), [f"c{k}", x], [f"sum{k}"]),
                  Node(Activation(kind), [f"sum{k}"], [f"out{k}"])]
        x = f"out{k}"
    nodes += [Node(dense(rng, width, m), [x], ["logits"]), Node(Softmax(), ["logits"], ["y"])]
    return Graph([Tensor("x", n)], nodes, ["y"])


def two_ends(rng, width=8):
    """Two inputs, whose features are added; a control value and a class come out."""
    return Graph([Tensor("left", 3), Tensor("right", 4)], [
        Node(dense(rng, 3, width), ["left"], ["l"]),
        Node(Activation("tanh"), ["l"], ["l_tanh"]),
        Node(dense(rng, 4, width), ["right"], ["r"]),
        Node(Add(), ["l_tanh", "r"], ["both"]),
        Node(Activation("relu"), ["both"], ["features"]),
        Node(dense(rng, width, 2), ["features"], ["speed"]),
        Node(dense(rng, width, 3), ["features"], ["logits"]),
        Node(Softmax(), ["logits"], ["kind"])], ["speed", "kind"])


def diamond(rng):
    """One tensor is read twice, once by an activation that may not overwrite it."""
    return Graph([Tensor("x", 4)], [
        Node(dense(rng, 4, 6), ["x"], ["h"]),
        Node(Activation("sigmoid"), ["h"], ["gate"]),
        Node(Activation("leaky_relu", 0.2), ["h"], ["leaky"]),
        Node(Add(), ["gate", "leaky"], ["sum"]),
        Node(Add(), ["sum", "h"], ["all"]),
        Node(dense(rng, 6, 2), ["all"], ["y"])], ["y"])


def inner_output(rng):
    """An output that other layers read, and x + x."""
    return Graph([Tensor("x", 3)], [
        Node(dense(rng, 3, 5), ["x"], ["h"]),
        Node(Activation("relu"), ["h"], ["features"]),
        Node(Add(), ["features", "features"], ["twice"]),
        Node(Activation("tanh"), ["twice"], ["t"]),
        Node(dense(rng, 5, 1), ["t"], ["y"])], ["y", "features"])


def joined(rng, width=12):
    """A body of two inputs, one of which is a part as it is; two heads are one output."""
    return Graph([Tensor("left", 3), Tensor("right", 2)], [
        Node(dense(rng, 3, width), ["left"], ["l"]),
        Node(Activation("relu"), ["l"], ["l_relu"]),
        Node(Concat(), ["l_relu", "right"], ["both"]),
        Node(dense(rng, width + 2, width), ["both"], ["h"]),
        Node(Activation("tanh"), ["h"], ["features"]),
        Node(dense(rng, width, 2), ["features"], ["speed"]),
        Node(dense(rng, width, 3), ["features"], ["kind"]),
        Node(Concat(), ["kind", "speed"], ["y"])], ["y"])


def gated(rng, width=7):
    """A gate that opens and closes for each value, and a square."""
    return Graph([Tensor("x", 4)], [
        Node(dense(rng, 4, width), ["x"], ["h"]),
        Node(Activation("tanh"), ["h"], ["t"]),
        Node(dense(rng, 4, width), ["x"], ["g"]),
        Node(Activation("sigmoid"), ["g"], ["gate"]),
        Node(Multiply(), ["t", "gate"], ["open"]),
        Node(Multiply(), ["h", "h"], ["square"]),
        Node(Add(), ["open", "square"], ["sum"]),
        Node(Activation("relu"), ["sum"], ["seen"]),
        Node(dense(rng, width, 2), ["seen"], ["y"])], ["y"])


def attention(rng):
    """Channels by what is seen in all of the image: squeeze and excitation."""
    return Graph([Tensor("x", (4, 3, 2))], [
        Node(Conv(rng.normal(size=(2, 2, 2, 3)), rng.normal(size=3)), ["x"], ["c"]),
        Node(Activation("relu"), ["c"], ["r"]),
        Node(Pool((3, 2), (1, 1), average=True), ["r"], ["mean"]),
        Node(dense(rng, 3, 3), ["mean"], ["d"]),
        Node(Activation("sigmoid"), ["d"], ["factors"]),
        Node(Multiply(), ["r", "factors"], ["seen"]),
        Node(dense(rng, 18, 2), ["seen"], ["y"])], ["y"])


GRAPHS = {"joined": joined, "gated": gated, "attention": attention, "residual": residual,
          "two ends": two_ends, "diamond": diamond,
          "inner output": inner_output}


def on_device(model, x, engine="python", kind="b", net=None):
    """The runtime's results [samples, outputs] for x, int8 or float32 [samples, inputs].

    net: the model, where it is loaded already.
    """
    net = net or aifes.load(model, None, engine)
    sizes = [size(t.shape) for t in net._plan.tensors[:net._plan.n_inputs]]
    parts = [array(kind, np.ascontiguousarray(v).tobytes())
             for v in np.split(x, np.cumsum(sizes)[:-1], axis=1)]
    found = [array(kind, bytes(array(kind).itemsize * len(x) * len(v))) for v in net.outputs]
    net.run(tuple(parts) if len(parts) > 1 else parts[0],
            tuple(found) if len(found) > 1 else found[0])
    return np.concatenate([np.array(v).reshape(len(x), -1) for v in found], axis=1)

"""AIfES's 110 random nets, saturated: every layer from the one before it, and end to end.

AIfES's softsign stores its input's zero point for 0, where we store 0: it is expected so in the
layers; a net in which that happens is not compared end to end.
"""
from array import array
from binascii import unhexlify

import aifes
import cases


def layer_of(r):
    if r["act"] != "dense":
        return cases.activation(r["act"], r.get("alpha"))
    return aifes.Dense(r["n"], cases.int8s(r["w"]), r["b"], tuple(r["w_q"]), tuple(r["out"]))


def expected(r, x, q):
    """What we compute for a layer's input x, of scale q."""
    want = cases.int8s(r["want"])
    if r["act"] == "softsign":
        for i in range(len(x)):
            if x[i] == q[1]:
                want[i] = 0
    return want


def test_every_layer():
    layers = 0
    for net in cases.records("nets"):
        q, x = tuple(net["q"]), cases.int8s(net["x"])
        for r in net["layers"]:
            one = aifes.Sequential([aifes.Input(len(x) // 16, q), layer_of(r)])
            got = cases.run_int8(aifes.load(one.to_bytes()), x)
            assert got == expected(r, x, q), (net["id"], r["act"])
            q, x = tuple(r["out"]), cases.int8s(r["want"])
            layers += 1
    assert layers == 572, layers


def is_quirk(net):
    q, x = net["q"], cases.int8s(net["x"])
    for r in net["layers"]:
        want = cases.int8s(r["want"])
        if r["act"] == "softsign":
            for i in range(len(x)):
                if x[i] == q[1] and want[i] != 0:
                    return True
        q, x = r["out"], want
    return False


def transposed(weights, n_out):
    n = len(weights) // n_out
    return array("b", [weights[k * n_out + j] for j in range(n_out) for k in range(n)])


def whole_nets(net):
    """The net in every way to build it: both weight orders, by tensors and by buffer if given."""
    for by_output in (False, True):
        layers = [aifes.Input(net["n"], tuple(net["q"]))] + [layer_of(r) for r in net["layers"]]
        for layer in layers:
            if by_output and layer.kind == "dense":
                layer.weights = transposed(layer.weights, layer.n)
                layer.transposed = True
        yield aifes.Sequential(layers)
        buffer = net["dense_wt" if by_output else "dense"]
        if buffer:
            layers[0].q = None
            built = aifes.Sequential(layers)
            built.load_parameters(unhexlify(buffer))
            yield built


def test_whole_nets():
    compared = 0
    for net in cases.records("nets"):
        quirk = is_quirk(net)
        for built in whole_nets(net):
            assert built.parameter_memory_size() == net["parameter_memory"]
            assert built.inference_memory_size() <= net["inference_memory"]
            model = built.schedule_inference_memory()
            if not quirk:
                want = cases.int8s(net["layers"][-1]["want"])
                assert cases.run_int8(model, cases.int8s(net["x"])) == want, net["id"]
                compared += 1
    assert compared == 186, compared

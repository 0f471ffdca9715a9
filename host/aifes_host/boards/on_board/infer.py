"""Run a deployed model on samples that the PC sends."""
from array import array
from binascii import a2b_base64, b2a_base64


def open_net(path):
    global net
    import aifes

    net = aifes.load(path)
    return net.engine


def infer(text):
    """int8 outputs for float32 inputs, both in base64."""
    x = array("f", a2b_base64(text))
    y = array("b", bytes(len(x) // len(net.input) * len(net.output)))
    net.run(x, y)
    return str(b2a_base64(bytes(y)), "ascii")

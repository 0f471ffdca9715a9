"""Run a deployed model on samples that the PC sends."""
from array import array
from binascii import a2b_base64, b2a_base64


def open_net(path):
    global net
    import aifes

    net = aifes.load(path)
    return net.engine


def infer(text):
    """Outputs, as the model has them, for float32 inputs, both in base64."""
    x = array("f", a2b_base64(text))
    n = len(x) // net.input_shape[0] * net.output_shape[0]
    y = array(net.output_dtype, bytes(n if net.output_dtype == "b" else 4 * n))
    net.run(x, y)
    return str(b2a_base64(bytes(y)), "ascii")

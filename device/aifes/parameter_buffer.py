"""AIfES's parameter buffer of what the quantizer found; docs/arithmetic.md has its layout."""
import struct


def write(input_q, dense, align):
    """The buffer (bytearray), which Sequential.load_parameters() reads.

    dense: (transposed, inputs, weights, bias, weights_q, result_q) of each dense layer; weights:
    [outputs][inputs], int8 in a bytearray.
    """
    buf = bytearray()

    def put(data):
        buf.extend(data)
        buf.extend(bytes(-len(buf) % align))

    put(struct.pack("<Hb", *input_q))
    for layer in dense:
        put(struct.pack("<Hb", *layer[5]))
    shift = input_q[0]
    for transposed, n, weights, bias, weights_q, result_q in dense:
        put(struct.pack("<Hb", *weights_q))
        m = len(bias)
        put(weights if transposed else bytes([weights[j * n + k]
                                              for k in range(n) for j in range(m)]))
        put(struct.pack("<H", shift + weights_q[0]))
        put(bytes(4))
        put(struct.pack("<%di" % m, *bias))
        shift = result_q[0]
    return buf

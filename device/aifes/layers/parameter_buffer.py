"""AIfES's parameter buffer of what the quantizer found; docs/arithmetic.md has its layout."""
import struct


def write(input_q, dense, align):
    """The buffer (bytearray), which Sequential.load_parameters() reads.

    dense: (transposed, inputs, weights, bias, weights_q, result_q) of each dense layer; weights:
    [outputs][inputs], plus 128 as in an Op.
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
        for i in range(n * m):
            at = i if transposed else i % m * n + i // m
            buf.append(weights[at] ^ 128)
        put(b"")
        put(struct.pack("<H", shift + weights_q[0]))
        put(bytes(4))
        put(struct.pack("<%di" % m, *bias))
        shift = result_q[0]
    return buf

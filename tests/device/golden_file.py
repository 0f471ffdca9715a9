"""Models from a file, each run with several engines: their results against those in the file.

A record: HEAD, the model, its int8 inputs; no inputs: those of the record before. The file is made
by ../golden_models.py.
"""
import struct
from array import array
from binascii import crc32

HEAD = "<HHHHI"  # lengths of model and inputs, engines as bits, 0; CRC-32 of the outputs
ENGINES = ("native", "viper", "python")
LARGEST = 14400  # bytes of a model


def run_file(path):
    """Print how many results there are, and before it a line for each that is wrong."""
    n = 0
    head, room = bytearray(12), memoryview(bytearray(LARGEST))
    # keeps in memory what checks a model: else each load would import it anew
    import aifes.layers
    with open(path, "rb") as f:
        while f.readinto(head):
            length, inputs, engines, _, want = struct.unpack(HEAD, head)
            model = room[:length]
            f.readinto(model)
            if inputs:
                x = array("b", f.read(inputs))
            for i in range(len(ENGINES)):
                if engines >> i & 1:
                    net = aifes.load(model, engine=ENGINES[i])
                    y = array("b", bytes(len(x) // len(net.input) * len(net.output)))
                    net.run(x, y)
                    if crc32(bytes(y)) & 0xFFFFFFFF != want:
                        print("wrong result", n, ENGINES[i])
                    n += 1
                    if n % 20 == 0:
                        print("...", n)
    print(n, "results")

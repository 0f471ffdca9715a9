"""Models and inputs that the PC sends, run with several engines on the board."""
import io
from array import array
from binascii import a2b_base64, crc32

import aifes

WBITS = 10  # of the compressed data: a window of 1 kB

large = bytearray(14000)  # while there is such a piece of memory
x = None


def run_all(text, batch):
    """The CRC-32 of the int8 outputs for each engine of each [length, samples' length, engines].

    text: base64 of the deflated models and inputs, one after another. A model of length 0: the one
    in the file /large; inputs of length 0: those before.
    """
    import deflate  # CPython, which only imports this file, has none

    global x
    found = []
    with deflate.DeflateIO(io.BytesIO(a2b_base64(text)), deflate.RAW, WBITS) as stream:
        for length, n, engines in batch:
            if length:
                model = stream.read(length)
            else:
                model = large
                with open("/large", "rb") as f:
                    f.readinto(large)
            if n:
                x = array("b", stream.read(n))
            crcs = []
            for engine in engines:
                net = aifes.load(model, engine=engine)
                y = array("b", bytes(len(x) // len(net.input) * len(net.output)))
                net.run(x, y)
                crcs.append(crc32(bytes(y)) & 0xFFFFFFFF)
            found.append(crcs)
    return found

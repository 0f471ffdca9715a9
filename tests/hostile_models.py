"""Damaged models, for guards and engines that must refuse them or stay inside their memory."""
import struct
from binascii import crc32

import aifes.layers.softmax
import numpy as np
import random_models
from aifes.format import HEADER_SIZE, TENSOR_SIZE
from aifes.layers.assemble import chain

GUARD = 0x5A  # what lies around an arena


def models():
    """Small int8 models that use everything in the format; {name: buffer}."""
    rng = np.random.default_rng(0)
    layers = aifes.layers
    weights = bytes(range(40, 60))
    dense = layers.dense.dense(weights, 3, [5, -6, 7, -8], -9, [3, 4, 5, 6], 2, True, False)
    softmax = layers.softmax.softmax(4, b"".join(
        struct.pack("<H", 1 + 65000 * (255 - i) // 255) for i in range(256)), True)
    looked_up = []
    looked_up.append(layers.dense.dense(weights, -2, [500] * 5, 3, 5, 0))
    layers.map.fuse_map(looked_up, 5, rng.bytes(256))
    found = {
        "shifts": chain([dense], (4, -9), (3, 2)),
        "table, softmax": chain([*looked_up, layers.softmax.softmax(5, softmax.fields.table)],
                                (4, -9), (8, -128)),
        "map": chain([layers.map.table_map(6, bytes(range(256)))], (4, 0), (4, 0), (1, 2, 3),
                     b'{"name": "map"}'),
        "scale for each element": chain([dense], ([3] * 5, [-300] * 5), ([4] * 4, [7] * 4)),
    }
    for i in range(4):
        found[f"branches {i}"] = random_models.model(np.random.default_rng(i), True, 8)
    return {name: bytes(buf) for name, buf in found.items()}


def repaired(buf):
    """The bytes with length and CRC made right, so that all else of it is looked at."""
    buf = bytearray(buf)
    if len(buf) >= 16:
        struct.pack_into("<I", buf, 8, len(buf))
        struct.pack_into("<I", buf, 12, crc32(bytes(buf[16:])) & 0xFFFFFFFF)
    return bytes(buf)


def mutate(buf, rng):
    """One to four random damages: bits, bytes, fields of header, tensors and ops, cuts, splices.

    rng: random.Random
    """
    buf = bytearray(buf)
    for _ in range(rng.randint(1, 4)):
        records = min(len(buf) - 4, HEADER_SIZE + TENSOR_SIZE * 4 + 60)
        kind, at = rng.randrange(7), rng.randrange(len(buf))
        if kind == 0:
            buf[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            buf[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            at = rng.randrange(16, records) & ~3
            struct.pack_into("<I", buf, at, rng.choice(
                (0, 1, 2, 3, len(buf), len(buf) - 1, 40, 96, 1 << 16, 1 << 31, (1 << 32) - 1)))
        elif kind == 3 and len(buf) > 60:
            del buf[-rng.randrange(1, 20):]
        elif kind == 4:
            buf[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))
        elif kind == 5:
            other = rng.randrange(len(buf))
            n = rng.randrange(1, 48)
            buf[at:at + n] = buf[other:other + n]
        else:
            at = rng.randrange(16, records)
            buf[at] = (buf[at] + rng.choice((-1, 1, 4))) & 255
    return bytes(buf)


MODELS = models()

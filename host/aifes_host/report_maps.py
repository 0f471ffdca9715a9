"""The report's feature maps: what each op makes of one sample, as pictures inside of the page."""
import base64
import struct
import zlib
from dataclasses import dataclass

import numpy as np

MOST = 16  # channels of an op that are drawn


@dataclass
class Maps:
    """title: of the op; pictures: addresses of images that need no file; wide: of a signal, whose
    channels lie in one picture; left_out: channels that are not drawn."""

    title: str
    pictures: list
    wide: bool
    left_out: int


def feature_maps(stages, sample=0):
    """The Maps of all Stages whose results are images or signals, for one sample."""
    return [_maps(s.title, s.seen[sample].reshape(s.shape)) for s in stages
            if s.seen is not None and len(s.shape) == 3 and max(s.shape[:2]) > 1]


def _maps(title, values):
    """values: [rows, columns, channels], drawn from black, their least, to white."""
    low, high = values.min(), values.max()
    gray = ((values - low) * (255 / ((high - low) or 1))).round().astype(np.uint8)
    if gray.shape[1] == 1:  # a signal: time across, channels down
        return Maps(title, [_address(gray[:, 0].T)], True, 0)
    channels = gray.shape[2]
    return Maps(title, [_address(gray[:, :, k]) for k in range(min(channels, MOST))], False,
                max(0, channels - MOST))


def _address(gray):
    """A gray image [rows, columns] (uint8) as the address of a PNG."""
    rows, columns = gray.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + row.tobytes() for row in gray)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(
        ">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)) + chunk(
            b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()

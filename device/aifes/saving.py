"""Write a model to the flash as `aifes deploy` does: whenever the power fails, one is whole."""
import os
from binascii import crc32

from .format import ModelError


def save(model, path):
    """PATH.new is written and read back, PATH becomes PATH.old, PATH.new becomes PATH.

    load(PATH) takes PATH.old if PATH is not there or not whole (previous.py).
    """
    buf = model._buf[:model._plan.length]
    new, old = path + ".new", path + ".old"
    with open(new, "wb") as f:
        f.write(buf)
    if _crc(new) != crc32(buf) & 0xFFFFFFFF:
        raise ModelError(f"{new} is not what was written: free some flash, or it is worn out")
    if _exists(path):
        if _exists(old):
            os.remove(old)
        os.rename(path, old)
    os.rename(new, path)


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _crc(path):
    crc = 0
    piece = bytearray(256)
    with open(path, "rb") as f:
        n = f.readinto(piece)
        while n:
            crc = crc32(memoryview(piece)[:n], crc)
            n = f.readinto(piece)
    return crc & 0xFFFFFFFF

"""What the PC asks of a board: what it is, its files, its memory. MicroPython and CircuitPython."""
import gc
import os
import sys
from binascii import crc32


def describe():
    implementation = sys.implementation
    root = os.getcwd()  # "/", on some boards "/flash"
    return {
        "root": root,
        "name": implementation.name, "version": list(implementation.version)[:3],
        "machine": getattr(implementation, "_machine", sys.platform), "platform": sys.platform,
        "mpy": getattr(implementation, "_mpy", 0) & 0xFFFF, "viper": _viper(),
        "c_module": _c_module(), "block": os.statvfs(root)[0], "flash_free": flash_free(root),
        "heap_free": _heap(), "read_only": _read_only()}


def flash_free(root):
    f = os.statvfs(root)
    return f[0] * f[3]


def _heap():
    gc.collect()
    return gc.mem_free()


def _viper():
    try:
        exec("import micropython\n@micropython.viper\ndef f(x: int) -> int:\n return x")
        return True
    except (SyntaxError, ImportError, AttributeError, NotImplementedError):
        return False


def _c_module():
    """Whether _aifes is a part of the firmware: then no file can take its place."""
    path = sys.path[:]
    try:
        sys.path[:] = ["/no such folder"]
        import _aifes

        return bool(_aifes)
    except (ImportError, ValueError):
        return False
    finally:
        sys.path[:] = path


def _read_only():
    try:
        import storage

        return storage.getmount("/").readonly
    except ImportError:
        return False


def digests(paths):
    return [_digest(path) for path in paths]


def _digest(path):
    """Length and CRC-32 of a file, None if there is none."""
    buf = bytearray(512)
    n = crc = 0
    try:
        with open(path, "rb") as f:
            while True:
                m = f.readinto(buf)
                if not m:
                    return [n, crc & 0xFFFFFFFF]
                n += m
                crc = crc32(memoryview(buf)[:m], crc)
    except OSError:
        return None


def listing(folder):
    """Names of its files and of those in its folders, None if there is no such folder."""
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    found = []
    for name in names:
        path = folder + "/" + name
        if os.stat(path)[0] & 0x4000:
            found += [name + "/" + inner for inner in listing(path)]
        else:
            found.append(name)
    return found


def receive(path, n):
    """Write a file of n bytes, which come in pieces: a byte that stands for Ctrl-C, then up to 120.

    A plus tells that a piece is stored.
    """
    try:
        with open(path, "wb") as f:
            while n:
                piece = sys.stdin.buffer.read(1 + min(n, 120))
                n -= len(piece) - 1
                f.write(piece[1:].replace(piece[:1], b"\x03"))
                sys.stdout.write("+")
    except OSError:
        sys.stdout.write("-")
        raise


def copy(source, target):
    buf = bytearray(512)
    with open(source, "rb") as a, open(target, "wb") as b:
        while True:
            m = a.readinto(buf)
            if not m:
                return
            b.write(memoryview(buf)[:m])


def mkdir(path):
    try:
        os.mkdir(path)
    except OSError:
        pass


def remove(path):
    """A file, or a folder with all in it, if it is there."""
    try:
        if os.stat(path)[0] & 0x4000:
            for name in os.listdir(path):
                remove(path + "/" + name)
            os.rmdir(path)
        else:
            os.remove(path)
    except OSError as error:
        if error.args[0] != 2:
            raise


def rename(old, new):
    os.rename(old, new)


def has_room(blocks):
    """Whether blocks of these sizes fit on the heap, each in one piece."""
    gc.collect()
    held = []
    try:
        for n in blocks:
            held.append(bytearray(n))
        return True
    except MemoryError:
        return False

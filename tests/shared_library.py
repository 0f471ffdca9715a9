"""native_module as a shared library for CPython: the modules _aifes and so on, built on ctypes."""
import ctypes
import struct
import subprocess
import types
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("engine.c")
MIDDLE = 1 << 29  # native_module/rows.h
PUSH = 1 << 27
SANITIZE = ["-fsanitize=undefined", "-fno-sanitize-recover", "-g"]
# the families of ops: AIFES_FLOAT, AIFES_SEVERAL and AIFES_CNN of native_module/aifes.h
FAMILIES = {"": (0, 0, 0), "cnn": (0, 1, 1), "f32": (1, 1, 0), "cnn_f32": (1, 1, 1)}


class Piece(ctypes.Structure):
    _fields_ = [("buf", ctypes.c_void_p), ("len", ctypes.c_size_t), ("typecode", ctypes.c_int)]


class Memory(ctypes.Structure):
    _fields_ = [("head", Piece), ("model", Piece), ("arena", Piece), ("n_tensors", ctypes.c_uint32)]


class Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("n", ctypes.c_uint32), ("is_float", ctypes.c_uint32)]


def build(folder, family="cnn", options=()):
    """Compile the library of a family, with a sanitizer of undefined behaviour."""
    path = Path(folder) / f"aifes{family}.so"
    is_float, several, cnn = FAMILIES[family]
    subprocess.run(["gcc", "-O2", "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-ffp-contract=off", f"-DAIFES_FLOAT={is_float}", f"-DAIFES_SEVERAL={several}",
                    f"-DAIFES_CNN={cnn}", *options, *SANITIZE, SOURCE, "-o", path], check=True)
    return ctypes.CDLL(str(path))


def piece(buf):
    n = len(buf)
    return Piece(np.frombuffer(buf, np.uint8).ctypes.data if n else 0, n, 0)


def elements(buf, writable, is_float):
    """The aifes_buffer of an x or y, None if the C module would refuse it."""
    try:
        view = memoryview(buf)
    except TypeError:
        return None
    if view.format not in ("f", "b", "B", "c") or not len(view) or not view.c_contiguous or (
            view.ndim > 1) or writable and view.readonly or is_float and view.format != "f":
        return None
    at = piece(view.cast("B")).buf
    if view.format == "f" and at & 3:
        return None
    return Buffer(at, len(view), view.format == "f")


def module(library):
    """A stand-in for the module of native_module/module.h, over the library of a family."""
    library.aifes_net_size.restype = ctypes.c_size_t
    is_float = ctypes.c_int.in_dll(library, "aifes_is_float").value
    found = types.ModuleType("_aifes_f32" if is_float else "_aifes")
    found.load = lambda *buffers: Net(library, is_float, *buffers)
    return found


class Net:
    def __init__(self, library, is_float, head, model, arena):
        self._library, self._is_float = library, is_float
        self._buffers = [memoryview(b).cast("B") for b in (head, model, arena)]
        memory = Memory(*[piece(b) for b in self._buffers], 0)
        if is_float and ((memory.model.buf or 0) | (memory.arena.buf or 0)) & 3:
            raise ValueError("a float model and its arena must begin at a multiple of 4")
        head = self._buffers[0]
        size = library.aifes_net_size(
            ctypes.c_void_p(memory.head.buf), ctypes.c_size_t(len(head)))
        self._net = ctypes.create_string_buffer(size)
        if not library.aifes_load(self._net, ctypes.byref(memory)):
            raise ValueError("bad model or arena")
        self._pushed = head[40 + 24] | head[40 + 25]
        self._n_out = int(np.prod(struct.unpack_from("<3I", head, 40 + 28 + 12)))
        self._row = struct.unpack_from("<I", head, 40 + 16)[0] * struct.unpack_from(
            "<I", head, 40 + 20)[0]  # elements of a row of the input
        self._n_ops, self._ends = head[22] | head[23] << 8, (head[24], head[25])

    def __call__(self, x, y=None, at=None):
        if at is None:
            end = self._n_ops if y is None else min(y, self._n_ops)
            while True:
                x = self._library.aifes_run(self._net, None, x, end) if x & ~MIDDLE < end else 0
                if not x or y is None:
                    return x
        if (x is None or y is None) and not (at & PUSH and self._pushed):
            return -1
        if y is None:
            row = elements(x, False, False)
            if row is None or row.n != self._row:
                return -1
            return self._library.aifes_push(self._net, ctypes.byref(row), at & ~PUSH)
        if x is None:
            out = elements(y, True, False)
            if out is None or out.n != self._n_out:
                return -1
            self._library.aifes_outputs(self._net, (Buffer * 2)(Buffer(), out))
            return 0
        ends = []
        for given, n, writable in zip((x, y), self._ends, (False, True)):
            if n > 1 and (type(given) is not tuple or len(given) != n):
                return -1
            ends += [elements(b, writable, self._is_float) for b in (given if n > 1 else (given,))]
        if None in ends:
            return -1
        return self._library.aifes_run_samples(self._net, (Buffer * len(ends))(*ends), at)

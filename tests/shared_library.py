"""native_module as a shared library for CPython: the module _aifes, built on ctypes."""
import ctypes
import subprocess
import types
from pathlib import Path

import numpy as np

NATIVE = Path(__file__).parents[1] / "native_module"
SANITIZE = ["-fsanitize=undefined", "-fno-sanitize-recover", "-g"]


class Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("n", ctypes.c_uint32), ("is_float", ctypes.c_uint32)]


def build(folder):
    """Compile the library with the sanitizer of undefined behaviour."""
    path = Path(folder) / "aifes.so"
    subprocess.run(["gcc", "-O2", "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    *SANITIZE, NATIVE / "aifes_load.c", NATIVE / "aifes_run.c", "-o", path],
                   check=True)
    library = ctypes.CDLL(str(path))
    library.aifes_net_size.restype = ctypes.c_size_t
    return library


def address(buf):
    return np.frombuffer(buf, np.uint8).ctypes.data if len(buf) else 0


def elements(buf):
    """The aifes_buffer of an x or y, None if the C module would refuse it."""
    try:
        view = memoryview(buf)
    except TypeError:
        return None
    if view.format not in ("f", "b", "B", "c") or not len(view):
        return None
    return Buffer(address(view.cast("B")), len(view), view.format == "f")


def module(library):
    """A stand-in for the module _aifes, over the library."""

    def load(model, arena):
        model = memoryview(model).cast("B")
        view = memoryview(arena).cast("B")
        at, length = address(model), ctypes.c_size_t(len(model))
        size = library.aifes_net_size(ctypes.c_void_p(at), length)
        net = ctypes.create_string_buffer(size)
        if not library.aifes_load(net, ctypes.c_size_t(size), ctypes.c_void_p(at), length):
            raise ValueError("not a valid .aifes model")

        def call(*arguments):
            library.aifes_place(net, ctypes.c_void_p(address(model)),
                                ctypes.c_void_p(address(view)))
            if len(arguments) == 1:
                return library.aifes_run(net, None, None, 0, arguments[0])
            x, y = elements(arguments[0]), elements(arguments[1])
            if x is None or y is None or memoryview(arguments[1]).readonly:
                return -1
            return library.aifes_run_samples(net, ctypes.byref(x), ctypes.byref(y), arguments[2])

        return call

    found = types.ModuleType("_aifes")
    found.load = load
    return found

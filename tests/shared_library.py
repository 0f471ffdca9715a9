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


def build(folder, kind="aifes", options=()):
    """Compile the library of int8 ("aifes") or float32 ("f32") with a sanitizer of undefined
    behaviour."""
    path = Path(folder) / f"{kind}.so"
    subprocess.run(["gcc", "-O2", "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-ffp-contract=off", *options, *SANITIZE, NATIVE / f"{kind}_load.c",
                    NATIVE / f"{kind}_run.c", "-o", path], check=True)
    library = ctypes.CDLL(str(path))
    getattr(library, f"{kind}_net_size").restype = ctypes.c_size_t
    return library


def address(buf):
    return np.frombuffer(buf, np.uint8).ctypes.data if len(buf) else 0


def elements(buf):
    """The aifes_buffer of an x or y, None if the C module would refuse it."""
    try:
        view = memoryview(buf)
    except TypeError:
        return None
    if view.format not in ("f", "b", "B", "c") or not len(view) or not view.c_contiguous or (
            view.ndim > 1):
        return None
    if view.format == "f" and address(view.cast("B")) & 3:
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


def f32_module(library):
    """A stand-in for the module _aifes_f32."""

    def load(model, arena):
        model = memoryview(model).cast("B")
        view = memoryview(arena).cast("B")
        at, length = ctypes.c_void_p(address(model)), ctypes.c_size_t(len(model))
        size = library.f32_net_size(at, length)
        net = ctypes.create_string_buffer(size)
        if not library.f32_load(net, ctypes.c_size_t(size), at, length):
            raise ValueError("bad model or arena")

        def place():
            if not library.f32_place(net, ctypes.c_void_p(address(model)),
                                     ctypes.c_void_p(address(view))):
                raise ValueError("a float model and its arena must begin at a multiple of 4")

        def call(*arguments):
            place()
            if len(arguments) < 3:
                return library.f32_run(net, arguments[0], (*arguments, n_ops)[1])
            x, y = elements(arguments[0]), elements(arguments[1])
            if x is None or y is None or not x.is_float or not y.is_float or memoryview(
                    arguments[1]).readonly:
                return -1
            return library.f32_run_samples(net, ctypes.byref(x), ctypes.byref(y), arguments[2])

        n_ops = model[20] | model[21] << 8
        place()
        return call

    found = types.ModuleType("_aifes_f32")
    found.load = load
    return found

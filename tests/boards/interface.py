"""A board for tests, be it an interpreter on this PC, an emulated board or a real one.

name; title: its firmware; engines: what it supports; run(code): a program on a fresh heap, with
`aifes`, the suite of tests/device and DATA, the folder of its data; what it prints.
"""
import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

import make_device_data
from aifes_host.boards import deploy, runtime
from aifes_host.boards.board import SerialBoard, digest

SUITE = Path(__file__).parents[1] / "device"
TITLE = """
import sys
name = {"cpython": "CPython", "micropython": "MicroPython"}.get(sys.implementation.name, "?")
print(name, ".".join([str(v) for v in sys.implementation.version[:4] if v not in ("", "final")]))
"""


class Local:
    """An interpreter of this PC."""

    def __init__(self, name, binary, engines, packages, data, before=""):
        self.name = name
        self.engines = engines
        self._command = [str(binary), "-c"]
        path = ":".join(map(str, [*packages, SUITE]))
        self._env = dict(os.environ, PYTHONPATH=path, MICROPYPATH=path + ":.frozen")
        self._before = f"{before}DATA = {str(data)!r}\n"
        self.title = self.run(TITLE).strip()

    def run(self, code, timeout=120):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(self._command + [self._before + code], capture_output=True,
                                  text=True, env=self._env, cwd=folder, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self):
        pass


@contextlib.contextmanager
def closed_if_it_fails(board):
    """Also when it is interrupted: its port is free again."""
    try:
        yield
    except BaseException:
        board.close()
        raise


class OwnFolder(SerialBoard):
    """A board of which one folder is used, as if it were all of its file system: what else is on
    it is neither imported nor written. remove_folder() leaves the board as it was."""

    def __init__(self, port):
        super().__init__(port)
        self.info.root = self.info.path("aifes_test")
        with closed_if_it_fails(self):
            self.mkdir(self.info.root)
            self._enter()

    def _enter(self):
        self.execute(f"import os, sys\nos.chdir({self.info.root!r})\nsys.path[:] = "
                     f"[{self.info.path('lib')!r}, '', '.frozen']")

    def reset(self):
        super().reset()
        self._enter()

    def remove_folder(self):
        super().reset()
        self.remove(self.info.root)


class Remote:
    """A board on a serial port, with the runtime and the suite in a folder of its flash."""

    def __init__(self, name, port, size=None):
        """size: bytes of the file `golden` that the board was started with; None: it has none."""
        self.name = name
        self.port = port
        self._size = size
        self.serial = OwnFolder(port)
        info = self.serial.info
        self.title = info.title
        self.arch = info.arch
        self.golden = golden(info)
        self.choice = deploy.choose_engine(info)
        self.engines = tuple(e for e, has in (
            ("native", self.choice.engine == "native"), ("viper", info.viper), ("python", True))
            if has)
        with closed_if_it_fails(self.serial):
            self.put(suite_files(info))

    def put(self, files):
        """Write what is not there yet; {absolute path: contents}."""
        for (path, contents), have in zip(files.items(), self.serial.digests(list(files))):
            if have != digest(contents):
                for end in [i for i, c in enumerate(path) if c == "/" and i]:
                    self.serial.mkdir(path[:end])
                self.serial.remove(path)  # else both would need room
                self.serial.write(path, contents)

    def room(self):
        """Bytes that the file `golden` may take."""
        if self._size:
            return self._size
        free = self.serial.execute("import os\nf = os.statvfs(os.getcwd())\nprint(f[0] * f[3])")
        have = self.serial.digests([self.golden])[0]
        return int(free) + (have[0] if have else 0) - 32768

    def run(self, code, timeout=120):
        """timeout: seconds without any output."""
        self.serial.reset()  # which leaves these as the code before did
        return self.serial.execute("import gc\ngc.enable()\nif hasattr(gc, 'threshold'):\n"
                                   " gc.threshold(-1)\nDATA = '.'\n" + code, timeout)

    def close(self):
        self.serial.close()


def golden(info):
    """Where a board has the file of golden_models.py."""
    return info.path("golden.bin")


def suite_files(info):
    """What the suite of a board needs in its flash: {absolute path: contents}."""
    choice = deploy.choose_engine(info)
    package = deploy.runtime_files(info, choice)
    # the file of dense nets, too, where there is heap for both: which one is loaded is tested so
    if choice.native and info.heap_free > 160000:
        package[choice.native.name] = choice.native.read_bytes()
    files = {info.path(f"lib/aifes/{name}"): contents for name, contents in package.items()}
    files.update({info.path(f"{p.stem}.mpy"): runtime.compiled(info, p)
                  for p in SUITE.glob("*.py")})
    for name in ("tutorial", "floats", "quantize", "branches", "format1", "pieces", "rows"):
        lines = [json.dumps(r, separators=(",", ":")) for r in getattr(make_device_data, name)()]
        files[info.path(f"{name}.txt")] = ("\n".join(lines) + "\n").encode()
    return files


def cpython_native(library, floats):
    """Code that gives CPython the C engine as a shared library with sanitizers."""
    return (f"import sys\nsys.path.append({str(Path(__file__).parents[1])!r})\nimport ctypes\n"
            f"import shared_library\nlibrary = ctypes.CDLL({library._name!r})\n"
            f"floats = ctypes.CDLL({floats._name!r})\n"
            "sys.modules['_aifes'] = shared_library.module(library)\n"
            "sys.modules['_aifes_f32'] = shared_library.module(floats)\n")

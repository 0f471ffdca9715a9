"""A board as `aifes deploy` sees it: what it is, and its files. A serial port, or a drive."""
import ast
import inspect
import json
import os
import re
import shutil
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from .on_board import files
from .runtime import MPY
from .transport import BoardError, Connection, ExecError, understood

CHUNK = 120  # bytes of a file on their way: no serial port's buffer on a board is smaller
INTERRUPT = b"\x03"
# by the number in sys.implementation._mpy
ARCHITECTURES = (None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp",
                 "armv7emdp", "xtensa", "xtensawin", "rv32imc", "rv64imc")


@dataclass
class Info:
    """What a board says of itself. flash_free, heap_free: bytes; block: of the file system.

    root: the folder of its file system in which it starts, "/" or "/flash"; read_only: whether the
    computer holds its files, as a drive.
    """

    name: str
    version: tuple
    machine: str
    platform: str
    arch: str | None
    mpy: tuple
    viper: bool
    c_module: bool
    block: int
    flash_free: int
    heap_free: int | None
    root: str = "/"
    read_only: bool = False

    @property
    def inline(self):
        """Bytes up to which a file takes no block: littlefs keeps it in its folder's."""
        if self.name != "micropython" or self.block < 1024:
            return 0  # FAT
        return self.block // 8 if self.platform == "rp2" else 128

    @property
    def folder_blocks(self):
        return 2 if self.inline else 1

    def path(self, name):
        """A file in the root folder; an absolute name stays as it is."""
        return name if name[0] == "/" else self.root.rstrip("/") + "/" + name

    @property
    def title(self):
        firmware = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}.get(
            self.name, self.name)
        return f"{self.machine}, {firmware} {'.'.join(map(str, self.version))}"


def circuitpython(version=(), machine="board", flash_free=0):
    """The Info of a board with CircuitPython that cannot be asked: its drive, or a bundle.

    CircuitPython 10 takes the bytecode of MPY; another one gets sources.
    """
    mpy = MPY if version[:1] == (10,) else (0, 0)
    return Info("circuitpython", version, machine, "drive", None, mpy, False, False, 512,
                flash_free, None)


class SerialBoard:
    """A board on a serial port; use as a context manager. Raises BoardError."""

    def __init__(self, port, transport="mpremote"):
        self.port = port
        self._connection = Connection(port, transport)
        self._sent = set()
        try:
            self.info = self._ask()
        except BaseException:  # Ctrl-C too: else the port stays taken
            self.close()
            raise

    def _ask(self):
        found = self.call(files.describe)
        with understood(self.port):
            read_only, mpy = found.pop("read_only"), found.pop("mpy")
            number = mpy >> 10 & 15
            info = Info(arch=ARCHITECTURES[number] if number < len(ARCHITECTURES) else None,
                        mpy=(mpy & 255, mpy >> 8 & 3), version=tuple(found.pop("version")), **found)
            for name in ("root", "name", "machine", "platform"):
                getattr(info, name)[0].encode()
            if not (info.block > 0 and info.flash_free >= 0 and info.heap_free >= 0):
                raise ValueError
        if read_only:  # what was copied onto its drive can run
            return replace(circuitpython(info.version, info.machine, info.flash_free),
                           c_module=info.c_module, heap_free=info.heap_free, root=info.root,
                           read_only=True)
        # compiled here, viper runs where native code is loaded, even if the board compiles none
        info.viper |= info.arch is not None and info.mpy == MPY
        return info

    def execute(self, code, timeout=10):
        """Run code on the board; what it prints."""
        return self._connection.execute(code, timeout)

    def start(self, code):
        """Run code that talks with this program; the port, with read(n) and write(data)."""
        return self._connection.start(code)

    def finish(self):
        """What the started code prints until it ends."""
        return self._connection.finish()

    def call(self, function, *arguments, timeout=20):
        """Call a function of a module in on_board/ on the board."""
        self._send_module(inspect.getmodule(function))
        text = ", ".join(map(repr, arguments))
        call = f"{function.__name__}({text})"
        out = self._end(self.execute, f"import json\nprint(json.dumps({call}))", timeout)
        with understood(self.port):
            return json.loads(out.splitlines()[-1])

    def _send_module(self, module):
        if module not in self._sent:
            self.execute(compact(inspect.getsource(module)))
            self._sent.add(module)

    def _end(self, function, *arguments):
        """Call a function that waits for the board; a full flash is said in a sentence."""
        try:
            return function(*arguments)
        except ExecError as error:
            if re.search(r"OSError: (\[Errno )?28\b", str(error)):
                raise BoardError("the board's flash is full: delete files that are not needed "
                                 f"(mpremote connect {self.port} fs rm FILE)")
            if re.search(r"OSError: (\[Errno )?(2|20|21|22|30)\b", str(error)):
                raise BoardError(f"the board cannot write there ({error}): give another path on it "
                                 "as --to")
            raise

    def reset(self):
        """A soft reset: a fresh heap."""
        self._connection.enter()
        self._sent.clear()

    def write(self, path, data, advance=lambda n: None):
        """Write a file; advance(n) is called for each n bytes written."""
        self._send_module(files)
        self.start(f"receive({path!r}, {len(data)})")
        for i in range(0, len(data), CHUNK):
            chunk = data[i:i + CHUNK]
            # Ctrl-C still ends the program there: in the data another byte stands for it
            spare = bytes([next(v for v in range(4, 256) if v not in chunk)])
            self._connection.write(spare + chunk.replace(INTERRUPT, spare))
            if self._connection.read(1) != b"+":
                break
            advance(len(chunk))
        self._end(self._connection.finish)

    def digests(self, paths):
        found = self.call(files.digests, paths, timeout=60)
        with understood(self.port):
            if len(found) != len(paths):
                raise ValueError
            return [(int(d[0]), int(d[1])) if d else None for d in found]

    def files(self, folder):
        """Names of the files in a folder, and of those in its folders with these before them; None
        if it is not there."""
        names = self.call(files.listing, folder)
        with understood(self.port):
            return None if names is None else [name + "" for name in names]

    def flash_free(self):
        return self.call(files.flash_free, self.info.root)

    def has_room(self, blocks):
        return self.call(files.has_room, blocks)

    def copy(self, source, target):
        self.call(files.copy, source, target)

    def mkdir(self, path):
        self.call(files.mkdir, path)

    def remove(self, path):
        self.call(files.remove, path, timeout=60)

    def rename(self, old, new):
        self.call(files.rename, old, new)

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Drive:
    """A CircuitPython board as the drive that it shows: files can be copied, nothing be run."""

    def __init__(self, folder):
        self.port = str(folder)
        self._root = Path(folder)
        try:
            text = (self._root / "boot_out.txt").read_text(errors="replace")
        except OSError:
            raise BoardError(f"{folder} is not the drive of a CircuitPython board: it has no "
                             "boot_out.txt")
        version = re.search(r"CircuitPython (\d+)\.(\d+)\.(\d+)", text)
        machine = re.search(r"; (.+)", text)
        self.info = circuitpython(tuple(map(int, version.groups())) if version else (),
                                  machine[1].strip() if machine else "board", self.flash_free())

    def _path(self, path):
        return self._root / path.lstrip("/")

    def write(self, path, data, advance=lambda n: None):
        with self._path(path).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        advance(len(data))

    def digests(self, paths):
        return [digest(self._path(p).read_bytes()) if self._path(p).is_file() else None
                for p in paths]

    def files(self, folder):
        path = self._path(folder)
        if not path.is_dir():
            return None
        return [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]

    def flash_free(self):
        return shutil.disk_usage(self._root).free

    def has_room(self, blocks):
        return True  # nobody can be asked

    def copy(self, source, target):
        self.write(target, self._path(source).read_bytes())

    def mkdir(self, path):
        self._path(path).mkdir(exist_ok=True)

    def remove(self, path):
        path = self._path(path)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def rename(self, old, new):
        self._path(old).rename(self._path(new))

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def compact(source):
    """Python source without what only people need: less to send and to read."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Module)) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    lines = ast.unparse(tree).splitlines()
    return "\n".join(" " * ((len(line) - len(line.lstrip())) // 4) + line.lstrip()
                     for line in lines if line.strip())


def digest(data):
    """Length and CRC-32, as on_board/files.py makes them of a file."""
    return len(data), zlib.crc32(data)

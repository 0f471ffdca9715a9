"""Put a model and the runtime that it needs onto a board, so that a failure leaves it as it was.

Nothing that works is overwritten. The runtime is written to /lib/aifes.new and made current by
two renames; between them `import aifes` finds /lib/aifes.py, which does the second one. A model
is written to PATH.new; then PATH becomes PATH.old, to which aifes.load() falls back, and PATH.new
becomes PATH.
"""
import posixpath
from dataclasses import dataclass, field

import numpy as np
from aifes.format import nbytes, size

from ..float32 import same
from ..graph import ConversionError
from ..layout import arrange
from ..pieces import Cut, cut
from ..simulator import Simulator
from .board import digest
from .runtime import MPY, Choice, Kind, choose_engine, missing, needed_files, runtime_files
from .transport import BoardError, understood

RUNTIME = "lib/aifes"  # in the board's root folder
# Heap of import + load besides model, arena and plan, measured on RP2040. C and Python: the least
# that has to be free, some of which is given back after load; viper: what is kept, and a tenth
HEAP = {"native": 23000, "viper": 21000, "python": 25000}
SOURCES = 7500  # besides, where the board compiles the package itself
OP_HEAP = 260  # a layer's part of the plan and of an engine
PIECES = 23000  # besides, to read a model in pieces; measured with the larger file of the C engine
RECOVER = b"""# `aifes deploy` was interrupted between two renames: this does the second one
import os
import sys

try:
    os.rename(__file__[:-3] + ".new", __file__[:-3])
    del sys.modules["aifes"]
    import aifes as found
except OSError:  # the computer holds the files
    __path__ = __file__[:-3] + ".new"
    from aifes import __init__ as found
globals().update(found.__dict__)
"""


@dataclass
class Plan:
    """What a deployment will do. Sizes in bytes; flash in whole blocks of the file system.

    model: what the board computes; cut: it in pieces, if that is what the board gets.
    """

    choice: Choice
    path: str
    model: bytes
    runtime: dict
    cut: Cut | None = None
    write: list = field(default_factory=list)  # names of runtime files to upload
    copy: list = field(default_factory=list)  # those that the board has
    write_model: bool = True
    write_recover: bool = False
    upload: int = 0
    flash: int = 0
    heap: list = field(default_factory=list)

    @property
    def file(self):
        """What lies at `path`."""
        return self.cut.file if self.cut else self.model

    @property
    def written(self):
        """Paths of the files that are sent."""
        return ([f"{RUNTIME}/{name}" for name in self.write]
                + [RUNTIME + ".py"] * self.write_recover + [self.path] * self.write_model)

    @property
    def stored(self):
        """Bytes that execute() writes: what is sent, and files that the board copies."""
        return self.upload + sum(len(self.runtime[n]) for n in self.copy) * bool(self.write)

    @property
    def kept(self):
        """How many of its files were there already."""
        return len(self.runtime) + 2 - len(self.written)


def blocks(info, n):
    """Blocks of the file system that a file of n bytes takes."""
    if n <= info.inline:
        return 0  # kept in its folder
    return 1 if n <= info.block else -(-n // (info.block - 8))  # littlefs: blocks have pointers


def _runtime_there(board, folder):
    """{name: digest} of the runtime on the board."""
    names = board.files(folder)
    if names is None and not board.info.read_only and board.files(folder + ".new") is not None:
        board.rename(folder + ".new", folder)  # the second rename, which was not reached
        names = board.files(folder)
    paths = [f"{folder}/{name}" for name in names or ()]
    return dict(zip(names or (), board.digests(paths)))


def plan(board, model, path, engines=(), everything=False, pieces=None):
    """Compare with what is on the board; BoardError if flash or heap will not do.

    engines: those wanted besides the fastest; everything: the whole package, not only what runs
    this model and what is there already; pieces: whether it is to be read in pieces; None: if there
    is no room otherwise, or if it is there in pieces.
    """
    info = board.info
    path = info.path(path)
    kind = Kind.of(Simulator(model))
    choice = choose_engine(info, kind)
    model = bytes(arrange(model, choice.target))
    folder = info.path(RUNTIME)
    there = _runtime_there(board, folder)
    recover, current = board.digests([folder + ".py", path])
    heap = _heap(info, choice, model)
    in_pieces = _in_pieces(board, choice, model, heap, current, pieces)
    if in_pieces:
        kind = Kind.of_pieces(map(Simulator, in_pieces.models))
        choice = choose_engine(info, kind)
        heap = _heap(info, choice, model, in_pieces)
    present = {name.rpartition(".")[0] for name, have in there.items()
               if have != digest(missing(name.removesuffix(".py")))}
    runtime = runtime_files(info, choice) if everything else \
        needed_files(info, kind, present, engines)
    p = Plan(choice, path, model, runtime, in_pieces, heap=heap)
    for name, contents in runtime.items():
        (p.copy if there.get(name) == digest(contents) else p.write).append(name)
    p.write_recover = bool(p.write) and recover != digest(RECOVER)
    p.write_model = current != digest(p.file)
    if info.read_only and p.written:
        raise BoardError(f"the computer holds this board's files and {p.written[-1]} is to be "
                         "written: `aifes deploy` onto its drive first (--port /media/CIRCUITPY), "
                         "or let the board write, by storage.remount('/', False) in its boot.py")
    upload = [p.runtime[n] for n in p.write]
    if p.write_recover:
        upload.append(RECOVER)
    if p.write_model:
        upload.append(p.file)
    p.upload = sum(map(len, upload))
    stored = upload + ([p.runtime[n] for n in p.copy] if p.write else [])
    folders = (len(_folders(p.runtime)) + 1) * bool(p.write) + (
        board.files(posixpath.dirname(folder)) is None)
    p.flash = info.block * (sum(blocks(info, len(data)) for data in stored)
                            + folders * info.folder_blocks)
    if p.flash > info.flash_free:
        for part in (folder, path):  # of an upload that broke off
            board.remove(part + ".new")
        info.flash_free = board.flash_free()
    if p.flash > info.flash_free:
        raise BoardError(f"not enough flash: {p.flash:,} bytes needed, {info.flash_free:,} free; "
                         "delete files on the board. Nothing was changed")
    if not board.has_room(heap):
        read = ", read in pieces," if in_pieces else ""
        raise BoardError(f"not enough heap: this model{read} needs {sum(heap):,} bytes "
                         f"({max(heap[:2]):,} of them in one piece), {info.heap_free:,} are free; "
                         "choose a smaller network. Nothing was changed")
    return p


def _in_pieces(board, choice, model, heap, current, wanted):
    """The Cut of a model that is to be read in pieces: plan() says when; else None."""
    if wanted is not None:
        return cut(model) if wanted else None
    has_room = board.has_room(heap)
    if has_room and current in (None, digest(model)):
        return None
    try:
        found = cut(model)
    except ConversionError:  # it can only be whole
        return None
    if has_room:
        return found if current == digest(found.file) else None
    return found if sum(_heap(board.info, choice, model, found)) < sum(heap) else None


def _heap(info, choice, model, in_pieces=None):
    """Bytes that have to be free, each in one piece: for the model or a piece, the arena, the rest.
    """
    decoded = Simulator(in_pieces.whole if in_pieces else model).plan
    heap = [len(model), decoded.arena + 16, HEAP[choice.engine] + OP_HEAP * len(decoded.ops)]
    if in_pieces:
        heap[0] = in_pieces.largest
        heap[2] += in_pieces.resident + PIECES
    if info.mpy[0] != MPY[0]:
        heap.append(SOURCES)
    return heap


def _folders(names):
    """The folders in which files of these names lie."""
    return sorted({posixpath.dirname(name) for name in names} - {""})


def execute(board, p, advance=lambda n: None):
    """Do what was planned; advance(n): n bytes more are on the board. BoardError."""
    if p.write:
        _replace_runtime(board, p, advance)
    if p.write_model:
        for i, character in enumerate(p.path[1:], 1):
            if character == "/":
                board.mkdir(p.path[:i])
        new, old = p.path + ".new", p.path + ".old"
        board.write(new, p.file, advance)
        _check(board, {new: p.file})
        if board.digests([p.path])[0]:
            board.remove(old)
            board.rename(p.path, old)
        board.rename(new, p.path)


def _replace_runtime(board, p, advance):
    runtime = board.info.path(RUNTIME)
    new, old = runtime + ".new", runtime + ".old"
    board.mkdir(posixpath.dirname(runtime))
    if p.write_recover:
        board.write(runtime + ".py", RECOVER, advance)
    board.remove(new)
    for made in [new, *(f"{new}/{name}" for name in _folders(p.runtime))]:
        board.mkdir(made)
    for name in p.write:
        board.write(f"{new}/{name}", p.runtime[name], advance)
    for name in p.copy:
        board.copy(f"{runtime}/{name}", f"{new}/{name}")
        advance(len(p.runtime[name]))
    _check(board, {f"{new}/{name}": data for name, data in p.runtime.items()})
    board.remove(old)
    if any(board.digests([f"{runtime}/__init__.{kind}" for kind in ("mpy", "py")])):
        board.rename(runtime, old)
    else:
        board.remove(runtime)
    board.rename(new, runtime)
    board.remove(old)


def _check(board, files):
    if board.digests(list(files)) != [digest(data) for data in files.values()]:
        raise BoardError("the board stored something else than was sent: try again. What was on it "
                         "before still works")


LARGE = 1021  # elements of an input that are sent to be verified
VERIFY = """
import aifes
from array import array
from binascii import unhexlify, hexlify
net = aifes.load({path!r}, engine={engine!r})
said = net.engine + " "
def pushed(v, y):  # row by row: no room for all of it is needed
    v, (rows, n) = array({kind!r}, v), {rows!r}
    row = array({kind!r}, [0] * n)
    net.reset()
    for r in range(rows):
        for i in range(n):
            row[i] = v[(r * n + i) % len(v)]
        if net.push(row, y):
            return
def given(end, v):
    if len(v) >= len(end):
        return array({kind!r}, v)
    for i in range(0, len(end), len(v)):  # a large input: for no second one there is room
        end[i:i + len(v)] = v[:len(end) - i]
    return end
for sample in {x!r}:
    y = [array({kind!r}, bytes(n)) for n in {n!r}]
    if {rows!r}:
        pushed(unhexlify(sample[0]), y[0])
        said += str(hexlify(bytes(y[0])), "ascii")
        continue
    x = [given(end, unhexlify(v)) for end, v in zip(net.inputs, sample)]
    net.run(x[0] if len(x) == 1 else tuple(x), y[0] if len(y) == 1 else tuple(y))
    said += "".join([str(hexlify(bytes(v)), "ascii") for v in y])
print(said)
"""


def _rows(tensor):
    """(rows, elements of a row) of an input that comes in row by row; None: it does not"""
    return (tensor.shape[0], size(tensor.shape[1:])) if tensor.rows else None


def verify(board, p, samples=3):
    """Run the model on the board: the engine that ran. BoardError if it is not the simulator's
    result; the model before it is then current again."""
    simulator = Simulator(p.model)
    sizes = [size(t.shape) for t in simulator.inputs]
    rng, x, given = np.random.default_rng(0), [], [[] for _ in range(samples)]
    for n in sizes:
        numbers = rng.integers(-128, 128, (samples, n)).astype(np.int8)
        if simulator.is_float:
            numbers = numbers.astype("<f4") / 64
        elif n > LARGE:  # these over and over again
            numbers = numbers[:, np.arange(n) % LARGE]
        x.append(numbers)
        for row, sample in zip(numbers, given):
            sample.append(row[:n if simulator.is_float else LARGE].tobytes().hex())
    want = simulator.run(np.concatenate(x, axis=1))
    board.reset()
    try:
        said = board.execute(VERIFY.format(
            path=p.path, engine=p.choice.engine, x=given,
            rows=_rows(simulator.inputs[0]),
            n=[nbytes(t) for t in simulator.outputs],
            kind="f" if simulator.is_float else "b"), timeout=120)
        with understood(board.port):
            engine, got = said.split()[-2:]
            got = bytes.fromhex(got)
        if len(got) == want.nbytes and simulator.is_float:
            right = same(np.frombuffer(got, "<f4"), want.ravel(), engine).all()
        else:
            right = got == want.tobytes()
        if not right:
            raise BoardError("the board computes something else than the simulator")
        return engine
    except BoardError as error:
        if p.write_model:
            _undo(board, p.path)
        raise BoardError(f"the new model does not run on the board ({error}); what was there "
                         "before is current again")


def _undo(board, path):
    board.reset()
    board.remove(path)
    if board.digests([path + ".old"])[0]:
        board.rename(path + ".old", path)

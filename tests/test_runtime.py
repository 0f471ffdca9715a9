"""Which files of the package `aifes deploy` brings: enough for all that a deployed model does."""
import ast
import subprocess

import aifes
import pytest
from aifes_host import Simulator
from aifes_host.boards import deploy, runtime
from aifes_host.boards.board import Info, digest
from aifes_host.boards.runtime import FAMILIES, FLOAT32, Kind
from conftest import PREBUILT, build_native, micropython, need
from test_deploy import tutorial

KINDS = [(engine, is_float) for engine in ("native", "viper", "python")
         for is_float in (False, True)]
ALL = set(runtime.all_modules())
PROGRAM = """
import aifes
from array import array

net = aifes.load("net.aifes")
print(net.engine)
for engine in ("native", "viper", "python"):
    try:
        aifes.load("net.aifes", engine=engine)
        print(engine)
    except aifes.ModelError as e:
        assert "aifes deploy --all" in str(e)
n, m = net.input_shape[0], net.output_shape[0]
x, y = array("f", [0.5] * n), array("f", bytes(4 * m))
net.run(x, y)
assert net.predict([0.5] * n) == list(y), y
net.input[0] = net.input[0]
net.forward()
print(net)
for name in ("len", "ram", "input_shape", "output_shape", "input_dtype", "output_dtype", "metadata",
             "labels", "input_scale", "output_scale", "input_zero_point", "output_zero_point"):
    getattr(net, name)
for classify in [getattr(net, "classify", None)]:
    if classify:
        classify([0.5] * n)
net.swap(aifes.load("net.aifes"))
net.save("other.aifes")
net.save("other.aifes")
with open("other.aifes", "wb") as f:
    f.write("damaged")
assert aifes.load("other.aifes").predict([0.5] * n) == list(y)
for bad in (array("f", [0.5] * (n + 1)), 5, [1.0] * n):
    try:
        net.run(bad, y)
        assert False
    except aifes.ModelError:
        pass
with open("damaged.aifes", "wb") as f:
    f.write("damaged")
for wrong in ("damaged.aifes", b"damaged"):
    try:
        aifes.load(wrong)
        assert False
    except aifes.ModelError:
        pass
for name in ("Sequential", "quantize", "q7"):
    try:
        getattr(aifes, name)
        assert False
    except ImportError as e:
        assert "is not on this board: `aifes deploy --all`" in str(e), e
for name in ("layers", "quantizer"):
    for _ in range(2):
        try:
            __import__("aifes." + name)
            assert False
        except ImportError as e:
            assert "aifes.%s is not on this board" % name in str(e), e
print("done")
"""


def float_model():
    net = aifes.Sequential([aifes.Input(2), aifes.Dense(2, (1, 2, 3, 4), (0, 1)), aifes.Tanh(),
                            aifes.Dense(1, (1, 2), (0,)), aifes.Sigmoid()], dtype="f")
    return bytes(net.to_bytes())


def info(**changes):
    return Info(**{**dict(name="micropython", version=(1, 25, 0), machine="", platform="rp2",
                          arch="armv6m", mpy=(6, 3), viper=True, c_module=False, block=4096,
                          flash_free=1 << 20, heap_free=200000), **changes})


def kind(model):
    return Kind.of(Simulator(model))


def models():
    return {False: tutorial(), True: float_model()}


def imported(module):
    """The modules of the package that a module imports, whenever."""
    found = set()
    folder = module.split("/")[:-1]
    for node in ast.walk(ast.parse((runtime.PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder[:len(folder) + 1 - node.level] + (node.module or "").split(".")
            base = "/".join(part for part in base if part)
            found.update({base, f"{base}/__init__"}, {
                f"{base}/{a.name}".lstrip("/") for a in node.names})
        if isinstance(node, ast.Import):
            found.update(a.name[6:].replace(".", "/") for a in node.names if a.name[:6] == "aifes.")
    return found & ALL


@pytest.mark.parametrize("engine, is_float", KINDS)
def test_nothing_is_imported_that_is_not_there(engine, is_float):
    """But what other models need, and what says where to get the rest."""
    modules = runtime.modules(engine, kind(models()[is_float]))
    assert modules <= ALL
    assert {name for name in modules if name.startswith("ops/")} <= {
        "ops/__init__", "ops/dense", "ops/map", "ops/int8", "ops/float32"}, "ops it does not have"
    for name in modules:
        beyond = imported(name) - modules
        if name == "__init__":
            beyond -= {f"{part}/__init__" for part in runtime.NAMED}
        elif name in ("model", "format", "summary"):
            beyond -= {"float32", "version1", "ops/__init__"}
        elif name == "samples":
            beyond -= {"several"}
        elif name.startswith("viper/") and not is_float:
            beyond -= {"viper/lanes"}
        assert not beyond, (name, beyond)


@pytest.mark.parametrize("engine, is_float", KINDS)
def test_all_of_a_deployed_model_works(engine, is_float, tmp_path):
    """On MicroPython, with only what is deployed; the other parts say how to get them."""
    need("gcc")
    build_native("x64")
    package = tmp_path / "lib" / "aifes"
    for module in runtime.modules(engine, kind(models()[is_float])):
        (package / f"{module}.py").parent.mkdir(parents=True, exist_ok=True)
        (package / f"{module}.py").write_bytes((runtime.PACKAGE / f"{module}.py").read_bytes())
    for module in runtime.NAMED:
        (package / f"{module}.py").write_bytes(runtime.missing(module))
    if engine == "native":
        name = kind(models()[is_float]).family()
        (package / name).write_bytes((PREBUILT / "x64_6.3" / name).read_bytes())
    (tmp_path / "net.aifes").write_bytes(models()[is_float])
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([micropython(), program], cwd=tmp_path, capture_output=True, text=True,
                          env={"MICROPYPATH": str(tmp_path / "lib")})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [engine, engine] and lines[-1] == "done", done.stdout
    (tmp_path / "net.aifes").write_bytes(models()[not is_float])
    program.write_text("import aifes\naifes.load('net.aifes')")
    done = subprocess.run([micropython(), program], cwd=tmp_path, capture_output=True, text=True,
                          env={"MICROPYPATH": str(tmp_path / "lib")})
    last = done.stderr.strip().splitlines()
    assert not last or last[-1].startswith("ModelError: ") and "`aifes deploy`" in last[-1]


def test_few_files():
    """An int8 model with the engine in C: what it takes of a Pico's flash."""
    files = runtime.needed_files(info(), kind(tutorial()))
    assert {name.partition(".")[0] for name in files} == {
        *runtime.ALWAYS, *runtime.NAMED, "_aifes"}
    assert len(files) + 2 <= 12
    sizes = [*map(len, files.values()), len(deploy.RECOVER), 3500]
    assert sum(-(-n // 4096) for n in sizes) + 1 <= 12  # if each file had blocks of its own
    assert sum(deploy.blocks(info(), n) for n in sizes) + 4 <= 12


def stems(files):
    return {name.rpartition(".")[0] for name in files
            if not files[name].startswith(b"raise ImportError")}


def test_another_model_takes_nothing_away():
    int8, floats = (stems(runtime.needed_files(info(), kind(m))) for m in models().values())
    assert "_aifes_f32" in floats and "_aifes" not in floats
    both = stems(runtime.needed_files(info(), kind(tutorial()), floats))
    assert both == stems(runtime.needed_files(info(), kind(float_model()), int8)) == int8 | floats
    assert stems(runtime.needed_files(info(), kind(tutorial()), both)) == both
    everything = stems(runtime.runtime_files(info(), runtime.choose_engine(info())))
    assert everything == ALL | {"_aifes_cnn", "_aifes_f32"}
    assert stems(runtime.needed_files(info(), kind(tutorial()), everything)) == everything
    # by another firmware another engine: what the others there need comes along
    old = info(mpy=(6, 2))
    slow = stems(runtime.needed_files(old, kind(tutorial())))
    assert "viper/int8" in slow and "_aifes" not in slow
    assert stems(runtime.needed_files(info(), kind(tutorial()), slow)) == int8 | slow
    assert {"viper/float32", "viper/softmax"} <= stems(
        runtime.needed_files(old, kind(tutorial()), both))
    assert "ops/int8" in stems(runtime.needed_files(info(), kind(tutorial()), (), ("python",)))
    without = stems(runtime.needed_files(info(viper=False), kind(tutorial()), slow))
    assert "viper/int8" not in without
    # a package of another release
    assert stems(runtime.needed_files(info(), kind(tutorial()), {"model", "f32_viper"})) \
        == everything


def test_smallest_family():
    """The smallest native file that covers a model; one that covers two of them."""
    branched = Kind(False, frozenset(("dense", "add")), False)
    several = Kind(False, frozenset(("dense",)), True)
    scaled = Kind(False, frozenset(("dense",)), False, True)
    assert kind(tutorial()).family() == "_aifes.mpy"
    assert branched.family() == several.family() == "_aifes_cnn.mpy"
    assert Kind(True, frozenset(("add",)), True).family() == FLOAT32 and scaled.family() is None
    choice = runtime.choose_engine(info(), scaled)
    assert choice.engine == "viper" and "multipliers" in choice.why
    assert "_aifes_cnn.mpy" in runtime.needed_files(info(), branched)
    assert "several" in runtime.modules("python", several)
    for first, second in ((branched, kind(tutorial())), (kind(tutorial()), branched)):
        there = stems(runtime.needed_files(info(), first))
        found = set(runtime.needed_files(info(), second, there))
        assert found & {*FAMILIES} == {"_aifes_cnn.mpy"}


def test_file_that_the_board_holds_is_told_from_one_that_says_it_is_missing():
    for module in runtime.NAMED:
        assert len(runtime.missing(module)) <= 128  # takes no block of its own
        assert digest(runtime.missing(module)) != digest(
            (runtime.PACKAGE / module / "__init__.py").read_bytes())
        with pytest.raises(ImportError, match="`aifes deploy --all`"):
            exec(runtime.missing(module))


def test_esp32_without_fpu():
    s2 = info(arch="xtensawin", machine="ESP32S2 module with ESP32S2")
    assert runtime.choose_engine(s2).engine == "native"
    choice = runtime.choose_engine(s2, kind(float_model()))
    assert choice.engine == "viper" and "no FPU" in choice.why

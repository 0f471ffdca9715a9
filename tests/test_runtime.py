"""Which files of the package `aifes deploy` brings: enough for all that a deployed model does."""
import ast
import subprocess

import aifes
import pytest
from aifes_host.boards import deploy, runtime
from aifes_host.boards.board import Info, digest
from conftest import PREBUILT, build_native, micropython, need
from test_deploy import tutorial

KINDS = [(engine, is_float) for engine in runtime.ENGINES for is_float in (False, True)]
ALL = {p.stem for p in runtime.PACKAGE.glob("*.py")}
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


def imported(module):
    """The modules of the package that a module imports, whenever."""
    found = set()
    for node in ast.walk(ast.parse((runtime.PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            found.update([node.module] if node.module else [a.name for a in node.names])
        if isinstance(node, ast.Import):
            found.update(a.name.partition(".")[2] for a in node.names if a.name[:6] == "aifes.")
    return found & ALL


@pytest.mark.parametrize("engine, is_float", KINDS)
def test_nothing_is_imported_that_is_not_there(engine, is_float):
    """But engines that were not wanted, and what says where to get the rest."""
    modules = set(runtime.modules(engine, is_float))
    others = {name for pair in runtime.ENGINES.values() for names in pair for name in names}
    assert modules <= ALL and set(runtime.NAMED) <= ALL
    for name in modules:
        beyond = imported(name) - modules
        if name == "__init__":
            beyond -= {*runtime.NAMED, "q7"}
        elif name in ("model", "format", "summary", "f32_format"):
            beyond -= others
        assert not beyond, (name, beyond)


@pytest.mark.parametrize("engine, is_float", KINDS)
def test_all_of_a_deployed_model_works(engine, is_float, tmp_path):
    """On MicroPython, with only what is deployed; the other parts say how to get them."""
    need("gcc")
    build_native("x64")
    (tmp_path / "lib" / "aifes").mkdir(parents=True)
    for module in runtime.modules(engine, is_float):
        (tmp_path / "lib" / "aifes" / f"{module}.py").write_bytes(
            (runtime.PACKAGE / f"{module}.py").read_bytes())
    for module in runtime.NAMED:
        (tmp_path / "lib" / "aifes" / f"{module}.py").write_bytes(runtime.missing(module))
    if engine == "native":
        name = runtime.C_FILES[is_float]
        (tmp_path / "lib" / "aifes" / name).write_bytes((PREBUILT / "x64_6.3" / name).read_bytes())
    (tmp_path / "net.aifes").write_bytes(float_model() if is_float else tutorial())
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([micropython(), program], cwd=tmp_path, capture_output=True, text=True,
                          env={"MICROPYPATH": str(tmp_path / "lib")})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [engine, engine] and lines[-1] == "done", done.stdout
    (tmp_path / "net.aifes").write_bytes(tutorial() if is_float else float_model())
    program.write_text("import aifes\naifes.load('net.aifes')")
    done = subprocess.run([micropython(), program], cwd=tmp_path, capture_output=True, text=True,
                          env={"MICROPYPATH": str(tmp_path / "lib")})
    last = done.stderr.strip().splitlines()
    assert not last or last[-1].startswith("ModelError: ") and "`aifes deploy`" in last[-1]


def test_few_files():
    """An int8 model with the engine in C: what it takes of a Pico's flash."""
    files = runtime.needed_files(info(), False)
    assert {name.partition(".")[0] for name in files} == {
        *runtime.ALWAYS, *runtime.NAMED, "_aifes"}
    assert len(files) + 2 <= 12
    sizes = [*map(len, files.values()), len(deploy.RECOVER), 3500]
    assert sum(-(-n // 4096) for n in sizes) + 1 <= 12  # if each file had blocks of its own
    assert sum(deploy.blocks(info(), n) for n in sizes) + 4 <= 12


def stems(files):
    return {name.partition(".")[0] for name in files
            if not files[name].startswith(b"raise ImportError")}


def test_another_model_takes_nothing_away():
    int8, floats = (stems(runtime.needed_files(info(), kind)) for kind in (False, True))
    assert "_aifes_f32" in floats and "_aifes" not in floats
    both = stems(runtime.needed_files(info(), False, floats))
    assert both == stems(runtime.needed_files(info(), True, int8)) == int8 | floats
    assert stems(runtime.needed_files(info(), False, both)) == both
    everything = stems(runtime.runtime_files(info(), runtime.choose_engine(info())))
    assert everything == ALL | {"_aifes", "_aifes_f32"}
    assert stems(runtime.needed_files(info(), False, everything)) == everything
    # by another firmware another engine: what the others there need comes along
    old = info(mpy=(6, 2))
    slow = stems(runtime.needed_files(old, False))
    assert "engine_viper" in slow and "_aifes" not in slow
    assert stems(runtime.needed_files(info(), False, slow)) == int8 | slow
    assert "f32_viper" in stems(runtime.needed_files(old, False, both))
    assert "engine_python" in stems(runtime.needed_files(info(), False, (), ("python",)))
    assert "engine_viper" not in stems(runtime.needed_files(info(viper=False), False, slow))


def test_file_that_the_board_holds_is_told_from_one_that_says_it_is_missing():
    for module in runtime.NAMED:
        assert digest(runtime.missing(module)) != digest(
            (runtime.PACKAGE / f"{module}.py").read_bytes())
        assert len(runtime.missing(module)) <= 128  # takes no block of its own
        with pytest.raises(ImportError, match="`aifes deploy --all`"):
            exec(runtime.missing(module))


def test_esp32_without_fpu():
    s2 = info(arch="xtensawin", machine="ESP32S2 module with ESP32S2")
    assert runtime.choose_engine(s2).engine == "native"
    choice = runtime.choose_engine(s2, True)
    assert choice.engine == "viper" and "no FPU" in choice.why

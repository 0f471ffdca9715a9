"""Which files of the package `aifes deploy` brings: enough for all that a deployed model does."""
import ast
import subprocess

import aifes
import aifes_host
import graphs
import numpy as np
import pytest
from aifes_host import Simulator
from aifes_host.boards import deploy, runtime
from aifes_host.boards.board import Info, digest
from conftest import PREBUILT, build_native, micropython, need
from golden_models import tutorial

ENGINES = ("native", "viper", "python")
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
n, m = [len(v) for v in net.inputs], [len(v) for v in net.outputs]

def ends(make, sizes):
    found = [make(k) for k in sizes]
    return tuple(found) if len(found) > 1 else found[0]

x, y = ends(lambda k: array("f", [0.5] * k), n), ends(lambda k: array("f", bytes(4 * k)), m)
net.run(x, y)
want = [list(v) for v in y] if len(m) > 1 else list(y)
assert net.predict(x) == want, want
net.input[0] = net.input[0]
net.forward()
print(net)
for name in ("len", "ram", "input_shape", "output_shape", "input_dtype", "output_dtype", "metadata",
             "labels", "input_scale", "output_scale", "input_zero_point", "output_zero_point"):
    getattr(net, name)
if len(n) == len(m) == 1:
    net.classify(x)
net.swap(aifes.load("net.aifes"))
net.save("other.aifes")
net.save("other.aifes")
with open("other.aifes", "wb") as f:
    f.write("damaged")
assert aifes.load("other.aifes").predict(x) == want
for bad in (array("f", [0.5] * (n[0] + 1)), 5, [1.0] * n[0]):
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
    found, folder = set(), module.split("/")[:-1]
    for node in ast.walk(ast.parse((runtime.PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder[:len(folder) + 1 - node.level] + (node.module or "").split(".")
            base = "/".join(filter(None, base))
            found |= {base, *(f"{base}/{a.name}".strip("/") for a in node.names)}
        if isinstance(node, ast.Import):
            found.update(a.name.partition(".")[2].replace(".", "/") for a in node.names
                         if a.name[:6] == "aifes.")
    return (found | {f"{name}/__init__" for name in found}) & ALL


def graph(make):
    """A model of two inputs and two outputs, with a sum."""
    rng = np.random.default_rng(3)
    network = graphs.two_ends(rng)
    if make is float_model:
        return bytes(aifes_host.float_model(network))
    return bytes(aifes_host.quantize(network, rng.normal(size=(50, 7)).astype(np.float32)).model)


def images(dtype):
    """A convolution and a pooling by hand."""
    layers = (aifes.Conv2D(2, 2, weights=bytes(range(8)), bias=[1, 2], weights_q=(0, 0),
                           result_q=(0, 0)),
              aifes.MaxPool2D(2), aifes.Flatten(),
              aifes.Dense(1, bytes(2), [3], (0, 0), (0, 0)))
    if dtype == "f":
        for layer in layers[::3]:
            layer.weights = [0.25] * len(layer.weights)
    return bytes(aifes.Sequential([aifes.Input((3, 3, 1), (0, 0)),
                                   *layers], dtype=dtype).to_bytes())


MODELS = {"int8": tutorial, "float32": float_model, "int8 images": lambda: images("b"),
          "float32 images": lambda: images("f"),
          "int8 graph": lambda: graph(tutorial),
          "float32 graph": lambda: graph(float_model)}
# what is imported only by a model that has it, or by a file of an earlier release
LATER = {"format": {"version1", "ops/__init__"}, "samples": {"several"},
         "python/int8": {"python/signs"},
         "model": {"float32", "several", "push"}, "ops/__init__": {"rows_check"},
         "summary": {"ops/__init__", "ops/map"},
         "seldom": {"pieces"}}


def kind_of(name):
    return runtime.Kind.of(Simulator(MODELS[name]()))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_imported_that_is_not_there(engine, name):
    """But what says where to get the rest."""
    modules = set(runtime.modules(engine, kind_of(name)))
    assert modules <= ALL and {f"{n}/__init__" for n in runtime.NAMED} <= ALL
    for module in modules:
        beyond = imported(module) - modules - LATER.get(module, set())
        if not kind_of(name).is_float:
            beyond -= {"viper/lanes"}
        assert not {n for n in beyond if n.partition("/")[0] not in runtime.NAMED}, (module, beyond)


def test_images_bring_dense():
    """Its kernels make pixels; a net without images brings no others."""
    for engine in ENGINES[1:]:
        assert {f"{engine}/{op}" for op in ("conv", "pool", "dense")} | {
            "ops/conv", "ops/pool"} <= runtime.modules(engine, kind_of("int8 images"))
        assert not {n for n in runtime.modules(engine, kind_of("int8"))
                    if n.endswith(("conv", "pool"))}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_all_of_a_deployed_model_works(engine, name, tmp_path):
    """On MicroPython, with only what is deployed; the other parts say how to get them."""
    need("gcc")
    build_native("x64")
    lib = tmp_path / "lib" / "aifes"
    kind = kind_of(name)
    for module in runtime.modules(engine, kind):
        (lib / module).parent.mkdir(parents=True, exist_ok=True)
        (lib / f"{module}.py").write_bytes((runtime.PACKAGE / f"{module}.py").read_bytes())
    for module in runtime.NAMED:
        if not (lib / module).exists():
            (lib / f"{module}.py").write_bytes(runtime.missing(module))
    if engine == "native":
        file = kind.family()
        (lib / file).write_bytes((PREBUILT / "x64_6.3" / file).read_bytes())
    (tmp_path / "net.aifes").write_bytes(MODELS[name]())
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([micropython(), program], cwd=tmp_path, capture_output=True, text=True,
                          env={"MICROPYPATH": str(tmp_path / "lib")})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [engine, engine] and lines[-1] == "done", done.stdout
    (tmp_path / "net.aifes").write_bytes(tutorial() if kind.is_float else float_model())
    program.write_text("import aifes\naifes.load('net.aifes')")
    done = subprocess.run([micropython(), program], cwd=tmp_path, capture_output=True, text=True,
                          env={"MICROPYPATH": str(tmp_path / "lib")})
    last = done.stderr.strip().splitlines()
    assert not last or last[-1].startswith("ModelError: ") and "`aifes deploy`" in last[-1]


def test_few_files():
    """An int8 model with the engine in C: what it takes of a Pico's flash."""
    files = runtime.needed_files(info(), runtime.DENSE)
    assert {name.partition(".")[0] for name in files} == {
        *runtime.ALWAYS, *runtime.NAMED, "_aifes"}
    assert len(files) + 2 <= 12
    sizes = [*map(len, files.values()), len(deploy.RECOVER), 3500]
    assert sum(-(-n // 4096) for n in sizes) + 1 <= 12  # if each file had blocks of its own
    assert sum(deploy.blocks(info(), n) for n in sizes) + 4 <= 12


def stems(files):
    return {name.partition(".")[0] for name in files
            if not files[name].startswith(b"raise ImportError")}


def needed(board, kind, present=(), engines=()):
    return stems(runtime.needed_files(board, kind, present, engines))


def test_another_model_takes_nothing_away():
    kinds = {name: kind_of(name) for name in MODELS}
    int8, floats = needed(info(), kinds["int8"]), needed(info(), kinds["float32"])
    assert "_aifes_f32" in floats and "_aifes" not in floats
    both = needed(info(), kinds["int8"], floats)
    assert both == needed(info(), kinds["float32"], int8) == int8 | floats
    assert needed(info(), kinds["int8"], both) == both
    larger = needed(info(), kinds["int8 graph"], int8)
    # the larger one runs the models of the smaller
    assert larger == (int8 | {"_aifes_cnn", "several"}) - {"_aifes"}
    assert needed(info(), kinds["int8"], larger) == larger
    everything = stems(runtime.runtime_files(info(), runtime.choose_engine(info())))
    assert everything == ALL | {"_aifes_cnn", "_aifes_cnn_f32"}
    assert needed(info(), kinds["int8"], everything) == everything
    # by another firmware another engine: what the others there need comes along
    old = info(mpy=(6, 2))
    slow = needed(old, kinds["int8"])
    assert "viper/dense" in slow and "viper/map" not in slow and "_aifes" not in slow
    assert int8 | slow <= needed(info(), kinds["int8"], slow)
    assert {"viper/float32", "viper/lanes"} <= needed(old, kinds["int8"], both)
    assert "several" in needed(old, kinds["int8 graph"]) - slow
    assert "python/int8" in needed(info(), kinds["int8"], (), ("python",))
    assert not {n for n in needed(info(viper=False), kinds["int8"], slow) if "viper" in n}


def test_smallest_family():
    """The smallest native file that covers a model; one that covers two of them."""
    branched = runtime.Kind(False, frozenset(("dense", "add")), False)
    several = runtime.Kind(False, frozenset(("dense",)), True)
    scaled = runtime.Kind(False, frozenset(("dense",)), False, True)
    assert kind_of("int8").family() == "_aifes.mpy"
    assert branched.family() == several.family() == "_aifes_cnn.mpy"
    assert runtime.Kind(False, frozenset(("conv",)), False).family() == "_aifes_cnn.mpy"
    assert runtime.Kind(True, frozenset(("add",)), True).family() == "_aifes_f32.mpy"
    images = runtime.Kind(True, frozenset(("dense", "pool")), False)
    assert images.family() == "_aifes_cnn_f32.mpy"
    both = needed(info(), kind_of("float32"), needed(info(), images))
    assert "_aifes_cnn_f32" in both and "_aifes_f32" not in both
    assert scaled.family() is None
    choice = runtime.choose_engine(info(), scaled)
    assert choice.engine == "viper" and "multipliers" in choice.why
    assert "_aifes_cnn.mpy" in runtime.needed_files(info(), branched)
    assert "several" in runtime.modules("python", several)
    for first, second in ((branched, kind_of("int8")), (kind_of("int8"), branched)):
        there = needed(info(), first)
        found = set(runtime.needed_files(info(), second, there))
        assert found & {*runtime.FAMILIES} == {"_aifes_cnn.mpy"}


def test_file_that_the_board_holds_is_told_from_one_that_says_it_is_missing():
    for module in runtime.NAMED:
        assert digest(runtime.missing(module)) != digest(
            (runtime.PACKAGE / module / "__init__.py").read_bytes())
        assert len(runtime.missing(module)) <= 128  # takes no block of its own
        with pytest.raises(ImportError, match="`aifes deploy --all`"):
            exec(runtime.missing(module))


def test_esp32_without_fpu():
    s2 = info(arch="xtensawin", machine="ESP32S2 module with ESP32S2")
    assert runtime.choose_engine(s2).engine == "native"
    choice = runtime.choose_engine(s2, kind_of("float32"))
    assert choice.engine == "viper" and "no FPU" in choice.why

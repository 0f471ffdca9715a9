"""What users install: the wheel, the stubs, the CircuitPython bundle, the list for mip."""
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import aifes
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "device"))
import make_bundle  # noqa: E402

PACKAGE = ROOT / "device" / "aifes"
SOURCES = {p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py")}
SIMPLETEST = "(1, 0, 0) [0.00390625, 0.00390625]"


def python(code, cwd, **env):
    """What a program prints that sees no package but those of PYTHONPATH and its own Python."""
    return subprocess.run([sys.executable, *code], cwd=cwd, check=True, text=True,
                          stdout=subprocess.PIPE, env=dict(os.environ, **env)).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, from a copy of the sources: a build leaves files beside them."""
    tree, out = tmp_path_factory.mktemp("tree") / "aifes", tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(
        ".*", "build", "demo", "tests", "native_module", "*.egg-info", "__pycache__"))
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps",
                    "--disable-pip-version-check", "-w", out, tree], check=True)
    return next(out.glob("*.whl"))


def test_wheel_holds_everything(wheel):
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    host = ROOT / "host"
    want = {f"aifes/{name}" for name in SOURCES}
    want |= {p.relative_to(ROOT / "device").as_posix()
             for p in (ROOT / "device" / "aifes-stubs").rglob("*.pyi")}
    want |= {p.relative_to(host).as_posix() for p in host.glob("aifes_host/**/*")
             if p.is_file() and p.suffix != ".pyc"}
    assert names == want
    assert any(n.endswith("armv6m_6.3/_aifes.mpy") for n in names)


def test_installed_wheel_runs(wheel, tmp_path):
    """From another folder; -S, and the packages it needs named, keep the clone out of sight."""
    site = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site,
                    "--disable-pip-version-check", wheel], check=True)
    needs = Path(pytest.__file__).parents[1]
    said = python(["-S", "-c", (
        "import aifes, aifes_host, aifes_host.cli, aifes_host.cli_board\n"
        "from aifes_host.boards import runtime\n"
        "print(aifes.__file__, aifes_host.__file__, aifes.__version__)\n"
        "print((runtime.NATIVE / 'armv6m_6.3' / '_aifes.mpy').is_file())")],
        tmp_path, PYTHONPATH=f"{site}{os.pathsep}{needs}")
    first, second = said.splitlines()
    assert first == f"{site}/aifes/__init__.py {site}/aifes_host/__init__.py {aifes.__version__}"
    assert second == "True"


def mypy(*arguments, cwd):
    """mypy's output, with the stubs under the name by which it finds them in a folder."""
    shutil.copytree(ROOT / "device" / "aifes-stubs", cwd / "stubs" / "aifes", dirs_exist_ok=True)
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True,
                          cwd=cwd, env=dict(os.environ, MYPYPATH=str(cwd / "stubs")))
    return done.returncode, done.stdout + done.stderr


def test_stubs_say_what_the_code_does(tmp_path):
    code, said = mypy("mypy.stubtest", "aifes", "--allowlist",
                      str(ROOT / "tests" / "stubs_allowlist.txt"), cwd=tmp_path)
    assert code == 0, said
    names = re.findall(r"\w+", (ROOT / "device" / "aifes-stubs" / "__init__.pyi").read_text())
    assert {*aifes.__all__, *re.findall(r" (\w+)", aifes._PARTS)} <= set(names)


def test_stubs_check_a_program(tmp_path):
    (tmp_path / "program.py").write_text(
        "import aifes\nnet = aifes.load('a')\nprint(net.input_scale)\nnet.swop()\n")
    _, said = mypy("mypy", "--strict", "program.py", cwd=tmp_path)
    assert re.findall(r"^program.py:(\d+): error", said, re.M) == ["4"], said


def test_bundle(tmp_path):
    """The layout of CircuitPython's bundles; it runs from that folder alone."""
    bundle = tmp_path / "bundle"
    make_bundle.make(bundle)
    assert {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()} == {
        f"lib/aifes/{name}" for name in SOURCES if not name.startswith("viper/")
    } | {"examples/aifes_simpletest.py"}
    assert "__version__" in (bundle / "lib/aifes/__init__.py").read_text()  # circup reads it
    said = python(["-S", "examples/aifes_simpletest.py"], bundle, PYTHONPATH=str(bundle / "lib"))
    assert "engine python" in said and SIMPLETEST in said


def test_package_json_is_complete():
    package = json.loads((ROOT / "package.json").read_text())
    assert package["version"] == aifes.__version__
    assert dict(package["urls"]) == {f"aifes/{name}": f"device/aifes/{name}" for name in SOURCES}

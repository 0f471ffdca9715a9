"""What several tests need built once: the C engine for this PC."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import shared_library

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """native_module as a shared library (ctypes), with a sanitizer in it."""
    return shared_library.build(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def native_x64():
    """The folder of _aifes.mpy for the MicroPython of this PC."""
    build_native("x64")
    return ROOT / "build" / "native" / "x64_6.3"


def build_native(*architectures):
    """native_module/build.sh; its output."""
    done = subprocess.run([ROOT / "native_module" / "build.sh", *architectures],
                          capture_output=True, text=True,
                          env=dict(os.environ, PYTHON=sys.executable))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

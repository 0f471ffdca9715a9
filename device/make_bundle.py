"""`make bundle`: the package in the layout of CircuitPython's library bundles, in build/bundle/.

    lib/aifes/      what `aifes deploy` copies onto a CircuitPython drive
    examples/       programs that need no file and no pins
"""
import shutil
from pathlib import Path

from aifes_host.boards.board import circuitpython
from aifes_host.boards.deploy import RUNTIME
from aifes_host.boards.runtime import choose_engine, runtime_files

DEVICE = Path(__file__).parent
EXAMPLES = ("aifes_simpletest.py",)


def make(folder):
    """Write the bundle into a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / RUNTIME).mkdir(parents=True)
    (folder / "examples").mkdir()
    info = circuitpython()
    for name, contents in runtime_files(info, choose_engine(info)).items():
        path = folder / RUNTIME / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents)
    for name in EXAMPLES:
        shutil.copy(DEVICE / "examples" / name, folder / "examples")


if __name__ == "__main__":
    bundle = DEVICE.parent / "build" / "bundle"
    make(bundle)
    print(bundle)

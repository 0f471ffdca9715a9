"""The emulated boards by name: build their firmware, start them, say what is not modelled."""
import contextlib
import fcntl
import os
from pathlib import Path

from . import image, pico_board, qemu_board

CACHE = Path(os.environ.get("AIFES_CACHE") or Path(
    os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aifes")
PICO = "flash and USB take no time; no flash wait states, no second core"
NOT_MODELLED = {"pico": PICO, "pico-c": PICO + "; the C engine is in the firmware",
                **{name: limits for name, (_, _, limits) in qemu_board.MACHINES.items()}}
QEMU_COMPILERS = {"rv32": ("riscv64-unknown-elf-gcc",),
                  qemu_board.XTENSA: ("debian", "xtensa-lx106-elf-ld")}
# what it takes on this machine to build and to run it: names in needs.py
TOOLS = {name: ("debian", "gcc", "node", "npm", "cmake", "ninja", "arm-none-eabi-gcc",
                "arm-none-eabi-g++") if name.startswith("pico") else (
             qemu_board.MACHINES[name][0].split()[0],
             *QEMU_COMPILERS.get(name, ("arm-none-eabi-gcc",)))
         for name in NOT_MODELLED}
TOOLS = {name: ("patch", "xz", *tools) for name, tools in TOOLS.items()}


@contextlib.contextmanager
def alone():
    """Only one of several processes builds at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(name, cache, folder, files=None):
    """A running board, a context manager with `port`. folder: where a Pico's flash is kept.

    files: {absolute path: contents}, the only ones in its file system.
    """
    flash, pico = folder / f"{name}.flash", name.startswith("pico")
    if files is not None:
        before, size = pico_board.DISK if pico else (0, qemu_board.DISK)
        flash.write_bytes(b"\xff" * before + image.littlefs2(files, size))
    if pico:
        return pico_board.Pico(pico_board.build(cache, name == "pico-c"), flash)
    return qemu_board.Qemu(qemu_board.build(cache, name), name, files and flash)

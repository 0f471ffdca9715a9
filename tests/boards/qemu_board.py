"""Emulated boards of seven chips: MicroPython's port for qemu, reached over a pseudo terminal."""
import hashlib
import os
import re
import subprocess
import sys
import time
import tty
from pathlib import Path

import serial

from .process import EMULATOR, Emulated
from .process import build as run_build

HERE = Path(__file__).parent
FETCH_CLANG = HERE.parents[1] / "native_module" / "xtensa" / "fetch.sh"
MPS2 = "no flash, caches or wait states; code runs from 4 MB of RAM"

DISK = 1 << 21  # bytes, as in qemu/_boot.py

# name: (qemu's command, the address of its disk as in qemu/_boot.py, what this emulation does not
# model); no clock cycles in any of them
MACHINES = {
    "cortex-m0": ("qemu-system-arm -machine microbit -global nrf51-soc.flash-size=1048576"
                  " -global nrf51-soc.sram-size=2359296", 0x20040000,
                  "the real nRF51 has 256 kB of flash and 16 kB of RAM, this one 1 MB and 2.25 MB"),
    "cortex-m3": ("qemu-system-arm -machine mps2-an385", 0x21000000, MPS2),
    "cortex-m4": ("qemu-system-arm -machine mps2-an386", 0x21000000, MPS2),
    "cortex-m7": ("qemu-system-arm -machine mps2-an500", 0x60000000, MPS2),
    "cortex-m33": ("qemu-system-arm -machine mps2-an505", 0x80000000,
                   MPS2 + "; all of it in the secure state"),
    "rv32": ("qemu-system-riscv32 -machine virt -bios none", 0x84000000,
             "no chip at all: qemu's own machine, with 128 MB of RAM and without flash"),
    "esp32-class": ("qemu-system-xtensa -machine lx60 -cpu de233_fpu", 0x01000000,
                    "no ESP32 but its architecture: none of its peripherals, one core, RAM in one"
                    " piece where ESP32 has IRAM and DRAM; no flash or caches"),
}
XTENSA = "esp32-class"


def build(cache, name):
    """The folder of a board's firmware, built once for its inputs; six of them are one build."""
    kind = "xtensa" if name == XTENSA else "qemu"
    inputs = sorted(p for folder in {kind, "qemu"} for p in (HERE / folder).iterdir())
    inputs += [FETCH_CLANG] * (name == XTENSA)
    key = hashlib.sha256(b"".join(p.read_bytes() for p in inputs)).hexdigest()[:16]
    out = Path(cache) / f"{kind}-{key}"
    if not out.exists():
        run_build([HERE / kind / "build.sh", out], dict(os.environ, PYTHON=sys.executable))
    return out


class Qemu(Emulated):
    """Starts at once; use as a context manager. port: the path of the terminal.

    disk: a file with the file system that it starts with; it is not written back.
    """

    def __init__(self, folder, name, disk=None):
        machine, place, _ = MACHINES[name]
        command = [*EMULATOR, *machine.split()] + [
            "-serial", "pty", "-nographic", "-monitor", "null", "-semihosting",
            "-kernel", Path(folder) / f"{name}.elf"]
        if disk:
            command += ["-device", f"loader,file={disk},addr={place:#x},force-raw=on"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)
        line = self._process.stdout.readline()
        if not (port := re.search(r"redirected to (\S+)", line)):
            self.kill()
            raise RuntimeError(f"qemu does not start: {line}")
        self.port = port[1]
        # kept open: qemu looks for a new reader of a closed terminal only once in a second
        self._terminal = os.open(self.port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._terminal)
        self._wait_for_prompt()

    def _wait_for_prompt(self, seconds=20):
        with serial.Serial(self.port, timeout=0.2) as terminal:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                terminal.write(b"\r")
                if terminal.read_until(b">>> ").endswith(b">>> "):
                    return
        self.kill()
        raise RuntimeError("the board does not answer")

    def kill(self):
        """As if the power failed."""
        self._process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_on()
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
        os.close(self._terminal)

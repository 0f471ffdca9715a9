"""An emulated Raspberry Pi Pico with real firmware, reached over a pseudo terminal."""
import contextlib
import hashlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

from .process import EMULATOR, Emulated
from .process import build as run_build

HERE = Path(__file__).parent
GONE = (OSError, TypeError, ValueError)  # of a closed socket or terminal
DISK = 0xA0000, 0x160000  # offset and length of the file system in the flash
NATIVE = HERE.parents[1] / "native_module"


def build(cache, c_module=False):
    """The folder of firmware and emulator, built once for its inputs. c_module: with the C engine
    in the firmware."""
    inputs = sorted((HERE / "pico").iterdir())
    if c_module:
        inputs += sorted(p for folder in (NATIVE, NATIVE / "ops") for p in folder.iterdir()
                         if p.suffix in (".c", ".h", ".cmake"))
    key = hashlib.sha256(b"".join(p.read_bytes() for p in inputs)).hexdigest()[:16]
    out = Path(cache) / f"pico-{key}"
    if not out.exists():
        modules = [NATIVE / "micropython.cmake"] if c_module else []
        # npm's own cache would be in HOME, which may be read-only
        run_build([HERE / "pico" / "build.sh", out, *modules],
                  dict(os.environ, PYTHON=sys.executable, npm_config_cache=f"{cache}/npm"))
    return out


class Pico(Emulated):
    """Starts at once; use as a context manager. port: the path of the terminal.

    flash: the file that holds the 2 MB of flash, made at the first start.
    journal: a file to which each erased sector and each programmed page is written.
    """

    def __init__(self, folder, flash, journal=None):
        command = [*EMULATOR, "node", Path(folder) / "emulator.mjs", flash]
        command += [journal] if journal else []
        self._flash = Path(flash)
        self._process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("node does not start the emulator of the Pico")
        self._address = ("127.0.0.1", int(line.split()[1]))
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._socket = socket.create_connection(self._address)
        self._back = threading.Event()
        threading.Thread(target=self._to_terminal, daemon=True).start()
        threading.Thread(target=self._to_board, daemon=True).start()

    def _to_terminal(self):
        patience = 0.5  # as MicroPython on USB: what nobody reads for so long is lost
        with contextlib.suppress(*GONE):
            while True:
                try:
                    data = self._socket.recv(1024)
                except ConnectionResetError:  # something was on its way to the board
                    data = b""
                if not data:
                    time.sleep(0.02)  # after a reset the same board comes back
                    self._socket = socket.create_connection(self._address)
                    self._back.set()
                end = time.monotonic() + patience
                while data:
                    try:
                        data = data[os.write(self._master, data):]
                    except BlockingIOError:
                        if time.monotonic() >= end:
                            break
                        time.sleep(0.001)
                patience = 0 if data else 0.5

    def _to_board(self):
        with contextlib.suppress(*GONE):
            while True:
                select.select([self._master], [], [])
                data = os.read(self._master, 4096)
                with contextlib.suppress(OSError):
                    self._socket.sendall(data)

    def power_cycle(self, image):
        """Off and on again, with another flash."""
        self._flash.write_bytes(image)
        self._back.clear()
        self._process.send_signal(signal.SIGHUP)
        if not self._back.wait(20):
            raise RuntimeError("the emulator does not come back")

    def unplug(self):
        """The cable is pulled: the terminal is gone, the board is not."""
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = None

    def kill(self):
        """The power fails: nothing more is written to the flash."""
        self._process.kill()
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_on()
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
        if self._master is not None:
            self.unplug()
        self._socket.close()

"""An emulated Raspberry Pi Pico with real firmware, reached over a pseudo terminal."""
import hashlib
import os
import pty
import socket
import subprocess
import sys
import threading
import tty
from pathlib import Path

from mpremote.transport_serial import SerialTransport

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def build(cache, user_modules=None):
    """The folder of firmware and emulator, built once for its inputs."""
    inputs = sorted((HERE / "pico").iterdir())
    if user_modules:
        inputs += sorted(p for p in ROOT.joinpath("native_module").iterdir() if p.is_file())
    key = hashlib.sha256(b"".join(p.read_bytes() for p in inputs)).hexdigest()[:16]
    out = Path(cache) / f"pico-{key}"
    if not out.exists():
        subprocess.run([HERE / "pico" / "build.sh", out, *([user_modules] if user_modules else [])],
                       check=True, env=dict(os.environ, PYTHON=sys.executable))
    return out


class Pico:
    """Starts at once; use as a context manager. port: the path of the terminal."""

    def __init__(self, folder, flash):
        self._process = subprocess.Popen(["node", Path(folder) / "emulator.mjs", flash], text=True,
                                         stdout=subprocess.PIPE)
        port = int(self._process.stdout.readline().split()[1])
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        threading.Thread(target=self._to_terminal, daemon=True).start()
        threading.Thread(target=self._to_board, daemon=True).start()
        self._transport = SerialTransport(self.port)
        self._transport.enter_raw_repl()

    def _to_terminal(self):
        while data := self._socket.recv(4096):
            os.write(self._master, data)

    def _to_board(self):
        try:
            while True:
                self._socket.sendall(os.read(self._master, 4096))
        except OSError:
            pass

    def run(self, code):
        """Run code on the board; what it prints."""
        return self._transport.exec(code).decode().replace("\r\n", "\n")

    def reset(self):
        """A soft reset: a fresh heap."""
        self._transport.enter_raw_repl(soft_reset=True)

    def write(self, path, data):
        self._transport.fs_writefile(path, data)

    def mkdir(self, path):
        self._transport.fs_mkdir(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._socket.close()

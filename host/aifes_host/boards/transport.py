"""The one file that knows mpremote and ampy: run code on a board through its raw REPL.

mpremote's Python interface may change with any version: pyproject.toml has a lower bound.
"""
import contextlib
import io
import os
import struct

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport


class BoardError(Exception):
    """What went wrong with a board and what to do, in one sentence."""


class ExecError(BoardError):
    """Code on the board raised an exception; its last line is the message."""


@contextlib.contextmanager
def understood(port):
    """Read an answer in here: what it should not be is a BoardError."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise BoardError(f"the board on {port} answered something else than was asked: press its "
                         "reset button and try again, without a main.py that prints")


class _Pyboard:
    """What both libraries have in common."""

    def start(self, code):
        """Run code; the serial port, to talk with it."""
        self._port.exec_raw_no_follow(code)
        return self._port.serial

    def read(self, n):
        return self._port.serial.read(n)

    def write(self, data):
        self._port.serial.write(data)

    def finish(self, timeout):
        """What the code printed and the traceback, as bytes. timeout: silent seconds."""
        return self._port.follow(timeout)

    def close(self):
        self._port.exit_raw_repl()
        self._port.close()


class Mpremote(_Pyboard):
    """A serial port, opened by mpremote; the board's program is stopped, its heap is fresh."""

    failures = (TransportError, OSError, struct.error, IndexError)

    def __init__(self, port):
        self._port = SerialTransport(port, timeout=10)

    def enter(self):
        self._port.enter_raw_repl(soft_reset=True)


class Ampy(_Pyboard):
    """The same by adafruit-ampy, for boards or systems that mpremote has trouble with."""

    def __init__(self, port):
        from ampy import pyboard

        self.failures = (pyboard.PyboardError, OSError, IndexError)
        self._port = pyboard.Pyboard(port)
        self._port.serial.timeout = 10

    def enter(self):
        self._port.enter_raw_repl()


TRANSPORTS = {"mpremote": Mpremote, "ampy": Ampy}


class Connection:
    """A board's raw REPL by one of TRANSPORTS; every failure is a BoardError."""

    def __init__(self, port, transport="mpremote"):
        self.port = port
        self._transport = None
        try:
            self._transport = TRANSPORTS[transport](port)
        except ImportError:
            raise BoardError("adafruit-ampy is not installed: pip install adafruit-ampy")
        except (TransportError, serial.SerialException, OSError) as error:
            raise BoardError(_why_not_open(port, error))
        self.enter()

    def enter(self):
        """Stop the program that runs; a soft reset: a fresh heap."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # they print what they did not expect
                self._transport.enter()
        except self._transport.failures as error:
            self.close()
            if not isinstance(error, OSError) and (os.name == "nt" or os.path.exists(self.port)):
                raise BoardError(f"no Python prompt on {self.port}: press the board's reset button "
                                 "and try at once (its program may ignore Ctrl-C), or install "
                                 "MicroPython on it")
            raise BoardError(f"the connection to {self.port} is lost: plug the board in again")

    def execute(self, code, timeout=10):
        """Run code and return what it prints. timeout: seconds of silence.

        Raises ExecError if the code does, BoardError if the board does not answer any more.
        """
        self.start(code)
        return self.finish(timeout)

    def start(self, code):
        """Run code that talks with this program; the port, with read(n) and write(data)."""
        return self._try(self._transport.start, code)

    def read(self, n):
        """n bytes of what it prints."""
        return self._try(self._transport.read, n)

    def write(self, data):
        """Send to the code that runs."""
        self._try(self._transport.write, data)

    def finish(self, timeout=10):
        """What the started code prints until it ends."""
        out, error = self._try(self._transport.finish, timeout)
        if error:
            lines = error.decode(errors="replace").strip().splitlines()
            raise ExecError(lines[-1] if lines else "an error without a name")
        return out.decode(errors="replace").replace("\r\n", "\n")

    def _try(self, function, *arguments):
        try:
            return function(*arguments)
        except self._transport.failures:
            raise BoardError(f"the connection to {self.port} broke off: plug the board in again; "
                             "a model that was on it before still works")

    def close(self):
        """Back to the prompt; never fails."""
        if self._transport is not None:
            with contextlib.suppress(*self._transport.failures):
                self._transport.close()


def _why_not_open(port, error):
    if not os.path.exists(port) and os.name != "nt":
        return f"there is no port {port}: `aifes devices` lists what is there"
    if os.name != "nt" and not os.access(port, os.R_OK | os.W_OK):
        return f"no permission to use {port}: add yourself to its group (dialout) and log in again"
    return f"{port} is in use by another program: close it and try again ({error})"

"""Which boards are there: USB serial ports, drives of CircuitPython, ports named by AIFES_PORT."""
import os
import sys
from pathlib import Path

from serial.tools import list_ports

from .board import Drive, SerialBoard
from .transport import BoardError


def devices():
    """A dict (port, description, usb, serial) for each, without disturbing any."""
    found = [{"port": p.device, "description": p.description or "", "serial": p.serial_number or "",
              "usb": f"{p.vid:04x}:{p.pid:04x}"} for p in list_ports.comports() if p.vid]
    found += [{"port": port, "description": "named by AIFES_PORT", "serial": "", "usb": ""}
              for port in os.environ.get("AIFES_PORT", "").split()]
    found += [{"port": str(d), "description": "CircuitPython drive", "serial": "", "usb": ""}
              for d in _drives()]
    return found


def _drives():
    if sys.platform == "win32":
        places = [Path(f"{letter}:/") for letter in "DEFGHIJKLMNOP"]
    else:
        places = [p for pattern in ("/media/*", "/media/*/*", "/run/media/*/*", "/Volumes/*")
                  for p in Path("/").glob(pattern[1:])]
    return [p for p in places if _is_drive(p)]


def _is_drive(path):
    try:
        return (path / "boot_out.txt").is_file()
    except OSError:
        return False


def open_board(port="auto", transport="mpremote"):
    """The board of a port, of a drive's folder, or the only one that is there."""
    if port == "auto":
        found = devices()
        serial_ports = [d for d in found if "drive" not in d["description"]] or found
        if not serial_ports:
            raise BoardError("no board found: plug one in, with a USB cable that carries data, or "
                             "name its --port")
        if len(serial_ports) > 1:
            names = ", ".join(d["port"] for d in serial_ports)
            raise BoardError(f"several boards found ({names}): choose one with --port")
        port = serial_ports[0]["port"]
    if Path(port).is_dir():
        return Drive(port)
    return SerialBoard(port, transport)

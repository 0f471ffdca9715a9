"""Files of data and networks as they lie on the PC: looked at before they are read."""
import codecs
import io
import itertools
import json
import os
import stat
import zipfile

import numpy as np

from .graph import ConversionError

NUMBERS = 1 << 26  # of one file: as 8-byte floats half a gigabyte
TEXT = 1 << 27  # bytes of a description in JSON
CHUNK = 1 << 20
HEADER = 1 << 16  # bytes in which the header of a .npy must lie
KINDS = {"b": "yes and no", "i": "whole numbers", "u": "whole numbers", "f": "numbers",
         "U": "text", "S": "text", "c": "complex numbers", "O": "Python objects",
         "V": "records of several fields", "M": "dates", "m": "times"}


def check_file(path, limit):
    """ConversionError unless the path is a regular file of at most `limit` bytes."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ConversionError(f"there is no file {path}")
    except (OSError, ValueError) as error:  # not allowed, or no name of a file at all
        raise ConversionError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")
    if stat.S_ISDIR(status.st_mode):
        raise ConversionError(f"{path} is a folder: name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise ConversionError(f"{path} is a device or a pipe: write its content into a file first")
    if status.st_size > limit:
        raise ConversionError(f"{path} has {status.st_size:,} bytes, more than the {limit:,} that "
                              "are read: give a part of it")
    return status.st_size


def encoding(path, limit):
    """How a text file is written: UTF-16 if a byte order mark says so, else UTF-8 if it is that.

    What is neither is taken as Latin-1, as spreadsheets in the west write it.
    """
    check_file(path, limit)
    with open(path, "rb") as file:
        marked = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-16" if marked else "utf-8-sig")()
        found = "utf-16" if marked else "utf-8-sig"
        for chunk in itertools.chain(iter(lambda: file.read(CHUNK), b""), (b"",)):
            try:
                zero = "\0" in decoder.decode(chunk, not chunk)
            except UnicodeDecodeError:
                found, zero = "latin-1", b"\0" in chunk
                decoder = codecs.getincrementaldecoder(found)()
            if zero or marked and found == "latin-1":
                raise ConversionError(f"{path} is no text: save it as text in UTF-8")
    return found


def read_json(path):
    """What a JSON file holds."""
    try:
        with open(path, encoding=encoding(path, TEXT)) as file:
            return json.load(file)
    except RecursionError:
        raise ConversionError(f"{path} is nested too deep for a network")
    except ConversionError:
        raise
    except ValueError as error:
        raise ConversionError(f"{path} is not JSON: {error}")


def read_array(path, name):
    """The array of a .npy, or of a .npz: its only one, or the one called `name`."""
    size = check_file(path, 9 * NUMBERS)
    try:
        if str(path).lower().endswith(".npy"):
            with open(path, "rb") as file:
                _check_header(path, file.read(HEADER), size)
                file.seek(0)
                return np.lib.format.read_array(file, allow_pickle=False)
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            if len(members) > 1:
                members = [m for m in members if m.filename == f"{name}.npy"]
            if len(members) != 1:
                raise ConversionError(f"{path} has no or several arrays: name the inputs x, the "
                                      "classes y")
            with archive.open(members[0]) as file:
                _check_header(path, file.read(HEADER), members[0].file_size)
            with archive.open(members[0]) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
    except (ConversionError, PermissionError):
        raise
    except Exception as error:  # whatever NumPy and zipfile raise at a damaged file
        raise ConversionError(f"{path} is damaged or no file of NumPy: {_first_line(error)}")


def _check_header(path, start, size):
    """Refuse by the header of a .npy, before anything is allocated."""
    file = io.BytesIO(start)
    version = np.lib.format.read_magic(file)
    read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
            else np.lib.format.read_array_header_2_0)
    shape, _, dtype = read(file)
    if dtype.kind not in "biufUS":
        raise ConversionError(f"{path} holds {KINDS.get(dtype.kind, dtype)}: give numbers, or "
                              "names as text")
    count = 1
    for n in shape:
        count *= int(n)
    if min(shape, default=0) < 0 or count > NUMBERS or count * dtype.itemsize > 8 * NUMBERS:
        raise ConversionError(f"{path} holds {' x '.join(map(str, shape))} values, more than the "
                              f"{NUMBERS:,} that are read: give a part of them")
    if count * dtype.itemsize > size - file.tell():
        raise ConversionError(f"{path} is cut off: its header speaks of {count:,} values")


def _first_line(error):
    words = str(error).strip().splitlines()
    return words[0][:200] if words else type(error).__name__

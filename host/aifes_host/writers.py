"""What a buffer is written as: the .aifes file, a Python module, a C array."""
import os
import tempfile
from pathlib import Path

from .graph import ConversionError
from .scripts import RUNNING


def write_aifes(model, path):
    """Write a file whole or not at all: beside its place first, then renamed."""
    path = Path(path)
    if RUNNING in os.environ and path.exists():
        raise ConversionError(f"{path} was there before: a script that `aifes` runs for its "
                              "variables cannot overwrite it")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def python_module(model, name):
    """Text of a module whose MODEL is the buffer, for freezing into firmware or `import`."""
    lines = ['"""Made by `aifes export`. Copy it to the board, or freeze it into flash.',
             "", f"    import aifes, {name}", f"    net = aifes.load({name}.MODEL)", '"""',
             "MODEL = ("]
    for i in range(0, len(model), 22):
        text = "".join(f"\\x{b:02x}" for b in model[i:i + 22])
        lines.append(f'    b"{text}"')
    return "\n".join(lines + [")", ""])


def c_array(data, name, columns=12):
    """Text of a C header with the bytes, aligned for word access."""
    lines = [f"// {len(data)} bytes", "#include <stdint.h>",
             f"static const uint8_t {name}[{len(data)}] __attribute__((aligned(4))) = {{"]
    for i in range(0, len(data), columns):
        lines.append("    " + " ".join(f"0x{b:02X}," for b in data[i:i + columns]))
    return "\n".join(lines + ["};", ""])


def aifes_c_array(data, name, align=4, byte_order="little"):
    """Text of an AIfES parameter buffer as C: its size, then words as wide as its alignment.

    byte_order: of the chip; in its memory lie the bytes of data.
    """
    words = [int.from_bytes(data[i:i + align], byte_order) for i in range(0, len(data), align)]
    kind = f"uint{8 * align}_t"
    lines = ["#include <stdint.h>", "", f"const uint32_t {name}_size = {len(data)};  // bytes",
             f"const {kind} {name}[{len(words)}] = {{"]
    a_line = 72 // (2 * align + 4)
    for i in range(0, len(words), a_line):
        lines.append("    " + " ".join(f"0x{w:0{2 * align}X}," for w in words[i:i + a_line]))
    return "\n".join(lines + ["};", ""])

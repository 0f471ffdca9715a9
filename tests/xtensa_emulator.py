"""Run the C kernels on ESP32's architecture, qemu's board LX60, and count instructions."""
import struct
import subprocess
import tempfile
from pathlib import Path

from boards.process import EMULATOR
from boards.qemu_board import FETCH_CLANG
from boards.start import CACHE, alone

HERE = Path(__file__).parent
BOARD = HERE / "boards" / "xtensa"
TOOLS = ("debian", "xtensa-lx106-elf-ld", "qemu-system-xtensa")  # names in needs.py
CLANG = CACHE / "xtensa-clang" / "clang"
JOB = 0x01000000
HEAD, MODEL, INPUTS, NET, ARENA = (JOB + (i << 19) for i in range(1, 6))
LOOPS = 64  # counts are rounded to what each loop adds: qemu's clock ticks each 25 instructions
QEMU = ("qemu-system-xtensa -machine lx60 -cpu de233_fpu -nographic -monitor none -serial stdio"
        " -icount shift=0,align=off,sleep=off")


def build(elf, options):
    """Compile the engine as the files for ESP32 are compiled, and the program around it."""
    if not CLANG.exists():
        with alone():
            subprocess.run([FETCH_CLANG, CLANG.parent], check=True)
    env = {"PATH": "/usr/bin:/bin", "XTENSA_CLANG": str(CLANG.parent)}
    objects = []
    for compiler, source in ((FETCH_CLANG.with_name("cc"), HERE / "engine.c"),
                             (BOARD / "xcc", HERE / "xtensa.c"),
                             (BOARD / "xcc", BOARD / "vectors.c")):
        objects.append(elf.with_suffix(f".{source.stem}.o"))
        subprocess.run([compiler, "-c", "-Os", "-std=gnu99", "-ffreestanding", "-ffp-contract=off",
                        "-Wall", "-Werror", *options, f"-I{BOARD}", source, "-o", objects[-1]],
                       check=True, env=env)
    subprocess.run([BOARD / "link.sh", elf, *objects], check=True)
    return elf


class Xtensa:
    """As Unicorn of emulator.py. Each run is a start of qemu."""

    def __init__(self, elf, model, head, offset):
        self._elf, self._model, self._head = elf, bytes(model), bytes(head or model)
        self._offset = offset
        self.count = 0

    def run(self, inputs, sizes, is_float=False):
        """The results (list of bytes) of one sample; counts."""
        item = 4 if is_float else 1
        n = [len(x) // item for x in inputs] + list(sizes)
        ends, memory, at = [], b"", INPUTS
        for size, x in zip(n, [*inputs, *[b""] * len(sizes)]):
            ends.append((at, size, is_float))
            padded = size * item + 3 & ~3
            memory += x.ljust(padded, b"\0")
            at += padded
        results = ends[len(inputs)][0]
        head, model = self._head, self._model
        job = struct.pack("<6I", NET, results, at - results, LOOPS, head[22] | head[23] << 8,
                          len(ends))
        job += struct.pack("<10I", HEAD, len(head), 0, MODEL + self._offset, len(model), 0,
                           ARENA, 1 << 19, 0, 0)
        job += b"".join(struct.pack("<3I", *end) for end in ends)
        with tempfile.TemporaryDirectory() as folder:
            command = [*EMULATOR, *QEMU.split(), "-kernel", self._elf]
            for place, contents in ((JOB, job), (HEAD, head), (MODEL + self._offset, model),
                                    (INPUTS, memory)):
                file = Path(folder) / f"{place:x}"
                file.write_bytes(contents)
                command += ["-device", f"loader,file={file},addr={place:#x},force-raw=on"]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  text=True) as process:
                said = process.stdout.readline()
                process.kill()
        assert said and "!" not in said, said
        found, ticks = said.split()
        # the function that does nothing has two instructions itself
        self.count = round(int(ticks, 16) * 25 / LOOPS) + 2
        found = bytes.fromhex(found)
        return [found[a - results:][:size * item] for a, size, _ in ends[len(inputs):]]

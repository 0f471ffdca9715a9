"""The engine in C compiles wherever firmware is built with more warnings than here, as errors."""
import re
import subprocess
from pathlib import Path

import pytest
from conftest import NATIVE, need

# those of CircuitPython's board ports (py/circuitpy_defns.mk of 10.3), and what its ports add
STRICT = """-std=gnu11 -Os -Wall -Wextra -Werror -Wno-unused-parameter -fsingle-precision-constant
    -fno-strict-aliasing -Wdouble-promotion -Wimplicit-fallthrough=2 -Wstrict-prototypes
    -Wmissing-prototypes -Wpointer-arith -Wfloat-equal -Wundef -Wshadow -Wwrite-strings
    -Wsign-compare -Wmissing-format-attribute -Wnested-externs -Wunreachable-code -Wcast-align
    -Wtype-limits -ffunction-sections -fdata-sections -fshort-enums -ffp-contract=off""".split()
ARM = "arm-none-eabi-gcc", "-mthumb"
RISCV = "riscv64-unknown-elf-gcc", "--specs=picolibc.specs"
CHIPS = {
    "M0+": (*ARM, "-mcpu=cortex-m0plus"), "M3": (*ARM, "-mcpu=cortex-m3"),
    "M4 without FPU": (*ARM, "-mcpu=cortex-m4"),
    "M4": (*ARM, "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "M7": (*ARM, "-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"),
    "M33": (*ARM, "-mcpu=cortex-m33", "-mfloat-abi=softfp"),
    "RV32": (*RISCV, "-march=rv32imc", "-mabi=ilp32"),
    "RV32 with FPU": (*RISCV, "-march=rv32imfc", "-mabi=ilp32f"),
    "ESP8266": ("xtensa-lx106-elf-gcc",), "PC": ("gcc",)}
# (source, options): the loadable files, then the modules in firmware
LOADABLE = ["-DMICROPY_ENABLE_DYNRUNTIME", "-Wno-missing-prototypes"]
BUILDS = [("modaifes.c", [*LOADABLE, "-DAIFES_SEVERAL=0"]), ("modaifes.c", LOADABLE),
          ("modaifes_f32.c", LOADABLE), ("modaifes.c", []), ("modaifes_f32.c", [])]
# a port of which there is no more than what the headers need
PORT = """#include <stdint.h>
#include <alloca.h>
#include <stddef.h>
typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef long mp_off_t;
extern const uint16_t mp_native_qstr_table[];
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_NONE)
"""


@pytest.mark.parametrize("chip", CHIPS)
def test_every_build(chip, tmp_path):
    """MicroPython's own headers are system headers here: their warnings are not ours."""
    compiler, *flags = CHIPS[chip]
    need(compiler, "xz")
    tree = subprocess.run([NATIVE / "fetch_micropython.sh"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()
    sources = [p for folder in (NATIVE, NATIVE / "ops") for p in folder.iterdir()
               if p.suffix in (".c", ".h")]
    names = {n for p in (*sources, Path(tree, "py", "dynruntime.h"))
             for n in re.findall(r"MP_QSTR_(\w+)", p.read_text())}
    (tmp_path / "genhdr").mkdir()
    (tmp_path / "genhdr" / "qstrdefs.generated.h").write_text("".join(
        f'QDEF1(MP_QSTR_{n}, 0, 0, "{n}")\n' for n in ["", *sorted(names)]))
    (tmp_path / "genhdr" / "root_pointers.h").write_text("")
    (tmp_path / "mpconfigport.h").write_text(PORT)
    read = set()
    save = [("modaifes.c", [*LOADABLE, "-DAIFES_RISCV_SAVE"])] if "RV32" in chip else []
    for source, options in BUILDS + save:
        done = subprocess.run(
            [compiler, *flags, *STRICT, *options, f"-I{NATIVE}", "-isystem", tmp_path, "-isystem",
             tree, "-MMD", "-MF", tmp_path / "read", "-c", NATIVE / source, "-o",
             tmp_path / "out.o"], capture_output=True, text=True)
        assert done.returncode == 0, (source, options, done.stderr)
        read |= {p.rpartition("/")[2] for p in (tmp_path / "read").read_text().split()}
    unread = {p.name for p in sources} - read
    assert unread <= {"dense_armv6m.h", "dense_dsp.h", "dense_xtensa.h", "f32_soft.h",
                      "riscv_calls.h", *([] if save else ["riscv_save.h"])}, unread

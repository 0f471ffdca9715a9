"""Run the C kernels on emulated chips (unicorn) and count instructions: exact and repeatable."""
import struct
import subprocess
from collections import namedtuple
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const as arm
from unicorn import riscv_const as riscv

NATIVE = Path(__file__).parents[1] / "native_module"
BASE, SIZE = 0x10000000, 4 << 20
NET, ARENA, X, Y, MODEL = (BASE + (i << 19) for i in range(1, 6))
STACK, EXIT = BASE + SIZE - 64, BASE + SIZE - 32

Chip = namedtuple("Chip", ("name", "compiler", "flags"))
CHIPS = {
    "M0+": Chip("Cortex-M0+", "arm-none-eabi-gcc", ["-mthumb", "-mcpu=cortex-m0plus"]),
    "M4": Chip("Cortex-M4", "arm-none-eabi-gcc", ["-mthumb", "-mcpu=cortex-m4"]),
    "RV32": Chip("RV32IMC", "riscv64-unknown-elf-gcc", ["-march=rv32imc", "-mabi=ilp32"]),
}
# for float32: without an FPU and with one
FLOAT_CHIPS = {
    "M0+": CHIPS["M0+"],
    "M3": Chip("Cortex-M3", "arm-none-eabi-gcc", ["-mthumb", "-mcpu=cortex-m3"]),
    "M4": Chip("Cortex-M4F", "arm-none-eabi-gcc", [
        "-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]),
    "RV32": CHIPS["RV32"],
}


def build_floats(chip, folder, options=()):
    """Compile the executor of float32 models for a chip; returns the ELF's path."""
    chip = FLOAT_CHIPS[chip]
    elf = Path(folder) / f"{chip.name}-f32{''.join(options)}.elf"
    subprocess.run(
        [chip.compiler, *chip.flags, *options, "-O2", "-std=c99", "-ffreestanding", "-nostdlib",
         "-ffp-contract=off", "-Wall", "-Werror", f"-Wl,-Ttext={BASE + (1 << 16):#x}",
         "-Wl,-ef32_run", NATIVE / "f32_load.c", NATIVE / "f32_run.c", "-o", elf,
         *["-lgcc", "-Wl,--no-relax"] * bool(options)], check=True)
    return elf


def build(chip, folder, portable=False):
    """Compile loader and executor for a chip; returns the ELF's path."""
    chip = CHIPS[chip]
    elf = Path(folder) / f"{chip.name}{'-portable' * portable}.elf"
    subprocess.run(
        [chip.compiler, *chip.flags, "-O2", "-std=c99", "-ffreestanding", "-nostdlib", "-Wall",
         "-Werror", *["-DAIFES_PORTABLE"] * portable, f"-Wl,-Ttext={BASE + (1 << 16):#x}",
         "-Wl,-eaifes_run", NATIVE / "aifes_load.c", NATIVE / "aifes_run.c", "-o", elf], check=True)
    return elf


class Emulator:
    """A chip with a loaded model. count: the instructions of the last run."""

    def __init__(self, chip, elf, model, offset=0, kind="aifes"):
        self._arm = chip != "RV32"
        if self._arm:
            self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB
                                  | unicorn.UC_MODE_MCLASS)
            self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0 if chip == "M0+"
                                       else arm.UC_CPU_ARM_CORTEX_M4)
        else:
            self._uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        self._uc.mem_map(BASE, SIZE)
        with open(elf, "rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments("PT_LOAD"):
                self._uc.mem_write(segment["p_vaddr"], segment.data())
            self._symbols = {s.name: s["st_value"]
                             for s in elf.get_section_by_name(".symtab").iter_symbols()}
        self.count = 0
        if self._arm:
            self._saved = [arm.UC_ARM_REG_R4 + i for i in range(8)]
            self._stack = arm.UC_ARM_REG_SP
        else:
            self._saved = [riscv.UC_RISCV_REG_S0, riscv.UC_RISCV_REG_S1,
                           *[riscv.UC_RISCV_REG_S2 + i for i in range(10)]]
            self._stack = riscv.UC_RISCV_REG_SP
        self._model = MODEL + offset
        self._uc.mem_write(self._model, model)
        if chip == "M4" and kind == "f32":  # the FPU: on
            self._uc.reg_write(arm.UC_ARM_REG_C1_C0_2, 15 << 20)
            self._uc.reg_write(arm.UC_ARM_REG_FPEXC, 1 << 30)
        assert self._call(f"{kind}_load", NET, 1 << 19, self._model, len(model)) == 1
        self._uc.hook_add(unicorn.UC_HOOK_CODE, self._step)

    def _step(self, *_):
        self.count += 1

    def _call(self, name, *arguments):
        uc = self._uc
        if self._arm:
            registers = arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3
            uc.mem_write(STACK, struct.pack("<4I", *(arguments[4:] + (0,) * 4)[:4]))
            uc.reg_write(arm.UC_ARM_REG_SP, STACK)
            uc.reg_write(arm.UC_ARM_REG_LR, EXIT | 1)
        else:
            registers = [riscv.UC_RISCV_REG_A0 + i for i in range(6)]
            uc.reg_write(riscv.UC_RISCV_REG_SP, STACK)
            uc.reg_write(riscv.UC_RISCV_REG_RA, EXIT)
        for register, value in zip(registers, arguments):
            uc.reg_write(register, value)
        for register in self._saved:
            uc.reg_write(register, register * 0x01010101)
        uc.emu_start(self._symbols[name] | self._arm, EXIT)
        for register in self._saved:  # what the calling convention keeps
            assert uc.reg_read(register) == register * 0x01010101, register
        assert uc.reg_read(self._stack) == STACK
        return uc.reg_read(registers[0])

    def run(self, x, n_out):
        """The int8 results (bytes) of one int8 sample (bytes); counts aifes_run."""
        uc = self._uc
        uc.mem_write(X, x)
        self._call("aifes_place", NET, self._model, ARENA)
        self.count = 0
        assert self._call("aifes_run", NET, X, Y, 0, 0) == 0
        return bytes(uc.mem_read(Y, n_out))

    def run_floats(self, x, n_out):
        """The same for float32, from f32_load's net; counts f32_run_samples."""
        uc = self._uc
        uc.mem_write(X, x)
        uc.mem_write(Y - 32, struct.pack("<6I", X, len(x) // 4, 1, Y, n_out, 1))
        assert self._call("f32_place", NET, self._model, ARENA) == 1
        self.count = at = 0
        while True:
            at = self._call("f32_run_samples", NET, Y - 32, Y - 20, at)
            if at == 0:
                return bytes(uc.mem_read(Y, 4 * n_out))

"""Run the C kernels on emulated chips (unicorn) and count instructions: exact and repeatable."""
import struct
import subprocess
from collections import namedtuple
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const as arm
from unicorn import riscv_const as riscv

SOURCE = Path(__file__).with_name("engine.c")
BASE, SIZE = 0x10000000, 4 << 20
NET, ARENA, ENDS, HEAD, MODEL = (BASE + (i << 19) for i in range(1, 6))
PORTABLE = "-DAIFES_PORTABLE"  # without the kernels of chips
PLAIN = "-DF32_SOFT=0"  # C's own floats: the compiler's library where there is no FPU
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


def build(chip, folder, options=(), is_float=False, several=True):
    """Compile the engine of a family for a chip; returns the ELF's path."""
    chip = (FLOAT_CHIPS if is_float else CHIPS)[chip]
    elf = Path(folder) / f"{chip.name}{is_float:d}{several:d}{''.join(options)}.elf"
    subprocess.run(
        [chip.compiler, *chip.flags, f"-DAIFES_FLOAT={is_float:d}",
         f"-DAIFES_SEVERAL={several:d}", *options, "-O2", "-std=c99",
         "-ffreestanding", "-nostdlib", "-ffp-contract=off", "-Wall", "-Werror",
         f"-Wl,-Ttext={BASE + (1 << 16):#x}", "-Wl,-eaifes_load", SOURCE, "-o", elf,
         *["-lgcc", "-Wl,--no-relax"] * (PLAIN in options)], check=True)
    return elf


class Emulator:
    """A chip with a loaded model. count: the instructions of the last run.

    head: header, tensors and records of the model, where they are not in it; offset: of the model
    from a multiple of 4. blocks: count by blocks of code, for long runs: quicker, and on M4 one or
    two percent more, for conditional instructions count where their condition is false, too.
    """

    def __init__(self, chip, elf, model, head=None, offset=0, blocks=False):
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
        if chip == "M4":  # the FPU: on
            self._uc.reg_write(arm.UC_ARM_REG_C1_C0_2, 15 << 20)
            self._uc.reg_write(arm.UC_ARM_REG_FPEXC, 1 << 30)
        head, at = head or model, MODEL + offset
        self._n_ops = head[22] | head[23] << 8
        self._uc.mem_write(HEAD, bytes(head))
        self._uc.mem_write(at, bytes(model))
        size = self._call("aifes_net_size", HEAD, len(head))
        assert 0 < size < 1 << 19
        self._uc.mem_write(ENDS, struct.pack("<10I", HEAD, len(head), 0, at, len(model), 0,
                                             ARENA, 1 << 19, 0, 0))
        assert self._call("aifes_load", NET, ENDS) == 1
        self._uc.ctl_flush_tb()  # what ran before the hook was there would not be counted
        self._lengths = {}  # instructions of blocks, by address and bytes
        if blocks:
            self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        else:
            self._uc.hook_add(unicorn.UC_HOOK_CODE, self._step)

    def _step(self, *_):
        self.count += 1

    def _block(self, _, at, n, __):
        key = at, n
        if key not in self._lengths:
            code, k, self._lengths[key] = self._uc.mem_read(at, n), 0, 0
            while k < n:
                wide = code[k + 1] >= 0xE8 if self._arm else code[k] & 3 == 3
                k += 4 if wide else 2
                self._lengths[key] += 1
        self.count += self._lengths[key]

    def _call(self, name, *arguments):
        uc = self._uc
        if self._arm:
            registers = arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3
            uc.reg_write(arm.UC_ARM_REG_SP, STACK)
            uc.reg_write(arm.UC_ARM_REG_LR, EXIT | 1)
        else:
            registers = [riscv.UC_RISCV_REG_A0 + i for i in range(4)]
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

    def run(self, inputs, sizes, is_float=False):
        """The results (list of bytes) of one sample; counts.

        inputs: bytes of each input; sizes: elements of each output. is_float: both are float32.
        """
        item = 4 if is_float else 1
        sizes = [len(x) // item for x in inputs] + list(sizes)
        at, ends = ENDS + 12 * len(sizes), []
        for n in sizes:
            ends.append(at)
            at += n * item + 3 & ~3
        for x, place in zip(inputs, ends):
            self._uc.mem_write(place, x)
        buffers = b"".join([struct.pack("<3I", *end, is_float) for end in zip(ends, sizes)])
        self.count = at = 0
        while True:
            self._uc.mem_write(ENDS, buffers)
            at = self._call("aifes_run_samples" if is_float else "aifes_run", NET, ENDS, at,
                            self._n_ops)
            if at == 0:
                break
        return [bytes(self._uc.mem_read(place, n * item))
                for place, n in list(zip(ends, sizes))[len(inputs):]]

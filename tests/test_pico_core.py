"""The emulated Pico's core, tests/boards/pico/core.c, against unicorn's: each instruction.

What core.c leaves to rp2040js (it stops before it) is not compared.
"""
import ctypes
import struct
import subprocess

import numpy as np
import pytest
import unicorn
from conftest import ROOT, need
from unicorn import arm_const as arm

RAM, SIZE, CODE = 0x20000000, 1024, 0x200
SIO = 0xD0000000
SP, LR, PC, N, Z, C, V, HANDLER, MASKED, PENDING, LOCKS = range(13, 24)
REGISTERS = [arm.UC_ARM_REG_R0 + i for i in range(13)] + [
    arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC]
SOURCE = """
#include "core.c"
void use(uint32_t *words, uint8_t *bytes, uint32_t size) {
    state = words;
    ram.bytes = bytes;
    ram.size = size;
}
uint32_t go(uint32_t limit) { return run(limit); }
"""
# kinds of instructions, by the highest bits of their first half: all but hints and exceptions
KINDS = {*range(30)} - {29} | {30}
CORNERS = np.array([0, 1, 2, 31, 32, 33, 255, 256, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], np.uint32)


class Core:
    """core.c with RAM alone."""

    def __init__(self, folder):
        need("gcc")
        subprocess.run(["gcc", "-O1", "-xc", "-", "-shared", "-fPIC", "-fsanitize=undefined",
                        "-fno-sanitize-recover=all", f"-I{ROOT / 'tests' / 'boards' / 'pico'}",
                        "-o", folder / "core.so"], input=SOURCE, text=True, check=True)
        self._library = ctypes.CDLL(folder / "core.so")
        self.state, self.ram = np.zeros(32, np.uint32), np.zeros(SIZE, np.uint8)
        self._library.use(ctypes.c_void_p(self.state.ctypes.data),
                          ctypes.c_void_p(self.ram.ctypes.data), SIZE)

    def run(self, limit):
        return self._library.go(limit)

    def do(self, *halves, **registers):
        """Run these instructions, all of which must be done here; their cycles."""
        for name, value in registers.items():
            self.state[int(name[1:])] = value
        self.ram[CODE:CODE + 2 * len(halves)] = list(struct.pack(f"<{len(halves)}H", *halves))
        self.state[PC], cycles = RAM + CODE, 0
        while self.state[PC] < RAM + CODE + 2 * len(halves):
            spent = self.run(1)
            assert spent, f"{self.state[PC]:#x}"
            cycles += spent
        return cycles


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    return Core(tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def other():
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0)
    uc.mem_map(RAM, 4096)
    return uc


def step(uc, state, ram):
    """The state after one instruction, from the same one."""
    uc.mem_write(RAM, ram.tobytes())
    for register, value in zip(REGISTERS, state.tolist()):
        uc.reg_write(register, value)
    uc.reg_write(arm.UC_ARM_REG_XPSR, 1 << 24 | int(state[N]) << 31 | int(state[Z]) << 30
                 | int(state[C]) << 29 | int(state[V]) << 28)
    uc.ctl_flush_tb()
    try:
        uc.emu_start(int(state[PC]) | 1, 0, count=1)
    except unicorn.UcError as error:  # it went where nothing is, or left Thumb
        assert error.errno in (unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_ERR_EXCEPTION)
    found, flags = state.copy(), uc.reg_read(arm.UC_ARM_REG_XPSR)
    found[:16] = [uc.reg_read(register) for register in REGISTERS]
    found[N:V + 1] = [flags >> bit & 1 for bit in (31, 30, 29, 28)]
    found[[SP, PC]] &= ~np.array([3, 1], np.uint32)  # bits that are always 0
    return found, np.frombuffer(uc.mem_read(RAM, SIZE), np.uint8)


def test_instructions(core, other):
    """Random ones with random registers, half of which point into RAM or have special values."""
    rng = np.random.default_rng(0)
    done = dict.fromkeys(KINDS, 0)
    for i in range(12000):
        op = int(rng.integers(1 << 16)) & 0x7FF | sorted(KINDS)[i % len(KINDS)] << 11
        core.ram[:] = rng.integers(0, 256, SIZE)
        core.ram[CODE:CODE + 4] = list(struct.pack("<HH", op, rng.integers(1 << 16) | 0xD000))
        state = core.state
        state[:] = 0
        state[:16] = rng.integers(0, 1 << 32, 16)
        places = rng.integers(0, 200, 16) * rng.choice([1, 2, 4], 16)
        kind = rng.integers(0, 4, 16)
        state[:16] = np.select([kind == 1, kind == 2, kind == 3], [
            RAM + places, rng.choice(CORNERS, 16), places], state[:16])
        state[SP] = RAM + 4 * rng.integers(0, 256)
        state[PC], state[N:V + 1] = RAM + CODE, rng.integers(0, 2, 4)
        before, memory = state.copy(), core.ram.copy()
        if not core.run(1):
            assert np.array_equal(state, before) and np.array_equal(core.ram, memory), hex(op)
            continue
        if op >> 5 == 0xB660 >> 5:  # CPS: tested below
            continue
        done[op >> 11] += 1
        want, written = step(other, before, memory)
        assert state.tolist() == want.tolist(), (hex(op), before, state, want)
        assert np.array_equal(core.ram, written), hex(op)
    assert min(done.values()) > 30, done


def test_divider(core):
    """By zero, too, and the one quotient that is no int32; the words that rp2040js shares."""
    rng = np.random.default_rng(1)
    pairs = [*zip(*rng.integers(0, 1 << 32, (2, 200))), *zip(*rng.integers(0, 99, (2, 200)))]
    pairs += [(x, y) for x in CORNERS for y in CORNERS]
    for x, y in pairs:
        for at in (0x60, 0x68):  # unsigned, signed
            x, y = (int(v) - (int(v) >> 31 << 32) * (at == 0x68) for v in (x, y))
            # str r0, [r2, #..]; str r1, [r2, #..+4]; ldr r3, [r2, #0x70]; ldr r4, [r2, #0x74]
            cycles = core.do(0x6010 | at << 4, 0x6011 | at + 4 << 4, 0x6F13, 0x6F54,
                             r0=x & 0xFFFFFFFF, r1=y & 0xFFFFFFFF, r2=SIO)
            quotient = (abs(x) // abs(y) * (-1 if (x < 0) != (y < 0) else 1) if y else
                        1 if x < 0 else -1)
            assert core.state[3:5].tolist() == [
                v & 0xFFFFFFFF for v in (quotient, x - quotient * y if y else x)], (x, y, at)
            assert cycles == 4


def test_locks_and_interrupts(core):
    """A lock is had once; an interrupt that waits is let through by rp2040js alone."""
    core.state[LOCKS] = 0
    core.do(0x6811, 0x6813, 0x6010, 0x6814, r2=SIO + 0x128)  # ldr r1, r3; str r0; ldr r4
    assert core.state[[1, 3, 4]].tolist() == [1 << 10, 0, 1 << 10]
    for waits in (0, 1):
        core.state[MASKED], core.state[PENDING] = 0, waits
        # mrs r3, primask; cpsid i; mrs r4, primask; dmb
        assert core.do(0xF3EF, 0x8310, 0xB672, 0xF3EF, 0x8410, 0xF3BF, 0x8F5F) == 10
        assert core.state[[3, 4, MASKED]].tolist() == [0, 1, 1]
        core.do(0xF384, 0x8810)  # msr primask, r4: as it was
        for halves in ((0xB662,), (0xF383, 0x8810)):  # cpsie i; msr primask, r3
            core.state[MASKED] = 1
            if waits:
                with pytest.raises(AssertionError):
                    core.do(*halves)
            else:
                core.do(*halves)
            assert core.state[MASKED] == waits
    core.state[HANDLER] = 1
    with pytest.raises(AssertionError):
        core.do(0x4770, r14=0xFFFFFFF9)  # bx lr: the end of an exception


@pytest.mark.parametrize("halves, cycles", [
    ((0x2001,), 1), ((0x4348,), 1), ((0x6810,), 2), ((0x7010,), 2), ((0xB430,), 3), ((0xBC30,), 3),
    ((0xCA03,), 3), ((0xE7FF,), 2), ((0xF000, 0xF800), 3), ((0xF3BF, 0x8F4F), 3)])
def test_cycles(core, halves, cycles):
    """Those of ARM's manual: movs, muls, ldr, strb, push, pop of two, ldm of two, b, bl, dsb."""
    assert core.do(*halves, r2=RAM, r13=RAM + 64) == cycles

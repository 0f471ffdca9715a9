// rp2040js's core, in C as far as that goes (core.c): five times as fast.
import { createRequire } from 'node:module';

const native = createRequire(import.meta.url)('./core.node');
const REGISTERS = 16;
// after the registers, as in core.c
const [HANDLER, MASKED, PENDING, SIO] = [20, 21, 22, 23];
const SIO_NAMES = ['spinLock', 'divDividend', 'divDivisor', 'divQuotient', 'divRemainder', 'divCSR'];

// Function that runs a chip for so many cycles, longer by a part of an instruction, shorter where
// the next one is not for core.c; the cycles.
export function fastCore(chip) {
  const { core, sio, sram, flash, bootrom } = chip;
  const state = new Uint32Array(new ArrayBuffer(4 * (SIO + SIO_NAMES.length)));
  state.set(core.registers);
  core.registers = state.subarray(0, REGISTERS);
  SIO_NAMES.forEach((name, i) => {
    state[SIO + i] = sio[name];
    Object.defineProperty(sio, name, {
      get: () => state[SIO + i],
      set: (value) => { state[SIO + i] = value; },
    });
  });
  native.use(state.buffer, sram.buffer, flash.buffer, bootrom.buffer);
  return (limit) => {
    if (core.interruptsUpdated) return 0;
    state[16] = core.N ? 1 : 0;
    state[17] = core.Z ? 1 : 0;
    state[18] = core.C ? 1 : 0;
    state[19] = core.V ? 1 : 0;
    state[HANDLER] = core.currentMode;
    state[MASKED] = core.PM ? 1 : 0;
    state[PENDING] = core.pendingInterrupts & core.enabledInterrupts || core.pendingNMI ||
      core.pendingSVCall || core.pendingPendSV || core.pendingSystick ? 1 : 0;
    const cycles = native.run(limit);
    core.N = state[16] === 1;
    core.Z = state[17] === 1;
    core.C = state[18] === 1;
    core.V = state[19] === 1;
    core.PM = state[MASKED] === 1;
    core.cycles += cycles;
    return cycles;
  };
}

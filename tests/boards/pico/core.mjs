// rp2040js's core, in C as far as that goes (core.c): five times as fast.
import { createRequire } from 'node:module';

const native = createRequire(import.meta.url)('./core.node');
// the words of the state that both see, as in core.c: 16 registers, then these, then SIO's
const [N, Z, C, V, HANDLER, MASKED, PENDING, SIO] = [16, 17, 18, 19, 20, 21, 22, 23];
const SIO_NAMES = ['spinLock', 'divDividend', 'divDivisor', 'divQuotient', 'divRemainder', 'divCSR'];

// Function that runs a chip for so many cycles, longer by a part of an instruction, shorter where
// the next one is not for core.c; the cycles.
export function fastCore(chip) {
  const { core, sio, sram, flash, bootrom } = chip;
  const state = new Uint32Array(new ArrayBuffer(4 * (SIO + SIO_NAMES.length)));
  state.set(core.registers);
  core.registers = state.subarray(0, N);
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
    state[N] = core.N ? 1 : 0;
    state[Z] = core.Z ? 1 : 0;
    state[C] = core.C ? 1 : 0;
    state[V] = core.V ? 1 : 0;
    state[HANDLER] = core.currentMode;
    state[MASKED] = core.PM ? 1 : 0;
    state[PENDING] = core.pendingInterrupts & core.enabledInterrupts || core.pendingNMI ||
      core.pendingSVCall || core.pendingPendSV || core.pendingSystick ? 1 : 0;
    const cycles = native.run(limit);
    core.N = state[N] === 1;
    core.Z = state[Z] === 1;
    core.C = state[C] === 1;
    core.V = state[V] === 1;
    core.PM = state[MASKED] === 1;
    core.cycles += cycles;
    return cycles;
  };
}

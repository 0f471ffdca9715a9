// The same emulated core, half as fast again. rp2040js 1.4.1 finds what an instruction means by a
// chain of eighty comparisons: here its own statements stand in a switch on a table of all opcodes.
// And RAM and flash are asked for an address before all else.
import { RP2040 } from 'rp2040js';

const core = Object.getPrototypeOf(new RP2040().core);
const original = core.executeInstruction.toString();
const START = 'let deltaCycles = 1;', END = 'this.cycles += deltaCycles;';
const [head, rest] = original.slice(original.indexOf('{') + 1).split(START);
const [chain, tail] = rest.split(END);
// those whose second half decides stay a chain
const branches = [...chain.matchAll(/^ {8}(?:else )?if \((.*)\) \{\n([^]*?)^ {8}\}$/gm)]
  .filter(([, condition]) => !condition.includes('opcode2'));
if (branches.length !== 76) throw new Error('faster.mjs is made for another version of rp2040js');

const which = Function('opcode', branches.map(([, condition], i) =>
  `if (${condition}) return ${i};`).join('\n') + 'return -1;');
const names = {
  table: Int8Array.from({ length: 65536 }, (_, opcode) => which(opcode)),
  pcRegister: 15, spRegister: 13, LOG_NAME: 'CortexM0Core',
  signExtend8: (value) => (value << 24) >> 24, signExtend16: (value) => (value << 16) >> 16,
};
core.executeInstruction = Function(...Object.keys(names), `return function () {
  ${head} ${START}
  switch (table[opcode]) {
    ${branches.map(([, , body], i) => `case ${i}: {\n${body}break; }`).join('\n')}
    default: ${chain}
  }
  ${END} ${tail}`)(...Object.values(names));

const RAM = 0x20000000, FLASH = 0x10000000;
const { readUint16, readUint32, writeUint32 } = RP2040.prototype;
core.readUint16 = function (address) {
  const chip = this.rp2040, at = (address >>> 0) - FLASH;
  return at >= 0 && at < chip.flash.length ? chip.flash16[at >> 1] : readUint16.call(chip, address);
};
core.readUint32 = function (address) {
  const chip = this.rp2040, at = (address >>> 0) - RAM;
  return at >= 0 && at < chip.sram.length && !(at & 3) ? chip.sramView.getUint32(at, true) :
    readUint32.call(chip, address);
};
core.writeUint32 = function (address, value) {
  const chip = this.rp2040, at = (address >>> 0) - RAM;
  if (at >= 0 && at < chip.sram.length && !(at & 3)) chip.sramView.setUint32(at, value, true);
  else writeUint32.call(chip, address, value);
};

// The Raspberry Pi Pico in rp2040js, its USB serial line on a TCP port that is printed.
//   node emulator.mjs FLASH_FILE [JOURNAL]      (firmware.bin, bootrom.bin, core.node beside it)
//
// FLASH_FILE has at each moment what the flash has: killing this process is a power failure. SIGHUP:
// power off, FLASH_FILE is read anew, power on.
// JOURNAL gets a record of each change: 'E' or 'P', offset, length (uint32), the bytes programmed.
//
// What rp2040js lacks is added here: flash that can be written, resets, a serial line without an
// interrupt storm. Not modelled: flash wait states, bus contention, the time that flash writes take.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fastCore } from './core.mjs';
import { Simulator, USBCDC, ConsoleLogger, LogLevel } from 'rp2040js';

const HERE = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const FLASH_SIZE = 2 * 1024 * 1024;
const CYCLE_NS = 8; // 125 MHz
const SLICE_MS = 2;
const MOST = 2000; // cycles at once
const HOOKS = ['IF', 'EX', 'RE', 'RP', 'FC', 'CX']; // the ROM's flash functions
const file = process.argv[2];
const rom = fs.readFileSync(path.join(HERE, 'bootrom.bin'));
const firmware = fs.readFileSync(path.join(HERE, 'firmware.bin'));
const flash = new Uint8Array(FLASH_SIZE);
readFlash();
fs.writeFileSync(file, flash);
const image = fs.openSync(file, 'r+');
const journal = process.argv[3] ? fs.openSync(process.argv[3], 'w') : null;
console.warn = () => {}; // of registers that MicroPython reads and rp2040js does not know
let board = null, client = null, out = [], server = null;

function readFlash() {
  flash.fill(0xff);
  if (fs.existsSync(file)) flash.set(fs.readFileSync(file).subarray(0, FLASH_SIZE));
  flash.set(firmware, 0);
}

function changed(kind, mcu, at, n, data) {
  fs.writeSync(image, mcu.flash, at, n, at);
  if (journal === null) return;
  const head = Buffer.alloc(9);
  head.write(kind);
  head.writeUint32LE(at, 1);
  head.writeUint32LE(n, 5);
  fs.writeSync(journal, Buffer.concat([head, data]));
}

function boot() {
  if (board) flash.set(board.mcu.flash.subarray(0, FLASH_SIZE));
  const simulator = new Simulator(), mcu = simulator.rp2040, core = mcu.core;
  const b = { mcu, core, clock: simulator.clock, input: [], reset: false };
  mcu.logger = new ConsoleLogger(LogLevel.Error);
  mcu.loadBootrom(new Uint32Array(rom.buffer, rom.byteOffset, rom.length / 4));
  mcu.flash.set(flash, 0);
  // flash functions, found by the ROM's own table at 0x14, become "bkpt #0xeN; bx lr", done below
  const r8 = new Uint8Array(mcu.bootrom.buffer), r16 = new Uint16Array(mcu.bootrom.buffer);
  for (let p = r16[0x14 >> 1]; r16[p >> 1]; p += 4) {
    const n = HOOKS.indexOf(String.fromCharCode(r8[p], r8[p + 1]));
    const f = (r16[(p >> 1) + 1] & ~1) >> 1;
    if (n >= 0) [r16[f], r16[f + 1]] = [0xbee0 + n, 0x4770];
  }
  mcu.onBreak = (code) => {
    const [r0, r1, r2] = core.registers.subarray(0, 3);
    if (HOOKS[code - 0xe0] === 'RE') {
      mcu.flash.fill(0xff, r0, r0 + r1);
      changed('E', mcu, r0, r1, Buffer.alloc(0));
    } else if (HOOKS[code - 0xe0] === 'RP') {
      const data = Buffer.from(Array.from({ length: r2 }, (_, i) => mcu.readUint8(r1 + i)));
      for (let i = 0; i < r2; i++) mcu.flash[r0 + i] &= data[i];
      changed('P', mcu, r0, r2, data);
    }
  };
  // rp2040js answers each request for serial input at once, with nothing if there is nothing: an
  // interrupt each 10 us. Let it wait, as a real host does.
  const cdc = new USBCDC(mcu.usbCtrl);
  let wanted = 0;
  b.feed = () => {
    const n = Math.min(wanted, b.input.length);
    if (n <= 0) return;
    wanted = 0;
    mcu.usbCtrl.endpointReadDone(cdc.outEndpoint, Uint8Array.from(b.input.splice(0, n)));
  };
  mcu.usbCtrl.onEndpointRead = (endpoint, size) => {
    if (endpoint !== cdc.outEndpoint) return;
    wanted = size;
    b.feed();
  };
  cdc.onDeviceConnected = listen;
  cdc.onSerialData = (value) => { if (client) out.push(Buffer.from(value)); };
  mcu.peripherals[0x40058].onWatchdogTrigger = () => { // machine.reset()
    b.reset = true;
    if (client) client.destroy();
  };
  core.PC = 0x10000000;
  b.run = fastCore(mcu);
  board = b;
}

function listen() {
  if (server) return;
  server = net.createServer((socket) => {
    if (client) client.destroy();
    client = socket;
    socket.setNoDelay(true);
    socket.on('data', (data) => {
      for (const byte of data) board.input.push(byte);
      board.feed();
    });
    socket.on('close', () => {
      if (client === socket) client = null;
    });
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
}

let credit = 0, last = performance.now(); // a sleeping core passes time as the host's clock does
function slice() {
  const { core, clock, run } = board, now = performance.now(), until = now + SLICE_MS;
  credit = Math.min(credit + (now - last) * 1e6, 20e6);
  last = now;
  let stall = false;
  do {
    for (let i = 0; i < 500; i++) {
      if (core.waiting) {
        const ns = Math.min(clock.nanosToNextAlarm, credit);
        if (!(ns > 0)) {
          stall = true;
          break;
        }
        credit -= ns;
        clock.tick(ns);
      } else {
        // alarms come as late as by single instructions, and no later
        const alarm = clock.nextAlarm ? Math.ceil(clock.nanosToNextAlarm / CYCLE_NS) : MOST;
        const most = Math.max(1, Math.min(alarm, MOST));
        const cycles = run(most);
        clock.tick(cycles * CYCLE_NS);
        if (cycles < most) clock.tick(core.executeInstruction() * CYCLE_NS);
      }
    }
  } while (!stall && performance.now() < until && !out.length && !board.reset);
  if (out.length) {
    if (client) client.write(Buffer.concat(out));
    out = [];
  }
  if (board.reset) {
    boot();
    stall = false;
  }
  if (stall) setTimeout(slice, 1);
  else setImmediate(slice);
}

process.on('SIGHUP', () => {
  if (client) client.destroy();
  board = null;
  out = [];
  readFlash();
  boot();
});
boot();
slice();

// SPDX-License-Identifier: Apache-2.0
// A Raspberry Pi Pico without the board: node pico.cjs IMAGE.uf2 [AUDIO.pcm]
//
// The chip is npm's rp2040js (found by NODE_PATH). Its UART is this program's stdin and stdout, at
// 460800 baud of its own time; a microphone is on GP10 to GP12, I2S where word select is driven, else
// PDM, and hears AUDIO (16 kHz int16) each time that its clock starts, then silence. A breakpoint
// ends it, with r0 as its exit code. On SIGTERM it tells the cycles in which the core did not sleep,
// per second of audio, how long it heard, and how often each keyword's pin, GP13 to GP22, changed.
// The time is the chip's: nothing depends on this machine's.
"use strict";
const fs = require("fs");
const { RP2040 } = require("rp2040js");

const CLOCK = 125e6, BYTE = CLOCK / 46080, RAM = 0x20000000, FLASH = 0x10000000;
const BIT_CLOCK = 1 << 10, WORD_SELECT = 1 << 11, DATA = 1 << 12;
const I2S_GAIN = 3, PDM_GAIN = 4, BITS = 96; // what the firmware makes louder; bits a sample
const fail = (what) => { fs.writeSync(2, `pico: ${what}\n`); process.exit(2); };

const [, , path, sound] = process.argv;
const chip = new RP2040();
chip.logger = { debug() {}, info() {}, warn() {}, error: (_, what) => fail(what) };

// ---- flash, and what the bootrom does with it

const image = fs.readFileSync(path);
for (let at = 0; at < image.length; at += 512) {
  if (image.readUInt32LE(at) !== 0x0a324655) fail(`${path} is no UF2 file`);
  const page = image.subarray(at + 32, at + 32 + image.readUInt32LE(at + 16));
  chip.flash.set(page, image.readUInt32LE(at + 12) - FLASH);
}
let crc = -1;
for (const byte of chip.flash.subarray(0, 252)) {
  crc ^= byte << 24;
  for (let i = 0; i < 8; i++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
}
if ((crc >>> 0) !== chip.flashView.getUint32(252, true))
  fail("the second stage's checksum is wrong");
chip.sram.set(chip.flash.subarray(0, 256), 0x41f00);
chip.core.PC = RAM + 0x41f00;
chip.core.SP = RAM + 0x41f00;
chip.core.LR = 0;
chip.onBreak = () => {
  flush();
  process.exit(chip.core.registers[0] & 0xff);
};

// ---- the microphone: data change where the clock falls

const pcm = sound ? fs.readFileSync(sound) : Buffer.alloc(0);
const [machine] = chip.pio[0].machines;
const heardAt = (i) => (2 * i + 1 < pcm.length ? pcm.readInt16LE(2 * i) : 0);
let data = 0, bit = 0, left = false, was = 0, sample = 0, inner = 0, outer = 0;
Object.defineProperty(chip, "gpioValues", { get: () => data });
chip.pio[0].run = () => {
  sample = bit = inner = outer = was = 0, left = false;
  if (!i2s()) pdm();
};
const i2s = () => chip.pio[0].pinDirections & WORD_SELECT;

function microphone(pins) {
  const rises = pins & ~was & BIT_CLOCK, falls = was & ~pins & BIT_CLOCK;
  was = pins;
  if (i2s()) slots(rises, falls, pins);
  else if (falls) pdm();
}

// Bits of a straight line from sample to sample, by a second-order sigma-delta modulator of whole
// numbers, each below 2^53.
function pdm() {
  const x = heardAt(sample) * (BITS - bit) + heardAt(sample + 1) * bit;
  const y = (outer < 0 ? -1 : 1) * BITS * 2 ** (15 + PDM_GAIN);
  inner += x - y;
  outer += inner - y;
  data = y > 0 ? DATA : 0;
  if (++bit === BITS) bit = 0, sample++;
}

// 24 bits in 32 of the left slot, the first one clock after word select
function slots(rises, falls, pins) {
  if (rises && left !== !(pins & WORD_SELECT)) {
    left = !left;
    bit = 23;
    if (left) sample++;
  } else if (falls && left && bit >= 0) {
    const word = heardAt(sample - 1) << (8 - I2S_GAIN);
    data = (word >> bit--) & 1 ? DATA : 0;
  } else if (falls) data = 0;
}

// ---- the keywords' pins, looked at every millisecond

const changes = new Array(10).fill(0);
let pins = 0;
function look() {
  const different = pins ^ chip.sio.gpioValue;
  pins ^= different;
  changes.forEach((_, i) => (changes[i] += (different >> (13 + i)) & 1));
}

// ---- the line

let input = [], output = [], asked = false;
const gone = () => asked && process.exit(0); // who asked does not any more
process.stdin.on("data", (bytes) => { asked = true; input.push(...bytes); });
process.stdin.on("end", gone);
process.stdin.on("error", gone);
chip.uart[0].onByte = (byte) => output.push(byte);

function flush() {
  for (let at = 0; at < output.length;) {
    try {
      at += fs.writeSync(1, Buffer.from(output.slice(at)));
    } catch (e) {
      if (e.code !== "EAGAIN") process.exit(0);
    }
  }
  output = [];
}

// ---- time, in cycles

let now = 0, awake = 0, nextByte = 0, nextStep = 0, heard = 0;

function run(cycles) {
  const { core, clock } = chip, end = now + cycles;
  while (now < end) {
    const on = machine.enabled;
    let took = 1;
    // rp2040js would sleep on what came between the mask and wfi, for ever
    if (core.pendingInterrupts & core.enabledInterrupts) core.waiting = false;
    if (!core.waiting) {
      took = core.executeInstruction();
      if (on) awake += took;
    } else {
      const next = Math.min(end, input.length ? nextByte : end, on ? nextStep : end);
      took = Math.max(1, next - now);
    }
    now += took;
    clock.tick((took * 1e9) / CLOCK);
    if (!on) nextStep = now;
    else {
      const step = machine.clockDivInt + machine.clockDivFrac / 256;
      heard += took;
      for (; nextStep <= now; nextStep += step) {
        machine.step();
        if (chip.pio[0].pinValues !== was) microphone(chip.pio[0].pinValues);
      }
    }
    if (input.length && nextByte <= now) {
      chip.uart[0].feedByte(input.shift());
      nextByte = Math.max(now, nextByte + BYTE);
    }
  }
}

// A millisecond of the chip's at a time, then what came in meanwhile. Nothing to do: it rests.
function turn() {
  run(CLOCK / 1000);
  look();
  flush();
  const idle = chip.core.waiting && !machine.enabled && !input.length;
  setTimeout(turn, idle ? 2 : 0);
}

process.on("SIGTERM", () => {
  const each = heard ? Math.round((awake / heard) * CLOCK) : 0;
  const seconds = (heard / CLOCK).toFixed(2);
  fs.writeSync(2, `pico: ${each} cycles a second of audio, ${seconds} s\npico: pins ${changes.join(" ")}\n`);
  process.exit(0);
});
turn();

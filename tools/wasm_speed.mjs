// SPDX-License-Identifier: Apache-2.0
// What vectors gain in a browser: microseconds of a second of audio in each of some builds of
// host/web/glue.c, taking turns in one run: of each quarter of a second the fastest of ROUNDS, as
// node's clock is the wall's and others use the machine. And that all of them decide the same.
//
//     host/web/wasm.sh simd.wasm host/web/glue.c
//     host/web/wasm.sh plain.wasm -mno-simd128 host/web/glue.c
//     node tools/wasm_speed.mjs MODEL.lpb SOUND.raw plain.wasm simd.wasm   (int16, 16 kHz)
import { readFileSync } from "node:fs";
import { argv } from "node:process";

const ROUNDS = 40;
const [model, sound, ...builds] = [readFileSync(argv[2]), readFileSync(argv[3]), ...argv.slice(4)];
const pcm = new Int16Array(sound.buffer, sound.byteOffset, sound.length >> 1);

async function open(path) {
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(readFileSync(path)));
  new Uint8Array(exports.memory.buffer, exports.model_buffer()).set(model);
  const status = exports.open(model.length);
  if (status) throw new Error(`${path}: status ${status}`);
  return exports;
}

// All of the sound: milliseconds of each piece. seen: called behind each frame.
function hear(e, seen) {
  const buffer = new Int16Array(e.memory.buffer, e.pcm_buffer(), e.pcm_room());
  const took = [];
  e.reset();
  for (let at = 0; at < pcm.length; at += buffer.length) {
    const piece = pcm.subarray(at, at + buffer.length);
    const start = performance.now();
    buffer.set(piece);
    for (let from = 0; from < piece.length; from += e.used())
      if (e.push(from, piece.length) & 1 && seen) seen();
    took.push(performance.now() - start);
  }
  return took;
}

// The posteriors of all frames, as one number.
function digest(e) {
  const p = new Uint16Array(e.memory.buffer, e.posteriors(), e.n_labels());
  let sum = 0;
  hear(e, () => p.forEach((x) => (sum = (Math.imul(sum, 31) + x) >>> 0)));
  return sum;
}

const engines = await Promise.all(builds.map(open));
const digests = engines.map(digest);
if (new Set(digests).size > 1) throw new Error(`different posteriors: ${digests}`);
const best = engines.map(() => []);
for (let round = 0; round < ROUNDS; round++)
  engines.forEach((e, i) =>
    hear(e).forEach((ms, k) => (best[i][k] = Math.min(best[i][k] ?? Infinity, ms))),
  );
const total = best.map((pieces) => pieces.reduce((a, b) => a + b));
total.forEach((ms, i) => {
  const us = (1e3 * ms * 16000) / pcm.length;
  const gain = total[0] / ms;
  console.log(`${builds[i]}: ${us.toFixed(0)} us a second of audio, ${gain.toFixed(2)} times`);
});

// SPDX-License-Identifier: Apache-2.0
// node digest.mjs TEST.wasm: runs the runtime's test program, firmware/tools/runtime_test.c.
import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";

let memory;
const host = { write: (at, n) => stdout.write(new Uint8Array(memory.buffer, at, n)) };
const module = await WebAssembly.compile(readFileSync(argv[2]));
const { exports } = await WebAssembly.instantiate(module, { host });
memory = exports.memory;
process.exitCode = exports.run();

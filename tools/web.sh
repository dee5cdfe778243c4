#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# web.sh DIR [MODEL.lpb]: the page of host/web with the runtime as WebAssembly and a model, ready to
# be served as it is. Needs clang and lld (wasm-ld). Prints the bytes of what a visitor loads.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "web: $*" >&2; exit 2; }

out=${1:?web.sh DIR [MODEL.lpb]}
model=${2:-host/edge_lp/models/commands12.lpb}
[ -f "$model" ] || fail "no model '$model'; expected an .lpb file"
command -v clang >/dev/null && command -v wasm-ld >/dev/null ||
    fail "clang and wasm-ld are missing; sudo apt-get install clang lld"
mkdir -p "$out"
# -fno-slp-vectorize: with it, clang 14 at -O3 makes other features out of the same C (a test compares)
clang --target=wasm32 -std=c99 -O2 -fno-unroll-loops -fno-slp-vectorize -msimd128 -mbulk-memory \
    -ffreestanding -nostdlib -fvisibility=hidden -Wall -Wextra -Iruntime \
    -Wl,--no-entry -Wl,--strip-all -Wl,--gc-sections -Wl,-z,stack-size=65536 \
    host/web/glue.c runtime/lp_*.c -o "$out/edge_lp.wasm"
cp host/web/index.html host/web/*.js "$out"
cp "$model" "$out/model.lpb"
echo "$(cat "$out"/index.html "$out"/*.js "$out/edge_lp.wasm" "$out/model.lpb" | wc -c) bytes in $out"

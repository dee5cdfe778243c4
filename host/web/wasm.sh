#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# wasm.sh OUT.wasm [FLAGS] SOURCE...: the runtime and these sources as WebAssembly, with clang and
# lld (wasm-ld). From anywhere; the sources' names are relative to the caller's folder.
set -eu
runtime=$(cd "$(dirname "$0")/../../runtime" && pwd)
out=$1
shift
# -fno-slp-vectorize: with it, clang 14 at -O3 makes other features out of the same C (a test compares)
exec clang --target=wasm32 -std=c99 -Os -fno-unroll-loops -fno-slp-vectorize -msimd128 -mbulk-memory \
    -ffreestanding -nostdlib -fvisibility=hidden -Wall -Wextra -I"$runtime" \
    -Wl,--no-entry -Wl,--strip-all -Wl,--gc-sections -Wl,-z,stack-size=65536 \
    "$@" "$runtime"/lp_*.c -o "$out"

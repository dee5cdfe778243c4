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
host/web/wasm.sh "$out/edge_lp.wasm" host/web/glue.c
cp host/web/index.html host/web/*.css host/web/*.js "$out"
cp "$model" "$out/model.lpb"
echo "$(cat "$out"/index.html "$out"/*.css "$out"/*.js "$out/edge_lp.wasm" "$out/model.lpb" | wc -c) bytes in $out"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Cross compilers, emulators and the sound server that some tests use, from Debian's or Ubuntu's
# archive (apt-packages.txt), and the emulator of the Raspberry Pi Pico from npm, into build/npm.
# Without root, apt or npm nothing is installed, and those tests skip with a reason; with CI=true
# that is a failure.
set -eu
cd "$(dirname "$0")"

give_up() { echo "system packages: $*" >&2; [ "${CI:-}" = true ] && exit 1 || exit 0; }
installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

missing=
for package in $(grep -v '^#' apt-packages.txt); do
    installed "$package" || missing="$missing $package"
done
command -v npm >/dev/null || missing="$missing npm" # some nodejs packages bring it
if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        give_up "some tests will skip without:$missing (install them with sudo apt-get install)"
    echo "system packages: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get -qq update && apt-get -qq install -y --no-install-recommends $missing >/dev/null
    } || give_up "apt-get failed; some tests will skip"
fi

# in the folder, not by --prefix: with that npm leaves out the machine's own npmrc and what it trusts
packages=$(cat npm-packages.txt)
mkdir -p ../build/npm && cd ../build/npm
[ -f package.json ] || echo '{"private": true}' >package.json
[ -d node_modules/rp2040js ] ||
    npm install --silent --no-audit --no-fund $packages >/dev/null ||
    give_up "npm failed; the tests of the Raspberry Pi Pico will skip"

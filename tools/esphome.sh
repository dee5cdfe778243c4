#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ESPHome (esphome-packages.txt), for the tests of our component, into build/esphome: in an
# environment of its own, since it wants other versions of what others want too. Where it cannot be
# had those tests skip with a reason; with CI=true that is a failure.
set -eu
cd "$(dirname "$0")/.."

give_up() {
    echo "esphome: $*; the tests of its component will skip" >&2
    [ "${CI:-}" = true ] && exit 1 || exit 0
}

python=
for candidate in .venv/bin/python python3 python3.14 python3.13 python3.12 python3.11; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    python=$candidate
    break
done
[ -n "$python" ] || give_up "it needs Python 3.11 or later"
wanted=tools/esphome-packages.txt
cmp -s $wanted build/esphome/packages.txt && exit
"$python" -m venv --clear build/esphome &&
    build/esphome/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
        --no-deps --requirement $wanted &&
    cp $wanted build/esphome/packages.txt || give_up "pip failed"

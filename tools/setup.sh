#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# setup.sh EXTRAS: a virtual environment in .venv with this project, built from the C sources, and its extras. Says in one line what is missing.
# PYTHON names the interpreter; without it, the first of 3.12, 3.11, 3.10 that runs.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "edge-lp setup: $*" >&2; exit 1; }
in_range() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }

python=
for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
    if in_range "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    found=$("${PYTHON:-python3}" -V 2>/dev/null) ||
        fail "no Python 3.10 to 3.12 (${PYTHON:-python3} does not run); sudo apt-get install python3 python3-venv python3-dev"
    fail "no Python 3.10 to 3.12 (${PYTHON:-python3} is $found); install one beside it and name it: make PYTHON=python3.12 ..."
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "Python $version has no venv module; sudo apt-get install python$version-venv"
"$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
    fail "Python $version has no C headers; sudo apt-get install python$version-dev"
command -v "${CC:-cc}" >/dev/null || fail "no C compiler (${CC:-cc}); sudo apt-get install build-essential"
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo '#include <string.h>
int main(void) { return (int)strlen(""); }' > "$probe/probe.c"
"${CC:-cc}" "$probe/probe.c" -o "$probe/probe" 2>/dev/null || fail "the C compiler (${CC:-cc}) cannot build a program; sudo apt-get install build-essential"

[ -x .venv/bin/python ] && in_range .venv/bin/python || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[$1]" ||
    fail "the installation failed (see above); it needs the Python package index, or a mirror that pip is set up for"

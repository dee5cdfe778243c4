#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# setup.sh EXTRAS: a virtual environment in .venv with this project, built from the C sources, and
# its extras. Says in one line what is missing.
# PYTHON names the interpreter; without it, the first that runs of python3 and those of NAMES.
set -eu
cd "$(dirname "$0")/.."

extras=$1
newest=14 range="3.10 to 3.14"   # what the runtime and the tool run on
case ",$extras," in *,train,*) newest=13 range="3.10 to 3.13" ;; esac   # ... and TensorFlow

fail() { echo "edge-lp setup: $*" >&2; exit 1; }
in_range() {
    "$1" -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $newest))" 2>/dev/null
}

NAMES="python3.13 python3.12 python3.11 python3.10"
python=
for candidate in ${PYTHON:-python3 $NAMES}; do
    if in_range "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    found=$("${PYTHON:-python3}" -V 2>/dev/null) ||
        fail "no Python $range (${PYTHON:-python3} does not run);" \
             "sudo apt-get install python3 python3-venv python3-dev"
    fail "no Python $range (${PYTHON:-python3} is $found); install one beside it and name it:" \
         "make PYTHON=python3.12 ..."
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "Python $version has no venv module; sudo apt-get install python$version-venv"
"$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' \
    2>/dev/null || fail "Python $version has no C headers; sudo apt-get install python$version-dev"
cc=${CC:-cc}
command -v "$cc" >/dev/null || fail "no C compiler ($cc); sudo apt-get install build-essential"
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo '#include <string.h>
int main(void) { return (int)strlen(""); }' > "$probe/probe.c"
"$cc" "$probe/probe.c" -o "$probe/probe" 2>/dev/null ||
    fail "the C compiler ($cc) cannot build a program; sudo apt-get install build-essential"

[ -x .venv/bin/python ] && in_range .venv/bin/python || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
    --editable ".[$extras]" ||
    fail "the installation failed (see above); it needs the Python package index, or a mirror" \
         "that pip is set up for"

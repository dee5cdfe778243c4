# SPDX-License-Identifier: Apache-2.0
"""The core's results do not depend on the machine: one C program with drawn networks, natively,
under sanitizers, on 32-bit Arm and big-endian."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from paths import ROOT

SOURCES = [ROOT / "tests" / "c" / "core_test.c", *sorted((ROOT / "runtime").glob("lp_*.c"))]
MACHINES = {
    "gcc": (["gcc", "-O3"], []),
    "portable": (["gcc", "-O2", "-DLP_NO_CLONES", "-U__SSE2__"], []),
    "clang": (["clang", "-O2"], []),
    "sanitizers": (["gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"], []),
    "arm": (["arm-linux-gnueabihf-gcc", "-O2", "-static"], ["qemu-arm-static"]),
    "s390x": (["s390x-linux-gnu-gcc", "-O2", "-static"], ["qemu-s390x-static"]),
    "mips": (["mips-linux-gnu-gcc", "-O2", "-static"], ["qemu-mips-static"]),
}
# The native run, which test_core_twin.py ties to the oracle on other networks:
#     cc -std=c99 -O2 -Iruntime tests/c/core_test.c runtime/lp_*.c -o core_test && ./core_test
EXPECTED = "baab283d spikes 307774 synops 22950461 active 1723609 updates 2115000"


@pytest.mark.parametrize("machine", MACHINES)
def test_same_digest(machine, tmp_path) -> None:
    compiler, emulator = MACHINES[machine]
    for tool in (compiler[0], *emulator):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    program = tmp_path / "core_test"
    subprocess.run(
        [
            *compiler,
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            f"-I{ROOT / 'runtime'}",
            *SOURCES,
            "-o",
            program,
        ],
        check=True,
    )
    done = subprocess.run([*emulator, program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == EXPECTED

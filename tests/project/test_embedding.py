# SPDX-License-Identifier: Apache-2.0
"""docs/embedding.md is a program: compiled and run as it stands there."""

import ctypes
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from edge_lp.audio.signals import babble
from edge_lp.cli import main
from edge_lp.model.carray import STACK
from edge_lp.model.format import pack
from edge_lp.runtime import Detector, Frontend, Model, Net
from paths import ROOT, load
from random_model import random_spec

PROGRAM = re.search(
    r"```c\n(.*?)```", (ROOT / "docs/embedding.md").read_text(encoding="utf-8"), re.S
)[1]
PIECES = re.findall(
    r"```c\n(.*?)```", (ROOT / "docs/embedding.md").read_text(encoding="utf-8"), re.S
)[1:]


def need(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, **options)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return done.stdout.decode()


def test_the_program(tmp_path):
    """From `edge-lp export` to the events that the host finds, within the memory and on the stack
    that model.h names."""
    need("cc")
    assert len(PROGRAM.splitlines()) < 40
    spec = random_spec(1)
    model = pack(replace(spec, detector=replace(spec.detector, thresholds=(0.2,), refractory=20)))
    (tmp_path / "m.lpb").write_bytes(model)
    with pytest.raises(SystemExit) as ended:
        main(["export", str(tmp_path / "m.lpb"), "--format", "c", "-o", str(tmp_path / "model.h")])
    assert ended.value.code == 0
    # the board's size, and this machine's, whose weights are unpacked for its vectors
    sizes = re.findall(r"_ARENA (\d+)", (tmp_path / "model.h").read_text())
    ram = [Model(model).ram(board)["spotter"] for board in (False, True)]
    assert [int(n) for n in sizes] == [(n + 7) // 8 * 8 for n in ram]
    (tmp_path / "main.c").write_text(PROGRAM)
    sources = sorted((ROOT / "runtime").glob("*.c"))
    run("cc", "-std=c99", "-O3", "-Wall", "-Wextra", "-Wconversion", "-Werror",
        "-I", ROOT / "runtime", "-c", "main.c", cwd=tmp_path)  # fmt: skip
    run("cc", "-std=c99", "-O3", "main.o", *sources, "-o", "main", cwd=tmp_path)
    pcm, opened = babble(3, seed=1), Model(model)
    said = run(tmp_path / "main", input=pcm.astype("<i2").tobytes())
    detector = Detector(len(opened.labels), opened.n_keywords, opened.detector)
    events = detector.push(Net(opened).push(Frontend().push(pcm)))[0]
    expected = [f"{opened.labels[e.label]} at {10 * e.middle} ms" for e in events]
    assert expected and said.splitlines() == expected


def test_the_pieces(tmp_path):
    """48 kHz, PDM, DMA: what the page shows compiles as it stands, one file each, links with
    runtime/audio, and gives as many samples, halves and losses as it says."""
    need("cc")
    assert len(PIECES) == 3
    for i, piece in enumerate(PIECES):
        (tmp_path / f"piece{i}.c").write_text(piece)
        run("cc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror",
            "-I", ROOT / "runtime", "-c", f"piece{i}.c", cwd=tmp_path)  # fmt: skip
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    audio = sorted((ROOT / "runtime/audio").glob("*.c"))
    run("cc", "main.c", *tmp_path.glob("piece*.o"), *audio, "-o", "main", cwd=tmp_path)
    run("cc", "-shared", "-fPIC", "-I", ROOT / "runtime", *tmp_path.glob("piece*.c"), *audio,
        "-o", "pieces.so", cwd=tmp_path)  # fmt: skip
    pieces = ctypes.CDLL(str(tmp_path / "pieces.so"))
    pcm, lost = (ctypes.c_int16 * 161)(), ctypes.c_uint()
    assert pieces.from_48k((ctypes.c_int16 * 480)(), pcm) == 160
    assert pieces.from_pdm((ctypes.c_uint8 * 1920)(), pcm) == 160
    halves = ctypes.addressof(ctypes.c_int16.in_dll(pieces, "halves"))
    pieces.next_half.restype = ctypes.c_void_p
    for interrupts, half, missing in ((1, 0, 0), (1, 1, 0), (2, 1, 1), (1, 0, 0), (4, 0, 3)):
        for _ in range(interrupts):
            pieces.dma_interrupt()
        assert pieces.next_half(ctypes.byref(lost)) == halves + 640 * half
        assert lost.value == missing


@pytest.mark.parametrize(
    "machine",
    [
        "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -Os",
        "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O3",
        "arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb -O2",
        "arm-none-eabi-gcc -mcpu=cortex-m33 -mthumb -Og",
        "riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32 -O3",
    ],
)
def test_the_stack_of_every_call(tmp_path, machine):
    """C5: of each public call, from the call graph, at most what the headers say; what NAME_STACK
    promises leaves 512 bytes beside the deepest."""
    command = machine.split()
    need(command[0])
    sources = sorted((ROOT / "runtime").rglob("*.c"))
    flags = ["-std=c99", "-ffreestanding", "-fcallgraph-info=su", "-c"]
    run(*command, *flags, *sources, cwd=tmp_path)
    report = load(ROOT / "firmware/tools/report.py")
    frames, calls = report.call_graph(tmp_path.glob("*.o"))

    def depth(names):
        return {name: report.deepest(name, frames, calls) for name in names}

    text = (ROOT / "runtime/edge_lp.h").read_text(encoding="utf-8")
    public = re.findall(r"^[a-z][\w *]*\b(lp_\w+)\([^;{]*\);", text, re.M)
    said = " ".join(re.search(r"- Stack on a (.*?)\n \*   - ", text, re.S)[1].split())
    limits, rest = {}, 0
    for bytes_, names in re.findall(r"(\d[\d,]*) (?:bytes )?in ([^\d.]+)", said.replace("* ", "")):
        named = re.findall(r"lp_\w+", names)
        limits |= dict.fromkeys(named, int(bytes_.replace(",", "")))
        rest = rest if named else int(bytes_)
    assert len(public) > 40 and set(limits) < set(public) and len(limits) == 7 and rest == 512
    found = depth(public)
    assert not {n: d for n, d in found.items() if d > limits.get(n, rest)}
    assert 200 < max(found.values()) <= STACK - 512
    audio = (ROOT / "runtime/lp_audio.h").read_text(encoding="utf-8")
    most = int(re.search(r"Stack: at most (\d+) bytes", audio)[1])
    assert 0 < max(depth(re.findall(r"^size_t (lp_\w+)\(", audio, re.M)).values()) <= most


@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_armv6_m_loads_by_itself(tmp_path, level):
    """C12: on a Cortex-M0+ four bytes of a row were loaded by a call of memcpy, a fifth of all
    instructions. Nothing that runs in every frame reaches it now."""
    need("arm-none-eabi-gcc")
    command = f"arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb -std=c99 -ffreestanding {level}"
    sources = sorted((ROOT / "runtime").glob("*.c"))
    run(*command.split(), "-DLP_NO_CORE", "-fcallgraph-info=su", "-c", *sources, cwd=tmp_path)
    _, calls = load(ROOT / "firmware/tools/report.py").call_graph(tmp_path.glob("*.o"))

    def reached(function):
        inner = calls.get(function, ())
        return {function}.union(*(reached(f) for f in inner))

    found = reached("lp_spotter_push")
    assert {"lp_frontend_push", "lp_detector_push"} <= {f.split(":")[-1] for f in found}
    assert len(found) > 8 and "memcpy" not in found

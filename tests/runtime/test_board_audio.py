# SPDX-License-Identifier: Apache-2.0
"""runtime/lp_audio.h: 48 and 8 kHz and PDM to 16 kHz, against the twin, its ranges, and what its
filters pass."""

import ctypes
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from edge_lp.board import emulate
from edge_lp.errors import EdgeLpError
from edge_lp.model.find import read_model
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from pdm import modulated
from twins import audio

HEADER = (ROOT / "runtime/lp_audio.h").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "runtime/audio").glob("*.c"))
LOUD = 32767


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The C, with the first thing that the standard does not define ending the process."""
    if not shutil.which("cc"):
        pytest.skip("cc is not installed")
    out = tmp_path_factory.mktemp("audio") / "audio.so"
    flags = "-std=c99 -O1 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -shared -fPIC"
    traps = [
        "-fsanitize=signed-integer-overflow,shift,bounds",
        "-fsanitize-undefined-trap-on-error",
    ]
    subprocess.run(["cc", *flags.split(), *traps, *SOURCES, "-o", out], check=True)
    lib = ctypes.CDLL(str(out))
    for name in ("lp_decimate", "lp_interpolate", "lp_pdm_pcm"):
        getattr(lib, name).restype = ctypes.c_size_t
    return lib


def run(function, state, given, pieces, room):
    """All of `given` (an array), in pieces of these lengths over and over -> what came out."""
    memory = (ctypes.c_uint64 * 64)(*state)
    out, at, k = [], 0, 0
    while at < len(given):
        piece = np.ascontiguousarray(given[at : at + pieces[k % len(pieces)]])
        made = np.full(room(len(piece)) + 1, 12345, np.int16)
        n = function(memory, piece.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(piece)),
                     made.ctypes.data_as(ctypes.c_void_p))  # fmt: skip
        assert n <= room(len(piece)) and (made[n:] == 12345).all()
        out += made[:n].tolist()
        at, k = at + len(piece), k + 1
    return out


def decimate(lib, pcm, pieces=(480,)):
    return run(lib.lp_decimate, (), np.asarray(pcm, np.int16), pieces, lambda n: n // 3 + 1)


def interpolate(lib, pcm, pieces=(80,)):
    return run(lib.lp_interpolate, (), np.asarray(pcm, np.int16), pieces, lambda n: 2 * n)


def pdm(lib, bits, gain=0, pieces=(120,)):
    """gain is the struct's last byte but for what aligns it: behind 296 + 32 + 4 + 1."""
    state = bytearray(512)
    state[333] = gain
    words = np.frombuffer(bytes(state), np.uint64).tolist()
    return run(lib.lp_pdm_pcm, words, np.frombuffer(bits, np.uint8), pieces, lambda n: n // 12 + 1)


def loudest(h, n, rate=1):
    """The samples that drive a filter as far as it goes, then the other way."""
    signs = [LOUD if h[(-i) % len(h)] > 0 else -LOUD - 1 for i in range(n)]
    return np.array(signs), rate


SIGNALS = {
    "noise": np.random.default_rng(1).integers(-32768, 32768, 3000),
    "square": np.where(np.arange(3000) // 7 % 2, 32767, -32768),
    "the loudest": loudest(audio.third(), 3000)[0],
    "the loudest between": loudest(audio.half()[::2], 3000)[0],
    "constant": np.full(3000, -32768),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_rates_are_the_twins(library, name):
    pcm = SIGNALS[name].tolist()
    assert decimate(library, pcm) == audio.decimate(pcm)
    assert interpolate(library, pcm) == audio.interpolate(pcm)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_the_cut_does_not_matter(library, pieces, seed):
    draw = np.random.default_rng(seed)
    pcm, bits = draw.integers(-32768, 32768, 301), draw.bytes(901)
    assert decimate(library, pcm, pieces) == audio.decimate(pcm.tolist())
    assert interpolate(library, pcm, pieces) == audio.interpolate(pcm.tolist())
    assert pdm(library, bits, 2, pieces) == audio.pdm_pcm(bits, 2)


PDM = {
    "noise": np.random.default_rng(2).bytes(24000),
    "ones": b"\xff" * 24000,
    "zeros": bytes(24000),
    "slow square": (b"\xff" * 300 + bytes(300)) * 40,
    "bit by bit": bytes(range(256)) * 90,
}


@pytest.mark.parametrize("gain", [0, 1, 4])
@pytest.mark.parametrize("name", PDM)
def test_pdm_is_the_twins(library, name, gain):
    assert pdm(library, PDM[name], gain) == audio.pdm_pcm(PDM[name], gain)


def test_a_gain_out_of_range_is_the_largest(library):
    assert pdm(library, PDM["noise"], 200) == pdm(library, PDM["noise"], 4)


def test_null_gives_nothing(library):
    state, pcm = (ctypes.c_uint64 * 64)(), (ctypes.c_int16 * 64)()
    for f in (library.lp_decimate, library.lp_interpolate, library.lp_pdm_pcm):
        for hole in range(3):
            a = [state, pcm, pcm]
            a[hole] = None
            assert f(a[0], a[1], ctypes.c_size_t(4), a[2]) == 0


def test_sums_fit():
    """lp_rate.c, sample(); lp_pdm.c, comb(), level() and the table's fields."""
    for h in (audio.third(), audio.half()[::2]):
        assert 2**15 * sum(map(abs, h)) + 2**13 < 3 * 2**29 + 2**13 < 2**31
    assert set(audio.pdm_48k(b"\xff" * 64)[4:]) == {2**19}
    assert set(audio.pdm_48k(bytes(64))) == {-(2**19)}
    for mean in (-(2**29), 2**29):  # monotonic between
        assert all(abs(mean + x - mean // 2**10) <= 2**29 for x in (-(2**19), 2**19))
    most = [8, 36, 120, 330]  # of eight ones
    word = int(re.findall(r"0x(\w+)};", (ROOT / "runtime/audio/lp_taps.h").read_text())[0], 16)
    fields = [word >> 22, word >> 16 & 63, word >> 9 & 127, word & 511]
    assert fields == most and all(m < 2**b for m, b in zip(most, (4, 6, 7, 9)))


def decibels(h, rate, n=1 << 15):
    response = np.abs(np.fft.rfft(h, n))
    return np.fft.rfftfreq(n, 1 / rate), 20 * np.log10(response / response[0] + 1e-12)


def test_the_header_says_what_passes():
    f, d = decibels(audio.third(), 48000)
    assert abs(d[f <= 7000]).max() < 0.1 and abs(d[np.argmin(abs(f - 8000))] + 6) < 0.1
    assert d[f >= 9000].max() < -40 and d[f >= 10000].max() < -60
    f, d = decibels(audio.half(), 16000)
    assert abs(d[f <= 3600]).max() < 0.1 and d[f >= 4400].max() < -45
    boxes = 4 * 20 * np.log10(np.sinc(np.array([4, 7]) / 48))  # of 32 bits, as of a continuum
    assert np.allclose(boxes, [-0.4, -1.2], atol=0.05)


def test_a_tone_comes_through_pdm(library):
    """A microphone's bits of a tone with an offset give the tone at its level, without the offset,
    at 16 kHz."""
    t = np.arange(int(0.3 * audio.PDM_RATE)) / audio.PDM_RATE
    bits = modulated(0.25 * np.sin(2 * np.pi * 1000 * t) + 0.05)
    pcm = np.array(pdm(library, bits)[1600:], float)  # behind the start: 0.1 s
    wave = np.exp(2j * np.pi * 1000 * np.arange(len(pcm)) / 16000)
    amplitude = 2 * abs(np.mean(pcm * wave))
    rest = pcm - 2 * np.real(np.mean(pcm * wave) * wave.conj())
    assert abs(20 * np.log10(amplitude / (0.25 * 32768))) < 0.1
    assert 20 * np.log10(amplitude / np.sqrt(2) / rest.std()) > 60
    louder = np.array(pdm(library, bits, 1)[1600:], float)
    assert abs(20 * np.log10(louder.std() / pcm.std()) - 6.02) < 0.05


def test_tables_are_made_by_their_script_and_are_the_twins():
    path = ROOT / "runtime/audio/lp_taps.h"
    made = subprocess.run(
        [sys.executable, ROOT / "runtime/audio/make_taps.py"], capture_output=True, text=True
    )
    assert made.stdout == path.read_text(encoding="utf-8")

    def table(name):
        found = re.search(rf"\b{name}\[\d+\] = \{{(.*?)\}}", made.stdout, re.S)[1]
        return [int(x) for x in re.findall(r"-?\d+", found)]

    h, between = audio.third(), audio.half()[::2]
    assert table("lp_third") == [h[36 + k] for k in range(1, 37) if k % 3]
    assert h[:36] == h[:36:-1] and all(h[36 + k] == 0 for k in range(3, 37, 3))
    assert table("lp_half") == between[16:] == between[15::-1]
    assert f"LP_THIRD_MIDDLE {h[36]}\n" in made.stdout


def test_the_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (pip install '.[dev]')")
    tool = ROOT / "tools/audio_filters.py"
    subprocess.run([sys.executable, tool, tmp_path / "a.png"], check=True)
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert "](audio-filters.png)" in (ROOT / "docs/embedding.md").read_text()


@pytest.mark.parametrize("board, hz, column", [("m4", 25e6, 0), ("microbit", 1e6, 1)])
def test_what_it_costs(tmp_path, board, hz, column):
    """Instructions per second of audio, counted by QEMU, are what docs/embedding.md says."""
    try:
        t = emulate.target(board)
    except EdgeLpError as e:
        pytest.skip(str(e))
    more = ("OPT=-O3",)
    elf, _ = emulate.build(t, read_model("tiny"), tmp_path, "audio", core=False, more=more)
    command = [*emulate.run_command(t, elf), "-icount", "shift=6,sleep=off"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    counted = {name: int(ticks) * 1e3 / hz / 64 for name, ticks in lines}  # 64 ns an instruction
    page = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")
    for name, function in (("48k", "lp_decimate"), ("8k", "lp_interpolate"), ("pdm", "lp_pdm_pcm")):
        (row,) = re.findall(rf"^\| `{function}`.*$", page, re.M)
        said = [float(x) for x in re.findall(r"([\d.]+) M", row)][column]
        assert abs(counted[name] - said) <= 0.05, (name, counted[name])


def test_it_keeps_nothing_and_needs_nothing(tmp_path):
    """No data, no symbol from outside but its own; what the header declares is what it exports."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed")
    defined, undefined, code = set(), set(), {}
    for source in SOURCES:
        out = tmp_path / f"{source.stem}.o"
        flags = "-mcpu=cortex-m4 -mthumb -std=c99 -Os -ffreestanding -Wall -Wextra -Werror".split()
        subprocess.run(["arm-none-eabi-gcc", *flags, "-c", source, "-o", out], check=True)
        sizes = subprocess.check_output(["arm-none-eabi-size", out], text=True)
        code[source.stem], data, bss = map(int, sizes.splitlines()[1].split()[:3])
        assert data == bss == 0
        for line in subprocess.check_output(["arm-none-eabi-nm", out], text=True).splitlines():
            kind, name = line.split()[-2:]
            if kind in "UT":
                (undefined if kind == "U" else defined).add(name)
    assert not undefined - defined
    assert defined == set(re.findall(r"^size_t (lp_\w+)\(", HEADER, re.M))
    assert code["lp_rate"] <= 600 and code["lp_pdm"] <= 1400

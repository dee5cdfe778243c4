# SPDX-License-Identifier: Apache-2.0
"""Microphones' drivers against their registers as the manuals have them: the B-L475E-IOT01A's and
the nRF52840's. And the former's line, in QEMU where that has the machine."""

import re
import shutil
import subprocess
from contextlib import closing

import numpy as np
import pytest
from edge_lp.audio.signals import babble
from edge_lp.board import count, emulate, verify
from edge_lp.board.session import Board
from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.model.find import read_model
from edge_lp.runtime import Model
from paths import ROOT
from pdm import modulated
from twins import audio

MODEL = read_model("commands12")
BITS, SHIFT, MEAN_BITS = 49, 4, 10


def twin(bits):
    """PDM -> 16 kHz: four boxes of 49 bits of -1 and 1, a rounded shift, the mean away, a third."""
    h = np.ones(1, np.int64)
    for _ in range(4):
        h = np.convolve(h, np.ones(BITS, np.int64))
    stream = 2 * np.unpackbits(np.frombuffer(bits, np.uint8)).astype(np.int64) - 1
    level = (np.convolve(stream, h)[: len(stream)][BITS - 1 :: BITS] + 2**SHIFT // 2) >> SHIFT
    mean, out = 0, []
    for x in level.tolist():
        y = x - (mean >> MEAN_BITS)
        mean += y
        out.append(max(-(2**15), min(2**15 - 1, y)))
    return audio.decimate(out)


def built(folder, board, test, *sources):
    """A driver with its registers in memory, as 32-bit Arm code."""
    for tool in ("arm-linux-gnueabihf-gcc", "qemu-arm-static"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    folders = [f"-I{ROOT / f}" for f in ("firmware", "runtime", f"firmware/boards/{board}")]
    flags = "-std=c99 -O1 -Wall -Wextra -Werror -static".split()
    command = ["arm-linux-gnueabihf-gcc", *flags, *folders, ROOT / "tests/c" / test, *sources]
    subprocess.run([*command, "-o", folder / "test"], check=True)
    return ["qemu-arm-static", folder / "test"]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dfsdm")
    command = built(folder, "iot01a", "dfsdm_test.c", ROOT / "runtime/audio/lp_rate.c")

    def run(bits, *arguments):
        done = subprocess.run([*command, *arguments], input=bits, capture_output=True)
        assert done.returncode == 0, done.stderr
        said, lost = done.stderr.decode().splitlines()
        return np.frombuffer(done.stdout, "<i2"), [*map(int, said.split())], int(lost.split()[1])

    return run


@pytest.mark.parametrize("board", ["nano33", "xiao"])
def test_the_nrf52840s_driver(tmp_path, board):
    """Two buffers in turn, which the peripheral asks for as it begins one: every sample, in order,
    twice, with the microphone off in between."""
    command = built(tmp_path, board, "nrf_pdm_test.c")
    pcm = np.random.default_rng(3).integers(-32768, 32768, 4000).astype("<i2")
    done = subprocess.run(command, input=pcm.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.frombuffer(done.stdout, "<i2"), np.tile(pcm, 2))


def test_the_microphones_driver(driver):
    """Noise, extremes and a tone: what its DMA and its filter are told to do gives the twin's
    samples, at 16 kHz to one part in two thousand, and none is lost."""
    draw = np.random.default_rng(1)
    t = np.arange(400_000) / (80e6 / 34)
    for bits in (
        draw.bytes(30_000),
        b"\xff" * 20_000,
        bytes(20_000),
        modulated(0.02 * np.sin(2 * np.pi * 1000 * t) + 0.05),
    ):
        pcm, (rate, order, length, shift), lost = driver(bits)
        assert (order, length, shift) == (4, BITS, SHIFT) and lost == 0
        assert 1e6 <= rate <= 3.25e6  # an MP34DT01's
        assert abs(rate / length / 3 / 16000 - 1) < 5e-4
        assert len(pcm) > 600 and pcm.tolist() == twin(bits)[: len(pcm)]
    behind = pcm[1600:].astype(float)  # the tone, 0.1 s behind the start: without its offset
    wave = np.exp(2j * np.pi * 1000 / (80e6 / 34 / 49 / 3) * np.arange(len(behind)))
    amplitude = 2 * abs(np.mean(behind * wave))
    assert abs(amplitude / (0.02 * BITS**4 / 2**SHIFT) - 1) < 0.01
    rest = behind - 2 * np.real(np.mean(behind * wave) * wave.conj())
    assert 20 * np.log10(amplitude / np.sqrt(2) / rest.std()) > 40


def test_what_comes_too_late_is_counted(driver):
    pcm, _, lost = driver(np.random.default_rng(2).bytes(10_000), "late")
    assert lost > 100 and len(pcm) > 100


def test_its_line_in_qemu():
    """hello, a second of sound over the line, every frame the host's. Older QEMUs are told so."""
    try:
        emulate.target("iot01a")
    except MissingDependency as e:
        if "needs QEMU" not in str(e):
            pytest.skip(str(e))
        assert str(e).startswith("board iot01a needs QEMU 9.1 or newer: qemu-system-arm is older")
        return
    with emulate.Emulator("iot01a", MODEL) as e, closing(Board(e.port)) as board:
        assert board.hello(patience=60).name == "b-l475e-iot01a" and board.info.microphone
        (verdict,) = verify.verify(Model(MODEL), board, [("babble", count.babble(1))])
        statistics, stack = board.statistics(), int(re.search(r"stack (\d+) ", e.report)[1])
    assert verdict.difference is None and verdict.frames == 100
    assert statistics["lost"] == 0 and 0 < statistics["stack"] <= stack


def test_no_recording_takes_its_microphones_place(monkeypatch):
    """QEMU has not its cycle counter: a recording would never begin."""
    monkeypatch.setattr(emulate, "target", emulate.TARGETS.get)
    with pytest.raises(EdgeLpError, match="board iot01a has no clock in its emulator"):
        emulate.Emulator("iot01a", MODEL, babble(1)).__enter__()

# SPDX-License-Identifier: Apache-2.0
"""The Raspberry Pi Pico's images in npm's rp2040js, microphone and all: the PIO clocks an I2S or a
PDM microphone that plays a recording, and what the board reports is what the host computes."""

import re
import subprocess
import time
from contextlib import closing

import numpy as np
import pytest
from edge_lp.audio.files import read_file
from edge_lp.board import emulate, session, verify
from edge_lp.board.session import Board
from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.model.find import read_model
from edge_lp.runtime import HOP, SAMPLE_RATE, Model
from expected import is_expected, listed
from paths import ROOT, SHARED, load
from pdm import bits_of
from twins import audio

MODEL = read_model("commands12")
BUDGET, BUDGET_PDM = 60e6, 95e6  # cycles a second of audio, of 125e6


def need_pico(name="pico"):
    try:
        return emulate.target(name)
    except EdgeLpError as e:
        pytest.skip(str(e))


def words():
    """Two spoken commands, 2 s: recordings where ../shared is, else synthesised."""
    folder = SHARED / "data" / "speech_commands" / "testing"
    if folder.is_dir():
        clips = [read_file(sorted((folder / w).glob("*.flac"))[0]) for w in ("yes", "stop")]
    else:
        try:
            from edge_lp.audio.synth import command_clips

            clips = [pcm for _, pcm in command_clips(["yes", "stop"], 2, seed=7)]
        except MissingDependency as e:
            pytest.skip(str(e))
    return np.concatenate([np.pad(c[:SAMPLE_RATE], (0, max(0, 16000 - len(c)))) for c in clips])


def listened(name, pcm, and_then=lambda board: None):
    """The emulator that has ended, what the board reported of its microphone, its statistics, and
    what and_then returned."""
    need_pico(name)
    reports = []
    with emulate.Emulator(name, MODEL, pcm) as e, closing(Board(e.port)) as board:
        board.hello(patience=120)  # it listens from the start on, and so it starts slowly
        assert board.info.name == "pico" and board.info.microphone
        board.configure(session.LOGITS | session.POSTERIORS)
        end = time.monotonic() + 400
        while not reports or reports[-1].result.frame < 299:
            assert time.monotonic() < end
            said = board.listen()
            if said.result:
                reports.append(said)
            else:
                time.sleep(0.01)
        statistics, more = board.statistics(), and_then(board)
    return e, reports, statistics, more


def is_the_hosts(reports, statistics, pcm):
    """Every event, and every frame that was told: bit for bit, and nothing lost."""
    host = list(verify.Host(Model(MODEL)).run(pcm))
    events = [r.result.event for r in reports if r.result.event]
    assert [e.event for e in host[:299] if e.event] == events and events
    for r in reports:
        if r.result.event is None:
            there = host[r.result.frame]
            assert np.array_equal(r.result.logits, there.logits), r.result.frame
            assert np.array_equal(r.result.posteriors, there.posteriors), r.result.frame
    assert len(reports) > 250 and reports[-1].lost == 0 and statistics["lost"] == 0
    assert 0 < statistics["stack"] < 4096


def cycles(emulator):
    """M0+ at 125 MHz: cycles in which it did not sleep, interrupts and the line included, a second
    of audio."""
    said = re.search(r"pico: (\d+) cycles a second of audio, ([\d.]+) s", emulator.said)
    print(f"\nRP2040: {int(said[1]) / 1e6:.1f} M cycles a second of audio, over {said[2]} s")
    assert float(said[2]) >= 2.99
    return int(said[1])


@pytest.fixture(scope="module")
def heard():
    """By I2S; and then recorded samples over the line, by the same image."""
    pcm = words()
    with pytest.MonkeyPatch.context() as patch:
        return pcm, *listened(
            "pico",
            pcm,
            lambda board: [
                *verify.verify(Model(MODEL), board, [("words", pcm[:8000])]),
                listed(patch, "/dev/ttyACM0", board),
            ],
        )


def test_its_events_are_the_hosts(heard):
    pcm, _, reports, statistics, (verdict, line) = heard
    is_the_hosts(reports, statistics, np.concatenate([pcm, np.zeros(HOP * 120, np.int16)]))
    assert verdict.difference is None and verdict.frames == 50
    is_expected("board-pico.md", line, str(verdict))


def test_each_keyword_changes_its_pin(heard):
    """GP13 is the first one's. It hears the recording from the start once more for the reports."""
    _, emulator, reports, *_ = heard
    changes = [int(n) for n in re.search(r"pico: pins ([\d ]+)", emulator.said)[1].split()]
    events = [r.result.event.label for r in reports if r.result.event]
    assert len(changes) == 10 and {i for i, n in enumerate(changes) if n} == set(events)
    assert all(changes[i] >= events.count(i) for i in events)


def test_it_keeps_up_with_head_room(heard, record_property):
    found = cycles(heard[1])
    record_property("cycles", found)
    assert 10e6 < found <= BUDGET


def test_a_pdm_microphone(record_property):
    """The PIO clocks it, its bits become samples in the interrupt, 48,000 times a second: what
    follows from them is what follows from the decimator's twin."""
    pcm = words()
    emulator, reports, statistics, _ = listened("pico-pdm", pcm)
    bits = bits_of(np.concatenate([pcm, np.zeros(HOP * 120, np.int16)]))
    is_the_hosts(reports, statistics, np.array(audio.pdm_pcm(bits, 4), np.int16))
    found = cycles(emulator)
    record_property("cycles", found)
    assert 60e6 < found <= BUDGET_PDM


def test_the_image_is_in_the_budgets(tmp_path):
    """As `make` builds it; the drive's file is the image with the bootrom's checksum."""
    t = need_pico()
    (tmp_path / "m.lpb").write_bytes(MODEL)
    done = subprocess.run(
        ["make", "-s", "-C", ROOT / "firmware", "BOARD=pico", f"MODEL={tmp_path / 'm.lpb'}",
         f"BUILD={tmp_path}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    assert re.search(r"flash +\d+ bytes, budget 49152\n", done.stdout), done.stdout
    assert re.search(r"RAM +\d+ bytes, budget 16384:", done.stdout), done.stdout
    flat = tmp_path / "flat"
    subprocess.run(
        [t.compiler.replace("gcc", "objcopy"), "-O", "binary", tmp_path / "firmware.elf", flat],
        check=True,
    )
    uf2, image = (tmp_path / "firmware.uf2").read_bytes(), flat.read_bytes()
    pages = b"".join(uf2[at + 32 : at + 288] for at in range(0, len(uf2), 512))
    assert pages[:252] == image[:252] and pages[256 : len(image)] == image[256:]
    crc = load(ROOT / "firmware/tools/uf2.py").crc32
    # the check value of this CRC (MPEG-2), and the checksum behind what it is of
    assert crc(b"123456789") == 0x0376E6E7
    assert int.from_bytes(pages[252:256], "little") == crc(image[:252])


def test_a_damaged_start_is_refused(tmp_path):
    """The emulator does what the bootrom does: it looks at the checksum first."""
    t = need_pico()
    blocks = b"".join(load(ROOT / "firmware/tools/uf2.py").uf2(bytes(range(256)) * 2))
    (tmp_path / "a.uf2").write_bytes(blocks[:40] + bytes([blocks[40] ^ 1]) + blocks[41:])
    command = emulate.run_command(t, tmp_path / "a.elf")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and "checksum is wrong" in done.stderr

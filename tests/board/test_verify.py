# SPDX-License-Identifier: Apache-2.0
"""A hundred clips through the emulated Cortex-M4 and RISC-V boards and a big-endian process: the
same bits as this machine's, frame by frame."""

import threading

import numpy as np
import pytest
from edge_lp.audio.files import read_file
from edge_lp.audio.signals import babble
from edge_lp.board import verify
from edge_lp.board.emulate import Emulator, target
from edge_lp.board.session import Board
from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.model.find import read_model
from edge_lp.runtime import Model
from paths import SHARED

CLIPS = 100


def clips(shared):
    """Recordings where ../shared is, else synthesised words, else artificial babble; 0.5 s each:
    the words' middles."""
    folder = shared / "data" / "speech_commands" / "testing"
    if folder.is_dir():
        files = sorted(folder.glob("*/*.flac"))
        found = [(f.name, read_file(f)) for f in files[:: max(1, len(files) // CLIPS)][:CLIPS]]
    else:
        try:
            from edge_lp.audio.synth import command_clips

            found = list(command_clips(["yes", "no", "up", "down", "left"], CLIPS, seed=3))
        except MissingDependency:
            found = [(f"babble {i}", babble(1, seed=i)) for i in range(CLIPS)]
    return [
        (name, np.ascontiguousarray(np.pad(pcm, (0, max(0, 12000 - len(pcm))))[4000:12000]))
        for name, pcm in found
    ]


@pytest.fixture(scope="module")
def verdicts(request):
    """All boards at once, a thread each: a board is mostly waiting for its line."""

    named, model, found = clips(SHARED), Model(read_model("commands12")), {}
    assert len(named) == CLIPS

    def work(name):
        try:
            target(name)
            with Emulator(name, model.bytes) as e, Board(e.port) as board:
                found[name] = list(verify.verify(model, board, named)), board.statistics()
        except EdgeLpError as e:
            found[name] = e

    threads = [threading.Thread(target=work, args=(name,)) for name in ("m4", "rv32", "s390x")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return found


@pytest.mark.parametrize("name", ["m4", "rv32", "s390x"])
def test_bit_exact_on_100_clips(verdicts, name):
    found = verdicts[name]
    if isinstance(found, MissingDependency):
        pytest.skip(str(found))
    assert not isinstance(found, Exception), found
    results, statistics = found
    assert len(results) == CLIPS and [v for v in results if v.difference] == []
    assert all(v.frames == 50 for v in results) and sum(v.spikes for v in results) > 100 * CLIPS
    assert statistics["lost"] == 0 and statistics["stack"] <= 1024

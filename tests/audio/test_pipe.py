# SPDX-License-Identifier: Apache-2.0
"""Raw samples on stdin: pipes that do not block, and files with headers (A6, A16)."""

import io
import os
import pty
import threading
import time

import numpy as np
import pytest
import soundfile
from edge_lp.audio import pipe
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError

PCM = babble(1)


def test_a_gap_in_a_pipe_that_does_not_block_is_not_the_end_a6():
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    data, heard, done = PCM.astype("<i2").tobytes(), [], threading.Event()

    def write():
        """Each part but the first waits until all before it was heard: the pipe runs empty."""
        for at in range(0, len(data), 5000):
            while not done.is_set() and 2 * sum(map(len, heard)) < at:
                time.sleep(0.001)
            os.write(theirs, data[at : at + 5000])
        os.close(theirs)

    writer = threading.Thread(target=write)
    writer.start()
    with open(ours, "rb") as stream:
        try:
            heard.extend(pipe.pipe_blocks(stream))
        finally:
            done.set()
            writer.join()
    assert np.array_equal(np.concatenate(heard), PCM)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF", "AU", "CAF", "RF64"])
def test_a_file_with_a_header_is_no_raw_pcm_a16(kind):
    file = io.BytesIO()
    soundfile.write(file, PCM, 16000, format=kind)
    with pytest.raises(AudioError) as e:
        list(pipe.pipe_blocks(io.BytesIO(file.getvalue())))
    text = str(e.value)
    assert "raw PCM" in text and ("name the file" if kind == "FLAC" else "/dev/stdin") in text


class _Slow(io.BytesIO):
    def read(self, n=-1):
        return super().read(1)


def test_a_header_that_comes_byte_by_byte_a16():
    with pytest.raises(AudioError, match="FLAC"):
        list(pipe.pipe_blocks(_Slow(b"fLaC" + bytes(100))))
    assert np.array_equal(np.concatenate(list(pipe.pipe_blocks(_Slow(b"\1\0\2\0\3\0")))), [1, 2, 3])


def test_a_terminal_is_no_pipe_a17():
    ours, theirs = pty.openpty()
    with open(theirs, "rb", buffering=0) as stream:
        with pytest.raises(AudioError, match="terminal"):
            list(pipe.pipe_blocks(stream))
    os.close(ours)


def test_clipped_samples_are_told_once_a15():
    notes = []
    loud = np.clip(PCM.astype(int) * 20, -32768, 32767).astype("<i2")
    list(pipe.pipe_blocks(io.BytesIO(loud.tobytes()), notes.append))
    assert len(notes) == 1 and "clipped" in notes[0]


def test_while_nothing_comes_there_are_empty_blocks():
    """So that a key or a signal is answered on a pipe that is silent, also before its first
    sample; what comes is not changed."""
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as stream:
        os.write(theirs, PCM[:3].astype("<i2").tobytes())
        blocks = pipe.pipe_blocks(stream, lambda line: None)
        assert np.array_equal(next(blocks), PCM[:3])
        assert len(next(blocks)) == 0  # it did not wait
        os.write(theirs, PCM[3:].astype("<i2").tobytes())
        os.close(theirs)
        assert np.array_equal(np.concatenate(list(blocks)), PCM[3:])

# SPDX-License-Identifier: Apache-2.0
"""A recording is what was heard, and a place that cannot be written costs no more than the rest of
it (A1, A3, A4)."""

import os
import threading

import numpy as np
import pytest
import soundfile
from edge_lp.audio.record import HEADER, Recorder, wav_header
from edge_lp.audio.signals import babble
from edge_lp.errors import EdgeLpError

PCM = babble(3)


def blocks(pcm=PCM):
    return np.split(pcm, range(1600, len(pcm), 1600))


def heard(path):
    return soundfile.read(path, dtype="int16")[0]


def test_what_passes_is_recorded(tmp_path):
    with Recorder(str(tmp_path / "x.wav")) as r:
        passed = list(r.through(blocks()))
        assert not (tmp_path / "x.wav").exists()
    assert np.array_equal(np.concatenate(passed), PCM)
    info = soundfile.info(tmp_path / "x.wav")
    assert (info.format, info.subtype, info.samplerate, info.channels) == (
        "WAV",
        "PCM_16",
        16000,
        1,
    )
    assert np.array_equal(heard(tmp_path / "x.wav"), PCM)


def test_nothing_heard_is_no_file(tmp_path):
    with Recorder(str(tmp_path / "x.wav")) as r:
        assert list(r.through([])) == []
    assert os.listdir(tmp_path) == []


def test_a1_a_fifo_gets_a_wav_of_unknown_length(tmp_path):
    os.mkfifo(tmp_path / "f")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "f").read_bytes()))
    reader.start()
    with Recorder(str(tmp_path / "f")) as r:
        list(r.through(blocks()))
    reader.join(10)
    assert got[0] == wav_header(None) + PCM.tobytes()
    (tmp_path / "copy.wav").write_bytes(got[0])
    assert np.array_equal(heard(tmp_path / "copy.wav"), PCM)


def test_a3_two_recordings_of_one_name(tmp_path):
    name, said = str(tmp_path / "x.wav"), []
    with Recorder(name, said.append) as a, Recorder(name, said.append) as b:
        for x, y in zip(a.through(blocks()), b.through(blocks(-PCM))):
            assert len(x) == len(y)
    # b closed first
    assert np.array_equal(heard(name), -PCM)
    assert np.array_equal(heard(tmp_path / "x-2.wav"), PCM)
    assert len(said) == 1 and "x-2.wav" in said[0]


class Full:
    """A disk for so many bytes."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def write(self, data):
        data = bytes(data[: self.room])
        if not data:
            raise OSError(28, "No space left on device")
        self.room -= len(data)
        return self.stream.write(data)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def test_a4_a_full_disk_ends_the_recording_only(tmp_path):
    said = []
    with Recorder(str(tmp_path / "x.wav"), said.append) as r:
        r._out._stream = Full(r._out._stream, 2 * 20000 + 1)  # within a sample
        passed = list(r.through(blocks()))
    assert np.array_equal(np.concatenate(passed), PCM)
    assert np.array_equal(heard(tmp_path / "x.wav"), PCM[:20000])
    assert said == [
        f"note: {tmp_path}/x.wav: No space left on device: the recording ends at 1.2 s, listening "
        "goes on"
    ]


def test_a4_a_reader_that_goes_ends_the_recording_only(tmp_path):
    os.mkfifo(tmp_path / "f")

    def read_the_header():
        with open(tmp_path / "f", "rb", buffering=0) as f:
            f.read(HEADER.size)

    reader = threading.Thread(target=read_the_header)
    reader.start()
    said = []
    with Recorder(str(tmp_path / "f"), said.append) as r:
        reader.join(10)
        assert len(list(r.through(blocks()))) == len(blocks())
    assert len(said) == 1 and "Broken pipe" in said[0]


@pytest.mark.parametrize(
    "name, says",
    [("", "directory"), ("none/x.wav", "no directory"), ("-", "stdout"), ("full", "No space left")],
)
def test_a4_checked_at_the_start(tmp_path, name, says):
    (tmp_path / "full").symlink_to("/dev/full")
    place = "-" if name == "-" else f"{tmp_path}/{name}".rstrip("/")
    with pytest.raises(EdgeLpError, match=says):
        Recorder(place)


@pytest.mark.parametrize("size", [0, 2, 2**32 - 80, 2**32 - 72, 2**32 + 2**20])
def test_a4_past_4_gib_it_is_rf64(tmp_path, size):
    """libsndfile finds every sample; the file is a hole, and takes no room."""
    with open(tmp_path / "x.wav", "wb") as f:
        f.write(wav_header(size))
        f.truncate(HEADER.size + size)
    info = soundfile.info(tmp_path / "x.wav")
    assert info.frames == size // 2 and info.samplerate == 16000
    assert info.format == ("RF64" if HEADER.size - 8 + size >= 2**32 - 1 else "WAV")

# SPDX-License-Identifier: Apache-2.0
"""Recordings as other people's recorders leave them: odd names, headers, rates and samples (A5, A8,
A9, A12 to A15 and A17's terminals)."""

import os
import pty
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from edge_lp.audio import files
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError
from edge_lp.measure import clips

PCM = babble(2)
FLOAT = PCM / 32768


def _read(path, **kwargs):
    notes = []
    return files.read_file(path, notes.append, **kwargs), notes


def _heard(path):
    notes = []
    return np.concatenate(list(files.file_blocks(path, notes.append))), notes


# ---------------------------------------------------------------------------- lengths and headers


def _flac(path):
    soundfile.write(path, PCM, 16000, subtype="PCM_16")
    return bytearray(path.read_bytes())


def test_flac_that_does_not_know_its_length_a5(tmp_path):
    """An encoder that wrote to a pipe leaves 0 for the total: 36 bits at the end of bytes 18 to 25
    (RFC 9639, 8.2)."""
    path = tmp_path / "a.flac"
    data = _flac(path)
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    pcm, notes = _heard(path)
    assert np.array_equal(pcm, PCM) and notes == []


@pytest.mark.parametrize("kind", ["wav", "ogg", "mp3", "aiff", "au"])
def test_a_pipe_has_all_samples_a5(tmp_path, kind):
    path, fifo = tmp_path / f"a.{kind}", tmp_path / "fifo"
    if kind.upper() not in soundfile.available_formats():
        pytest.skip(f"this libsndfile has no {kind}")
    soundfile.write(path, FLOAT, 16000)
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(path.read_bytes()))
    writer.start()
    through = _heard(fifo)
    writer.join()
    assert np.array_equal(through[0], _heard(path)[0]) and len(through[0]) == len(PCM)
    assert through[1] == []


def test_flac_on_a_pipe_is_told(tmp_path):
    _flac(tmp_path / "a.flac")
    os.mkfifo(tmp_path / "fifo")
    cat = subprocess.Popen(["sh", "-c", "cat a.flac > fifo"], cwd=tmp_path)
    with pytest.raises(AudioError, match="FLAC cannot be read from a pipe"):
        _heard(tmp_path / "fifo")
    cat.wait()


def _wav(*chunks, form=b"RIFF", size=None):
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body) if size is None else size) + body


FMT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
LIST = b"LIST" + struct.pack("<I", 4) + b"INFO"
SAMPLES = PCM.astype("<i2").tobytes()


def _ds64(data_size):
    return b"ds64" + struct.pack("<IQQQI", 28, 0, data_size, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        _wav(FMT, b"data" + bytes(4) + SAMPLES),
        _wav(FMT, b"data" + bytes(4) + SAMPLES, size=0),
        _wav(FMT, LIST, b"data" + b"\xff" * 4 + SAMPLES, size=0xFFFFFFFF),
        _wav(_ds64(0), FMT, LIST, b"data" + b"\xff" * 4 + SAMPLES, form=b"RF64", size=0xFFFFFFFF),
        _wav(_ds64(0), FMT, b"data" + bytes(4) + SAMPLES, form=b"RF64", size=0),
    ],
    ids=["data 0", "all 0", "all -1", "RF64 -1", "RF64 0"],
)
def test_headers_of_interrupted_recordings_a12(tmp_path, data):
    (tmp_path / "a.wav").write_bytes(data)
    pcm, notes = _read(tmp_path / "a.wav")
    assert np.array_equal(pcm, PCM) and notes == []


@pytest.mark.parametrize(
    "data",
    [
        _wav(FMT, b"data" + bytes(4)),
        _wav(FMT, b"data" + bytes(4), LIST),
        _wav(FMT, b"data" + bytes(4), LIST, size=0),
        _wav(_ds64(0), FMT, b"data" + bytes(4), form=b"RF64"),
    ],
)
def test_chunks_behind_no_samples_are_no_samples_a12(tmp_path, data):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(AudioError, match="empty"):
        _read(tmp_path / "a.wav")


def test_sound_headers_stay(tmp_path):
    """Chunks behind the data do not become samples; RF64 with its sizes is as it was."""
    data = b"data" + struct.pack("<I", len(SAMPLES)) + SAMPLES
    (tmp_path / "a.wav").write_bytes(_wav(FMT, data, LIST))
    assert np.array_equal(_read(tmp_path / "a.wav")[0], PCM)
    soundfile.write(tmp_path / "b.wav", PCM, 16000, "PCM_16", format="RF64")
    assert np.array_equal(_read(tmp_path / "b.wav")[0], PCM)


def test_a_recording_that_breaks_off(tmp_path):
    """What was heard before it counts; where a whole recording is wanted it is an error."""
    data = _flac(tmp_path / "whole.flac")
    middle = len(data) // 2
    data[middle : middle + 500] = bytes(500)
    (tmp_path / "a.flac").write_bytes(data)
    pcm, notes = _heard(tmp_path / "a.flac")
    assert 0 < len(pcm) < len(PCM) and np.array_equal(pcm, PCM[: len(pcm)])
    assert len(notes) == 1 and "damaged after" in notes[0] and "what is before it" in notes[0]
    with pytest.raises(AudioError, match="damaged after"):
        _read(tmp_path / "a.flac")


# ------------------------------------------------------------------------------ names and devices


def test_names_that_are_not_utf8_a8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    soundfile.write(tmp_path / "a.wav", PCM, 16000)
    os.rename(tmp_path / "a.wav", folder + b"/\xff.wav")
    (clip,) = clips.walk(tmp_path).clips
    assert np.array_equal(_read(clip.path)[0], PCM)
    run = subprocess.run(
        [sys.executable, "-m", "edge_lp", "listen", "--device", clip.path], capture_output=True
    )
    assert run.returncode == 0 and b"2.0 s heard" in run.stderr


@pytest.mark.parametrize("name", ["yes.raw", "YES.PCM"])
def test_raw_samples_in_a_file_are_told_what_to_do_a9(tmp_path, name):
    (tmp_path / name).write_bytes(SAMPLES)
    with pytest.raises(AudioError, match=f"listen --device - < .*{name}"):
        _read(tmp_path / name)


def test_a_suffix_decides_nothing_a9(tmp_path):
    soundfile.write(tmp_path / "a.wav", PCM, 16000)
    (tmp_path / "a.wav").rename(tmp_path / "a.raw")
    assert np.array_equal(_read(tmp_path / "a.raw")[0], PCM)


def test_a_terminal_is_no_recording_a17():
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    with pytest.raises(AudioError, match=f"serial:{name}"):
        _read(name)
    os.close(ours)
    os.close(theirs)


def test_a_file_that_may_not_be_opened(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", PCM, 16000)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # tests may run as root, who may all
    with pytest.raises(AudioError, match="cannot be opened .Permission denied"):
        _read(tmp_path / "a.wav")


# ------------------------------------------------------------------------------ rates and samples


@pytest.mark.parametrize("rate", [1, 3999, 768001])
def test_rates_that_no_recorder_has_a13(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", PCM[:100], rate)
    with pytest.raises(AudioError, match=f"{rate} Hz; expected 4000 to 768000 Hz"):
        _read(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [4000, 768000])
def test_the_slowest_and_the_fastest_rate_a13(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(rate, np.int16), rate)
    assert abs(len(_read(tmp_path / "a.wav")[0]) - 16000) <= 4


@pytest.mark.parametrize("rate", [16000, 44100])
def test_only_what_is_needed_is_read_a13(tmp_path, monkeypatch, rate):
    soundfile.write(tmp_path / "a.wav", np.resize(PCM, 60 * rate), rate)
    whole, reads, read = _read(tmp_path / "a.wav")[0], [], soundfile.SoundFile.read

    def counting(self, frames=-1, *args, **kwargs):
        reads.append(frames)
        return read(self, frames, *args, **kwargs)

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    assert np.array_equal(_read(tmp_path / "a.wav", seconds=1)[0], whole[:16000])
    assert np.array_equal(clips.read_clip(tmp_path / "a.wav"), whole[:16000])
    assert sum(reads) <= (1.5 + 23) * rate


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [16000, 44100])
def test_floats_that_are_no_numbers_count_as_0_a14(tmp_path, rate):
    odd = FLOAT.astype(np.float32)
    odd[[100, 5000]], odd[9000], odd[20000] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "odd.wav", odd, rate, "FLOAT")
    soundfile.write(tmp_path / "zero.wav", np.where(np.isfinite(odd), odd, 0), rate, "FLOAT")
    (pcm, notes), (expected, others) = _read(tmp_path / "odd.wav"), _read(tmp_path / "zero.wav")
    assert np.array_equal(pcm, expected)
    assert len(notes) == len(others) + 1 and "no numbers" in notes[-1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("huge", [1e38, -3e38])
def test_huge_floats_are_clipped_a14(tmp_path, rate, huge):
    odd = FLOAT.astype(np.float32)
    odd[16000] = huge
    soundfile.write(tmp_path / "a.wav", np.column_stack([odd, odd]), rate, "FLOAT")
    pcm, _ = _read(tmp_path / "a.wav")
    assert (pcm.max() == 32767) if huge > 0 else (pcm.min() == -32768)
    assert np.abs(pcm[:5000].astype(int)).max() < 32767


def test_int16_values_in_floats_are_told_once_a15(tmp_path):
    soundfile.write(tmp_path / "a.wav", PCM.astype(np.float32), 16000, "FLOAT")
    _, notes = _read(tmp_path / "a.wav")
    assert len(notes) == 1 and "int16 values" in notes[0] and "32768" in notes[0]


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_clipped_input_is_told_once_a15(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", np.clip(FLOAT * 20, -1, 1), 16000, subtype)
    _, notes = _read(tmp_path / "a.wav")
    assert len(notes) == 1 and "clipped" in notes[0]
    soundfile.write(tmp_path / "b.wav", FLOAT / np.abs(FLOAT).max(), 16000, subtype)
    assert _read(tmp_path / "b.wav")[1] == []


def test_channels_that_cancel_are_told_once_a15(tmp_path):
    right = babble(2, seed=9) / 32768
    for name, stereo, told in (
        ("inverted", [FLOAT, -FLOAT], 1),
        ("inverted, one louder", [FLOAT, -0.9 * FLOAT], 1),
        ("two sources", [FLOAT, right], 0),
        ("one silent", [FLOAT, 0 * FLOAT], 0),
        ("silence", [0 * FLOAT, 0 * FLOAT], 0),
    ):
        soundfile.write(tmp_path / "a.wav", np.column_stack(stereo), 16000, "PCM_16")
        _, notes = _read(tmp_path / "a.wav")
        assert sum("cancel each other" in note for note in notes) == told, name

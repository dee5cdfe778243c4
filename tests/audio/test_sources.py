# SPDX-License-Identifier: Apache-2.0
"""Recordings and pipes as blocks of samples; what cannot be read says so."""

import builtins
import io
import queue
import sys
import time

import numpy as np
import pytest
import soundfile
import soxr
from edge_lp.audio import blocks, files, microphone, pipe, record
from edge_lp.audio.signals import babble
from edge_lp.errors import AudioError, EdgeLpError, MissingDependency
from support import raising

PCM = babble(2)
FLOAT = PCM / 32768


def _read(path):
    notes = []
    return files.read_file(path, notes.append), notes


@pytest.mark.parametrize(
    "name, subtype",
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_24"),
        ("a.wav", "PCM_32"),
        ("a.flac", "PCM_24"),
        ("a.wav", "FLOAT"),
        ("a.wav", "DOUBLE"),
    ],
)
def test_16_bits_come_back_from_any_format_that_holds_them(tmp_path, name, subtype):
    soundfile.write(tmp_path / name, FLOAT, 16000, subtype)
    pcm, notes = _read(tmp_path / name)
    assert pcm.dtype == np.int16 and np.array_equal(pcm, PCM) and notes == []


@pytest.mark.parametrize(
    "name, subtype, snr", [("a.wav", "PCM_U8", 20), ("a.wav", "ULAW", 25), ("a.ogg", "VORBIS", 10)]
)
def test_coarser_formats_come_close(tmp_path, name, subtype, snr):
    soundfile.write(tmp_path / name, FLOAT, 16000, subtype)
    pcm, _ = _read(tmp_path / name)
    error = pcm[: len(PCM)].astype(float) - PCM
    assert (
        len(pcm) == len(PCM)
        and 10 * np.log10((PCM.astype(float) ** 2).sum() / (error**2).sum()) > snr
    )


def test_stereo_is_mixed_down_with_a_notice(tmp_path):
    quiet = np.column_stack([FLOAT, np.zeros_like(FLOAT)])
    soundfile.write(tmp_path / "s.wav", quiet, 16000, "FLOAT")
    pcm, notes = _read(tmp_path / "s.wav")
    assert np.abs(pcm - PCM / 2.0).max() <= 0.5 and len(notes) == 1 and "2 channels" in notes[0]


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_other_rates_are_resampled_with_a_notice(tmp_path, rate):
    # what 8 kHz can hold
    band = soxr.resample(soxr.resample(FLOAT, 16000, 7000), 7000, 16000)[: len(FLOAT)]
    soundfile.write(tmp_path / "r.wav", soxr.resample(band, 16000, rate), rate, "FLOAT")
    pcm, notes = _read(tmp_path / "r.wav")
    assert len(notes) == 1 and f"{rate} Hz" in notes[0]
    assert abs(len(pcm) - len(band)) <= 4
    n = min(len(pcm), len(band)) - 200
    error = pcm[200:n] / 32768 - band[200:n]
    assert np.sqrt((error**2).mean() / (band**2).mean()) < 0.02


def test_clips_are_not_wrapped(tmp_path):
    loud = np.sin(np.arange(4800) / 5) * 1.5
    soundfile.write(tmp_path / "l.wav", loud, 48000, "FLOAT")
    pcm, _ = _read(tmp_path / "l.wav")
    assert (
        pcm.max() == 32767
        and pcm.min() == -32768
        and np.abs(np.diff(pcm.astype(int))).max() < 32768
    )


def _bad(tmp_path):
    soundfile.write(tmp_path / "empty.wav", PCM[:0], 16000)
    (tmp_path / "text.wav").write_text("not audio\n")
    (tmp_path / "nothing.wav").write_bytes(b"")
    soundfile.write(tmp_path / "whole.wav", PCM, 16000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:30])
    return {
        "empty.wav": "empty",
        "text.wav": "not a recording",
        "nothing.wav": "not a recording",
        "cut.wav": "",
        "none.wav": "no such file",
        ".": "folder",
    }


def test_bad_files_have_one_clear_line(tmp_path):
    for name, says in _bad(tmp_path).items():
        with pytest.raises(AudioError) as e:
            files.read_file(tmp_path / name)
        assert says in str(e.value) and "\n" not in str(e.value), name


class _Drip(io.BytesIO):
    """Like a pipe: gives what it likes."""

    def __init__(self, data):
        super().__init__(data)
        self.rng = np.random.default_rng(1)

    def read(self, n=-1):
        return super().read(min(n, int(self.rng.integers(1, 4000))))


def test_a_pipe_is_cut_anywhere():
    blocks = list(pipe.pipe_blocks(_Drip(PCM.astype("<i2").tobytes())))
    assert len(blocks) > 20 and np.array_equal(np.concatenate(blocks), PCM)


def test_half_a_sample_at_the_end_is_left_out(capsys):
    pcm = np.concatenate(list(pipe.pipe_blocks(io.BytesIO(b"\x01\x02\x03"))))
    assert pcm.tolist() == [0x0201] and "half a sample" in capsys.readouterr().err


def test_a_pipe_without_samples_is_an_error():
    with pytest.raises(AudioError, match="no samples"):
        list(pipe.pipe_blocks(io.BytesIO()))


def test_real_time_is_not_early():
    start = time.monotonic()
    assert sum(map(len, blocks.real_time([PCM[:1600]] * 3))) == 4800
    assert time.monotonic() - start >= 0.29


def test_recorder_writes_what_passes(tmp_path):
    path = tmp_path / "heard.wav"
    with record.Recorder(path) as recorder:
        assert np.array_equal(
            np.concatenate(list(recorder.through([PCM[:100], PCM[100:777]]))), PCM[:777]
        )
        assert not path.exists()
    assert np.array_equal(soundfile.read(path, dtype="int16")[0], PCM[:777]) and list(
        tmp_path.iterdir()
    ) == [path]


def test_recorder_that_heard_nothing_leaves_an_older_file_alone(tmp_path):
    path = tmp_path / "heard.wav"
    path.write_bytes(b"older")
    with record.Recorder(path):
        pass
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(EdgeLpError, match="cannot write"):
        record.Recorder(tmp_path / "no such folder" / "x.wav")


def _without_sounddevice(monkeypatch, error):
    real = builtins.__import__
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)

    def fake(name, *args, **kwargs):
        if name == "sounddevice":
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fake)


@pytest.mark.parametrize(
    "error, says",
    [
        (ModuleNotFoundError("sounddevice"), r"edge-lp\[audio\]"),
        (OSError("no PortAudio"), "libportaudio2"),
    ],
)
def test_missing_audio_packages_say_what_to_install(monkeypatch, error, says):
    _without_sounddevice(monkeypatch, error)
    with pytest.raises(MissingDependency, match=says):
        microphone.microphones()


class _Status:
    """What PortAudio says of a block."""

    input_overflow = False


class _FakeAudio:
    """sounddevice with two inputs, one of which knows only 44.1 kHz; the stream delivers when told
    to."""

    class PortAudioError(Exception):
        pass

    class default:
        device = (1, 0)

    def __init__(self):
        self.status = _Status()

    def query_devices(self):
        return [
            {"name": "speaker", "max_input_channels": 0, "default_samplerate": 48000.0},
            {"name": "USB Mic", "max_input_channels": 1, "default_samplerate": 44100.0},
            {"name": "Webcam Mic", "max_input_channels": 2, "default_samplerate": 48000.0},
        ]

    def check_input_settings(self, device, channels, dtype, samplerate):
        if device == 1 and samplerate != 44100:
            raise self.PortAudioError("Invalid sample rate")

    def InputStream(self, samplerate, device, channels, dtype, blocksize, callback):
        fake, self.rate = self, samplerate

        class Stream:
            active = True

            def start(self):
                fake.deliver = lambda pcm: callback(pcm[:, None], len(pcm), None, fake.status)

            def close(self):
                self.active = False

        self.stream = Stream()
        return self.stream


@pytest.fixture
def audio(monkeypatch):
    fake = _FakeAudio()
    monkeypatch.setattr(microphone, "portaudio", lambda: fake)
    return fake


def test_microphones_are_found_by_index_and_name(audio):
    assert [m.name for m in microphone.microphones()] == ["USB Mic", "Webcam Mic"]
    assert microphone.find_microphone(None).name == "USB Mic"
    assert (
        microphone.find_microphone("2").name
        == microphone.find_microphone("webcam").name
        == "Webcam Mic"
    )
    for wanted, says in (
        ("mic", "more than one"),
        ("x", "no microphone"),
        ("0", "no microphone"),
        ("7", "no microphone"),
    ):
        with pytest.raises(AudioError, match=says):
            microphone.find_microphone(wanted)
    audio.query_devices = list
    with pytest.raises(AudioError, match="no microphone found"):
        microphone.find_microphone(None)


def test_a_microphone_at_16_khz_passes_bits_through(audio):
    notes = []
    with microphone.MicrophoneBlocks("webcam", notes.append) as mic:
        for i in range(0, 8000, blocks.LIVE_BLOCK):
            block = PCM[i : i + blocks.LIVE_BLOCK].copy()
            audio.deliver(block)
            block[:] = 0  # the callback has to copy
        it = iter(mic)
        assert (
            np.array_equal(np.concatenate([next(it) for _ in range(25)]), PCM[:8000])
            and notes == []
        )
    assert not audio.stream.active


def test_a_microphone_at_another_rate_is_resampled(audio):
    notes, native = [], (soxr.resample(FLOAT, 16000, 44100) * 32767).astype(np.int16)
    with microphone.MicrophoneBlocks("usb", notes.append) as mic:
        for block in np.split(native, range(4410, len(native), 4410)):
            audio.deliver(block)
        it = iter(mic)
        heard = np.concatenate([next(it) for _ in range(len(native) // 4410)])
    assert audio.rate == 44100 and "44100 Hz" in notes[0]
    n = len(heard) - 500  # the resampler's look-ahead has not come yet
    assert np.corrcoef(heard[:n], PCM[:n])[0, 1] > 0.999


def test_losses_are_counted_and_told(audio):
    notes, capacity = [], microphone.QUEUE_SECONDS * 50
    with microphone.MicrophoneBlocks("webcam", notes.append) as mic:
        audio.status.input_overflow = True
        for _ in range(capacity + 3):
            audio.deliver(PCM[: blocks.LIVE_BLOCK])
        assert mic.lost == 3 * blocks.LIVE_BLOCK and mic.overruns == capacity + 3
    assert "960 samples" in notes[0] and f"{capacity + 3} overruns" in notes[1]


def test_zeros_are_told_once(audio):
    notes, many = [], int(microphone.SILENCE_SECONDS * 50) + 50
    with microphone.MicrophoneBlocks("webcam", notes.append) as mic:
        for _ in range(many):
            audio.deliver(np.zeros(blocks.LIVE_BLOCK, np.int16))
        it = iter(mic)
        for _ in range(many):
            next(it)
    assert len(notes) == 1 and "only zeros" in notes[0]


def test_a_microphone_that_is_gone(audio, monkeypatch):
    with microphone.MicrophoneBlocks("webcam") as mic:
        monkeypatch.setattr(mic._queue, "get", raising(queue.Empty))
        audio.stream.active = False
        with pytest.raises(AudioError, match="stopped delivering"):
            next(iter(mic))


def test_refused_samples_count_into_the_time_a17(audio):
    """The queue is full: what it refused is zeros in its place, and told while it happens."""
    notes, capacity = [], microphone.QUEUE_SECONDS * 50
    with microphone.MicrophoneBlocks("webcam", notes.append) as mic:
        for _ in range(capacity + 3):
            audio.deliver(np.full(blocks.LIVE_BLOCK, 7, np.int16))
        it = iter(mic)
        heard = [next(it)]
        audio.deliver(np.full(blocks.LIVE_BLOCK, 9, np.int16))
        heard += [next(it) for _ in range(capacity)]
        assert len(notes) == 1 and "gaps" in notes[0]
    heard = np.concatenate(heard)
    assert np.count_nonzero(heard == 0) == 3 * blocks.LIVE_BLOCK
    assert (heard[: capacity * blocks.LIVE_BLOCK] == 7).all() and (
        heard[-blocks.LIVE_BLOCK :] == 9
    ).all()


def test_lost_counts_what_was_refused_and_what_never_came(audio, monkeypatch):
    """At 16 kHz, also where the device has another rate."""
    clock = [100.0]
    monkeypatch.setattr(microphone.time, "monotonic", lambda: clock[0])
    with microphone.MicrophoneBlocks("usb") as mic:
        it, heard = iter(mic), 0
        for i in range(200):
            clock[0] += 0.02 + (2.0 if i == 100 else 0.0)  # nothing came for 2 s
            audio.deliver(np.ones(882, np.int16))
            if i > 3:  # the resampler's first blocks are empty
                heard += len(next(it))
        while mic._missing == 0:
            heard += len(next(it))
        assert mic.lost == pytest.approx(2.0 * 16000, abs=800)
        for _ in range(microphone.QUEUE_SECONDS * 50 + 5):
            audio.deliver(np.ones(882, np.int16))
        assert mic.refused > 0 and mic.lost == mic._missing + mic.refused * 16000 // 44100


def test_a_device_that_is_back_and_gone_again_says_nothing_of_its_rate(audio, monkeypatch):
    """Where it cannot be started, no setting can be right: that it cannot run at 16 kHz is no news
    of the device."""
    notes, inputs = [], audio.query_devices()
    audio._terminate = audio._initialize = lambda: None
    monkeypatch.setattr(microphone, "TICK", 0.001)
    with microphone.MicrophoneBlocks("webcam", notes.append, reconnect=True) as mic:
        arrivals = mic._arrivals()
        audio.stream.active = False
        audio.query_devices = lambda: inputs
        monkeypatch.setattr(audio, "check_input_settings", raising(audio.PortAudioError("none")))
        monkeypatch.setattr(mic, "_start", raising(AudioError("no")))
        next(arrivals)
    assert len(notes) == 1 and "is gone" in notes[0]


def test_a_microphone_that_is_gone_is_waited_for(audio, monkeypatch):
    notes, tries = [], []
    audio._terminate = lambda: tries.append(1)
    audio._initialize = lambda: None
    inputs = audio.query_devices()
    monkeypatch.setattr(microphone, "TICK", 0.001)
    with microphone.MicrophoneBlocks("webcam", notes.append, reconnect=True) as mic:
        arrivals = mic._arrivals()
        audio.deliver(PCM[: blocks.LIVE_BLOCK])
        next(arrivals)
        audio.stream.active = False
        audio.query_devices = lambda: inputs[:2]
        assert [next(arrivals)[1] for _ in range(3)] == [None] * 3 and len(tries) == 3
        audio.query_devices = lambda: [*inputs[:2], inputs[1], inputs[2]]  # at another index
        next(arrivals)
        audio.deliver(PCM[: blocks.LIVE_BLOCK])
        assert np.array_equal(next(arrivals)[1], PCM[: blocks.LIVE_BLOCK])
    assert mic.device.index == 3
    assert [n.split("' ")[1] for n in notes] == ["is gone; waiting for it", "is back"]

# SPDX-License-Identifier: Apache-2.0
"""serve --wyoming: the same events as from a file, to the library's own client and to what a
satellite sends."""

import asyncio
import json
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
from edge_lp.audio.files import file_blocks
from edge_lp.audio.raw import RawPcm
from edge_lp.errors import AudioError
from edge_lp.model.spec import DetectorConfig
from edge_lp.model.tune import tune
from edge_lp.runtime import Model

pytest.importorskip("wyoming", reason="wyoming is not installed: pip install 'edge-lp[serve]'")
from edge_lp.hear.wyoming import Conversation, Service
from wyoming.audio import AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, async_read_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping
from wyoming.wake import Detect, NotDetected
from wyoming_client import DATA, EXPECTED, MODEL, PCM, SERVICE, chunks, expected, found, on, running

SATELLITE = Path(__file__).with_name("satellite-1.4.1.txt")


@pytest.mark.parametrize("size", [160, 1024, 4096])
def test_the_same_events_as_from_a_file(size):
    assert len(EXPECTED) > 3
    with running() as (port, lines):
        came = on(port, Detect().event(), *chunks(PCM, size))
    assert found(came) == EXPECTED and {e.type for e in came} == {"detection"}
    assert len(lines) == 2 and f"6.0 s heard, {len(EXPECTED)} detections" in lines[1]
    assert "closed by the client" in lines[1] and lines[1].startswith("127.0.0.1:")


@pytest.mark.parametrize("rate, subtype, channels", [(48000, "PCM_16", 2), (22050, "PCM_24", 1)])
def test_other_formats_as_from_a_file(tmp_path, rate, subtype, channels):
    width = {"PCM_16": 2, "PCM_24": 3}[subtype]
    x = np.interp(np.arange(6 * rate) / rate, np.arange(len(PCM)) / 16000, PCM / 40000)
    soundfile.write(tmp_path / "x.wav", np.column_stack([x] * channels), rate, subtype=subtype)
    pcm = np.concatenate(list(file_blocks(tmp_path / "x.wav", note=lambda line: None)))
    raw = (tmp_path / "x.wav").read_bytes()
    data = raw[raw.index(b"data") + 8 :][: 6 * rate * channels * width]
    with running() as (port, _):
        came = on(port, *chunks(data, 1111, rate, width, channels))
    assert found(came) == expected(pcm) and len(found(came)) > 3


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize(
    "width, subtype", [(1, "PCM_U8"), (2, "PCM_16"), (3, "PCM_24"), (4, "PCM_32")]
)
def test_raw_pcm_has_the_bits_of_a_file(tmp_path, rate, channels, width, subtype):
    x = np.random.default_rng(1).integers(-(2**31), 2**31 - 1, (rate, channels), np.int32)
    soundfile.write(tmp_path / "x.wav", x, rate, subtype=subtype)
    raw = (tmp_path / "x.wav").read_bytes()
    data, step = raw[raw.index(b"data") + 8 :][: rate * channels * width], 999 * channels * width
    convert = RawPcm(rate, width, channels)
    got = [convert(data[at : at + step]) for at in range(0, len(data), step)]
    want = np.concatenate(list(file_blocks(tmp_path / "x.wav", note=lambda line: None)))
    assert np.array_equal(np.concatenate([*got, convert(b"", last=True)]), want)


@pytest.mark.parametrize(
    "form, says",
    [((100, 2, 1), "rate is 100"), ((16000, 5, 1), "width is 5"), ((16000, 2, 0), "channels is 0")],
)
def test_raw_pcm_of_no_format(form, says):
    with pytest.raises(AudioError, match=says):
        RawPcm(*form)
    with pytest.raises(AudioError, match="3 bytes are no whole number of frames of 1 x 2 bytes"):
        RawPcm(16000, 2, 1)(b"abc")


def test_a_format_may_change_within_a_stream():
    conversation = Conversation(SERVICE)
    half = len(PCM) // 2
    stereo = np.repeat(PCM[half:], 2).astype("<i2").tobytes()
    sent = [*list(chunks(PCM[:half]))[:-1], *list(chunks(stereo, channels=2))[1:]]
    came = [e for event in sent for e in conversation.answer(event)]
    assert found(came) == EXPECTED


def test_timestamps_are_the_clients():
    """Of the chunk that holds the word's middle, whatever the unit."""
    with running() as (port, _):
        came = on(port, *chunks(PCM, 160, timestamps=True))
    # in chunks of a frame the chunk's begin is the frame's; behind the sound there is none
    mine = [(word, min(ms, 5990)) for word, ms in EXPECTED]
    assert found(came) == mine
    sent = [
        Event(
            e.type, {**e.data, "timestamp": 10**9 + (e.data["timestamp"] or 0) * 10**6}, e.payload
        )
        for e in chunks(PCM, 160, timestamps=True)
    ]
    conversation = Conversation(SERVICE)
    came = [e for event in sent for e in conversation.answer(event)]
    assert found(came) == [(word, 10**9 + ms * 10**6) for word, ms in mine]


def test_only_what_is_asked_for():
    word = EXPECTED[0][0]
    mine = [e for e in EXPECTED if e[0] == word]
    assert len(mine) < len(EXPECTED)
    asked = f" {word.upper().replace(' ', '_')}"
    with running() as (port, lines):
        assert found(on(port, Detect(names=[asked]).event(), *chunks(PCM))) == mine
        came = on(port, Detect(names=["okay_nabu", word]).event(), *chunks(PCM))
        assert found(came) == mine and came[0].data["code"] == "unknown-wake-word"
        assert came[0].data["text"].startswith("model m.lpb has no okay_nabu; it has word0, ")
        came = on(port, Detect(names=["okay_nabu"]).event(), *chunks(PCM))
        assert [e.type for e in came] == ["error", "not-detected"]
    assert "it asked for okay_nabu, unknown here" in lines[-1]


def test_not_detected():
    never = next(word for word in MODEL.keywords if word not in dict(EXPECTED))
    nothing = Detect(names=[never]).event()
    with running() as (port, _):
        for events in (chunks(PCM), [AudioStop().event()], chunks(b"")):
            (answer,) = on(port, nothing, *events)
            assert NotDetected.is_type(answer.type)


def test_a_new_stream_begins_afresh():
    """Detect and audio-start again without audio-stop, as a satellite behind each command."""
    once = [Detect().event(), *list(chunks(PCM))[:-1]]
    with running() as (port, _):
        came = on(port, *once, *once, AudioStop().event())
    at_once = [e for e in EXPECTED if e in found(came)[: len(EXPECTED)]]
    assert found(came) == [*at_once[: len(found(came)) - len(EXPECTED)], *EXPECTED]


def test_info():
    with running() as (port, _):
        info = Info.from_event(on(port, Describe().event())[0])
    (program,) = info.wake
    assert program.name == "edge-lp" and program.installed and "m.lpb" in program.description
    assert [m.name for m in program.models] == MODEL.keywords
    assert all(m.installed and m.phrase == m.name for m in program.models)


def test_of_a_model_with_a_wake_word_that_is_what_wakes():
    """Commands are not offered; they are told to who asks for them, behind the wake word only."""
    data = tune(DATA, wake_word=[EXPECTED[0][0]], wake_seconds=1.0)
    model = Model(data)
    service = Service(model, model.detector, "computer")
    all_of_them = expected(PCM, service)
    wake = model.keywords[0]
    assert {w for w, _ in all_of_them} > {wake}
    with running(service) as (port, _):
        info = Info.from_event(on(port, Describe().event())[0])
        assert [m.name for m in info.wake[0].models] == [wake]
        assert found(on(port, *chunks(PCM))) == [e for e in all_of_them if e[0] == wake]
        everything = Detect(names=model.keywords).event()
        assert found(on(port, everything, *chunks(PCM))) == all_of_them


def test_what_a_satellite_sends():
    """Lines of wyoming-satellite 1.4.1 with wyoming 1.5.4, as they were on the wire: a detect with
    names, nanoseconds for timestamps, and the same again behind a command, without an audio-stop;
    the recording stands where its sound was."""
    words = {"yes": MODEL.keywords[0], "left": MODEL.keywords[1], "no": MODEL.keywords[2]}
    sent, at, came = b"", 0, []
    for line in SATELLITE.read_text(encoding="utf-8").splitlines():
        for theirs, ours in words.items():
            line = line.replace(f'"{theirs}"', f'"{ours}"')
        head, data = json.loads(line.split("\t")[0]), line.split("\t")[1]
        head["data_length"] = len(data.encode())
        payload = PCM[at : at + head.get("payload_length", 0) // 2].astype("<i2").tobytes()
        at += len(payload) // 2
        sent += json.dumps(head).encode() + b"\n" + data.encode() + payload
    with running() as (port, lines):
        with socket.create_connection(("127.0.0.1", port), 180) as s, s.makefile("rb") as f:
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
            answer = f.read()

            async def events():
                reader = asyncio.StreamReader()
                reader.feed_data(answer)
                reader.feed_eof()
                while event := await async_read_event(reader):
                    came.append(event)

            asyncio.run(events())
    names = [d for d, _ in found(came)]
    assert names and set(names) <= set(words.values())
    assert all(when > 10**12 for _, when in found(came))
    assert f"{at / 16000:.1f} s heard" in lines[1] and "closed by the client" in lines[1]


def test_several_clients_share_the_model_and_nothing_else():
    """Two interleaved streams, one of them late and quieter: each has its own events."""
    quiet = (PCM // 2).astype(np.int16)[8000:]

    async def listen(port, pcm, seconds):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await asyncio.sleep(seconds)
            for event in chunks(pcm):
                await client.write_event(event)
                await asyncio.sleep(0)
            await client.write_event(Ping().event())
            came = []
            while (event := await client.read_event()).type != "pong":
                came.append(event)
            return found(came)

    async def both(port):
        return await asyncio.gather(
            *(listen(port, pcm, s) for pcm, s in ((PCM, 0), (quiet, 0.01), (PCM, 0.02)))
        )

    with running() as (port, _):
        assert asyncio.run(both(port)) == [EXPECTED, expected(quiet), EXPECTED]


def test_a_threshold_counts():
    config = DetectorConfig((40,), (0.8,), 100, 5)
    service = Service(MODEL, config, "m")
    with running(service) as (port, _):
        assert found(on(port, *chunks(PCM))) == expected(PCM, service) != EXPECTED

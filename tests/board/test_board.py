# SPDX-License-Identifier: Apache-2.0
"""The serial protocol, against the firmware as a process: framing, refusals, errors, and a line
that damages what it carries."""

import json
import random
import shutil
import struct
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from edge_lp.audio.signals import babble
from edge_lp.board import discover, exchange, frame, session, verify
from edge_lp.board.emulate import Emulator
from edge_lp.errors import EdgeLpError
from edge_lp.model.format import pack
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import Detector, Frontend, Model, Net
from hypothesis import given, settings
from hypothesis import strategies as st
from random_model import random_frames, random_spec

MODEL = pack(random_spec(1))
PCM = babble(3, seed=1)


@pytest.fixture(scope="module")
def port():
    for tool in ("make", "cc"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    with Emulator("posix", MODEL) as e:
        yield e.port


@pytest.fixture
def board(port):
    with session.Board(port) as found:
        yield found


@given(st.binary(max_size=1200))
def test_cobs(data):
    coded = frame.cobs_encode(data)
    assert (
        0 not in coded
        and frame.cobs_decode(coded) == data
        and len(coded) <= len(data) + len(data) // 254 + 1
    )


@given(st.binary(max_size=300))
def test_cobs_of_anything(data):
    out = frame.cobs_decode(data)
    assert out is None or frame.cobs_decode(frame.cobs_encode(out)) == out


def test_frame_by_hand():
    # The worked example of SPEC.md, "Serial protocol".
    assert frame.encode_frame(session.RESET, 7, b"").hex() == "030307058cf146b200"


def test_mu_law():
    assert (
        frame.MU_LAW[0xFF] == 0
        and frame.MU_LAW[0x7F] == 0
        and frame.MU_LAW[0x80] == 32124
        and frame.MU_LAW[0x00] == -32124
    )
    x = np.arange(-32768, 32768).astype(np.int16)
    nearest = np.abs(frame.MU_LAW.astype(int)[None, :] - x[::37, None]).min(axis=1)
    assert np.array_equal(
        np.abs(frame.MU_LAW[frame.mu_law_encode(x[::37])].astype(int) - x[::37]), nearest
    )


def test_hello(board):
    info = board.info
    assert info.model_id == int.from_bytes(MODEL[-4:], "little") and info.name == "posix"
    assert board.labels == random_spec(1).labels and info.n_keywords == 10
    assert info.detector == Model(MODEL).detector


def test_a_board_without_a_microphone_says_so(board):
    assert not board.info.microphone
    with pytest.raises(session.BoardError, match="has no microphone"):
        board.listen()
    with pytest.raises(session.BoardError, match="request type 0x13"):
        board.ask(session.LISTEN)


@pytest.mark.parametrize("coding", [16, 8])
def test_the_same_net(port, coding):
    with session.Board(port, coding=coding) as found:
        verdicts = list(verify.verify(Model(MODEL), found, [("a", PCM), ("b", PCM[::-1].copy())]))
        assert (
            [v.difference for v in verdicts] == [None, None]
            and verdicts[0].frames == 300
            and verdicts[0].spikes > 1000
        )


def test_a_wrong_board_is_noticed(board):
    """One changed sample, and the comparison says where."""
    host = list(verify.Host(Model(MODEL)).run(PCM[:16000]))
    board.configure(session.ALL_OUTPUTS)
    other = PCM[:16000].copy()
    other[8000] ^= 0x1000
    assert verify.difference(host, list(board.push(other))).startswith("frame 50, features[")
    with pytest.raises(session.BoardError, match="the board runs model"):
        list(verify.verify(Model(pack(random_spec(2))), board, [("a", PCM)]))


def test_any_chunks(board):
    board.configure(session.LOGITS)
    whole = np.array([r.logits for r in board.push(PCM[:16000])])
    board.reset()
    cuts = sorted(random.Random(3).sample(range(1, 16000), 40))
    parts = [r.logits for piece in np.split(PCM[:16000], cuts) for r in board.push(piece)]
    assert np.array_equal(whole, np.array(parts))


def test_features_in(board):
    model, frames = Model(MODEL), random_frames(5, 60)
    board.configure(session.LOGITS | session.POSTERIORS)
    got = list(board.push_features(frames))
    logits = Net(model).push(frames)
    assert np.array_equal([r.logits for r in got], logits)
    assert np.array_equal(
        [r.posteriors for r in got], Detector(12, 10, model.detector).push(logits)[1]
    )


def test_detector_settings(board):
    """Everything in CONFIGURE arrives; board and host then are equal in events and awake frames."""
    one = DetectorConfig((10,), (0.2,), 20, 5)
    each = tuple(0.1 + i / 50 for i in range(10))
    # any keyword that leads is a wake word; then there is no command
    all_wake = DetectorConfig((3, 10, 26), each, 10, 5, 2, wake_words=10, wake=15)
    model = Model(MODEL)
    logits = Net(model).push(Frontend().push(PCM))
    half = replace(all_wake, windows=(4, 10, 26), stride=2)
    for config in (one, all_wake, half, replace(all_wake, wake_words=1)):
        board.configure(0, config)
        board.reset()
        detector = Detector(12, 10, config)
        expected = []
        for row in logits:
            events, _ = detector.push(row)
            expected.append((events[0] if events else None, detector.awake() > 0))
        got = [(r.event, r.awake) for r in board.push(PCM)]
        assert got == expected and (config.wake_words == 1 or any(e for e, _ in expected))
        assert any(awake for _, awake in got) == (config.wake_words == 10)


def test_windows_that_the_board_has_no_memory_for(board):
    with pytest.raises(session.BoardError, match="windows of 31 frames with .* for 30 frames with"):
        board.configure(0, replace(board.info.detector, windows=(31,)))
    with pytest.raises(session.BoardError, match="windows of 3, 10, 27 frames with"):
        board.configure(0, replace(board.info.detector, windows=(3, 10, 27)))
    board.configure(0, replace(board.info.detector, windows=(4, 10, 50), stride=2))


def test_statistics(board):
    before = board.statistics()
    results = list(board.push(PCM[:16000]))
    after = board.statistics()
    assert after["frames"] - before["frames"] == len(results) == 100
    assert (
        after["spikes"] > before["spikes"]
        and after["ticks"]["network"] > before["ticks"]["network"]
        and after["lost"] == 0
    )


@pytest.mark.parametrize("rate", [0, 1 / 1200])
def test_a_stream_that_is_left(port, rate):
    """C2: the requests under way are the session's, not the loop's. Whoever leaves the loop, or
    asks inside it, gets answers at once; the line may even be bad."""
    with session.Board(port, line=BadLine(session._open(port, 115200), rate, 5)) as found:
        for _ in range(5):
            next(found.push(PCM))
            found.reset()
        frames, polls = [], []
        for r in found.push(PCM[:16000]):
            frames.append(r.frame)
            if r.frame % 10 == 0:
                polls.append(found.statistics()["frames"])
        assert frames == list(range(100)) and polls == sorted(polls) and len(polls) == 10
        if not rate:
            assert found.exchange.counts.sent_again == 0


def test_a_stream_that_ends_inside_its_loop(board):
    """C2, C3: what makes the results under way meaningless is said, not misread."""
    stream = board.push(PCM)
    next(stream)
    board.hello()
    with pytest.raises(session.BoardError, match="another hello"):
        list(stream)
    stream = board.push(PCM)
    next(stream)
    board.configure(session.LOGITS)
    with pytest.raises(session.BoardError, match="inside a loop"):
        list(stream)
    board.reset()


def configuration(outputs, *windows):
    """Body of CONFIGURE for a model of ten keywords."""
    return struct.pack("<B20H", outputs, *windows, *[0] * (4 - len(windows)), 1, *[0] * 15)


@pytest.mark.parametrize(
    "kind,body,message",
    [
        (0x20, b"", "request type 0x20"),
        (session.RESET, b"x", "body of 1"),
        (session.AUDIO16, b"", "body of 0"),
        (session.AUDIO16, b"123", "body of 3"),
        (session.AUDIO8, bytes(161), "body of 161"),
        (session.FEATURE_FRAME, bytes(78), "body of 78"),
        (session.LABEL, b"\x0c", "argument"),
        (session.CONFIGURE, configuration(16, 10), "argument"),
        (session.CONFIGURE, configuration(0, 0), "argument"),
        (session.CONFIGURE, configuration(0, 10, 10), "argument"),
        (session.CONFIGURE, configuration(0, 10, 31), "argument"),  # longer than the model's
        (session.CONFIGURE, configuration(0, 10)[:-2], "body of 39"),
        (session.CONFIGURE, configuration(0, 10) + b"\0\0", "body of 43"),
        (session.HELLO, struct.pack("<BI", 1, 1), "speaks protocol 3"),
    ],
)
def test_typed_errors(port, kind, body, message):
    with session.Board(port) as found:
        with pytest.raises(session.BoardError, match=message):
            found.ask(kind, body)
        if kind != session.HELLO:
            # and the session goes on
            assert len(found.ask(session.STATISTICS)) == session.STATISTICS_BODY.size


def raw(found, data, wait=1.0):
    """Bytes onto the line; the frames that come back."""
    found.exchange.line.write(data)
    got, end = b"", time.monotonic() + wait
    while time.monotonic() < end and not got.endswith(b"\0"):
        got += found.exchange.line.read(256)
    return [frame.decode_frame(f) for f in got.split(b"\0") if f]


@pytest.mark.parametrize(
    "frame,why",
    [
        (frame.cobs_encode(bytes(400)), "frame too long"),
        (frame.cobs_encode(b"abc"), "frame too short"),
        (b"\x09ab", "not COBS"),
        (frame.encode_frame(session.RESET, 1, b"")[:-3] + b"\x55\x55", "checksum"),
    ],
)
def test_typed_refusals(board, frame, why):
    number = board.exchange.number
    assert [(k, n, exchange.REFUSALS[body[0]]) for k, n, body in raw(board, frame + b"\0")] == [
        (exchange.REFUSED, number, why)
    ]
    board.reset()  # nothing was consumed


def test_refusals_of_order(board):
    number = board.exchange.number
    assert raw(board, frame.encode_frame(session.RESET, number + 3 & 0xFFFF, b"")) == [
        (exchange.REFUSED, number, bytes([5]))
    ]
    first = raw(board, frame.encode_frame(session.STATISTICS, number, b""))
    board.exchange.number = number + 1 & 0xFFFF
    again = raw(board, frame.encode_frame(session.STATISTICS, number, b""))
    # kept, not run again: its counters would have moved
    assert first == again and first[0][:2] == (session.STATISTICS | exchange.REPLY, number)


class BadLine:
    """Damages bytes in both directions: flips, losses, repeats, noise. `rate` faults a byte."""

    def __init__(self, line, rate, seed):
        self.line, self.rate, self.random, self.faults = line, rate, random.Random(seed), 0

    def _damage(self, data):
        out = bytearray()
        for byte in data:
            if self.random.random() >= self.rate:
                out.append(byte)
                continue
            self.faults += 1
            fault = self.random.randrange(4)
            out += (
                bytes([byte ^ 1 << self.random.randrange(8)]),
                b"",
                bytes([byte, byte]),
                self.random.randbytes(self.random.randrange(40)),
            )[fault]
        return bytes(out)

    def write(self, data):
        self.line.write(self._damage(data))

    def read(self, n):
        return self._damage(self.line.read(n))

    @property
    def in_waiting(self):
        return self.line.in_waiting

    def close(self):
        self.line.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_bad_line_loses_nothing(port, seed):
    """Injected errors, drops, repeats and noise, about one in 1,200 bytes: every frame and every
    event arrives, in order, bit for bit."""
    line = BadLine(session._open(port, 115200), 1 / 1200, seed)
    with session.Board(port, line=line) as found:
        verdicts = list(verify.verify(Model(MODEL), found, [("clip", PCM[:16000])]))
        assert verdicts[0].difference is None and verdicts[0].frames == 100
        assert line.faults > 20 and found.exchange.counts.sent_again > 5


def test_noise_before_hello(port):
    line = session._open(port, 115200)
    line.write(random.Random(4).randbytes(3000).replace(b"\0", b"\1"))
    with session.Board(port, line=line) as found:
        assert found.info.name == "posix"


def test_restart_is_noticed(port):
    with session.Board(port) as found:
        # a hello of another protocol closes the session
        nonce = struct.pack("<BI", 9, 1)
        raw(found, frame.encode_frame(session.HELLO, 5, nonce))
        with pytest.raises(session.BoardError, match="restarted"):
            found.reset()


def test_unplugged():
    with Emulator("posix", MODEL) as e:
        found = session.Board(e.port)
        found.hello()
        e._process.kill()
        e._process.wait()
        with pytest.raises(session.BoardError, match="unplugged|no answer"):
            list(found.push(PCM))
        found.close()


def test_no_board(tmp_path):
    with pytest.raises(session.BoardError, match="cannot open this serial port"):
        session.Board(str(tmp_path / "ttyNONE"))
    for wrong in ("serial:", "tty", "serial:/dev/x@fast", "serial:/dev/x@0"):
        with pytest.raises(session.BoardError, match="expected serial:PORT|no line has 0 baud"):
            session.parse_device(wrong)
    with pytest.raises(EdgeLpError, match="expected one of m0, m3"):
        Emulator("m5", MODEL).__enter__()


def test_silent_port():
    import os

    master, slave = os.openpty()
    found = session.Board(os.ttyname(slave))
    with pytest.raises(session.BoardError, match="no answer for 0.5 s"):
        found.hello(0.5)
    found.close()
    os.close(master)
    os.close(slave)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_garbage_from_a_board(chunks):
    """Whatever a line says, the client ends in a BoardError and nothing else."""

    class Line:
        in_waiting = 1

        def write(self, data):
            pass

        def read(self, n):
            return chunks.pop(0) if chunks else b""

        def close(self):
            pass

    with pytest.raises(session.BoardError):
        session.Board("x", line=Line()).hello(patience=0.01)


def cli(*args, timeout=120):
    return subprocess.run(
        [sys.executable, "-m", "edge_lp", *args],
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture
def clip(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "clip.wav", PCM[:16000], 16000)
    (tmp_path / "m.lpb").write_bytes(MODEL)
    return tmp_path


def test_verify_command(clip, port):
    done = cli("verify", str(clip / "m.lpb"), str(clip), "--device", f"serial:{port}")
    assert done.returncode == 0 and done.stdout.startswith(f"{clip}/clip.wav equal: 100 frames"), (
        done
    )
    done = cli(
        "verify",
        str(clip / "m.lpb"),
        str(clip / "clip.wav"),
        "--device",
        f"serial:{port}@115200",
        "--json",
        "--coding",
        "8",
    )
    assert done.returncode == 0 and json.loads(done.stdout)["equal"] is True
    (clip / "other.lpb").write_bytes(pack(random_spec(2)))
    done = cli(
        "verify", str(clip / "other.lpb"), str(clip / "clip.wav"), "--device", f"serial:{port}"
    )
    assert (
        done.returncode == 2
        and done.stderr.count("\n") == 1
        and "the board runs model" in done.stderr
    )


def test_emulate_and_devices_commands(clip, port):
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_lp", "emulate", "--board", "posix", str(clip / "m.lpb")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        device = process.stdout.readline().strip()
        assert device.startswith("serial:/dev/")
        done = cli("listen", "--device", device, "--source", str(clip / "clip.wav"), "--json")
        assert done.returncode == 0, done.stderr
        host = cli(
            "listen", "--device", str(clip / "clip.wav"), "--model", str(clip / "m.lpb"), "--json"
        )
        assert done.stdout == host.stdout and host.returncode == 0
        assert any(
            link.resolve() == type(link)(device[7:]).resolve()
            for link in discover.links().iterdir()
        )
        found = [str(p) for p, info in discover.find_boards() if info.name == "posix"]
        assert len(found) >= 1
    finally:
        process.send_signal(2)
        assert process.wait(10) == 130
        process.stdout.close()

# SPDX-License-Identifier: Apache-2.0
"""A board on a serial line, from the host's side (SPEC.md, "Serial protocol").

    with Board("/dev/ttyACM0", 460800) as board:
        for event in board.stream(blocks):
            print(event)

What is asked and what is answered; how it gets over the line is exchange.py's."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.board.exchange import GIVE_UP_AFTER, PROTOCOL, REFUSALS, Exchange, lie, reason
from edge_lp.board.frame import mu_law_encode
from edge_lp.errors import BoardError
from edge_lp.model.spec import MAX_LABELS, MAX_WINDOWS, DetectorConfig, DetectorIntegers
from edge_lp.runtime import FEATURES, HOP, Event

BAUD = 460800
BAUDS = (50, 12_000_000)  # the slowest that termios has; the fastest USB bridge
HELLO, LABEL, RESET, CONFIGURE, STATISTICS = 0x01, 0x02, 0x03, 0x04, 0x05
AUDIO16, AUDIO8, FEATURE_FRAME, LISTEN = 0x10, 0x11, 0x12, 0x13
MICROPHONE = 8  # of the inputs that HELLO names

POSTERIORS, LOGITS, SPIKES, FEATURE_OUT = 1, 2, 4, 8
ALL_OUTPUTS = POSTERIORS | LOGITS | SPIKES | FEATURE_OUT
HELLO_BODY = struct.Struct("<BBBBIHHBHBB")  # then the detector, then the name
STATISTICS_BODY = struct.Struct("<12I5QI")
LISTEN_BODY = struct.Struct("<IH")  # then a result


@dataclass(frozen=True)
class BoardInfo:
    """What a board says of itself. model_id: the CRC-32 at the end of its .lpb; microphone: it has
    one of its own."""

    name: str
    version: str
    model_id: int
    n_labels: int
    n_keywords: int
    window: int
    receive_bytes: int
    detector: DetectorConfig
    microphone: bool


@dataclass(frozen=True)
class Result:
    """One frame of 10 ms as the board computed it; what was not asked for is None. awake: commands
    count, behind a wake word; posteriors Q15, logits Q8, features Q10."""

    frame: int
    event: Event | None
    awake: bool
    posteriors: np.ndarray | None
    logits: np.ndarray | None
    spikes: int | None
    features: np.ndarray | None


@dataclass(frozen=True)
class Listened:
    """What a board's own microphone gave since it was last asked. result: the last frame, and the
    oldest event that was not told yet; None: nothing new. lost: samples that it was too slow to
    take, since it was switched on; peak: largest |sample| of the last frame, 0..32768."""

    result: Result | None
    lost: int
    peak: int


class Board:
    """A session with a board. coding: 16 (samples as they are) or 8 (mu-law, half the line).
    EdgeLpError subclasses only."""

    def __init__(self, port: str, baud: int = BAUD, coding: int = 16, line: Any = None) -> None:
        self.port, self.coding = port, coding
        self.exchange = Exchange(port, line if line is not None else _open(port, baud))
        self._outputs = 0
        self.info: BoardInfo
        self.labels: list[str]

    def __enter__(self) -> "Board":
        try:
            self.hello()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self.exchange.line.close()
        except OSError:
            pass

    # -- requests

    def hello(self, patience: float = 4.0) -> BoardInfo:
        """Opens a session: the board starts afresh, with its model's detector and no outputs but
        events."""
        import secrets

        self.exchange.start()
        body = self.ask(HELLO, struct.pack("<BI", PROTOCOL, secrets.randbits(32)), patience)
        if len(body) < HELLO_BODY.size:
            raise BoardError(
                f"{self.port}: answers, but not as an edge-lp board of protocol {PROTOCOL}"
            )
        said = HELLO_BODY.unpack_from(body)
        protocol, a, b, c, model, n_labels, n_keywords, window, room, _, inputs = said
        if protocol != PROTOCOL:
            raise lie(self.port, f"protocol {protocol} to protocol {PROTOCOL}")
        if not 1 <= n_labels <= MAX_LABELS or n_keywords > n_labels or window < 1:
            raise lie(self.port, f"{n_labels} labels, {n_keywords} keywords, a window of {window}")
        try:
            detector, name = _detector_of(body[HELLO_BODY.size :], n_keywords)
        except (struct.error, ValueError) as e:
            raise lie(self.port, str(e)) from None
        version, microphone = f"{a}.{b}.{c}", bool(inputs & MICROPHONE)
        self.info = BoardInfo(
            name, version, model, n_labels, n_keywords, window, room, detector, microphone
        )
        self.exchange.open(window, room)
        self._outputs, self._detector = 0, detector
        self.labels = [
            r.decode("utf-8", "replace")
            for r in self.exchange.run((LABEL, bytes([i])) for i in range(n_labels))
        ]
        return self.info

    def reset(self) -> None:
        """Front end, network and detector as at the start; frames count from 0."""
        self.ask(RESET, size=0)

    def configure(self, outputs: int = 0, detector: DetectorConfig | None = None) -> None:
        """outputs: sum of POSTERIORS, LOGITS, SPIKES, FEATURE_OUT; events always come. detector
        None: the model's. BoardError: longer or more windows than the model's, or a smaller stride,
        for which the board has no memory."""
        own = self.info.detector
        d = detector or own
        if d.rows > own.rows:
            raise BoardError(
                f"{self.port}: windows of {_frames(d)} take more memory than the board has, which "
                f"is for {_frames(own)}; tune the model and build the firmware with it"
            )
        body = bytes([outputs]) + _detector_bytes(d, self.info.n_keywords)
        self.ask(CONFIGURE, body, size=0)
        self._outputs, self._detector = outputs, d

    def statistics(self) -> dict[str, Any]:
        """Counters since the board started. Ticks over tick_hz are seconds; tick_hz 0: ticks are
        instructions."""
        v = STATISTICS_BODY.unpack(self.ask(STATISTICS, size=STATISTICS_BODY.size))
        return {
            "frames": v[0],
            "events": v[1],
            "requests": v[2],
            "repeats": v[3],
            "refused": dict(zip(REFUSALS.values(), v[4:10])),
            "lost": v[10],
            "stack": v[11],
            "spikes": v[12],
            "synops": v[13],
            "ticks": {"front end": v[14], "network": v[15], "detector": v[16]},
            "tick_hz": v[17],
        }

    def push(self, pcm: np.ndarray) -> Iterator[Result]:
        """(n,) int16 at 16 kHz, any n -> the frames they complete, in order. The loop may be left
        early; a few blocks of 10 ms that went ahead are then in the board's state, until reset."""
        return self._results(self._audio_requests(pcm))

    def push_features(self, frames: np.ndarray) -> Iterator[Result]:
        """(frames, FEATURES) int16 Q10 -> network and detector only."""
        return self._results((FEATURE_FRAME, row.astype("<i2").tobytes()) for row in frames)

    def listen(self) -> Listened:
        """Switches the board's own microphone on, which starts a stream of its own, and is what
        came since the last time: a frame is complete every 10 ms, whether it is asked for or not,
        and the last four events wait. reset() and any samples from here switch it off. BoardError:
        it has none."""
        if not self.info.microphone:
            raise BoardError(
                f"{self.port}: {self.info.name} has no microphone; send it audio from here instead"
            )
        body = self.ask(LISTEN)
        if len(body) <= LISTEN_BODY.size:
            raise lie(self.port, f"a microphone's report of {len(body)} bytes")
        lost, peak = LISTEN_BODY.unpack_from(body)
        rest = body[LISTEN_BODY.size :]
        return Listened(None if rest == b"\0" else self._parse(rest), lost, peak)

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[Event]:
        """Blocks of samples -> the events in them."""
        for pcm in blocks:
            yield from (r.event for r in self.push(pcm) if r.event)

    def ask(
        self, kind: int, body: bytes = b"", patience: float | None = None, size: int | None = None
    ) -> bytes:
        """One request -> its reply's body, which must be of `size` bytes."""
        (reply,) = self.exchange.run([(kind, body)], patience)
        if size is not None and len(reply) != size:
            raise lie(self.port, f"{len(reply)} bytes to request type {kind:#04x}, expected {size}")
        return reply

    # -- below

    def _audio_requests(self, pcm: np.ndarray) -> Iterator[tuple[int, bytes]]:
        for at in range(0, len(pcm), HOP):
            part = pcm[at : at + HOP]
            yield (
                (AUDIO16, part.astype("<i2").tobytes())
                if self.coding == 16
                else (AUDIO8, mu_law_encode(part).tobytes())
            )

    def _results(self, requests: Iterable[tuple[int, bytes]]) -> Iterator[Result]:
        outputs = self._outputs
        for body in self.exchange.run(requests):
            if self._outputs != outputs:
                raise BoardError(
                    f"{self.port}: configure() inside a loop over results, which then change "
                    "their form; leave the loop first"
                )
            if body != b"\0":
                yield self._parse(body)

    def _parse(self, body: bytes) -> Result:
        n, event, flags = self.info.n_labels, None, body[0] if body else 0
        fields = [
            (POSTERIORS, "<u2", n),
            (LOGITS, "<i4", n),
            (SPIKES, "<u4", 1),
            (FEATURE_OUT, "<i2", FEATURES),
        ]
        asked = {f: (dtype, count) for f, dtype, count in fields if self._outputs & f}
        at = 17 if flags & 2 else 5
        expected = at + sum(np.dtype(dtype).itemsize * count for dtype, count in asked.values())
        if flags not in (1, 3, 5, 7) or len(body) != expected:
            raise lie(self.port, f"a result of {len(body)} bytes that begins with {body[:1].hex()}")
        (frame,) = struct.unpack_from("<I", body, 1)
        if flags & 2:
            event = self._event(frame, *struct.unpack_from("<IIHH", body, 5))
        found: dict[int, np.ndarray] = {}
        for f, (dtype, count) in asked.items():
            found[f] = np.frombuffer(body, dtype, count, at)
            at += found[f].nbytes
        return Result(
            frame,
            event,
            bool(flags & 4),
            found.get(POSTERIORS),
            found.get(LOGITS),
            int(found[SPIKES][0]) if SPIKES in found else None,
            found.get(FEATURE_OUT),
        )

    def _event(self, now: int, frame: int, middle: int, label: int, score: int) -> Event:
        if not middle <= frame <= now or label >= self.info.n_keywords or score > 32767:
            raise lie(
                self.port,
                f"an event of keyword {label} of {self.info.n_keywords} at frame {middle}, found "
                f"in {frame} of {now}, score {score}/32767",
            )
        return Event(frame, middle, label, score / 32767, label < self._detector.wake_words)


def _frames(c: DetectorConfig) -> str:
    return f"{', '.join(map(str, c.windows))} frames with a stride of {c.stride}"


def _detector_bytes(c: DetectorConfig, n_keywords: int) -> bytes:
    """As CONFIGURE takes and HELLO says it: all of the runtime's integers in their order."""
    windows, *rest, thresholds = c.integers(n_keywords)
    values = [*windows, *rest, *thresholds[:n_keywords]]
    return struct.pack(f"<{len(values)}H", *values)


def _detector_of(data: bytes, n_keywords: int) -> tuple[DetectorConfig, str]:
    """The detector and the name behind it, at the end of HELLO. ValueError, struct.error: no board
    says that."""
    n = MAX_WINDOWS + 6  # fields before the thresholds
    layout = struct.Struct(f"<{n + n_keywords}HB")
    *values, length = layout.unpack_from(data)
    fields = (values[:MAX_WINDOWS], *values[MAX_WINDOWS:n], values[n:] or [0])
    config = DetectorConfig.of(DetectorIntegers._make(fields))
    config.integers(n_keywords)
    if len(data) != layout.size + length:
        raise ValueError(f"{len(data)} bytes of detector and name, expected {layout.size + length}")
    return config, data[layout.size :].decode("ascii", "replace")


def _open(port: str, baud: int) -> Any:
    import serial

    try:
        line = serial.Serial(port, baud, timeout=0.02, write_timeout=GIVE_UP_AFTER, exclusive=True)
        line.reset_input_buffer()
        return line
    except (OSError, ValueError, OverflowError) as e:
        hint = _who_may(port) if getattr(e, "errno", None) == errno.EACCES else ""
        raise BoardError(
            f"{port}: cannot open this serial port ({reason(e)}); "
            f"{hint or '`edge-lp devices` lists boards'}"
        ) from None


def _who_may(port: str) -> str:
    """What to do about a port that this user may not open."""
    import grp

    try:
        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    except (OSError, KeyError):
        return ""
    return (
        f"it belongs to the group {group}: sudo usermod -a -G {group} $USER, and log in again"
        if group != "root"
        else "it is root's alone; a udev rule can give it to the group dialout"
    )


def parse_device(device: str) -> tuple[str, int]:
    """ "serial:PORT[@BAUD]" -> port, baud. BoardError where it is something else."""
    port, _, baud = device.removeprefix("serial:").partition("@")
    if not device.startswith("serial:") or not port or (baud and not baud.isdecimal()):
        raise BoardError(
            f"{device!r} is not a board: expected serial:PORT or serial:PORT@BAUD, e.g. "
            f"serial:/dev/ttyACM0@{BAUD}"
        )
    if baud and not (len(baud) < 10 and BAUDS[0] <= int(baud) <= BAUDS[1]):
        raise BoardError(
            f"serial:{port}: no line has {baud[:20]} baud; expected {BAUDS[0]} to {BAUDS[1]}; "
            f"the firmware has {BAUD}"
        )
    return port, int(baud or BAUD)

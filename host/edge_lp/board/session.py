# SPDX-License-Identifier: Apache-2.0
"""A board on a serial line, from the host's side (SPEC.md, "Serial protocol").

    with Board("/dev/ttyACM0", 460800) as board:
        for event in board.stream(blocks):
            print(event)

Every request has a number and exactly one reply. A few requests are under way at once, as many as
the board keeps replies for and has room for; what is not answered is sent again. So a bad line
costs time, never a frame."""

from __future__ import annotations

import secrets
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_lp.board.frame import decode_frame, encode_frame, mu_law_encode
from edge_lp.errors import EdgeLpError
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import FEATURES, HOP, Event

PROTOCOL = 1
BAUD = 460800
HELLO, LABEL, RESET, CONFIGURE, STATISTICS, AUDIO16, AUDIO8, FEATURE_FRAME = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x10,
    0x11,
    0x12,
)


REPLY, REFUSED, ERROR = 0x80, 0xFE, 0xFF
POSTERIORS, LOGITS, SPIKES, FEATURE_OUT = 1, 2, 4, 8
ALL_OUTPUTS = POSTERIORS | LOGITS | SPIKES | FEATURE_OUT
NO_SESSION = 6
REFUSALS = {
    1: "frame too long",
    2: "frame too short",
    3: "not COBS",
    4: "checksum",
    5: "out of order",
    NO_SESSION: "no session",
}


ERRORS = {
    1: "does not know request type {d:#04x}",
    2: "refuses a request body of {d} bytes",
    3: "refuses an argument ({d})",
    4: "speaks protocol {d}, this edge-lp speaks " + str(PROTOCOL) + ": update the older one",
    5: "failed with runtime status {d}",
    6: "cannot run the model in its flash (status {d}): build the firmware again",
    7: "cannot send a reply of {d} bytes: ask for fewer outputs",
}


RESEND_AFTER = 0.3  # seconds without any progress
GIVE_UP_AFTER = 6.0
RESEND_GAP = 0.05  # a burst of refusals is one reason to send again
HELLO_BODY = struct.Struct("<BBBBIHHBHBBHHHHHB")
STATISTICS_BODY = struct.Struct("<12I5QI")


class BoardError(EdgeLpError):
    """A serial port that cannot be used, or a board that does not answer as it should."""


@dataclass(frozen=True)
class BoardInfo:
    """What a board says of itself. model_id: the CRC-32 at the end of its .lpb."""

    name: str
    version: str
    model_id: int
    n_labels: int
    n_keywords: int
    window: int
    receive_bytes: int
    detector: DetectorConfig


@dataclass(frozen=True)
class Result:
    """One frame of 10 ms as the board computed it; what was not asked for is None. posteriors Q15,
    logits Q8, features Q10."""

    frame: int
    event: Event | None
    posteriors: np.ndarray | None
    logits: np.ndarray | None
    spikes: int | None
    features: np.ndarray | None


@dataclass
class LineCounts:
    """What the line did, seen from the host."""

    sent_again: int = 0
    damaged: int = 0
    refused: dict[str, int] = field(default_factory=dict)


class Board:
    """A session with a board. coding: 16 (samples as they are) or 8 (mu-law, half the line).
    EdgeLpError subclasses only."""

    def __init__(self, port: str, baud: int = BAUD, coding: int = 16, line: Any = None) -> None:
        self.port, self.coding, self.counts = port, coding, LineCounts()
        self._line = line if line is not None else _open(port, baud)
        self._buffer = bytearray()
        self._number = secrets.randbelow(65536)
        self._window, self._room = 1, 64
        self._outputs, self._progress, self._resent = 0, 0.0, 0.0
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
            self._line.close()
        except OSError:
            pass

    # -- requests

    def hello(self, patience: float = 4.0) -> BoardInfo:
        """Opens a session: the board starts afresh, with its model's detector and no outputs but
        events."""
        self._window, self._room = 1, 64
        body = self.ask(HELLO, struct.pack("<BI", PROTOCOL, secrets.randbits(32)), patience)
        if len(body) < HELLO_BODY.size or len(body) != HELLO_BODY.size + body[HELLO_BODY.size - 1]:
            raise BoardError(
                f"{self.port}: answers, but not as an edge-lp board of protocol {PROTOCOL}"
            )
        (
            _,
            a,
            b,
            c,
            model,
            n_labels,
            n_keywords,
            window,
            room,
            _,
            _,
            w,
            threshold,
            refractory,
            latency,
            hold,
            _,
        ) = HELLO_BODY.unpack_from(body)
        self.info = BoardInfo(
            body[HELLO_BODY.size :].decode("ascii", "replace"),
            f"{a}.{b}.{c}",
            model,
            n_labels,
            n_keywords,
            window,
            room,
            DetectorConfig(w, threshold / 32767, refractory, latency, hold),
        )
        self._window, self._room, self._outputs = window, room, 0
        self.labels = [
            r.decode("utf-8", "replace")
            for r in self._exchange((LABEL, bytes([i])) for i in range(n_labels))
        ]
        return self.info

    def reset(self) -> None:
        """Front end, network and detector as at the start; frames count from 0."""
        self.ask(RESET)

    def configure(self, outputs: int = 0, detector: DetectorConfig | None = None) -> None:
        """outputs: sum of POSTERIORS, LOGITS, SPIKES, FEATURE_OUT; events always come. detector
        None: the model's."""
        d = detector or self.info.detector
        self.ask(
            CONFIGURE,
            struct.pack(
                "<BHHHHH",
                outputs,
                d.window,
                round(d.threshold * 32767),
                d.refractory,
                d.latency,
                d.hold,
            ),
        )
        self._outputs = outputs

    def statistics(self) -> dict[str, Any]:
        """Counters since the board started. Ticks over tick_hz are seconds; tick_hz 0: ticks are
        instructions."""
        v = STATISTICS_BODY.unpack(self.ask(STATISTICS))
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
        """(n,) int16 at 16 kHz, any n -> the frames they complete, in order."""
        return self._results(self._audio_requests(pcm))

    def push_features(self, frames: np.ndarray) -> Iterator[Result]:
        """(frames, FEATURES) int16 Q10 -> network and detector only."""
        return self._results((FEATURE_FRAME, row.astype("<i2").tobytes()) for row in frames)

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[Event]:
        """Blocks of samples -> the events in them."""
        for pcm in blocks:
            yield from (r.event for r in self.push(pcm) if r.event)

    def ask(self, kind: int, body: bytes = b"", patience: float = GIVE_UP_AFTER) -> bytes:
        """One request -> its reply's body."""
        return next(self._exchange([(kind, body)], patience))

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
        for body in self._exchange(requests):
            if body[0] & 1:
                yield self._parse(body)

    def _parse(self, body: bytes) -> Result:
        n, at, event = self.info.n_labels, 5, None
        (frame,) = struct.unpack_from("<I", body, 1)
        if body[0] & 2:
            index, middle, label, score = struct.unpack_from("<IIHH", body, at)
            event, at = Event(index, middle, label, score / 32767), at + 12

        def take(flag: int, dtype: str, count: int) -> np.ndarray | None:
            nonlocal at
            if not self._outputs & flag:
                return None
            out = np.frombuffer(body, dtype, count, at)
            at += out.nbytes
            return out

        posteriors, logits, spikes, features = (
            take(POSTERIORS, "<u2", n),
            take(LOGITS, "<i4", n),
            take(SPIKES, "<u4", 1),
            take(FEATURE_OUT, "<i2", FEATURES),
        )
        return Result(
            frame, event, posteriors, logits, None if spikes is None else int(spikes[0]), features
        )

    def _exchange(
        self, requests: Iterable[tuple[int, bytes]], patience: float = GIVE_UP_AFTER
    ) -> Iterator[bytes]:
        """Requests in, the bodies of their replies out, in order; several under way. BoardError:
        refused for good, or no answer within patience seconds."""
        todo, pending, replies = (
            iter(requests),
            deque[tuple[int, bytes]](),
            dict[int, tuple[int, bytes]](),
        )
        held: tuple[int, bytes] | None = None  # encoded, and waiting for room
        more, self._progress, self._resent = True, time.monotonic(), 0.0
        while True:
            while more and len(pending) < self._window:
                if held is None:
                    request = next(todo, None)
                    if request is None:
                        more = False
                        break
                    held = (self._number, encode_frame(request[0], self._number, request[1]))
                    self._number = self._number + 1 & 0xFFFF
                if pending and sum(len(f) for _, f in pending) + len(held[1]) > self._room:
                    break
                self._write(held[1])
                pending.append(held)
                held = None
            if not pending:
                return
            self._collect(pending, replies, patience)
            while pending and pending[0][0] in replies:
                kind, body = replies.pop(pending.popleft()[0])
                if kind == ERROR:
                    cause, detail = struct.unpack("<Bh", body)
                    raise BoardError(
                        f"{self.port}: the board "
                        f"{ERRORS.get(cause, 'answers with error ' + str(cause)).format(d=detail)}"
                    )
                yield body

    def _collect(
        self,
        pending: deque[tuple[int, bytes]],
        replies: dict[int, tuple[int, bytes]],
        patience: float,
    ) -> None:
        """Reads what has come, for at most a moment; sends again where something went missing."""
        self._buffer += self._read()
        again = False
        *frames, rest = self._buffer.split(b"\0")
        self._buffer = bytearray(rest[-2048:])
        for data in filter(None, frames):
            frame = decode_frame(bytes(data))
            if frame is None:
                self.counts.damaged += 1
                again = True
            elif frame[0] == REFUSED:
                again |= self._refused(frame[2])
            elif any(number == frame[1] for number, _ in pending) and frame[1] not in replies:
                replies[frame[1]] = (frame[0], frame[2])
                self._progress = time.monotonic()
        now = time.monotonic()
        if now - self._progress > patience:
            raise BoardError(
                f"{self.port}: no answer for {patience:g} s; is it an edge-lp board, at this baud "
                "rate, and switched on?"
            )
        quiet = now - max(self._progress, self._resent) > RESEND_AFTER
        if quiet or (again and now - self._resent > RESEND_GAP):
            self._resent = now
            missing = [data for number, data in pending if number not in replies]
            self.counts.sent_again += len(missing)
            # the delimiter ends whatever was left half sent
            self._write(b"\0" + b"".join(missing))

    def _refused(self, body: bytes) -> bool:
        why = body[0] if body else 0
        name = REFUSALS.get(why, f"reason {why}")
        self.counts.refused[name] = self.counts.refused.get(name, 0) + 1
        if why == NO_SESSION and hasattr(self, "info"):
            raise BoardError(
                f"{self.port}: the board has restarted and forgotten the stream; start again"
            )
        return True

    def _write(self, data: bytes) -> None:
        try:
            self._line.write(data)
        except OSError as e:
            raise BoardError(
                f"{self.port}: the line is dead ({_reason(e)}); was the board unplugged?"
            ) from None

    def _read(self) -> bytes:
        try:
            return self._line.read(max(1, min(4096, self._line.in_waiting)))
        # pyserial: TypeError when the port is closed under its feet
        except (OSError, TypeError) as e:
            raise BoardError(
                f"{self.port}: the line is dead ({_reason(e)}); was the board unplugged?"
            ) from None


def _reason(e: BaseException) -> str:
    return str(getattr(e, "strerror", None) or e).strip().rstrip(".")


def _open(port: str, baud: int) -> Any:
    import serial

    try:
        line = serial.Serial(port, baud, timeout=0.02, write_timeout=GIVE_UP_AFTER, exclusive=True)
        line.reset_input_buffer()
        return line
    except (OSError, ValueError) as e:
        raise BoardError(
            f"{port}: cannot open this serial port ({_reason(e)}); `edge-lp devices` lists boards"
        ) from None


def parse_device(device: str) -> tuple[str, int]:
    """ "serial:PORT[@BAUD]" -> port, baud. BoardError where it is something else."""
    port, _, baud = device.removeprefix("serial:").partition("@")
    if (
        not device.startswith("serial:")
        or not port
        or (baud and not (baud.isdecimal() and int(baud)))
    ):
        raise BoardError(
            f"{device!r} is not a board: expected serial:PORT or serial:PORT@BAUD, e.g. "
            f"serial:/dev/ttyACM0@{BAUD}"
        )
    return port, int(baud or BAUD)

# SPDX-License-Identifier: Apache-2.0
"""Requests and their replies over a line that loses and damages bytes (SPEC.md, "Serial protocol":
numbers, flow control, repair).

Every request has a number and exactly one reply. A few are under way at once, as many as the board
keeps replies for and has room for; what is not answered is sent again. So a bad line costs time,
never a request."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edge_lp.board.frame import decode_frame, encode_frame
from edge_lp.errors import BoardError

PROTOCOL = 3
REPLY, REFUSED, ERROR = 0x80, 0xFE, 0xFF
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
ERROR_BODY = struct.Struct("<Bh")
RESEND_AFTER = 0.3  # seconds without any progress
GIVE_UP_AFTER = 6.0
RESEND_GAP = 0.05  # a burst of refusals is one reason to send again


def lie(port: str, what: str) -> BoardError:
    """A reply with the right checksum that no edge-lp board sends."""
    return BoardError(
        f"{port}: the board's answer makes no sense ({what}); "
        "build and flash the firmware of this edge-lp"
    )


@dataclass
class LineCounts:
    """What the line did, seen from the host."""

    sent_again: int = 0
    damaged: int = 0
    refused: dict[str, int] = field(default_factory=dict)


class _Inbox(dict[int, "bytes | BoardError"]):
    """Number -> reply, of one iterator. Where that was left, nobody looks into it any more."""


@dataclass(frozen=True)
class _Request:
    kind: int
    frame: bytes
    inbox: _Inbox


class Exchange:
    """A line, and what is under way on it. The unanswered requests belong to the line, not to who
    asked: an iterator of `run` may be left at any reply, and others may ask inside its loop.
    patience: seconds without progress after which the board counts as gone."""

    def __init__(self, port: str, line: Any, patience: float = GIVE_UP_AFTER) -> None:
        import secrets

        self.port, self.line, self.patience = port, line, patience
        self.counts, self.number = LineCounts(), secrets.randbelow(65536)  # of the next request
        self._buffer = bytearray()
        self._progress, self._resent = 0.0, 0.0
        self._unanswered: dict[int, _Request] = {}  # in order
        self._sessions = 0
        self.start()

    def start(self) -> None:
        """Before HELLO: nothing is under way, one request at a time."""
        self._unanswered.clear()
        self._sessions += 1
        self._window, self._room, self._open = 1, 64, False

    def open(self, window: int, room: int) -> None:
        """After HELLO: requests, and bytes of their frames, that may be unanswered."""
        self._window, self._room, self._open = window, room, True

    def run(
        self, requests: Iterable[tuple[int, bytes]], patience: float | None = None
    ) -> Iterator[bytes]:
        """(type, body) in, the bodies of their replies out, in order. BoardError: refused for good,
        or nothing came for `patience` seconds. Up to a window of requests runs ahead of the
        replies that were taken; the board runs them too where the iterator is left."""
        todo, mine, inbox, session = iter(requests), deque[int](), _Inbox(), self._sessions
        waiting = next(todo, None)
        self._progress, self._resent = time.monotonic(), 0.0
        while mine or waiting:
            while waiting and self._send(*waiting, inbox):
                mine.append(self.number - 1 & 0xFFFF)
                waiting = next(todo, None)
            if not mine or mine[0] not in inbox:
                self._collect(patience or self.patience)
            while mine and mine[0] in inbox:
                reply = inbox.pop(mine.popleft())
                if isinstance(reply, BoardError):
                    raise reply
                yield reply
                self._progress = time.monotonic()  # however long the caller took
                if session != self._sessions:
                    raise BoardError(
                        f"{self.port}: another hello ended this stream; start it again"
                    )

    # -- below

    def _send(self, kind: int, body: bytes, inbox: _Inbox) -> bool:
        """Numbers a request and writes it; False while there is no room for it. The board keeps
        as many replies as the window has numbers, answered or not."""
        frame = encode_frame(kind, self.number, body)
        if self._unanswered:
            under_way = sum(len(r.frame) for r in self._unanswered.values())
            ahead = self.number - next(iter(self._unanswered)) & 0xFFFF
            if ahead >= self._window or under_way + len(frame) > self._room:
                return False
        self._write(frame)
        self._unanswered[self.number] = _Request(kind, frame, inbox)
        self.number = self.number + 1 & 0xFFFF
        return True

    def _collect(self, patience: float) -> None:
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
                self._refused(frame[2])
                again = True
            elif frame[1] in self._unanswered:
                self._answered(*frame)
        now = time.monotonic()
        if now - self._progress > patience:
            raise BoardError(
                f"{self.port}: no answer for {patience:g} s; is it an edge-lp board, at this baud "
                "rate, and switched on?"
            )
        quiet = now - max(self._progress, self._resent) > RESEND_AFTER
        if self._unanswered and (quiet or (again and now - self._resent > RESEND_GAP)):
            self._resent = now
            self.counts.sent_again += len(self._unanswered)
            # the delimiter ends whatever was left half sent
            self._write(b"\0" + b"".join(r.frame for r in self._unanswered.values()))

    def _answered(self, kind: int, number: int, body: bytes) -> None:
        request, reply = self._unanswered.pop(number), body
        if kind == ERROR and len(body) == ERROR_BODY.size:
            cause, detail = ERROR_BODY.unpack(body)
            words = ERRORS.get(cause, f"answers with error {cause}").format(d=detail)
            request.inbox[number] = BoardError(f"{self.port}: the board {words}")
        elif kind != request.kind | REPLY:
            request.inbox[number] = lie(
                self.port, f"a reply of type {kind:#04x} to request type {request.kind:#04x}"
            )
        else:
            request.inbox[number] = reply
        self._progress = time.monotonic()

    def _refused(self, body: bytes) -> None:
        why = body[0] if body else 0
        name = REFUSALS.get(why, f"reason {why}")
        self.counts.refused[name] = self.counts.refused.get(name, 0) + 1
        if why == NO_SESSION and self._open:
            raise BoardError(
                f"{self.port}: the board has restarted and forgotten the stream; start again"
            )

    def _write(self, data: bytes) -> None:
        try:
            self.line.write(data)
        except OSError as e:
            raise self._dead(e) from None

    def _read(self) -> bytes:
        try:
            return self.line.read(max(1, min(4096, self.line.in_waiting)))
        # pyserial: TypeError when the port is closed under its feet
        except (OSError, TypeError) as e:
            raise self._dead(e) from None

    def _dead(self, e: BaseException) -> BoardError:
        return BoardError(f"{self.port}: the line is dead ({reason(e)}); was the board unplugged?")


def reason(e: BaseException) -> str:
    """What the system says, as part of a line."""
    return str(getattr(e, "strerror", None) or e).strip().rstrip(".")

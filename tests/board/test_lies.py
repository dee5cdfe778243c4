# SPDX-License-Identifier: Apache-2.0
"""C3: a board that lies. Frames, numbers and checksums are right, what is in them is not: each lie
ends in a BoardError, never in another exception, an endless loop, or numbers that look good."""

import struct

import numpy as np
import pytest
from edge_lp.board import exchange, frame, session
from hypothesis import given, settings
from hypothesis import strategies as st

LABELS, KEYWORDS = 3, 2
# three labels, two keywords; detector: windows 20, 60, stride 2, one wake word, 500 frames, 2 x 9
HELLO = struct.pack("<BBBBIHHBHBB", 3, 0, 1, 0, 7, LABELS, KEYWORDS, 4, 1023, 15, 15)
HELLO += struct.pack("<12HB", 20, 60, 0, 0, 2, 8, 7, 6, 1, 500, 9, 9, 4)
TRUTH = {
    session.HELLO: HELLO + b"liar",
    session.LABEL: b"yes",
    session.RESET: b"",
    session.CONFIGURE: b"",
    session.STATISTICS: bytes(session.STATISTICS_BODY.size),
    session.AUDIO16: struct.pack("<BI3i", 1, 0, 1, 2, 3),
    session.LISTEN: struct.pack("<IHBI3i", 9, 500, 1, 0, 1, 2, 3),
}
EVENT = struct.pack("<BIIIHH3i", 3, 9, 9, 5, 1, 32767, 1, 2, 3)


class Liar:
    """A line with a board behind it that answers `answer(type, body)`, None: not at all."""

    def __init__(self, answer):
        self.answer, self.out = answer, b""

    def write(self, data):
        for one in filter(None, data.split(b"\0")):
            kind, number, body = frame.decode_frame(one)
            said = self.answer(kind, body)
            if said is not None:
                self.out += frame.encode_frame(said[0], number, said[1])

    @property
    def in_waiting(self):
        return len(self.out)

    def read(self, n):
        got, self.out = self.out[:n], self.out[n:]
        return got

    def close(self):
        pass


def honest(kind, body):
    return kind | exchange.REPLY, TRUTH[kind]


def use(answer):
    """Everything a session is used for. -> its results"""
    board = session.Board("liar", line=Liar(answer))
    board.exchange.patience = 0.05
    board.hello(0.05)
    board.configure(session.LOGITS)
    results = list(board.push(np.zeros(480, np.int16)))
    results += [r for r in [board.listen().result] if r]
    board.statistics()
    board.reset()
    return results


def lying(about, kind, body):
    return use(lambda k, b: (kind, body) if k == about else honest(k, b))


def test_an_honest_board():
    assert [r.logits.tolist() for r in use(honest)] == 4 * [[1, 2, 3]]
    (event,) = {r.event for r in lying(session.AUDIO16, 0x90, EVENT) if r.event}
    assert (event.frame, event.middle, event.label, event.score) == (9, 5, 1, 1.0)
    (event,) = {
        r.event
        for r in lying(session.AUDIO16, 0x90, b"\7" + changed(EVENT, 13, "<H", 0)[1:])
        if r.event
    }
    assert event.wake


def changed(data, at, layout, value):
    return data[:at] + struct.pack(layout, value) + data[at + struct.calcsize(layout) :]


@pytest.mark.parametrize(
    "about,body",
    [
        (session.HELLO, b""),
        (session.HELLO, HELLO + b"li"),
        (session.HELLO, changed(TRUTH[session.HELLO], 0, "<B", 9)),  # protocol
        (session.HELLO, changed(TRUTH[session.HELLO], 8, "<H", 0)),  # labels
        (session.HELLO, changed(TRUTH[session.HELLO], 8, "<H", 65)),
        (session.HELLO, changed(TRUTH[session.HELLO], 10, "<H", 4)),  # keywords
        (session.HELLO, changed(TRUTH[session.HELLO], 12, "<B", 0)),  # window
        (session.HELLO, changed(TRUTH[session.HELLO], 17, "<H", 0)),  # the detector's window
        (session.HELLO, changed(TRUTH[session.HELLO], 19, "<H", 20)),  # the second, not longer
        (
            session.HELLO,
            changed(TRUTH[session.HELLO], 25, "<H", 3),
        ),  # a stride that does not divide
        (session.HELLO, changed(TRUTH[session.HELLO], 33, "<H", 3)),  # wake words of two keywords
        (session.HELLO, changed(TRUTH[session.HELLO], 39, "<H", 32768)),  # a threshold
        (session.RESET, b"x"),
        (session.CONFIGURE, b"x"),
        (session.STATISTICS, bytes(87)),
        (session.AUDIO16, b""),
        (session.AUDIO16, b"\2"),
        (session.AUDIO16, b"\4"),
        (session.AUDIO16, b"\0\0"),
        (session.AUDIO16, TRUTH[session.AUDIO16][:-1]),
        (session.AUDIO16, TRUTH[session.AUDIO16] + b"x"),
        (session.AUDIO16, EVENT[:-12]),
        (session.AUDIO16, changed(EVENT, 5, "<I", 10)),  # found in a frame to come
        (session.AUDIO16, changed(EVENT, 9, "<I", 10)),  # its middle too
        (session.AUDIO16, changed(EVENT, 13, "<H", 2)),  # label: unknown, no keyword
        (session.AUDIO16, changed(EVENT, 15, "<H", 32768)),  # score
        (session.LISTEN, b""),
        (session.LISTEN, bytes(6)),
        (session.LISTEN, bytes(8)),
        (session.LISTEN, bytes(6) + TRUTH[session.AUDIO16] + b"x"),
    ],
)
def test_lies(about, body):
    with pytest.raises(session.BoardError, match="makes no sense|not as an edge-lp board"):
        lying(about, about | exchange.REPLY, body)


@pytest.mark.parametrize("about", list(TRUTH))
def test_wrong_reply_types(about):
    for kind in (about, 0x94, exchange.ERROR):
        with pytest.raises(session.BoardError, match="makes no sense .a reply of type"):
            lying(about, kind, b"\1")


@pytest.mark.parametrize("body", [b"", b"\0", b"\7", b"\1\2\3"])
def test_refuses_everything(body):
    with pytest.raises(session.BoardError, match="no answer"):
        lying(session.AUDIO16, exchange.REFUSED, body)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_anything_past_hello(data):
    """Replies that are drawn, bent or true, from HELLO on: results or a BoardError."""

    def answer(kind, body):
        truth = honest(kind, body)
        how = data.draw(st.sampled_from(["true", "true", "true", "bent", "drawn", "none"]))
        if how == "none":
            return None
        if how == "true":
            return truth
        if how == "bent" and truth[1]:
            at = data.draw(st.integers(0, len(truth[1]) - 1))
            return truth[0], changed(truth[1], at, "<B", data.draw(st.integers(0, 255)))
        kinds = st.sampled_from([truth[0], exchange.ERROR, exchange.REFUSED, 0x90, 0])
        return data.draw(kinds), data.draw(st.binary(max_size=40))

    try:
        for result in use(answer):
            assert result.logits.shape == (LABELS,) and result.posteriors is None
            assert result.event is None or result.event.label < KEYWORDS
    except session.BoardError:
        pass

# SPDX-License-Identifier: Apache-2.0
"""What is said to a person, and how text from outside reaches a terminal.

Labels, device and file names, a board's name and a model's provenance are other people's text:
`plain` makes each of them a piece of one line. Our tables and lines go through `console`, which
reads no markup in any string, so that a style is something that code says (rich.text.Text) and text
cannot."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Notice = Callable[[str], None]

GONE = "\N{REPLACEMENT CHARACTER}"
# turn the direction of what follows: a name can look like another one
BIDI = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
# where the encoding of an output has no such mark
MARKS = dict(zip("█▮▯│━╸✓·…–—−→‘’“”µμδτα×≤≥↑↓", "##-|=-v..--->''\"\"uudtax<>^v", strict=True))
WIDE = 10_000  # columns of an output that is no terminal: nothing folds


def plain(text: object) -> str:
    """Text from outside as a piece of one line: control characters (ESC and C1 too), halves of
    characters and changes of direction become U+FFFD, line ends and tabs a space."""
    return "".join(
        " "
        if c in "\t\n\v\f\r"
        else GONE
        if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI
        else c
        for c in str(text)
    )


def notice(line: str) -> None:
    """One line on stderr: something the user should know that stops nothing. Where stderr is closed
    or nobody reads it, it is dropped."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(plain(line), file=sys.stderr, flush=True)


@contextlib.contextmanager
def without_descriptor_2() -> Iterator[int | None]:
    """What is written to file descriptor 2 goes nowhere, as what TensorFlow's C++ says while it
    looks for a GPU, for which it has no switch. Yields a descriptor of where 2 went before; None:
    there is no 2."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        yield None
        return
    os.dup2(null, 2)
    os.close(null)
    try:
        yield kept
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def only_our_lines() -> Iterator[None]:
    """What libraries write to file descriptor 2 by themselves, from threads of their own (PortAudio
    when an audio server dies), goes nowhere; what Python writes to stderr goes where it went."""
    ours = sys.stderr
    with without_descriptor_2() as before:
        if before is None or ours is None or not _is_on(ours, 2):
            yield
            return
        with open(
            before, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
        ) as sys.stderr:
            try:
                yield
            finally:
                sys.stderr = ours


def _is_on(stream: Any, fd: int) -> bool:
    try:
        return stream.fileno() == fd
    except (OSError, ValueError):
        return False


def _degrade(e: UnicodeError) -> tuple[str | bytes, int]:
    """One mark for each character that an encoding does not have; a file name's raw bytes as they
    are."""
    if not isinstance(e, UnicodeEncodeError):
        raise e
    c = e.object[e.start]
    if "\udc80" <= c <= "\udcff":
        return bytes([ord(c) - 0xDC00]), e.start + 1
    return MARKS.get(c, "?"), e.start + 1


codecs.register_error("edge-lp", _degrade)


def console(stderr: bool = False) -> Any:
    """A rich console on stdout or stderr that takes strings as they are; without a terminal it does
    not fold. A reader that has gone is BrokenPipeError, as with print."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError that is being handled

    made = Plain(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = WIDE
    return made


def device_table(rows: Iterable[tuple[str, str, str]]) -> Any:
    """(what --device takes, name, details) for a reader."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("--device", "name", ""):
        t.add_column(column)
    for row in rows:
        t.add_row(*map(plain, row))
    return t

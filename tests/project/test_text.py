# SPDX-License-Identifier: Apache-2.0
"""Text from outside reaches a terminal as a piece of one line, and no encoding ends a command (A10,
A11)."""

import io
import sys

import pytest
from edge_lp.text import console, device_table, notice, plain


@pytest.mark.parametrize(
    "text, safe",
    [
        ("да, 是, naïve, 👍", "да, 是, naïve, 👍"),
        ("[/] [bold]x[/bold] :smile:", "[/] [bold]x[/bold] :smile:"),
        ("a\x1b]0;title\x07b", "a�]0;title�b"),
        ("a\x9b31mb\x7f\0", "a�31mb��"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("a\u2028b\u202egnp.exe\u2066", "a�b�gnp.exe�"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf�"),
        (12, "12"),
    ],
)
def test_a11_plain(text, safe):
    assert plain(text) == safe


def test_a11_a_notice_is_one_line(capsys):
    notice("listening to \x1b[2J[loud]mic\n")
    assert capsys.readouterr().err == "listening to �[2J[loud]mic \n"


def test_a7_a_notice_that_cannot_be_written_is_dropped(monkeypatch, capsys):
    for stream in (None, open("/dev/full", "w")):
        monkeypatch.setattr(sys, "stderr", stream)
        notice("x")
    assert capsys.readouterr().out == ""


def test_a11_tables_take_text_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    console().print(device_table([("mic:0", "[loud]mic :smile:\x1b[31m", "[/]")]))
    assert "[loud]mic :smile:�[31m  [/]" in sys.stdout.getvalue()


def test_a10_nothing_folds_without_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    console().print("word " * 100)
    assert sys.stdout.getvalue().count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "euc_jp", "cp1252", "utf-8"])
def test_a10_every_encoding_gets_something(encoding):
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="edge-lp")
    out.write("█▮▯✓·µ да 是 caf\udce9")
    out.flush()
    text = raw.getvalue().decode(encoding, "backslashreplace")
    if encoding == "ascii":
        assert text == "##-v.u ?? ? caf\\xe9"
    if encoding == "utf-8":
        assert text == "█▮▯✓·µ да 是 caf\\xe9"
    assert len(raw.getvalue()) > 12

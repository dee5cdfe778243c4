# SPDX-License-Identifier: Apache-2.0
"""What the boards' pages say a board prints, beside what an emulated one printed."""

import re

from edge_lp.board import discover
from edge_lp.hear import devices
from paths import ROOT


def printed(page):
    """The lines of output in a page's section "Expected"; they stand behind `$` and a command."""
    section = (ROOT / "docs" / page).read_text(encoding="utf-8").partition("\n## Expected\n")[2]
    block = re.match(r"\s*((?:    .*\n)+)", section)[1]
    assert block.count("    $ edge-lp ") >= 3
    return [line.strip() for line in block.splitlines() if not line.startswith("    $ ")]


def form(line):
    """A line without what differs from board to board and from clip to clip."""
    line = re.sub(r"^serial:\S+ +\S+", "serial:PORT NAME", line.strip())
    line = re.sub(r"^\S+(?= equal:)", "CLIP", line)
    line = re.sub(r'(?<="keyword": )"\w+"', "WORD", line)
    line = re.sub(r"\b[0-9a-f]{8}\b", "ID", line)
    return " ".join(re.sub(r"\d+(\.\d+)*", "0", line).split())


def is_expected(page, *lines):
    """Each printed line has the form of one on the page, which names the board of a port too."""
    forms = [form(line) for line in printed(page)]
    for line in lines:
        assert form(line) in forms, (page, line)
        if line.startswith("serial:"):
            text = (ROOT / "docs" / page).read_text(encoding="utf-8")
            assert re.search(rf"[ `]{re.escape(line.split()[1])}[ `]", text), (page, line)


def listed(monkeypatch, port, board):
    """The line of `edge-lp devices` for a board that answers on a port."""
    monkeypatch.setattr(discover, "find_boards", lambda: [(port, board.info)])
    return "  ".join(devices.lines(probe=True)[0].row())

# SPDX-License-Identifier: Apache-2.0
"""The table of before and now: what it says of a goal, and that docs/core-performance.md begins
with what the tool prints."""

import sys

from paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import before_after


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_goal_is_met_or_not_and_what_was_not_measured_is_a_dash():
    name = {row[0]: i for i, row in enumerate(before_after.ROWS, 2)}
    more, less = "the core, standard network, through Python", "Cortex-M0+"
    lines = before_after.table({more: 1.5, less: 107.0}, {more: 2.3, less: 30.04}, "abc").split(
        "\n"
    )
    assert cells(lines[0])[3:5] == ["abc", "now"]
    assert cells(lines[name[more]])[2:] == ["≥ 2.30", "1.50 M steps/s", "2.30 M steps/s", "met"]
    assert cells(lines[name[less]])[2:] == ["≤ 30.0", "107.0 M", "30.0 M", "**not met**"]
    assert cells(lines[name["start: inspect"]])[3:] == ["–", "–", ""]
    assert len(lines) == len(before_after.ROWS) + 2


def test_the_page_begins_with_it():
    page = (ROOT / "docs" / "core-performance.md").read_text(encoding="utf-8")
    shown = page[page.index("| | goal") :].split("\n\n")[0].split("\n")
    empty = before_after.table({}, {}, before_after.FIRST).split("\n")
    assert [cells(line)[:3] for line in shown] == [cells(line)[:3] for line in empty]
    assert page.index("| | goal") < page.index("\n## ") and "before_after.py" in page
    assert not [line for line in shown[2:] if "–" in cells(line)[4]], "all of it is measured"

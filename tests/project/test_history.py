# SPDX-License-Identifier: Apache-2.0
"""docs/history.csv: a row a commit and level, in one form, never half written, and as docs/board.md
shows it."""

import csv
import sys

from paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import history


def test_the_history_has_one_form():
    rows = list(csv.DictReader(history.HISTORY.open(newline="")))
    assert rows and list(rows[0]) == history.COLUMNS
    assert len({(r["commit"], r["opt"]) for r in rows}) == len(rows)
    assert {r["opt"] for r in rows} == set(history.LEVELS)
    for row in rows:
        assert all(row[c].isdigit() for c in ("flash", "ram", "stack") if row[c])
        assert all(float(row[c]) > 0 for c in ("m4_minstr", "host_minstr") if row[c])


def test_the_page_shows_it():
    page = history.PAGE.read_text(encoding="utf-8")
    assert history.table() in page and history.shown(page, history.table()) == page
    assert history.shown(page, "| commit | RAM | x\n|---|\n") != page


def test_a_commit_is_measured_again(tmp_path):
    """Its row is replaced where it stands; what is not measured any more stays."""
    path = tmp_path / "history.csv"
    row = dict.fromkeys(history.COLUMNS, "")
    row |= {"commit": "a", "opt": "default", "flash": 1, "host_minstr": 5.5}
    history.append(row, path)
    history.append(row | {"commit": "b"}, path)
    history.append(row | {"opt": "-Os"}, path)
    history.append(row | {"flash": 2, "host_minstr": ""}, path)
    rows = [(r["commit"], r["opt"], r["flash"], r["host_minstr"])
            for r in csv.DictReader(path.open(newline=""))]  # fmt: skip
    assert rows == [("a", "default", "2", "5.5"), ("b", "default", "1", "5.5"),
                    ("a", "-Os", "1", "5.5")]  # fmt: skip
    assert list(tmp_path.iterdir()) == [path]


def test_a_tool_that_is_missing_leaves_its_column_empty(monkeypatch, capsys):
    def missing(*_, **__):
        raise history.MissingDependency("no such tool")

    for name in ("image", "count", "host_instructions"):
        monkeypatch.setattr(history, name, missing)
    row = history.measure("HEAD", ROOT, "default")
    assert row["commit"] and row["flash"] == row["m4_minstr"] == row["host_minstr"] == ""
    assert capsys.readouterr().err.count("no such tool") == 3

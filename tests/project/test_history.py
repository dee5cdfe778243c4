# SPDX-License-Identifier: Apache-2.0
"""docs/history.csv: a row a commit, in one form, and never half written."""

import csv
import sys

from paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import history


def test_the_history_has_one_form():
    rows = list(csv.DictReader(history.HISTORY.open(newline="")))
    assert rows and list(rows[0]) == history.COLUMNS
    assert len({r["commit"] for r in rows}) == len(rows)
    for row in rows:
        assert all(row[c].isdigit() for c in ("flash", "ram", "stack") if row[c])
        assert all(float(row[c]) > 0 for c in ("m4_minstr", "host_minstr") if row[c])


def test_a_commit_is_measured_again(tmp_path):
    path = tmp_path / "history.csv"
    row = dict.fromkeys(history.COLUMNS, "") | {"commit": "a", "flash": 1}
    history.append(row, path)
    history.append(row | {"commit": "b"}, path)
    history.append(row | {"flash": 2}, path)
    rows = list(csv.DictReader(path.open(newline="")))
    assert [(r["commit"], r["flash"]) for r in rows] == [("b", "1"), ("a", "2")]
    assert list(tmp_path.iterdir()) == [path]


def test_a_tool_that_is_missing_leaves_its_column_empty(monkeypatch, capsys):
    def missing(*_, **__):
        raise history.MissingDependency("no such tool")

    for name in ("image", "count", "host_instructions"):
        monkeypatch.setattr(history, name, missing)
    row = history.measure()
    assert row["commit"] and row["flash"] == row["m4_minstr"] == row["host_minstr"] == ""
    assert capsys.readouterr().err.count("no such tool") == 3

# SPDX-License-Identifier: Apache-2.0
"""What is said to a person, and how text from outside reaches a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

Notice = Callable[[str], None]


def notice(line: str) -> None:
    """One line on stderr: something the user should know that stops nothing."""
    print(line, file=sys.stderr, flush=True)


def device_table(rows: Iterable[tuple[str, str, str]]) -> Any:
    """(what --device takes, name, details) for a reader."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("--device", "name", ""):
        t.add_column(column)
    for row in rows:
        t.add_row(*row)
    return t

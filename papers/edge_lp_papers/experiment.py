# SPDX-License-Identifier: Apache-2.0
"""What an experiment is: a name, two sizes, and four functions from numbers to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPRODUCED = "reproduced"
CODE_ONLY = "reproduced with the code's parameters, not with the paper's"
NOT_REPRODUCED = "not reproduced"


@dataclass(frozen=True)
class Row:
    """A number of ours beside the published one; None where nothing was published."""

    what: str
    published: float | str | None
    ours: float | str | None


@dataclass(frozen=True)
class Verdict:
    """state: one of the three above; text: one paragraph, with the reason."""

    state: str
    text: str

    def __post_init__(self) -> None:
        if self.state not in (REPRODUCED, CODE_ONLY, NOT_REPRODUCED):
            raise ValueError(f"{self.state!r} is no state of a verdict")


def _nothing(data: Path | None) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Experiment:
    """A figure or a table of a paper.

    measure(work, **size) -> data: plain numbers, lists and dicts, as JSON holds them. Everything
    that takes time goes through work.map, so that it is shared among the cores and kept.
    compare(data) -> rows; judge(data) -> verdict; draw(figure, data): on an empty matplotlib
    Figure, in the form of the paper's.
    inputs(--data) -> {what: fingerprint} of the files that are read, as far as they can be seen:
    where one changes, the result is made anew (rests.py).
    default and full: the arguments `size`; full is the paper's. times: what the two take on two
    cores, as words: the default measured, the full one reckoned from it."""

    name: str
    paper: str
    figure: str
    title: str
    default: Mapping[str, Any]
    full: Mapping[str, Any]
    times: tuple[str, str]
    measure: Callable[..., dict[str, Any]]
    compare: Callable[[dict[str, Any]], list[Row]]
    judge: Callable[[dict[str, Any]], Verdict]
    draw: Callable[[Any, dict[str, Any]], None]
    inches: tuple[float, float] = (6.4, 4.0)
    inputs: Callable[[Path | None], Mapping[str, str]] = _nothing

    def size(self, full: bool) -> dict[str, Any]:
        return dict(self.full if full else self.default)

# SPDX-License-Identifier: Apache-2.0
"""A look between the calls that a run makes to C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_lp import core, learning

CALLS = ("steps_of", "lp_learn_run")


class Between:
    """Stands in for the compiled library: after(k, *arguments of the k-th call) behind each."""

    def __init__(self, monkeypatch: Any, after: Callable[..., None]) -> None:
        self.lib, self.after, self.calls = core.lib, after, 0
        for module in (core, learning):
            monkeypatch.setattr(module, "lib", self)

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.lib, name)
        if name not in CALLS:
            return function

        def call(*arguments: Any) -> Any:
            status = function(*arguments)
            self.calls += 1
            self.after(self.calls, *arguments)
            return status

        return call

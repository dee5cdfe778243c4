# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions. The CLI prints one line for each and exits with 2."""

from __future__ import annotations


class EdgeLpError(Exception):
    """The user's input, device or environment is at fault. str() is one line: found, expected, what
    to do."""


class ModelError(EdgeLpError):
    """Bytes that are not a model this runtime can run."""


class AudioError(EdgeLpError):
    """A recording or a device that cannot be read."""


class BoardError(EdgeLpError):
    """A serial port that cannot be used, or a board that does not answer as it should."""


class MissingDependency(EdgeLpError):
    """An optional package or a system library that is not installed."""


class OverflowWarning(UserWarning):
    """A run of strict="warn" in which quantities of the core left their ranges, and wrapped."""


class OverflowDetected(EdgeLpError):
    """Strict mode: a quantity of the core left its range. `where` has step, group, index, what,
    value."""

    def __init__(self, message: str, where: dict | None = None):
        super().__init__(message)
        self.where = where or {}

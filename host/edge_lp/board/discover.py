# SPDX-License-Identifier: Apache-2.0
"""Which boards are there: serial ports, and running emulators."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edge_lp.board.session import Board, BoardError, BoardInfo


def links() -> Path:
    """Where running emulators leave links to their ports, one a board: pseudo-terminals are in no
    list of serial ports."""
    return Path(tempfile.gettempdir()) / f"edge-lp-boards-{os.getuid()}"


def _owned(link: Path) -> bool:
    """Does the process that made an emulator's link (NAME-PID-PTY) still run? One that was killed
    could not take its link away, and the port's number is given to others."""
    try:
        os.kill(int(link.name.split("-")[1]), 0)
    except (ProcessLookupError, ValueError, IndexError):
        link.unlink(missing_ok=True)
        return False
    return True


def find_boards(patience: float = 0.7) -> list[tuple[str, BoardInfo]]:
    """Every serial port (and running emulator) on which a board answers hello. Ports in use or
    silent are left out."""
    from serial.tools import list_ports

    found = []
    for port in [p.device for p in list_ports.comports()] + [
        str(p) for p in sorted(links().glob("*")) if _owned(p)
    ]:
        try:
            board = Board(port)
        except BoardError:
            continue
        try:
            found.append((port, board.hello(patience)))
        except BoardError:
            pass
        finally:
            board.close()
    return found

# SPDX-License-Identifier: Apache-2.0
"""Which boards are there: serial ports, and running emulators."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge_lp.board.session import Board, BoardError, BoardInfo
from edge_lp.errors import EdgeLpError
from edge_lp.text import notice


def links() -> Path:
    """Where running emulators leave links to their ports, one a board: pseudo-terminals are in no
    list of serial ports. EdgeLpError: the folder is there and somebody else can write to it, or
    it is not ours."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = runtime if os.access(runtime, os.W_OK | os.X_OK) else tempfile.gettempdir()
    folder = Path(base) / f"edge-lp-boards-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not ours or found.st_mode & 0o022:
        raise EdgeLpError(
            f"{folder} is not a folder of this user's alone, so the links to emulated boards in "
            "it are not used; remove it"
        )
    return folder


def _emulated() -> list[str]:
    try:
        return [str(link) for link in sorted(links().glob("*")) if _owned(link)]
    except (OSError, EdgeLpError) as e:
        notice(f"note: no emulated boards are listed: {e}")
        return []


def _owned(link: Path) -> bool:
    """Does the process that made an emulator's link (NAME-PID-PTY) still run? One that was killed
    could not take its link away, and the port's number is given to others; as is the process's:
    one that we may not signal is not ours."""
    try:
        os.kill(int(link.name.split("-")[1]), 0)
    except (OSError, ValueError, IndexError, OverflowError):
        with contextlib.suppress(OSError):
            link.unlink()
        return False
    return True


@dataclass(frozen=True)
class Port:
    """device: the port's path; name: what the system knows of it. An emulator's is its link."""

    device: str
    name: str


def ports() -> list[Port]:
    """Serial ports and running emulators; none is opened."""
    from serial.tools import list_ports

    return [
        *(Port(p.device, p.description or "") for p in sorted(list_ports.comports())),
        *(Port(link, "emulated board") for link in _emulated()),
    ]


def find_boards(patience: float = 0.7) -> list[tuple[str, BoardInfo]]:
    """Every serial port (and running emulator) on which a board answers hello: each is opened,
    which resets some boards. Ports in use or silent are left out."""
    found = []
    for port in ports():
        try:
            board = Board(port.device)
        except BoardError:
            continue
        try:
            found.append((port.device, board.hello(patience)))
        except BoardError:
            pass
        finally:
            board.close()
    return found

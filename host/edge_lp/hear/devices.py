# SPDX-License-Identifier: Apache-2.0
"""What --device can take on this machine: boards, serial ports and microphones."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lp.audio import microphone
from edge_lp.board import discover


@dataclass(frozen=True)
class Device:
    """device: what --device takes. kind: "board" (one answered), "port" (not asked) or
    "microphone". details: what more is known of it, for a reader."""

    device: str
    kind: str
    name: str
    details: str

    def row(self) -> tuple[str, str, str]:
        return self.device, self.name, self.details


def lines(probe: bool) -> list[Device]:
    """Boards that answer on a serial port, or, without probing, the ports, none of them opened."""
    if not probe:
        return [Device(f"serial:{p.device}", "port", p.name, "not asked") for p in discover.ports()]
    return [
        Device(
            f"serial:{port}",
            "board",
            info.name,
            f"edge-lp {info.version}, model {info.model_id:08x}",
        )
        for port, info in discover.find_boards()
    ]


def microphones() -> list[Device]:
    """MissingDependency: what microphones need is not installed."""
    return [
        Device(
            f"mic:{m.index}",
            "microphone",
            m.name,
            f"{m.rate} Hz{', default' if m.default else ''}",
        )
        for m in microphone.microphones()
    ]

# SPDX-License-Identifier: Apache-2.0
"""Loihi-1 networks on the C core: a typed description, the chip's limits, golden-case replay, a
mapper and an energy estimate."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_lp.loihi.description import Connection, Group, Inputs, Noise
    from edge_lp.loihi.keras_model import from_keras
    from edge_lp.loihi.limits import LimitError
    from edge_lp.loihi.network import Network
    from edge_lp.loihi.nir import from_nir
    from edge_lp.loihi.recording import Probe
    from edge_lp.loihi.rules import Rule
    from edge_lp.loihi.simulation import Result, Simulation

__all__ = [
    "Connection",
    "Group",
    "Inputs",
    "LimitError",
    "Network",
    "Noise",
    "Probe",
    "Result",
    "Rule",
    "Simulation",
    "from_keras",
    "from_nir",
]
# Loaded when asked for: `edge-lp inspect` needs the limits only.
_HOMES = {
    "description": ("Connection", "Group", "Inputs", "Noise"),
    "keras_model": ("from_keras",),
    "limits": ("LimitError",),
    "network": ("Network",),
    "nir": ("from_nir",),
    "recording": ("Probe",),
    "rules": ("Rule",),
    "simulation": ("Result", "Simulation"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

# SPDX-License-Identifier: Apache-2.0
"""Loihi-1 networks on the C core: a typed description, the chip's limits, golden-case replay, a
mapper and an energy estimate."""

from edge_lp.loihi.description import Connection, Group, Inputs
from edge_lp.loihi.limits import LimitError
from edge_lp.loihi.network import Network
from edge_lp.loihi.recording import Probe
from edge_lp.loihi.simulation import Result, Simulation

__all__ = [
    "Connection",
    "Group",
    "Inputs",
    "LimitError",
    "Network",
    "Probe",
    "Result",
    "Simulation",
]

# SPDX-License-Identifier: Apache-2.0
"""An estimate of the energy that Loihi 1 would spend, from what the core counted.

Figures: Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning", IEEE Micro
38(1), 2018, table 2 (0.75 V, pre-silicon SDF and SPICE): dynamic energy only. Leakage, the spikes'
way over the mesh, host input and barrier synchronisation are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_lp.core import Counts

SYNOP = 23.6e-12  # joules per synaptic operation
ACTIVE_UPDATE = 81e-12  # per compartment update with something to do
INACTIVE_UPDATE = 52e-12


@dataclass(frozen=True)
class Energy:
    """Joules."""

    synaptic: float
    active: float
    inactive: float

    @property
    def total(self) -> float:
        return self.synaptic + self.active + self.inactive

    def __str__(self) -> str:
        part = ", ".join(
            f"{100 * x / (self.total or 1):.0f} % {name}"
            for name, x in (
                ("synapses", self.synaptic),
                ("active updates", self.active),
                ("inactive updates", self.inactive),
            )
        )
        return (
            f"{1e6 * self.total:.3g} uJ ({part}; estimate with the figures of Davies et al. 2018)"
        )


def estimate(counts: Counts) -> Energy:
    """counts of a core that ran with active updates counted (runtime.COUNT); without, every update
    is taken as inactive."""
    return Energy(
        SYNOP * counts.synops,
        ACTIVE_UPDATE * counts.active,
        INACTIVE_UPDATE * (counts.updates - counts.active),
    )

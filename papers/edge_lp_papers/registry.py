# SPDX-License-Identifier: Apache-2.0
"""All experiments, in the order in which they are listed. An experiment is a module of
`experiments` with an EXPERIMENT in it; its name here makes it known."""

from __future__ import annotations

from importlib import import_module

from edge_lp.errors import EdgeLpError

from edge_lp_papers.experiment import Experiment

MODULES: tuple[str, ...] = (
    "sdr_frequency",
    "sdr_amplitude",
    "jitter",
    "mapping",
    "mapping_51",
    "mapping_500",
    "subsampling",
    "commands_mapping",
    "adding",
    "copying",
    "long_memory",
    "alpha",
    "ptb",
    "loihi_commands",
    "loihi_digits",
)


def experiments() -> dict[str, Experiment]:
    """name -> experiment."""
    found = (import_module(f"edge_lp_papers.experiments.{m}").EXPERIMENT for m in MODULES)
    return {e.name: e for e in found}


def chosen(names: tuple[str, ...]) -> list[Experiment]:
    """Those of these names; all of them for "all". EdgeLpError: there is no such experiment."""
    known = experiments()
    for name in names:
        if name not in known and name != "all":
            raise EdgeLpError(f"no experiment {name!r}; there are {', '.join(known)}, and all")
    return [e for e in known.values() if e.name in names or "all" in names]

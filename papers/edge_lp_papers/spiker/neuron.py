# SPDX-License-Identifier: Apache-2.0
"""The parameters of P1's neurons, and their mismatch in both forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

ANN, V1, V2 = 0, 1, 2  # spiker.h
U_T = 1.38064852e-23 * 300 / 1.60217662e-19  # k T / q at 300 K, in V


def time_constant(i_tau: float) -> float:
    """Of the code's filters: 2 pF and kappa = 0.7, with a leak of i_tau A."""
    return 2e-12 * U_T / (0.7 * i_tau)


SLOW, FAST = time_constant(10e-12), time_constant(50e-12)  # 7.386 and 1.4773 ms


@dataclass(frozen=True)
class Neuron:
    """Seconds and A; each a number, (units,), or, where there is noise, (steps, units). The
    defaults are those of P1's code (the paper
    rounds tau_mem to 7 ms and tau_w to 1.4 ms).

    kind V1: the neuron that P1 describes; V2: the one that made its Fig. 2, below; ANN: the
    low-pass unit of eq. 6 that both stand for, with tau_w and the bound i_in."""

    tau_in: Any = FAST
    tau_w: Any = FAST
    tau_mem: Any = SLOW
    gain: Any = 5000.0
    delta: Any = 0.1e-9
    i_in: Any = 40e-9
    step: float = 1e-6
    kind: int = V1


def v2() -> Neuron:
    """Fitted to P1's Fig. 2, and described nowhere: all filters 7.386 ms, a spike adds 2 pA to s
    in a step without leak, no rectifier, no reset."""
    return Neuron(SLOW, SLOW, SLOW, gain=1e4, delta=1e-12, i_in=2e-12, kind=V2)


PAPER = ("tau_in", "tau_w", "tau_mem", "gain", "delta", "i_in")
CODE = ("delta", "i_in")


Shape = int | tuple[int, int]  # units: mismatch; (steps, units): noise, drawn anew in each step


def one_sided(
    neuron: Neuron, c_v: float, units: Shape, rng: np.random.Generator, names: Sequence[str] = CODE
) -> Neuron:
    """Mismatch, or noise, as P1's code draws it: p (1 + c_v U[0, 1)), which only ever adds."""
    return _drawn(neuron, names, lambda: 1 + c_v * rng.random(units))


def gaussian(
    neuron: Neuron, c_v: float, units: Shape, rng: np.random.Generator, names: Sequence[str] = PAPER
) -> Neuron:
    """Mismatch, or noise, as P1's eq. 8 has it: p N(1, c_v), not below a twentieth of p, for none
    of these parameters can be negative."""
    return _drawn(neuron, names, lambda: np.maximum(1 + c_v * rng.standard_normal(units), 0.05))


def _drawn(neuron: Neuron, names: Sequence[str], factor: Any) -> Neuron:
    unknown = set(names) - {f.name for f in fields(Neuron) if f.name in PAPER}
    if unknown:
        raise ValueError(f"no such parameters of a neuron: {', '.join(sorted(unknown))}")
    return replace(neuron, **{name: getattr(neuron, name) * factor() for name in names})


def retention(tau: Any, step: float) -> Any:
    """e^(-T/tau) of a first-order filter: x <- keep x + (1 - keep) input."""
    return np.exp(-step / np.asarray(tau, float))


def parameters(neuron: Neuron, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Of the filters, by their names in spiker.h: each (units,), or (steps, units) where it has
    noise. shape: (steps, units). ValueError: neurons of another shape."""
    given = {
        "keep_in": retention(neuron.tau_in, neuron.step),
        "keep_s": retention(neuron.tau_w, neuron.step),
        "keep_e": retention(neuron.tau_mem, neuron.step),
        "gain": neuron.gain,
        "threshold": neuron.delta,
        "i_in": neuron.i_in,
    }
    full = {name: np.asarray(a, float) for name, a in given.items()}
    return {
        name: np.ascontiguousarray(np.broadcast_to(a, shape if a.ndim == 2 else shape[1:]))
        for name, a in full.items()
    }


def jittered(times: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Spike times in seconds, each moved by N(0, sigma), as a receiver hears them."""
    return times + sigma * rng.standard_normal(times.shape)

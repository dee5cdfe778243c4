# SPDX-License-Identifier: Apache-2.0
"""The parts of a network: input axons, groups of compartments, connections. Network makes and
checks them; they do not change afterwards, and their arrays are read-only."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import uuid4

import numpy as np

from edge_lp import core
from edge_lp.loihi import limits
from edge_lp.loihi.rules import Rule
from edge_lp.loihi.synapses import Table

Numbers = Any  # an integer, or an array of one a compartment
SIGN_MODES = {"mixed": 1, "excitatory": 2, "inhibitory": 3}
MANTISSAS = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}


@dataclass(frozen=True, eq=False)
class Part:
    """Known by a key of its own, which a copy keeps: what another process gives back fits here."""

    key: str = field(default_factory=lambda: uuid4().hex, init=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def told(x: object) -> str:
    """For a message: a part's name, or whatever was given in its place."""
    return str(x) if isinstance(x, Part) else repr(x)


@dataclass(frozen=True, eq=False)
class Inputs(Part):
    """The input axons: spikes from outside."""

    n: int
    name: str = "inputs"


@dataclass(frozen=True)
class Noise:
    """(x + 64 offset) 2^(exponent - 7) is added in each step to each compartment's u or v (`on`),
    x from -128 to 127, all alike; rounded down where the exponent is below 7.

    offset 0..7, exponent 0..20: one of each a core. seed 0..2^32 - 1. The formula is the chip's, as
    NxSDK's users and nengo-loihi have it: (lfsr() - 2^7 + mant 2^6) 2^(exp - 7). The chip's
    generator is not public, so x is ours: a hash of seed, group, trial, step and compartment."""

    exponent: int
    offset: int = 0
    on: str = "v"
    seed: int = 0

    def __post_init__(self) -> None:
        limits.check_number("noise: exponent", self.exponent, limits.NOISE_EXPONENT)
        limits.check_number("noise: offset", self.offset, limits.NOISE_OFFSET)
        limits.check_number("noise: seed", self.seed, (0, 2**32 - 1))
        if self.on not in ("u", "v"):
            raise limits.LimitError(f"noise is on {self.on!r}, expected 'u' or 'v'")


@dataclass(frozen=True, eq=False)
class Group(Part):
    """n compartments. Each of the numbers is shared, or an array (n,) with one a compartment.

    decay_u, decay_v: effective decays 0..4096, x <- x (4096 - decay) / 4096. threshold: mantissa
    0..131071, a spike where v > threshold << 6. bias: mantissa -4096..4095, times 2^bias_exponent
    (0..7). refractory: 1..64 steps, 1 is none. v_min, v_max: as the chip's limit registers give
    them, 1 - 2^k and 2^(9 + 2 k) - 1. join: a group of the same size whose new v is added to this
    one's input. silent: never spikes. noise: a Noise. initial_u, initial_v: at step 0, and
    after a reset; 24 bits of u, v within v_min and v_max.
    """

    n: int
    decay_u: Numbers
    decay_v: Numbers
    threshold: Numbers = limits.THRESHOLD[1]
    bias: Numbers = 0
    bias_exponent: Numbers = 0
    refractory: Numbers = 1
    v_min: int = limits.V_FLOORS[-1]
    v_max: int = limits.V_CEILINGS[-1]
    join: Group | None = None
    silent: bool = False
    initial_u: Numbers = 0
    initial_v: Numbers = 0
    noise: Noise | None = None
    name: str = "group"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Connection(Part):
    """Synapses from units of src to units of dst, all of one format. The matrices below are made
    when they are asked for; table has the synapses alone, tags (k,) int16 theirs where they
    learn."""

    src: Inputs | Group
    dst: Group
    bits: int
    sign_mode: str
    exponent: int
    table: Table
    learning: Rule | None = None
    tags: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16), repr=False)

    @property
    def mantissas(self) -> np.ndarray:
        """(src.n, dst.n) int64; 0 is no synapse."""
        return self.table.matrix(self.table.mantissas.astype(np.int64))

    @property
    def weights(self) -> np.ndarray:
        """(src.n, dst.n) int16, accumulator units."""
        return self.table.matrix(self.weights_of(self.table.mantissas))

    @property
    def delays(self) -> int | np.ndarray:
        """Shared, or (src.n, dst.n) int64."""
        d = self.table.delays
        return self.table.matrix(d.astype(np.int64)) if isinstance(d, np.ndarray) else d

    def weights_of(self, mantissas: np.ndarray) -> np.ndarray:
        """The weights, in accumulator units, that mantissas have in this connection's format."""
        least = MANTISSAS[self.sign_mode][0]
        return _weights(self.bits, self.sign_mode, self.exponent)[mantissas.astype(int) - least]

    def __str__(self) -> str:
        return f"connection {self.src.name} -> {self.dst.name}"


@lru_cache
def _weights(bits: int, sign_mode: str, exponent: int) -> np.ndarray:
    """Of every mantissa that the sign mode has, from the least."""
    lo, hi = MANTISSAS[sign_mode]
    mode = SIGN_MODES[sign_mode]
    return np.array([core.weight(m, bits, mode, exponent) for m in range(lo, hi + 1)], np.int16)

# SPDX-License-Identifier: Apache-2.0
"""Networks in Loihi-1 terms: describe, check against the chip, run on the C core.

    net = Network(inputs=25)
    a = net.group(128, decay_u=2048, decay_v=410, threshold=894)
    net.connect(net.inputs, a, mantissas, bits=3)            # (25, 128) integers; 0 is no synapse
    net.connect(a, a, recurrent, bits=3, exponent=-2, delay=1)
    spikes = net.run(1000, inputs=stimulus).spikes[a]        # (1000, 128)

All numbers are the chip's: mantissas, exponents and effective decays (nengo-loihi's decay_u is one
less). SPEC.md, "Core", says what a step does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from edge_lp.loihi import limits
from edge_lp.loihi.batch import run_batch
from edge_lp.loihi.description import MANTISSAS, Connection, Group, Inputs, Noise, Numbers
from edge_lp.loihi.limits import (
    LimitError,
    check_at_most,
    check_each,
    check_flag,
    check_number,
)
from edge_lp.loihi.plasticity import tags_of
from edge_lp.loihi.recording import Probe
from edge_lp.loihi.rules import Rule
from edge_lp.loihi.simulation import Result, Simulation
from edge_lp.loihi.synapses import read

REGISTERS = {  # of a group: one number, or one a compartment
    "decay_u": limits.DECAY,
    "decay_v": limits.DECAY,
    "threshold": limits.THRESHOLD,
    "bias": limits.BIAS_MANTISSA,
    "bias_exponent": limits.BIAS_EXPONENT,
    "refractory": limits.REFRACTORY,
}


class Network:
    """A description that is checked as it grows. cores: as many cores' resources as it may take
    together; None: an ideal core without end, where only the registers limit (per-compartment
    decays for mismatch studies, say).

    >>> import numpy as np
    >>> net = Network(inputs=1)
    >>> neuron = net.group(1, decay_u=4096, decay_v=0, threshold=100)
    >>> net.connect(net.inputs, neuron, np.array([[64]])) and None
    >>> result = net.run(5, inputs=np.ones((5, 1), bool), record=("spikes", "v"))
    >>> result.v[neuron][:, 0].tolist()  # 64 * 64 a spike, one step after it; 0 where it spikes
    [0, 4096, 0, 4096, 0]
    >>> result.spikes[neuron][:, 0].tolist()
    [0, 0, 1, 0, 1]
    """

    def __init__(self, inputs: int = 0, cores: int | None = 1):
        if cores is not None:
            cores = check_number("number of cores", cores, (1, limits.CORES))
        self.inputs = Inputs(check_number("number of input axons", inputs, (0, 65536)))
        self.cores = cores
        self.groups: list[Group] = []
        self.connections: list[Connection] = []
        self._parts: set[Inputs | Group] = {self.inputs}

    def _mine(self, part: Any) -> bool:
        return isinstance(part, (Inputs, Group)) and part in self._parts

    def group(self, n: int, decay_u: Numbers, decay_v: Numbers, **parameters: Any) -> Group:
        """Adds compartments; see Group for the parameters. LimitError where a register cannot hold
        a number."""
        g = Group(
            n=n,
            decay_u=decay_u,
            decay_v=decay_v,
            **{"name": f"group {len(self.groups)}", **parameters},
        )
        if not isinstance(g.name, str):
            raise LimitError(f"a group's name is {g.name!r}, expected text")
        size = check_number(f"{g.name}: number of compartments", g.n, (1, 65536))
        checked: dict[str, Any] = {"n": size, "silent": check_flag(f"{g.name}: silent", g.silent)}
        for what, range_ in REGISTERS.items():
            checked[what] = check_each(f"{g.name}: {what}", getattr(g, what), range_, size)
        for what, allowed in (("v_min", limits.V_FLOORS), ("v_max", limits.V_CEILINGS)):
            value = check_number(f"{g.name}: {what}", getattr(g, what), (-(2**24), 2**24))
            if value not in allowed:
                raise LimitError(
                    f"{g.name}: {what} is {value}, its register can give "
                    f"{', '.join(map(str, allowed))}"
                )
            checked[what] = value
        for what, range_ in (
            ("initial_u", limits.U),
            ("initial_v", (checked["v_min"], checked["v_max"])),
        ):
            checked[what] = check_each(f"{g.name}: {what}", getattr(g, what), range_, size)
        if g.noise is not None and not isinstance(g.noise, Noise):
            raise LimitError(f"{g.name}: noise is {g.noise!r}, expected a Noise")
        if g.join is not None and (not self._mine(g.join) or g.join.n != size):
            found = f"{g.join.n} compartments" if isinstance(g.join, Group) else repr(g.join)
            raise LimitError(
                f"{g.name}: join has {found}, expected an earlier group of this network with {size}"
            )
        g = replace(g, **checked)
        self.groups.append(g)
        self._parts.add(g)
        return g

    def connect(
        self,
        src: Inputs | Group,
        dst: Group,
        mantissas: Any,
        *,
        bits: int = 8,
        sign_mode: str = "mixed",
        exponent: int = 0,
        delay: Numbers = 0,
        learning: Rule | None = None,
        tags: Any = 0,
    ) -> Connection:
        """Adds synapses of weight mantissa * 2^exponent.

        mantissas: integers, 0 is no synapse; low bits that `bits` and sign mode cannot hold are
        dropped (SPEC.md, "Weights"). A matrix (src.n, dst.n): from row to column; a sparse matrix
        of that shape, SciPy's or any with row, col and data or indptr, indices and data; or a tuple
        of index lists (sources, targets, mantissas), mantissas (k,) or one number. No pair twice.
        delay: 0..62 steps, one number or one a synapse: (src.n, dst.n) beside a matrix, else (k,)
        in the order of the synapses given.

        learning: a Rule by which weights change. Then a mantissa of 0 is a synapse too, whose
        weight is 0: all pairs of a matrix. tags: -256..255, one number or one a synapse, as
        mantissas."""
        if not self._mine(src) or not self._mine(dst) or dst == self.inputs:
            raise LimitError(
                f"{getattr(src, 'name', src)} -> {getattr(dst, 'name', dst)}: expected groups of "
                "this network"
            )
        where = f"{src.name} -> {dst.name}"
        if not isinstance(sign_mode, str) or sign_mode not in MANTISSAS:
            raise LimitError(
                f"{where}: sign mode is {sign_mode!r}, expected one of {', '.join(MANTISSAS)}"
            )
        bits = check_number(f"{where}: weight bits", bits, (1, 8))
        if bits not in limits.WEIGHT_BITS:
            raise LimitError(
                f"{where}: weights of {bits} bits, the chip stores "
                f"{', '.join(map(str, limits.WEIGHT_BITS))}"
            )
        exponent = check_number(f"{where}: weight exponent", exponent, limits.WEIGHT_EXPONENT)
        shape = (src.n, dst.n)
        if learning is not None and not isinstance(learning, Rule):
            raise LimitError(f"{where}: learning is {learning!r}, expected a Rule")
        learns = learning is not None
        if not learns and np.any(tags != 0):
            raise LimitError(f"{where}: tags without learning=, expected a Rule that has them")
        table = read(where, mantissas, delay, shape, MANTISSAS[sign_mode], sign_mode, learns)
        if isinstance(src, Group) and src.silent and len(table.mantissas):
            raise LimitError(f"{where}: a silent group never spikes, expected one that does")
        c = Connection(
            src=src,
            dst=dst,
            bits=bits,
            sign_mode=sign_mode,
            exponent=exponent,
            table=table,
            learning=learning,
            tags=tags_of(where, tags, table),
        )
        self.connections.append(c)
        return c

    # ---------------------------------------------------------------------- the chip's resources --

    def resources(self) -> dict[str, tuple[int, int]]:
        """name -> (used, what one core has). Each connection takes an axon for every source that
        has synapses in it."""
        cs = list(self.connections)  # first, as another thread may be adding: groups are there
        gs = list(self.groups)
        axons = [int((c.table.fan_out > 0).sum()) for c in cs]
        delayed = [bool(np.any(c.table.delays)) for c in cs]
        longest = dict.fromkeys(gs, 0)
        for c in cs:
            longest[c.dst] = max(longest[c.dst], int(np.max(c.table.delays, initial=0)))
        words = [
            limits.synapse_words(c.table.fan_out, c.dst.n, c.bits, d) for c, d in zip(cs, delayed)
        ]
        formats = {
            (c.bits, c.sign_mode, c.exponent, d, coding)
            for c, d, (_, coding) in zip(cs, delayed, words)
        }
        profiles = {
            p
            for g in gs
            for p in zip(
                *(
                    np.broadcast_to(x, g.n).tolist()
                    for x in (g.decay_u, g.decay_v, g.refractory, g.noise is not None)
                )
            )
        }
        thresholds = {t for g in gs if not g.silent for t in np.unique(g.threshold).tolist()}
        return {
            "compartments": (sum(g.n for g in gs), limits.COMPARTMENTS),
            "input axons": (sum(axons), limits.INPUT_AXONS),
            "output axons": (
                sum(n for n, c in zip(axons, cs) if c.src != self.inputs),
                limits.OUTPUT_AXONS,
            ),
            "words of synaptic memory": (sum(w for w, _ in words), limits.SYNAPSE_WORDS),
            "delay accumulators": (
                sum(g.n * limits.delay_slots(longest[g]) for g in gs),
                limits.ACCUMULATORS,
            ),
            "compartment profiles": (len(profiles), limits.PROFILES),
            "threshold profiles": (len(thresholds), limits.THRESHOLDS),
            "synapse formats": (len(formats), limits.FORMATS),
        }

    def check(self) -> None:
        """LimitError if the network needs more than `cores` cores have."""
        if self.cores is None or not self.groups:
            return
        of = f"of {self.cores} core" + "s" * (self.cores > 1)
        for what, (used, per_core) in self.resources().items():
            check_at_most(f"{what} {of}", used, per_core * self.cores)
        for what in ("decay_u", "decay_v"):
            values = np.concatenate([np.ravel(getattr(g, what)) for g in self.groups])
            if self.cores == 1 and values.min() == 0 and values.max() == 4096:
                raise LimitError(
                    f"{what} is 0 and 4096 on one core, its 12-bit registers reach 0 to 4095 or, "
                    "offset by 1 for all, 1 to 4096"
                )
        for what in ("v_min", "v_max"):
            check_at_most(
                f"different values of {what} {of}",
                len({getattr(g, what) for g in self.groups}),
                self.cores,
            )

        noises = {(g.noise.exponent, g.noise.offset, g.noise.on) for g in self.groups if g.noise}
        check_at_most(f"different noises {of}", len(noises), self.cores)

    # ----------------------------------------------------------------------------------- running --

    def build(self, strict: bool | str = False, count_active: bool = False) -> Simulation:
        """A simulation at step 0. strict: any overflow raises OverflowDetected; "warn": numbers
        wrap as they do without, and each run with an overflow ends with an OverflowWarning.
        count_active: counts.active is filled (one more pass a step)."""
        connections = list(self.connections)  # first: their groups are there
        self.check()
        return Simulation(self.inputs, self.groups, connections, strict, count_active)

    def run(
        self,
        steps: int,
        inputs: Any = None,
        record: Iterable[str | Probe] = ("spikes",),
        strict: bool | str = False,
        reward: Any = None,
    ) -> Result:
        """build() and run() in one, from step 0."""
        return self.build(strict).run(steps, inputs, record, reward)

    def run_batch(
        self,
        inputs: np.ndarray,
        record: Iterable[str] = ("spikes",),
        strict: bool | str = False,
        reward: Any = None,
    ) -> Result:
        """run() of each sample from step 0, side by side on the machine's cores. inputs: (samples,
        steps, axons), 0 or 1; record: any of "spikes", "u", "v", which come as (samples, steps, n).
        reward: (samples, steps), or None. The same numbers as one by one, each after a reset; the
        noise of sample i is that of reset(trial=i). counts are of all samples together."""
        return run_batch(lambda: self.build(strict), inputs, record, reward)

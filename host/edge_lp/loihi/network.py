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
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_lp import core
from edge_lp.loihi import limits
from edge_lp.loihi.limits import LimitError, check_at_most, check_range

Numbers = Any  # an integer, or an array of one a compartment
SIGN_MODES = {"mixed": 1, "excitatory": 2, "inhibitory": 3}


@dataclass(eq=False)
class Inputs:
    """The input axons: spikes from outside."""

    n: int
    name: str = "inputs"


@dataclass(eq=False)
class Group:
    """n compartments. Each of the numbers is shared, or an array (n,) with one a compartment.

    decay_u, decay_v: effective decays 0..4096, x <- x (4096 - decay) / 4096. threshold: mantissa
    0..131071, a spike where v > threshold << 6. bias: mantissa -4096..4095, times 2^bias_exponent
    (0..7). refractory: 1..64 steps, 1 is none. v_min, v_max: as the chip's limit registers give
    them, 1 - 2^k and 2^(9 + 2 k) - 1. join: a group of the same size whose new v is added to this
    one's input. silent: never spikes.
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
    name: str = "group"


@dataclass(eq=False)
class Connection:
    """Synapses from every unit of src to every unit of dst; a mantissa of 0 is no synapse."""

    src: Inputs | Group
    dst: Group
    mantissas: np.ndarray  # (src.n, dst.n)
    bits: int
    sign_mode: str
    exponent: int
    delays: np.ndarray | int  # shared, or (src.n, dst.n)
    weights: np.ndarray = field(init=False)  # (src.n, dst.n) int16, accumulator units

    def __post_init__(self) -> None:
        values, places = np.unique(self.mantissas, return_inverse=True)
        table = np.array(
            [
                core.weight(int(m), self.bits, SIGN_MODES[self.sign_mode], self.exponent)
                for m in values
            ],
            np.int16,
        )
        self.weights = table[places].reshape(self.mantissas.shape)

    def __str__(self) -> str:
        return f"connection {self.src.name} -> {self.dst.name}"


@dataclass(frozen=True)
class Result:
    """What was recorded, by group: arrays (steps, n); spikes uint8, u and v int32. counts: what
    this run cost."""

    spikes: dict[Group, np.ndarray]
    u: dict[Group, np.ndarray]
    v: dict[Group, np.ndarray]
    counts: core.Counts


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
        check_range("number of input axons", inputs, (0, 65536))
        if cores is not None:
            check_range("number of cores", cores, (1, limits.CORES))
        self.inputs, self.cores = Inputs(inputs), cores
        self.groups: list[Group] = []
        self.connections: list[Connection] = []

    def group(self, n: int, decay_u: Numbers, decay_v: Numbers, **parameters: Any) -> Group:
        """Adds compartments; see Group for the parameters. LimitError where a register cannot hold
        a number."""
        g = Group(n, decay_u, decay_v, **{"name": f"group {len(self.groups)}", **parameters})
        check_range(f"{g.name}: number of compartments", g.n, (1, 65536))
        for what, range_ in (
            ("decay_u", limits.DECAY),
            ("decay_v", limits.DECAY),
            ("threshold", limits.THRESHOLD),
            ("bias", limits.BIAS_MANTISSA),
            ("bias_exponent", limits.BIAS_EXPONENT),
            ("refractory", limits.REFRACTORY),
        ):
            value = check_range(f"{g.name}: {what}", getattr(g, what), range_)
            if value.shape not in ((), (n,)):
                raise LimitError(
                    f"{g.name}: {what} has shape {value.shape}, expected one number or ({n},)"
                )
        for what, allowed in (("v_min", limits.V_FLOORS), ("v_max", limits.V_CEILINGS)):
            if getattr(g, what) not in allowed:
                raise LimitError(
                    f"{g.name}: {what} is {getattr(g, what)}, its register can give "
                    f"{', '.join(map(str, allowed))}"
                )
        if g.join is not None and (g.join not in self.groups or g.join.n != g.n):
            raise LimitError(
                f"{g.name}: join has {g.join.n} compartments, expected an earlier group of this "
                f"network with {g.n}"
            )
        self.groups.append(g)
        return g

    def connect(
        self,
        src: Inputs | Group,
        dst: Group,
        mantissas: np.ndarray,
        *,
        bits: int = 8,
        sign_mode: str = "mixed",
        exponent: int = 0,
        delay: Numbers = 0,
    ) -> Connection:
        """Adds synapses of weight mantissa * 2^exponent. mantissas: (src.n, dst.n) integers, low
        bits that `bits` and sign mode cannot hold are dropped (SPEC.md, "Weights"); delay: 0..62
        steps, one number or one a synapse."""
        where = f"{src.name} -> {dst.name}"
        if (src is not self.inputs and src not in self.groups) or dst not in self.groups:
            raise LimitError(f"{where}: expected groups of this network")
        if sign_mode not in SIGN_MODES:
            raise LimitError(
                f"{where}: sign mode is {sign_mode!r}, expected one of {', '.join(SIGN_MODES)}"
            )
        if bits not in limits.WEIGHT_BITS:
            raise LimitError(
                f"{where}: weights of {bits} bits, the chip stores "
                f"{', '.join(map(str, limits.WEIGHT_BITS))}"
            )
        check_range(f"{where}: weight exponent", exponent, limits.WEIGHT_EXPONENT)
        lo, hi = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}[sign_mode]
        m = check_range(f"{where}: {sign_mode} weight mantissa", mantissas, (lo, hi))
        d = check_range(f"{where}: delay", delay, limits.DELAY)
        if m.shape != (src.n, dst.n):
            raise LimitError(f"{where}: mantissas have shape {m.shape}, expected {(src.n, dst.n)}")
        if d.shape not in ((), m.shape):
            raise LimitError(
                f"{where}: delays have shape {d.shape}, expected one number or {m.shape}"
            )
        if isinstance(src, Group) and src.silent and m.any():
            raise LimitError(f"{where}: a silent group never spikes, expected one that does")
        c = Connection(src, dst, m, int(bits), sign_mode, int(exponent), d if d.shape else int(d))
        self.connections.append(c)
        return c

    # ---------------------------------------------------------------------- the chip's resources --

    def resources(self) -> dict[str, tuple[int, int]]:
        """name -> (used, what one core has). Each connection takes an axon for every source that
        has synapses in it."""
        gs, cs = self.groups, self.connections
        fan_outs = [(c.mantissas != 0).sum(1) for c in cs]
        axons = [int((fan > 0).sum()) for fan in fan_outs]
        longest = {g: max((int(np.max(c.delays)) for c in cs if c.dst is g), default=0) for g in gs}
        words = [
            limits.synapse_words(fan, c.dst.n, c.bits, bool(np.any(c.delays)))
            for c, fan in zip(cs, fan_outs)
        ]
        formats = {
            (c.bits, c.sign_mode, c.exponent, bool(np.any(c.delays)), coding)
            for c, (_, coding) in zip(cs, words)
        }
        profiles = {
            p
            for g in gs
            for p in zip(
                *(np.broadcast_to(x, g.n).tolist() for x in (g.decay_u, g.decay_v, g.refractory))
            )
        }
        thresholds = {t for g in gs if not g.silent for t in np.unique(g.threshold).tolist()}
        return {
            "compartments": (sum(g.n for g in gs), limits.COMPARTMENTS),
            "input axons": (sum(axons), limits.INPUT_AXONS),
            "output axons": (
                sum(n for n, c in zip(axons, cs) if c.src is not self.inputs),
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

    # ----------------------------------------------------------------------------------- running --

    def build(self, strict: bool = False, count_active: bool = False) -> Simulation:
        """A simulation at step 0. strict: any overflow raises OverflowDetected. count_active:
        counts.active is filled (one more pass a step)."""
        self.check()
        return Simulation(self, strict, count_active)

    def run(
        self,
        steps: int,
        inputs: np.ndarray | None = None,
        record: Iterable[str] = ("spikes",),
        strict: bool = False,
    ) -> Result:
        """build() and run() in one, from step 0."""
        return self.build(strict).run(steps, inputs, record)


class Simulation:
    """A network's state on the C core. Further changes of the description do not reach it."""

    def __init__(self, network: Network, strict: bool = False, count_active: bool = False):
        if not network.groups:
            raise LimitError("0 groups in the network, expected at least 1")
        self.groups, self.inputs = list(network.groups), network.inputs
        index: dict[Any, int | None] = {
            network.inputs: None,
            **{g: i for i, g in enumerate(self.groups)},
        }
        groups = [
            core.Group(
                g.n,
                _each(g.decay_u),
                _each(g.decay_v),
                _each(np.asarray(g.threshold) << 6),
                bias_of(g),
                _each(g.refractory),
                g.v_min,
                g.v_max,
                None if g.join is None else index[g.join],
                g.silent,
            )
            for g in self.groups
        ]
        synapses = [s for c in network.connections for s in lower(c, index)]
        self._core = core.Core(
            groups,
            synapses,
            network.inputs.n,
            (core.STRICT if strict else 0) | (core.COUNT if count_active else 0),
        )

    def run(
        self, steps: int, inputs: np.ndarray | None = None, record: Iterable[str] = ("spikes",)
    ) -> Result:
        """Goes on for `steps` steps. inputs: (steps, axons), not 0 where an axon spikes; it acts
        one step (and the delay) later. record: any of "spikes", "u", "v". OverflowDetected (with
        .where) in strict mode."""
        kinds = list(record)
        if not set(kinds) <= {"spikes", "u", "v"}:
            raise LimitError(f"record is {kinds}, expected any of spikes, u, v")
        starts = axons = None
        if inputs is not None:
            inputs = np.asarray(inputs)
            if inputs.shape != (steps, self.inputs.n):
                raise LimitError(
                    f"inputs have shape {inputs.shape}, expected {(steps, self.inputs.n)}: steps, "
                    "input axons"
                )
            t, axons = np.nonzero(inputs)
            starts = np.searchsorted(t, np.arange(steps + 1))
        probes = [(i, kind) for kind in kinds for i in range(len(self.groups))]
        before = self.counts
        rows = self._core.run(steps, starts, axons, probes)
        out: dict[str, dict[Group, np.ndarray]] = {"spikes": {}, "u": {}, "v": {}}
        for (i, kind), array in zip(probes, rows):
            out[kind][self.groups[i]] = array
        return Result(out["spikes"], out["u"], out["v"], self.counts - before)

    def set_bias(self, group: Group, bias: Numbers, bias_exponent: Numbers = 0) -> None:
        """New biases from the next step on: mantissa and exponent, shared or one a compartment."""
        mantissa = check_range(f"{group.name}: bias", bias, limits.BIAS_MANTISSA)
        exponent = check_range(f"{group.name}: bias_exponent", bias_exponent, limits.BIAS_EXPONENT)
        self._core.set_bias(self.groups.index(group), mantissa << exponent)

    @property
    def counts(self) -> core.Counts:
        """Since step 0."""
        return self._core.counts()

    def reset(self) -> None:
        self._core.reset()

    def save(self) -> bytes:
        """The state after the last step; restore() goes on from it, in a simulation of the same
        network and build."""
        return self._core.save()

    def restore(self, state: bytes) -> None:
        self._core.restore(state)


def bias_of(g: Group) -> np.ndarray:
    """(n,) int32: mantissa << exponent."""
    return np.broadcast_to(np.asarray(g.bias) * 2 ** np.asarray(g.bias_exponent), g.n).astype(
        np.int32
    )


def _each(value: Numbers) -> Any:
    """An int where all are alike, else the array."""
    a = np.unique(value)
    return int(a[0]) if len(a) == 1 else np.asarray(value)


def lower(c: Connection, index: dict[Any, int | None]) -> list[core.Synapses]:
    """The C core's synapses of a connection: dense rows, or sparse ones for each delay, or where
    most weights are 0."""
    src, dst = index[c.src], index[c.dst]
    assert dst is not None
    shared = np.ndim(c.delays) == 0
    # a dense synapse costs a sixteenth of a sparse one at best
    if shared and np.count_nonzero(c.weights) * 8 >= c.weights.size:
        return [core.Synapses(src, dst, int(c.delays), dense=c.weights)]
    out = []
    for d in np.unique(c.delays).tolist():
        i, j = np.nonzero((c.weights != 0) & (np.asarray(c.delays) == d))
        if len(i):
            out.append(
                core.Synapses(
                    src,
                    dst,
                    d,
                    sparse=(np.searchsorted(i, np.arange(c.src.n + 1)), j, c.weights[i, j]),
                )
            )
    return out

# SPDX-License-Identifier: Apache-2.0
"""A network's state on the C core: run it, change biases and weights, save and restore."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp import core
from edge_lp.errors import OverflowWarning
from edge_lp.learning import Noise, PlasticCore, rewards_of
from edge_lp.listed import Listed, listed
from edge_lp.loihi import limits
from edge_lp.loihi.description import MANTISSAS, Connection, Group, Inputs, Numbers, told
from edge_lp.loihi.limits import LimitError, check_each, check_flag, check_number, check_range
from edge_lp.loihi.plasticity import Plasticity, joined, stored, tags_of
from edge_lp.loihi.recording import (
    KINDS,
    Events,
    Kept,
    Probe,
    Recorder,
    entries_of,
    in_memory,
)
from edge_lp.loihi.synapses import check_matrix


@dataclass(frozen=True)
class Result:
    """What was recorded, by group: arrays (steps, n); spikes uint8, u and v int32. counts: what
    this run cost. Of run_batch: (samples, steps, n), and counts of all. probes: what each Probe
    saw, as result[probe] too."""

    spikes: dict[Group, np.ndarray]
    u: dict[Group, np.ndarray]
    v: dict[Group, np.ndarray]
    counts: core.Counts
    probes: dict[Probe, np.ndarray | Events] = field(default_factory=dict)

    def __getitem__(self, probe: Probe) -> np.ndarray | Events:
        return self.probes[probe]

    @staticmethod
    def of(counts: core.Counts) -> Result:
        """With nothing kept yet."""
        spikes, u, v = (Kept(kind) for kind in KINDS)
        return Result(spikes, u, v, counts, Kept("what was seen"))

    def plot(
        self, path: str | Path | None = None, groups: Sequence[Group] | None = None, units: int = 5
    ) -> Any:
        """A matplotlib Figure over the run's steps: raster and activity (spikes a unit and step,
        over 20 steps) of the groups, u and v of their first `units` compartments, and what each
        probe saw: weights, traces, events. path: a PNG that is written. groups: None is all.
        MissingDependency: without matplotlib."""
        from edge_lp.loihi.picture import plot

        return plot(self, path, groups, units)


class Simulation:
    """A network's state on the C core (Network.build makes it). Further changes of the description
    do not reach it.

    Methods may be called from several threads: they take their turns. Ctrl-C ends a run between two
    steps, within some 50 ms; what it recorded is lost, the state is that after counts.steps steps.
    A step that takes longer is done to its end behind one's back; the next call waits for it.
    A process that was forked has a copy that goes on by itself; RuntimeError, if another thread was
    in a run at that moment.
    """

    def __init__(
        self,
        inputs: Inputs,
        groups: Sequence[Group],
        connections: Sequence[Connection],
        strict: bool | str = False,
        count_active: bool = False,
    ):
        if not groups:
            raise LimitError("0 groups in the network, expected at least 1")
        self.groups, self.inputs = list(groups), inputs
        self._index = {g: i for i, g in enumerate(self.groups)}
        self._probes = {kind: [Probe(g, kind) for g in self.groups] for kind in KINDS}
        # of each connection: its blocks' places in the core, and which of its synapses they hold
        self._blocks: dict[Connection, list[tuple[int, np.ndarray | None]]] = {}
        self._plasticity = Plasticity()
        synapses: list[core.Synapses] = []
        for c in connections:
            lowered = lower(c, self._index)
            places = range(len(synapses), len(synapses) + len(lowered))
            self._blocks[c] = [(k, which) for k, (_, which) in zip(places, lowered)]
            synapses += [s for s, _ in lowered]
            if c.learning is not None:
                self._plasticity.add(c, self._blocks[c])
        warn = isinstance(strict, str) and strict == "warn"
        strict = warn or check_flag("strict", strict, " or 'warn'")
        count_active = check_flag("count_active", count_active)
        flags = (core.STRICT if strict else 0) | (core.COUNT if count_active else 0)
        lowered_groups = [self._lower_group(g) for g in self.groups]
        self._core: core.Core
        noises = [_noise_of(i, g) for i, g in enumerate(self.groups) if g.noise is not None]
        if self._plasticity or noises:
            learners = self._plasticity.learners
            args = (lowered_groups, synapses, inputs.n, flags, learners, warn, noises)
            self._core = PlasticCore(*args)
        else:
            self._core = core.Core(lowered_groups, synapses, inputs.n, flags, warn)
        self.reset()

    def _lower_group(self, g: Group) -> core.Group:
        return core.Group(
            g.n,
            g.decay_u,
            g.decay_v,
            g.threshold << 6,
            np.int64(1) * g.bias << g.bias_exponent,
            g.refractory,
            g.v_min,
            g.v_max,
            None if g.join is None else self._index[g.join],
            g.silent,
            g.name,
        )

    def run(
        self,
        steps: int,
        inputs: Any = None,
        record: Iterable[str | Probe] = ("spikes",),
        reward: Any = None,
    ) -> Result:
        """Goes on for `steps` steps. inputs: (steps, axons), 0 or 1 (bool, integers or floats), 1
        where an axon spikes; or a tuple of index lists (steps, axons). A spike acts one step (and
        the delay) later. record: any of "spikes", "u", "v" (of all groups, at every step) and
        Probes. OverflowDetected (with .where) in strict mode. reward: (steps,) -128..127, what is
        added to r1 of every learning connection."""
        steps = check_number("steps", steps, (0, 2**40))
        more = self._rewards(reward, steps)
        wanted = self._wanted(record)
        starts, axons = events(inputs, steps, self.inputs.n)
        rows: list[Any]
        with self._core.lock, in_memory():
            before = self._core.counts()
            if any(explicit for _, explicit in wanted):
                rows = self._stream(steps, starts, axons, [p for p, _ in wanted], more)
            else:
                probes = [self._sources(p)[0][0] for p, _ in wanted]
                rows = self._core.run(steps, starts, axons, probes, **more)
            counts, overflows = self._core.counts() - before, self._core.taken_overflows()
        if overflows.steps:
            message = f"{overflows.first}; {overflows.steps} of {steps} steps overflow"
            warnings.warn(OverflowWarning(message), stacklevel=2)
        result = Result.of(counts)
        for (p, explicit), array in zip(wanted, rows):
            if explicit:
                result.probes[p] = array
            else:
                getattr(result, p.what)[p.group] = array
        return result

    def _wanted(self, record: Iterable[str | Probe]) -> list[tuple[Probe, bool]]:
        """A Probe for each group and kind, and those that were given (True)."""
        entries = entries_of(record, probes=True)
        kinds = [r for r in entries if not isinstance(r, Probe)]
        for r in entries:
            if not isinstance(r, Probe):
                continue
            if isinstance(r.group, Connection):
                self._plasticity.parts(r.group, r.what)
            elif r.group not in self._index:
                raise LimitError(f"record: {told(r.group)} is no group of this simulation")
        given = [(r, True) for r in entries if isinstance(r, Probe)]
        return [(p, False) for k in kinds for p in self._probes[k]] + given

    def _rewards(self, reward: Any, steps: int) -> dict[str, Any]:
        if reward is None:
            return {}
        if not self._plasticity:
            raise LimitError("a reward where no connection learns, expected None")
        try:
            return {"rewards": rewards_of(reward, steps)}
        except ValueError as e:
            raise LimitError(str(e)) from None

    def _sources(self, p: Probe) -> list[tuple[tuple[int, str], np.ndarray | None]]:
        """The core's probes for one of ours, and which of its values each has."""
        if isinstance(p.group, Connection):
            parts = self._plasticity.parts(p.group, p.what)
            return [((learner, p.what), which) for learner, which in parts]
        return [((self._index[p.group], p.what), None)]

    def _stream(self, steps: int, starts: Any, axons: Any, wanted: list[Probe], more: Any) -> list:
        """A run that keeps no more than the probes ask for."""
        first = self._core.counts().steps
        recorders = [Recorder(p, first, steps) for p in wanted]
        sources = [self._sources(p) for p in wanted]
        distinct = list(dict.fromkeys(probe for parts in sources for probe, _ in parts))
        sizes = [
            len(p.group.table.mantissas) if isinstance(p.group, Connection) else 0 for p in wanted
        ]

        def take(at: int, rows: list[np.ndarray]) -> None:
            for recorder, parts, n in zip(recorders, sources, sizes):
                values = [(rows[distinct.index(probe)], which) for probe, which in parts]
                recorder.take(first + at, joined(values, n))

        self._core.stream(steps, take, starts, axons, distinct, **more)
        return [r.result() for r in recorders]

    def set_bias(self, group: Group, bias: Numbers, bias_exponent: Numbers = 0) -> None:
        """New biases from the next step on: mantissa and exponent, each shared or (n,)."""
        if not isinstance(group, Group) or group not in self._index:
            raise LimitError(f"{told(group)} is no group of this simulation")
        mantissa = check_each(f"{group.name}: bias", bias, limits.BIAS_MANTISSA, group.n)
        exponent = check_each(
            f"{group.name}: bias_exponent", bias_exponent, limits.BIAS_EXPONENT, group.n
        )
        self._core.set_bias(self._index[group], np.int64(1) * mantissa << exponent)

    def state(self, group: Group, what: str) -> np.ndarray:
        """(n,) int32: a copy of a group's "u" or "v" after the last step."""
        if not isinstance(group, Group) or group not in self._index or what not in ("u", "v"):
            raise LimitError(
                f"{what!r} of {told(group)}, expected u or v of a group of this simulation"
            )
        with self._core.lock:
            return self._core.state(self._index[group], what).copy()

    def set_weights(self, connection: Connection, mantissas: np.ndarray) -> None:
        """New weight mantissas of a connection's synapses from the next step on; no synapse comes
        or goes, a mantissa may become 0. mantissas: (src.n, dst.n), 0 where there is no synapse; or
        (k,), one a stored synapse in order of source, then target."""
        if connection not in self._blocks:
            raise LimitError(f"{connection} is no connection of this simulation")
        t, where = connection.table, str(connection)
        range_ = MANTISSAS[connection.sign_mode]
        m = check_range(f"{where}: {connection.sign_mode} weight mantissa", mantissas, range_)
        if m.ndim != 1:
            m = check_matrix(where, m, t.shape)
            listed = m[t.sources, t.targets]
            if np.count_nonzero(m) != np.count_nonzero(listed):
                raise LimitError(f"{where}: mantissas where there is no synapse, expected 0 there")
            m = listed
        if m.shape != t.mantissas.shape:
            raise LimitError(
                f"{where}: {m.shape} mantissas, expected a matrix {t.shape} or "
                f"{t.mantissas.shape}, one a synapse"
            )
        if connection in self._plasticity:
            assert isinstance(self._core, PlasticCore)
            self._plasticity.put(self._core, connection, "w", stored(connection, m))
            return
        weights = connection.weights_of(m)
        with self._core.lock:
            for place, which in self._blocks[connection]:
                part = t.matrix(weights) if which is None else weights[which]
                self._core.set_weights(place, part)

    def learned(self, connection: Connection, what: str = "w") -> np.ndarray:
        """Of a connection that learns, as of the last epoch: "w" or "t", mantissas or tags (k,) in
        order of source, then target (connection.table.matrix(...) makes a matrix of them); a trace
        "x1" "x2" "y1" "y2" "y3", one a unit; "r1"."""
        self._plasticity.parts(connection, what)
        assert isinstance(self._core, PlasticCore)
        return self._plasticity.get(self._core, connection, what)

    def set_tags(self, connection: Connection, tags: Any) -> None:
        """New tags of a connection that learns: one number, (k,), or (src.n, dst.n)."""
        self._plasticity.parts(connection, "t")
        assert isinstance(self._core, PlasticCore)
        values = tags_of(str(connection), tags, connection.table)
        self._plasticity.put(self._core, connection, "t", values)

    def set_trace(self, connection: Connection, what: str, values: Any) -> None:
        """A trace's new values, one a unit or one for all: a third factor, as an error or a
        dopamine level that the host or another model computes. It decays from there on."""
        self._plasticity.parts(connection, what)
        assert isinstance(self._core, PlasticCore)
        self._plasticity.put_trace(self._core, connection, what, values)

    @property
    def counts(self) -> core.Counts:
        """Since step 0."""
        return self._core.counts()

    def reset(self, trial: int = 0) -> None:
        """Back to step 0, u and v to their initial values; biases and weights stay as they were
        set. What was learned since then is gone: set_weights(c, learned(c)) first to keep it.
        trial: 0..2^31 - 1, which of the sequences that its seed has the noise is."""
        trial = check_number("trial", trial, (0, 2**31 - 1))
        with self._core.lock:
            if isinstance(self._core, PlasticCore):
                self._core.trial = trial
            self._core.reset()
            for i, g in enumerate(self.groups):
                for what, initial in (("u", g.initial_u), ("v", g.initial_v)):
                    if np.any(initial):
                        self._core.set_state(i, what, initial)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a simulation cannot be pickled or copied: pickle its network, build() it there, and "
            "restore() what save() gave here"
        )

    def stop(self) -> None:
        """For good: a run in another thread ends between two steps, with InterruptedError."""
        self._core.stop()

    def save(self) -> bytes:
        """The state after the last step; restore() goes on from it, in a simulation of the same
        network and build. Biases and weights are no part of it, but for what learns."""
        return self._core.save()

    def restore(self, state: bytes) -> None:
        """Goes on from a state of save(). ValueError, and nothing is done: it is damaged, or of a
        network that differs in more than biases and weights."""
        if not isinstance(state, (bytes, bytearray)):
            raise ValueError(f"a state of type {type(state).__name__}, expected what save() gave")
        self._core.restore(state)


def _noise_of(index: int, g: Group) -> Noise:
    assert g.noise is not None
    x = g.noise
    return Noise(index, x.on == "u", 64 * x.offset, x.exponent, x.seed)


def events(inputs: Any, steps: int, n: int) -> tuple[np.ndarray | Listed | None, np.ndarray | None]:
    """Input spikes as the core takes them: where each step's axons start, and the axons."""
    if inputs is None:
        return None, None
    if isinstance(inputs, tuple):
        if len(inputs) != 2:
            raise LimitError(f"inputs are a tuple of {len(inputs)}, expected (steps, axons)")
        t = check_range("step of an input spike", inputs[0], (0, steps - 1))
        axons = check_range("axon of an input spike", inputs[1], (0, n - 1))
        if t.ndim != 1 or t.shape != axons.shape:
            raise LimitError(f"{t.shape} steps and {axons.shape} axons, expected lists of a length")
        order = np.argsort(t, kind="stable")
        return np.searchsorted(t[order], np.arange(steps + 1)), axons[order]
    a = np.asarray(inputs)
    if a.shape != (steps, n):
        raise LimitError(f"inputs have shape {a.shape}, expected {(steps, n)}: steps, input axons")
    if a.dtype != bool:
        if a.dtype.kind not in "iuf" or not ((a == 0) | (a == 1)).all():
            bad = a[(a != 0) & (a != 1)].flat[0] if a.dtype.kind in "iuf" else a.dtype
            raise LimitError(f"inputs have {bad!r}, expected only 0 and 1, or booleans")
        a = a != 0
    return listed(a), None


def lower(c: Connection, index: dict[Group, int]) -> list[tuple[core.Synapses, np.ndarray | None]]:
    """The C core's synapses of a connection: dense rows; or, where delays differ or most pairs have
    no synapse, sparse ones for each delay. With each block of those, which synapses of the table it
    has."""
    src, dst, t = index[c.src] if isinstance(c.src, Group) else None, index[c.dst], c.table
    weights = c.weights_of(t.mantissas)
    # a dense synapse costs a sixteenth of a sparse one at best; one that is not there cannot learn
    enough = t.shape[0] * t.shape[1] / (8 if c.learning is None else 1)
    if not isinstance(t.delays, np.ndarray) and len(weights) >= enough:
        return [(core.Synapses(src, dst, t.delays, dense=t.matrix(weights)), None)]
    delays = np.broadcast_to(t.delays, weights.shape)
    order, sources = np.argsort(delays, kind="stable"), t.sources
    blocks: list[tuple[core.Synapses, np.ndarray | None]] = []
    for which in np.split(order, np.flatnonzero(np.diff(delays[order])) + 1):
        rows = np.zeros(t.shape[0] + 1, np.int64)
        np.cumsum(np.bincount(sources[which], minlength=t.shape[0]), out=rows[1:])
        sparse = (rows, t.targets[which], weights[which])
        delay = int(delays[which[0]]) if len(which) else 0
        blocks.append((core.Synapses(src, dst, delay, sparse=sparse), which))
    return blocks

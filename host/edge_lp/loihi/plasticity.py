# SPDX-License-Identifier: Apache-2.0
"""The connections of a simulation that learn: the core's learners for them, and what those hold by
connection again. A connection with several delays has a learner for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_lp.learning import RECORDED, TRACES, Learner, PlasticCore
from edge_lp.loihi.description import Connection
from edge_lp.loihi.limits import LimitError, check_number, check_range

TAG = (-256, 255)
Blocks = Sequence[tuple[int, "np.ndarray | None"]]  # places in the core, which synapses; None: all


class Plasticity:
    """Which learners each connection has."""

    def __init__(self) -> None:
        self.learners: list[Learner] = []
        self._of: dict[Connection, list[tuple[int, np.ndarray | None]]] = {}

    def add(self, c: Connection, blocks: Blocks) -> None:
        """c has a rule; blocks: what lower() has made of it."""
        number, parts = len(self._of), self._of.setdefault(c, [])
        full = len(c.table.mantissas) == c.table.shape[0] * c.table.shape[1]
        for place, which in blocks:
            parts.append((len(self.learners), which))
            self.learners.append(_learner(c, place, which, number, full and which is None))

    def __bool__(self) -> bool:
        return bool(self.learners)

    def __contains__(self, c: Any) -> bool:
        return isinstance(c, Connection) and c in self._of

    def parts(self, c: Any, what: str) -> list[tuple[int, np.ndarray | None]]:
        """The learners that have `what` of a connection, and which of its values; LimitError."""
        if c not in self:
            name = c if isinstance(c, Connection) else repr(c)
            raise LimitError(f"{name} does not learn in this simulation, expected one that does")
        if what not in RECORDED:
            raise LimitError(f"{what!r} of {c}, expected one of {', '.join(RECORDED)}")
        return self._of[c] if what in ("w", "t") else [(self._of[c][0][0], None)]

    def get(self, core: PlasticCore, c: Connection, what: str) -> np.ndarray:
        """As it is now, in order of the connection's synapses or units."""
        parts = [(core.learned(k, what), which) for k, which in self.parts(c, what)]
        return joined(parts, len(c.table.mantissas))

    def put(self, core: PlasticCore, c: Connection, what: str, values: np.ndarray) -> None:
        for k, which in self._of[c]:
            part = values if which is None or what not in ("w", "t") else values[which]
            core.set_learned(k, what, part)

    def put_trace(self, core: PlasticCore, c: Connection, what: str, values: Any) -> None:
        """A trace's values, one a unit or one for all, checked."""
        self.parts(c, what)
        if what not in (*TRACES, "r1"):
            raise LimitError(f"{what!r} is no trace, expected one of {', '.join(TRACES)}, r1")
        n = {"x": c.src.n, "y": c.dst.n}.get(what[0], 1)
        where = f"{c}: {what}"
        if what != "r1" and not c.learning.traces()[what].used:  # type: ignore[union-attr]
            raise LimitError(f"{where} is in no product of its rule, and has no impulse")
        v = check_range(where, values, (-128, 127) if what == "r1" else (0, 127))
        if v.shape not in ((), (n,)):
            raise LimitError(f"{where} has shape {v.shape}, expected one number or ({n},)")
        self.put(core, c, what, np.broadcast_to(v, (n,)))


def joined(parts: list[tuple[np.ndarray, np.ndarray | None]], n: int) -> np.ndarray:
    """Values (..., k) of parts of n synapses, in one array (..., n)."""
    first, which = parts[0]
    if which is None:
        return first
    whole = np.zeros((*first.shape[:-1], n), first.dtype)
    for part, which in parts:
        whole[..., which] = part
    return whole


def tags_of(where: str, tags: Any, table: Any) -> np.ndarray:
    """(k,) int16, one a synapse: from one number, (k,), or a matrix (src.n, dst.n)."""
    t = check_range(f"{where}: tag", tags, TAG)
    k = len(table.mantissas)
    if t.ndim == 2 and t.shape == table.shape:
        t = t[table.sources, table.targets]
    if t.shape not in ((), (k,)):
        raise LimitError(
            f"{where}: tags have shape {t.shape}, expected one number, ({k},) or {table.shape}"
        )
    return np.broadcast_to(t, (k,)).astype(np.int16)


def grid(bits: int, sign_mode: str) -> tuple[int, int, int]:
    """Dropped low bits of a mantissa, least and most value (SPEC.md, "Weights")."""
    low = 8 - bits + (sign_mode == "mixed")
    most = 256 - 2**low
    return (
        low,
        {"mixed": -256, "excitatory": 0}.get(sign_mode, -most),
        (0 if sign_mode == "inhibitory" else most),
    )


def stored(c: Connection, mantissas: np.ndarray) -> np.ndarray:
    """What the format keeps of mantissas."""
    low, lo, hi = grid(c.bits, c.sign_mode)
    return np.clip(np.sign(mantissas) * (np.abs(mantissas) >> low << low), lo, hi)


def _learner(
    c: Connection, place: int, which: np.ndarray | None, number: int, full: bool
) -> Learner:
    t, rule = c.table, c.learning
    assert rule is not None
    every = slice(None) if which is None else which
    rows = np.zeros(t.shape[0] + 1, np.int64)
    np.cumsum(np.bincount(t.sources[every], minlength=t.shape[0]), out=rows[1:])
    low, lo, hi = grid(c.bits, c.sign_mode)
    check_number(f"{c}: synapses of a learning connection", len(t.mantissas), (0, 2**31 - 1))
    return Learner(
        synapses=place,
        rows=rows,
        targets=None if full else t.targets[every],
        mantissas=stored(c, t.mantissas.astype(np.int64))[every],
        tags=c.tags[every],
        bits=low,
        lo=lo,
        hi=hi,
        exponent=c.exponent,
        products=rule.products,
        traces=rule.traces(),
        epoch=rule.t_epoch,
        decimate=rule.decimate,
        number=number,
        seed=rule.seed,
        nearest=rule.nearest,
    )

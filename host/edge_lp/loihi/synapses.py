# SPDX-License-Identifier: Apache-2.0
"""The synapses of a connection: read from a matrix, a sparse matrix or index lists, and kept as
compressed rows, so that what costs memory and time is the synapses and not the pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.loihi.limits import DELAY, LimitError, check_range


@dataclass(frozen=True, eq=False)
class Table:
    """Synapses in order of source, then target; no pair twice. Arrays are read-only.

    rows (n_src + 1,) uint32: those of source i are rows[i] to rows[i + 1] - 1; targets (k,) uint16;
    mantissas (k,) int16, none 0 but where they learn; delays: one number, or (k,) uint8.
    """

    shape: tuple[int, int]  # n_src, n_dst
    rows: np.ndarray
    targets: np.ndarray
    mantissas: np.ndarray
    delays: int | np.ndarray

    @property
    def fan_out(self) -> np.ndarray:
        """(n_src,): synapses of each source."""
        return np.diff(self.rows.astype(np.int64))

    @property
    def sources(self) -> np.ndarray:
        """(k,): the source of each synapse."""
        return np.repeat(np.arange(self.shape[0]), self.fan_out)

    def matrix(self, values: Any) -> np.ndarray:
        """(n_src, n_dst) with values (k,) where the synapses are, 0 elsewhere."""
        full = np.zeros(self.shape, np.asarray(values).dtype)
        full[self.sources, self.targets] = values
        full.flags.writeable = False
        return full


def read(
    where: str,
    given: Any,
    delay: Any,
    shape: tuple[int, int],
    mantissas: tuple[int, int],
    sign: str,
    zeros: bool = False,
) -> Table:
    """given: what Network.connect takes. where, sign: for messages. mantissas: least and most.
    zeros: a mantissa of 0 is a synapse too."""
    src, dst, m, d = _lists(where, given, delay, shape)
    m = check_range(f"{where}: {sign} weight mantissa", m, mantissas)
    d = check_range(f"{where}: delay", d, DELAY)
    if src is None:  # a matrix
        src, dst = np.nonzero(np.ones(shape, bool) if zeros else m)
        d = d if d.ndim == 0 else d[src, dst]
        m = m[src, dst]
        return _table(shape, src, dst, m, d)
    src, dst = (
        check_range(f"{where}: index of a {what}", i, (0, n - 1))
        for what, i, n in (("source", src, shape[0]), ("target", dst, shape[1]))
    )
    m = m if m.ndim else np.broadcast_to(m, src.shape)
    if src.ndim != 1 or not src.shape == dst.shape == m.shape or d.shape not in ((), m.shape):
        raise LimitError(
            f"{where}: {src.shape} sources, {dst.shape} targets, {m.shape} mantissas and {d.shape} "
            "delays, expected lists of one length (mantissas and delays: or one number)"
        )
    place = src * shape[1] + dst
    if not (place[1:] > place[:-1]).all():
        order = np.argsort(place, kind="stable")
        place, src, dst, m = place[order], src[order], dst[order], m[order]
        d = d[order] if d.ndim else d
        if len(again := np.flatnonzero(place[1:] == place[:-1])):
            raise LimitError(
                f"{where}: the synapse {src[again[0]]} -> {dst[again[0]]} is listed twice, "
                "expected once (a second connection can have another)"
            )
    if not zeros and not m.all():
        stored = m != 0
        src, dst, m, d = src[stored], dst[stored], m[stored], d[stored] if d.ndim else d
    return _table(shape, src, dst, m, d)


def _lists(where: str, given: Any, delay: Any, shape: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Sources, targets and mantissas of a sparse matrix or of index lists; a matrix is the third
    alone."""
    if isinstance(given, tuple):
        if len(given) != 3:
            raise LimitError(
                f"{where}: a tuple of {len(given)}, expected index lists (sources, targets, "
                "mantissas); a matrix is a list of rows or an array"
            )
        return (*given, delay)
    if hasattr(given, "tocoo"):
        given = given.tocoo()
    found = getattr(given, "shape", None)
    rows_and_columns = all(hasattr(given, a) for a in ("row", "col", "data"))
    compressed = all(hasattr(given, a) for a in ("indptr", "indices", "data"))
    if (rows_and_columns or compressed) and found is not None and tuple(found) != shape:
        raise LimitError(f"{where}: a sparse matrix of shape {tuple(found)}, expected {shape}")
    if rows_and_columns:
        return given.row, given.col, given.data, delay
    if compressed:
        by_rows = getattr(given, "format", "csr") == "csr"
        if not by_rows or np.shape(given.indptr) != (shape[0] + 1,):
            raise LimitError(f"{where}: a compressed matrix that is not by rows, expected CSR")
        sizes = np.diff(
            check_range(f"{where}: row offset", given.indptr, (0, np.size(given.indices)))
        )
        if (sizes < 0).any() or sizes.sum() != np.size(given.indices):
            raise LimitError(f"{where}: row offsets that do not rise to {np.size(given.indices)}")
        return np.repeat(np.arange(shape[0]), sizes), given.indices, given.data, delay
    m = check_matrix(where, given, shape)
    if np.ndim(delay) and np.shape(delay) != shape:
        raise LimitError(
            f"{where}: delays have shape {np.shape(delay)}, expected one number or {shape}"
        )
    return None, None, m, delay


def check_matrix(where: str, given: Any, shape: tuple[int, int]) -> np.ndarray:
    """given as an array of that shape."""
    try:
        m = np.asarray(given)
    except ValueError:
        raise LimitError(f"{where}: mantissas have rows of different lengths") from None
    if m.shape != shape:
        raise LimitError(f"{where}: mantissas have shape {m.shape}, expected {shape}")
    return m


def _table(shape: tuple[int, int], src: Any, dst: Any, m: Any, d: Any) -> Table:
    rows = np.zeros(shape[0] + 1, np.uint32)
    np.cumsum(np.bincount(src, minlength=shape[0]), out=rows[1:])
    parts = (rows, dst.astype(np.uint16), m.astype(np.int16))
    delays = d.astype(np.uint8) if d.ndim else int(d)
    for a in (*parts, delays):
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    return Table(shape, *parts, delays)

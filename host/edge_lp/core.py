# SPDX-License-Identifier: Apache-2.0
"""The Loihi-1 core in Python terms: any network of groups and synapses, in accumulator units. Knows
nothing of keyword models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.binding import check, ffi, lib, memory, pointer, size_of
from edge_lp.errors import OverflowDetected

MAX_DELAY: int = lib.LP_MAX_DELAY
STRICT: int = lib.LP_STRICT
COUNT: int = lib.LP_COUNT


def weight(mantissa: int, bits: int, sign_mode: int, exponent: int) -> int:
    """Synaptic weight in accumulator units (SPEC.md, "Weights"). ValueError where a field is out of
    range."""
    out = ffi.new("int32_t *")
    check(lib.lp_weight(mantissa, bits, sign_mode, exponent, out))
    return out[0]


@dataclass(frozen=True)
class Counts:
    """What the core did: steps, compartment and active updates, spikes, synaptic operations."""

    steps: int
    updates: int
    active: int
    spikes: int
    synops: int

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*(a - b for a, b in zip(self._tuple(), other._tuple())))

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(self._tuple(), other._tuple())))

    def _tuple(self) -> tuple[int, ...]:
        return (self.steps, self.updates, self.active, self.spikes, self.synops)


def counts_of(core: Any) -> Counts:
    c = ffi.new("lp_counts *")
    lib.lp_core_counts(core, c)
    return Counts(c.steps, c.updates, c.active, c.spikes, c.synops)


def group_state(core: Any, group: int, n: int) -> dict[str, np.ndarray]:
    spikes = lib.lp_core_spikes(core, group)
    out = {
        "u": np.frombuffer(ffi.buffer(lib.lp_core_u(core, group), 4 * n), np.int32).copy(),
        "v": np.frombuffer(ffi.buffer(lib.lp_core_v(core, group), 4 * n), np.int32).copy(),
    }
    if spikes != ffi.NULL:
        out["spikes"] = np.frombuffer(ffi.buffer(spikes, n), np.uint8).copy()
    return out


_WHAT = {lib.LP_WHAT_U: "u", lib.LP_WHAT_V: "v", lib.LP_WHAT_SPIKES: "spikes", lib.LP_WHAT_Q: "q"}


def overflow(core: Any) -> OverflowDetected:
    w = ffi.new("lp_overflow *")
    lib.lp_core_overflow(core, w)
    where = dict(step=w.step, group=w.group, index=w.index, what=_WHAT[w.what], value=w.value)
    return OverflowDetected(
        f"overflow at step {w.step}: {_WHAT[w.what]} of compartment {w.index} in group {w.group} "
        f"is {w.value}, "
        "more than its register holds",
        where,
    )


@dataclass
class Group:
    """A group of compartments (SPEC.md, "Core"). A parameter is one number or one a compartment.

    du, dv: effective decays 0..4096; vth: threshold in units of v; refract 1..64; join: index of an
    earlier group whose v is added. bias may be an int32 array that the caller rewrites between
    runs.
    """

    n: int
    du: int | np.ndarray
    dv: int | np.ndarray
    vth: int | np.ndarray = 0
    bias: int | np.ndarray = 0
    refract: int | np.ndarray = 1
    vmin: int = -(2**23 - 1)
    vmax: int = 2**23 - 1
    join: int | None = None
    silent: bool = False


@dataclass
class Synapses:
    """Synapses from a group (or None: the input axons) to a group. Exactly one of dense, sparse,
    diagonal, dense3, sparse3.

    dense: (n_src, n_dst) int16; sparse: (rows (n_src + 1,) uint32, targets uint16, weights int16);
    diagonal: one int. In accumulator units. dense3, sparse3: 3-bit codes as a model file holds
    them, a weight is code << shift.
    """

    src: int | None
    dst: int
    delay: int = 0
    dense: np.ndarray | None = None
    sparse: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    diagonal: int | None = None
    dense3: bytes | None = None
    sparse3: bytes | None = None
    shift: int = 0


class Core:
    """The Loihi-1 core on any network of groups and synapses."""

    def __init__(
        self,
        groups: Sequence[Group],
        synapses: Sequence[Synapses],
        n_inputs: int = 0,
        flags: int = 0,
    ) -> None:
        self.groups, self.n_inputs = list(groups), n_inputs
        self._keep: list[Any] = []
        c_groups = ffi.new("lp_group[]", max(1, len(groups)))
        c_synapses = ffi.new("lp_synapses[]", max(1, len(synapses)))
        for c, g in zip(c_groups, groups):
            self._fill_group(c, g)
        for c, s in zip(c_synapses, synapses):
            self._fill_synapses(c, s)
        spec = ffi.new(
            "lp_core_spec *",
            dict(
                groups=c_groups,
                synapses=c_synapses,
                n_groups=len(groups),
                n_synapses=len(synapses),
                n_inputs=n_inputs,
                flags=flags,
            ),
        )
        n = size_of(lib.lp_core_size, spec)
        mem = memory(n)
        out = ffi.new("lp_core **")
        check(lib.lp_core_init(out, spec, mem, n))
        self._keep += [c_groups, c_synapses, spec, mem]
        self._p = out[0]

    def _array(self, values: Any, dtype: Any, ctype: str) -> Any:
        a = np.ascontiguousarray(values, dtype)
        if not np.array_equal(a, values):
            raise ValueError(f"an array of the core has values that {np.dtype(dtype)} cannot hold")
        self._keep.append(a)
        return pointer(ctype, a)

    def _fill_group(self, c: Any, g: Group) -> None:
        c.n, c.vmin, c.vmax, c.silent = g.n, g.vmin, g.vmax, g.silent
        c.join = lib.LP_NO_JOIN if g.join is None else g.join
        c.refract = 1
        for name, dtype, ctype in (
            ("du", np.uint16, "uint16_t *"),
            ("dv", np.uint16, "uint16_t *"),
            ("refract", np.uint16, "uint16_t *"),
            ("vth", np.int32, "int32_t *"),
            ("bias", np.int32, "int32_t *"),
        ):
            value = getattr(g, name)
            if isinstance(value, np.ndarray):
                if value.shape != (g.n,):
                    raise ValueError(f"{name} has shape {value.shape}, expected ({g.n},)")
                setattr(c, name + "_each", self._array(value, dtype, ctype))
            else:
                setattr(c, name, value)

    def _fill_synapses(self, c: Any, s: Synapses) -> None:
        c.src, c.dst, c.delay = lib.LP_INPUT if s.src is None else s.src, s.dst, s.delay
        n_src = self.n_inputs if s.src is None else self.groups[s.src].n
        if s.dense is not None:
            if s.dense.shape != (n_src, self.groups[s.dst].n):
                raise ValueError(
                    f"dense weights have shape {s.dense.shape}, expected "
                    f"{(n_src, self.groups[s.dst].n)}"
                )
            c.kind, c.data = lib.LP_DENSE16, self._array(s.dense, np.int16, "void *")
        elif s.sparse is not None:
            rows, targets, weights = s.sparse
            if (
                len(rows) != n_src + 1
                or len(targets) != len(weights)
                or (len(rows) and rows[-1] != len(targets))
            ):
                raise ValueError(
                    f"sparse rows do not fit: {len(rows)} offsets for {n_src} sources, "
                    f"{len(targets)} targets, {len(weights)} weights"
                )
            c.kind, c.data = lib.LP_SPARSE16, self._array(weights, np.int16, "void *")
            c.rows, c.targets = (
                self._array(rows, np.uint32, "uint32_t *"),
                self._array(targets, np.uint16, "uint16_t *"),
            )
        elif s.diagonal is not None:
            c.kind, c.weight = lib.LP_DIAGONAL, s.diagonal
        elif (codes := s.dense3 or s.sparse3) is not None:
            c.kind, c.shift = lib.LP_DENSE3 if s.dense3 else lib.LP_SPARSE3, s.shift
            c.data, c.bytes = (
                self._array(np.frombuffer(codes, np.uint8), np.uint8, "void *"),
                len(codes),
            )
        else:
            raise ValueError("synapses need one of dense, sparse, diagonal, dense3, sparse3")

    def reset(self) -> None:
        lib.lp_core_reset(self._p)

    def run(
        self,
        steps: int,
        starts: np.ndarray | None = None,
        inputs: np.ndarray | None = None,
        probes: Sequence[tuple[int, str]] = (),
    ) -> list[np.ndarray]:
        """Runs `steps` steps. Input spikes of step k: inputs[starts[k]:starts[k + 1]]. probes:
        (group, "u" | "v" | "spikes"); returns one (steps, n) array a probe: int32, or uint8 for
        spikes. OverflowDetected in strict mode."""
        if starts is not None:
            starts = np.ascontiguousarray(starts, np.uint32)
            inputs = np.ascontiguousarray(inputs if inputs is not None else [], np.uint16)
            if len(starts) != steps + 1 or (steps and starts[-1] > len(inputs)):
                raise ValueError(
                    f"{len(starts)} input offsets for {steps} steps, the last "
                    f"{starts[-1] if len(starts) else None} of {len(inputs)} inputs"
                )
        what = {"u": lib.LP_WHAT_U, "v": lib.LP_WHAT_V, "spikes": lib.LP_WHAT_SPIKES}
        rows = [
            np.zeros((steps, self.groups[g].n), np.uint8 if w == "spikes" else np.int32)
            for g, w in probes
        ]
        c_probes = ffi.new("lp_probe[]", max(1, len(rows)))
        for c, (g, w), r in zip(c_probes, probes, rows):
            c.group, c.what, c.rows, c.stride = g, what[w], pointer("void *", r), r.shape[1]
        status = lib.lp_core_run(
            self._p,
            steps,
            ffi.NULL if starts is None else pointer("uint32_t *", starts),
            ffi.NULL if starts is None or inputs is None else pointer("uint16_t *", inputs),
            c_probes,
            len(rows),
        )
        if status == lib.LP_E_OVERFLOW:
            raise overflow(self._p)
        check(status)
        return rows

    def save(self) -> bytes:
        """The dynamic state: restore() it on a core of the same description to go on from here."""
        n = ffi.new("size_t *")
        return bytes(ffi.buffer(lib.lp_core_state(self._p, n), n[0]))

    def restore(self, state: bytes) -> None:
        n = ffi.new("size_t *")
        p = lib.lp_core_state(self._p, n)
        if len(state) != n[0]:
            raise ValueError(
                f"the state has {len(state)} bytes, this core's has {n[0]}: it is of another "
                "network"
            )
        ffi.memmove(p, state, n[0])

    def counts(self) -> Counts:
        return counts_of(self._p)

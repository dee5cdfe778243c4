# SPDX-License-Identifier: Apache-2.0
"""The Loihi-1 core in Python terms: any network of groups and synapses, in accumulator units. Knows
nothing of keyword models. ValueError where a description or an input is not what the core takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.binding import aligned, check, ffi, lib, memory, pointer, size_of
from edge_lp.errors import OverflowDetected
from edge_lp.integers import number, whole
from edge_lp.listed import Listed
from edge_lp.turns import Turns

MAX_DELAY: int = lib.LP_MAX_DELAY
STRICT: int = lib.LP_STRICT
COUNT: int = lib.LP_COUNT
CORE: int = lib.LP_CORE
LIMIT = 2**23 - 1  # of u, v and biases
# What is done before Python looks for Ctrl-C, in synaptic operations: at most some 50 ms.
WORK = 1 << 23
PIECE = 1 << 20  # values of a group that a streamed run holds
STRICT_FACTOR = 8  # how much longer strict mode takes, about


def weight(mantissa: int, bits: int, sign_mode: int, exponent: int) -> int:
    """Synaptic weight in accumulator units (SPEC.md, "Weights"). ValueError where a field is out of
    range."""
    out = ffi.new("int32_t *")
    for what, value in (("mantissa", mantissa), ("exponent", exponent)):
        number(what, value, -(2**31), 2**31 - 1)
    for what, value in (("bits", bits), ("sign mode", sign_mode)):
        number(what, value, 0, 2**31 - 1)
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


def counts_of(function: Any, of: Any) -> Counts:
    c = ffi.new("lp_counts *")
    function(of, c)
    return Counts(c.steps, c.updates, c.active, c.spikes, c.synops)


_WHAT = {lib.LP_WHAT_U: "u", lib.LP_WHAT_V: "v", lib.LP_WHAT_SPIKES: "spikes", lib.LP_WHAT_Q: "q"}


def overflow(core: Any, names: Sequence[str] | None = None) -> OverflowDetected:
    """What strict mode stopped at; names: of the groups, for the message."""
    w = ffi.new("lp_overflow *")
    lib.lp_core_overflow(core, w)
    where = dict(step=w.step, group=w.group, index=w.index, what=_WHAT[w.what], value=w.value)
    name = names[w.group] if names else f"group {w.group}"
    return OverflowDetected(
        f"overflow at step {w.step}: {_WHAT[w.what]} of compartment {w.index} in {name} is "
        f"{w.value}, more than its register holds",
        where,
    )


@dataclass
class Overflows:
    """In how many steps something overflowed, and what was the first."""

    steps: int = 0
    first: OverflowDetected | None = None

    def note(self, found: OverflowDetected) -> None:
        self.steps += 1
        self.first = self.first or found


@dataclass
class Group:
    """A group of compartments (SPEC.md, "Core"). A parameter is one number or an array (n,), one a
    compartment; the core keeps copies.

    n 1..65536; du, dv: effective decays 0..4096; vth: threshold in units of v, 0..2^23 - 1; |bias|
    < 2^23; refract 1..64; vmin -(2^23 - 1)..0, vmax 0..2^23 - 1; join: index of an earlier group of
    n compartments whose v is added; name: for messages.
    """

    n: int
    du: int | np.ndarray
    dv: int | np.ndarray
    vth: int | np.ndarray = 0
    bias: int | np.ndarray = 0
    refract: int | np.ndarray = 1
    vmin: int = -LIMIT
    vmax: int = LIMIT
    join: int | None = None
    silent: bool = False
    name: str = ""


@dataclass
class Synapses:
    """Synapses from a group (or None: the input axons) to a group. Exactly one of dense, sparse,
    diagonal, dense3, sparse3; the core keeps copies.

    dense: (n_src, n_dst) int16; sparse: (rows (n_src + 1,) uint32, targets uint16, weights int16);
    diagonal: one int. In accumulator units. dense3, sparse3: 3-bit codes as a model file holds
    them, a weight is code << shift (0..12). delay: 0..62 steps.
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


_WORDS = {np.uint16: "uint16_t *", np.uint32: "uint32_t *", np.int32: "int32_t *"}
_EACH = (  # of Group: name, least, most, type
    ("du", 0, 4096, np.uint16),
    ("dv", 0, 4096, np.uint16),
    ("refract", 1, 64, np.uint16),
    ("vth", 0, LIMIT, np.int32),
    ("bias", -LIMIT, LIMIT, np.int32),
)

_PROBES = {
    "u": (lib.LP_WHAT_U, np.int32),
    "v": (lib.LP_WHAT_V, np.int32),
    "spikes": (lib.LP_WHAT_SPIKES, np.uint8),
}


class Core:
    """The Loihi-1 core on any network of groups and synapses.

    Methods may be called from several threads: they take their turns. Ctrl-C ends a run within some
    50 ms; the state is that after counts().steps steps, whose last one the next call waits for.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        synapses: Sequence[Synapses],
        n_inputs: int = 0,
        flags: int = 0,
        warn: bool = False,
    ) -> None:
        """warn: a strict core goes on where it overflows, as one that is not strict does, and keeps
        count in `overflows`."""
        self.warn, self.overflows = warn, Overflows()
        self.groups, self.n_inputs = list(groups), number("n_inputs", n_inputs, 0, 65536)
        self.names = [g.name or f"group {i}" for i, g in enumerate(self.groups)]
        self.lock, self._stopped = Turns(), False
        self._keep: list[Any] = []
        self._each: dict[tuple[int, str], np.ndarray] = {}  # what the groups' pointers point at
        self._weights: list[np.ndarray | None] = []  # of each Synapses, where they are 16 bits wide
        self._c_groups = ffi.new("lp_group[]", max(1, len(groups)))
        c_synapses = ffi.new("lp_synapses[]", max(1, len(synapses)))
        work = 1
        for i, (c, g) in enumerate(zip(self._c_groups, self.groups)):
            work += self._fill_group(c, g, i)
        for c, s in zip(c_synapses, synapses):
            work += self._fill_synapses(c, s)
        spec = ffi.new(
            "lp_core_spec *",
            dict(
                groups=self._c_groups,
                synapses=c_synapses,
                n_groups=len(groups),
                n_synapses=len(synapses),
                n_inputs=self.n_inputs,
                flags=flags,
            ),
        )
        n = size_of(lib.lp_core_size, spec)
        mem = memory(n)
        out = ffi.new("lp_core **")
        check(lib.lp_core_init(out, spec, mem, n))
        self._keep += [c_synapses, spec, mem]
        self._p = out[0]
        self._done = ffi.new("size_t *")
        self._work = max(1, WORK // (STRICT_FACTOR if flags & STRICT else 1))
        self._longest = work  # of a step

    # --------------------------------------------------------------------------- the description --

    def _array(self, what: str, values: Any, lo: int, hi: int, dtype: Any) -> np.ndarray:
        a = whole(what, values, lo, hi, dtype)
        self._keep.append(a)
        return a

    def _fill_group(self, c: Any, g: Group, index: int) -> int:
        """The compartments."""
        name = self.names[index]
        c.n = number(f"{name}: n", g.n, 1, 65536)
        c.vmin = number(f"{name}: vmin", g.vmin, -LIMIT, 0)
        c.vmax = number(f"{name}: vmax", g.vmax, 0, LIMIT)
        c.silent = bool(g.silent)
        earlier = index - 1
        c.join = lib.LP_NO_JOIN if g.join is None else number(f"{name}: join", g.join, 0, earlier)
        c.refract = 1
        for what, lo, hi, dtype in _EACH:
            self._set(index, what, getattr(g, what), lo, hi, dtype)
        return c.n

    def _set(self, group: int, what: str, values: Any, lo: int, hi: int, dtype: Any) -> None:
        """One number where all are alike, which is faster; else one a compartment."""
        c, name = self._c_groups[group], f"{self.names[group]}: {what}"
        a = whole(name, values, lo, hi, dtype)
        if a.shape not in ((), (c.n,)):
            raise ValueError(f"{name} has shape {a.shape}, expected one number or ({c.n},)")
        if a.ndim == 0 or (a == a[0]).all():
            setattr(c, what, int(a.flat[0]))
            setattr(c, what + "_each", ffi.NULL)
        else:
            setattr(c, what + "_each", pointer(_WORDS[dtype], a))
        self._each[group, what] = a

    def _fill_synapses(self, c: Any, s: Synapses) -> int:
        """The synapses."""
        most = len(self.groups) - 1
        c.src = lib.LP_INPUT if s.src is None else number("synapses: src", s.src, 0, most)
        c.dst = number("synapses: dst", s.dst, 0, most)
        c.delay = number("synapses: delay", s.delay, 0, MAX_DELAY)
        c.shift = number("synapses: shift", s.shift, 0, 12)
        kinds = ("dense", "sparse", "diagonal", "dense3", "sparse3")
        given = [k for k in kinds if getattr(s, k) is not None]
        if len(given) != 1:
            raise ValueError(
                f"synapses have {' and '.join(given) or 'no weights'}, expected exactly one of "
                f"{', '.join(kinds)}"
            )
        n_src = self.n_inputs if s.src is None else self.groups[s.src].n
        n_dst = self.groups[s.dst].n
        weights = None
        if s.dense is not None:
            weights = whole("dense weight", s.dense, -32768, 32767, np.int16)
            if weights.shape != (n_src, n_dst):
                raise ValueError(
                    f"dense weights have shape {weights.shape}, expected {(n_src, n_dst)}"
                )
            weights = aligned(weights)
            c.kind, c.data, work = lib.LP_DENSE16, pointer("void *", weights), weights.size
        elif s.sparse is not None:
            weights = self._fill_sparse(c, s.sparse, n_src, n_dst)
            work = weights.size
        elif s.diagonal is not None:
            c.kind, work = lib.LP_DIAGONAL, n_src
            c.weight = number("diagonal weight", s.diagonal, -32768, 32767)
        else:
            codes = np.frombuffer(s.dense3 or s.sparse3 or b"", np.uint8)
            self._keep.append(codes)
            c.kind = lib.LP_SPARSE3 if s.dense3 is None else lib.LP_DENSE3
            c.data, c.bytes, work = pointer("void *", codes), len(codes), 3 * len(codes)
        self._weights.append(weights)  # which also keeps alive what c.data points at
        return work

    def _fill_sparse(self, c: Any, sparse: Any, n_src: int, n_dst: int) -> np.ndarray:
        rows = self._array("sparse row offset", sparse[0], 0, 2**32 - 1, np.uint32)
        targets = self._array("sparse target", sparse[1], 0, n_dst - 1, np.uint16)
        weights = self._array("sparse weight", sparse[2], -32768, 32767, np.int16)
        if len(rows) != n_src + 1 or len(targets) != len(weights) or rows[-1] != len(targets):
            raise ValueError(
                f"sparse rows do not fit: {len(rows)} offsets for {n_src} sources, "
                f"{len(targets)} targets, {len(weights)} weights"
            )
        c.kind, c.data = lib.LP_SPARSE16, pointer("void *", weights)
        c.rows, c.targets = pointer("uint32_t *", rows), pointer("uint16_t *", targets)
        return weights

    # ------------------------------------------------------------------------------ what it does --

    def reset(self) -> None:
        """All states, counters and the clock to 0."""
        with self.lock:
            lib.lp_core_reset(self._p)

    def set_state(self, group: int, what: str, values: int | np.ndarray) -> None:
        """A group's "u" or "v" before the next step: one number, or (n,), v within vmin and
        vmax."""
        with self.lock:
            g = self.groups[number("group", group, 0, len(self.groups) - 1)]
            lo, hi = (-LIMIT, LIMIT) if what == "u" else (g.vmin, g.vmax)
            new = whole(f"{self.names[group]}: {what}", values, lo, hi, np.int32)
            self.state(group, what)[:] = new

    def state(self, group: int, what: str) -> np.ndarray:
        """(n,) int32: the core's own u or v of a group."""
        at = (lib.lp_core_u if what == "u" else lib.lp_core_v)(self._p, group)
        return np.frombuffer(ffi.buffer(at, 4 * self.groups[group].n), np.int32)

    def stop(self) -> None:
        """For good: a run in another thread ends between two steps, with InterruptedError."""
        self._stopped = True

    def set_bias(self, group: int, bias: int | np.ndarray) -> None:
        """A group's new biases from the next step on: one number, or (n,)."""
        with self.lock:
            number("group", group, 0, len(self.groups) - 1)
            self._set(group, "bias", bias, -LIMIT, LIMIT, np.int32)

    def set_weights(self, synapses: int, weights: np.ndarray) -> None:
        """New weights of a block of dense or sparse synapses from the next step on, in the shape
        and order in which the description has them."""
        with self.lock:
            number("synapses", synapses, 0, len(self._weights) - 1)
            mine = self._weights[synapses]
            if mine is None:
                raise ValueError("the weights of 3-bit codes and diagonals cannot be changed")
            new = whole("weight", weights, -32768, 32767, np.int16)
            if new.shape != mine.shape:
                raise ValueError(f"weights have shape {new.shape}, expected {mine.shape}")
            mine[...] = new

    def run(
        self,
        steps: int,
        starts: np.ndarray | Listed | None = None,
        inputs: np.ndarray | None = None,
        probes: Sequence[tuple[int, str]] = (),
    ) -> list[np.ndarray]:
        """Runs `steps` steps. Input spikes of step k: inputs[starts[k]:starts[k + 1]], at most
        n_inputs of them; an axon that is named twice counts twice. probes: (group, "u" | "v" |
        "spikes"); returns one (steps, n) array a probe: int32, or uint8 for spikes.
        OverflowDetected in strict mode."""
        steps = number("steps", steps, 0, 2**62)
        events = self._events(steps, starts, inputs)
        rows = self._rows(steps, probes)
        with self.lock:
            self._go(steps, events, 0, probes, rows)
        return rows

    def stream(
        self,
        steps: int,
        take: Callable[[int, list[np.ndarray]], None],
        starts: np.ndarray | Listed | None = None,
        inputs: np.ndarray | None = None,
        probes: Sequence[tuple[int, str]] = (),
    ) -> None:
        """run() in pieces: after each, take(its first step, counted from the run's, rows), rows as
        run() returns them but of the piece alone, and overwritten by the next."""
        steps = number("steps", steps, 0, 2**62)
        events = self._events(steps, starts, inputs)
        widest = max((self._row(p)[0] for p in probes), default=1)
        piece = max(1, min(steps, PIECE // widest))
        rows = self._rows(piece, probes)
        with self.lock:
            for at in range(0, steps, piece):
                part = [r[: steps - at] for r in rows]
                self._go(min(piece, steps - at), events, at, probes, part)
                take(at, part)

    def _row(self, probe: tuple[int, str]) -> tuple[int, Any]:
        """How many values of which type a probe has a step."""
        group, what = probe
        number("probe's group", group, 0, len(self.groups) - 1)
        if what not in _PROBES:
            raise ValueError(f"probe of {what!r}, expected one of {', '.join(_PROBES)}")
        return self.groups[group].n, _PROBES[what][1]

    def _rows(self, steps: int, probes: Sequence[tuple[int, str]]) -> list[np.ndarray]:
        return [np.empty((steps, n), dtype) for n, dtype in map(self._row, probes)]

    def _events(
        self, steps: int, starts: np.ndarray | Listed | None, inputs: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The input spikes, checked: every offset first, then what lies between them."""
        if starts is None or isinstance(starts, Listed):
            return starts
        named = np.zeros(0, np.uint16) if inputs is None else inputs
        axons = whole("input axon", named, 0, self.n_inputs - 1, np.uint16)
        offsets = whole("input offset", starts, 0, len(axons), np.uint32)
        if offsets.shape != (steps + 1,):
            raise ValueError(f"{offsets.shape} input offsets for {steps} steps, expected one more")
        n = np.diff(offsets.astype(np.int64))
        if steps and not 0 <= n.min() <= n.max() <= self.n_inputs:
            k = int(np.argmax((n < 0) | (n > self.n_inputs)))
            raise ValueError(
                f"step {k} has {n[k]} input spikes, expected 0 to {self.n_inputs} between rising "
                "offsets"
            )
        return offsets, axons

    def _go(
        self,
        steps: int,
        events: tuple[np.ndarray, np.ndarray] | None,
        at: int,
        probes: Sequence[tuple[int, str]],
        rows: Sequence[np.ndarray],
    ) -> None:
        """Steps `at` and on of the events, one block of rows a probe."""

        def go(left: Callable[[], bool]) -> None:
            done = 0
            while done < steps and not left():
                if self._stopped:
                    raise InterruptedError("stop() was called")
                rest = [r[done:] for r in rows] if done else rows
                status = self._call(steps - done, events, at + done, probes, rest)
                done += self._done[0]
                if status != lib.LP_E_OVERFLOW:
                    check(status)
                    continue
                found = overflow(self._p, self.names)
                if not self.warn:
                    raise found
                self.overflows.note(found)

        hears = threading.current_thread() is threading.main_thread()
        if hears and self._longest > self._work:
            self.lock.aside(go)
        else:
            go(lambda: False)

    def _call(
        self,
        steps: int,
        events: tuple[np.ndarray, np.ndarray] | None,
        at: int,
        probes: Sequence[tuple[int, str]],
        rows: Sequence[np.ndarray],
    ) -> int:
        """One call of C: its status; how many steps it did is in self._done."""
        starts, inputs = self._pointers(events, at)
        c_probes, sizes = self._c_probes(probes, rows)
        work = ffi.new("uint64_t *", self._work)
        at_once = 1 + self._work // (16 * self._longest)  # few enough to see to `work` behind them
        return lib.steps_of(
            self._p, work, at_once, steps, starts, inputs, c_probes, sizes, len(rows), self._done
        )

    @staticmethod
    def _pointers(events: tuple[np.ndarray, np.ndarray] | None, at: int) -> tuple[Any, Any]:
        if events is None:
            return ffi.NULL, ffi.NULL
        return pointer("uint32_t *", events[0]) + at, pointer("uint16_t *", events[1])

    @staticmethod
    def _c_probes(probes: Sequence[tuple[int, str]], rows: Sequence[np.ndarray]) -> tuple[Any, Any]:
        """The probes as C has them, and the bytes of a row of each."""
        c_probes = ffi.new("lp_probe[]", max(1, len(probes)))
        for c, (g, w), r in zip(c_probes, probes, rows):
            c.group, c.what, c.rows = g, _PROBES[w][0], ffi.from_buffer(r)
        return c_probes, ffi.new("size_t[]", [r.itemsize * r.shape[1] for r in rows] or 1)

    def taken_overflows(self) -> Overflows:
        """Those since the last call, of a core that goes on."""
        with self.lock:
            taken, self.overflows = self.overflows, Overflows()
            return taken

    def save(self) -> bytes:
        """The state after the last step, for restore()."""
        n = ffi.new("size_t *")
        with self.lock:
            return bytes(ffi.buffer(lib.lp_core_state(self._p, n), n[0]))

    def restore(self, state: bytes) -> None:
        """Goes on from a state of save(). ValueError, and nothing is done: a state of a network
        that differs in more than weights and biases, or damaged bytes."""
        with self.lock:
            if lib.lp_core_restore(self._p, ffi.from_buffer(state), len(state)):
                raise ValueError(
                    f"{len(state)} bytes that are damaged or no state of this network, expected "
                    "what save() gave for one that differs at most in weights and biases"
                )

    def counts(self) -> Counts:
        """Since step 0."""
        with self.lock:
            return counts_of(lib.lp_core_counts, self._p)

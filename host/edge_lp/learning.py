# SPDX-License-Identifier: Apache-2.0
"""The core with learners and noise beside it, in C's terms: traces, sums of products, chance. Knows
nothing of rules as people write them (loihi/rules.py). ValueError where a description does not
fit."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_lp.binding import ffi, lib, pointer
from edge_lp.core import Core, Group, Synapses
from edge_lp.integers import whole

LONGEST_EPOCH: int = lib.LP_LEARN_EPOCH
MOST_FACTORS: int = lib.LP_LEARN_FACTORS
VARIABLES = {
    "x0": lib.LP_X0, "x1": lib.LP_X1, "x2": lib.LP_X2, "y0": lib.LP_Y0, "y1": lib.LP_Y1,
    "y2": lib.LP_Y2, "y3": lib.LP_Y3, "r0": lib.LP_R0, "r1": lib.LP_R1, "w": lib.LP_WEIGHT,
    "t": lib.LP_TAG,
}  # fmt: skip
TRACES = ("x1", "x2", "y1", "y2", "y3")
RECORDED = (*TRACES, "r1", "w", "t")
MAGIC = b"LPLEARN1"
LIMITS = dict.fromkeys(TRACES, 127) | {"tx": 0, "ty": 0}  # of a state; 0: the epoch


@dataclass(frozen=True)
class Factor:
    """clip(variable + add) to [-2^bits, 2^bits - 1], or the sign of the sum."""

    what: str
    bits: int
    add: int = 0
    sign: bool = False


@dataclass(frozen=True)
class Product:
    """clip16((mantissa * the factors >> right) << left), added to target ("w" or "t") where `when`
    holds: "x0", "y0" or always (""); gated: only in every 2^decimate-th epoch. bits: of the product
    before its shift to the right, 62 at most."""

    target: str
    when: str
    gated: bool
    mantissa: int
    right: int
    left: int
    bits: int
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class Trace:
    """keep[v], more[v]: the next value of magnitude v (0..128) rounded down, and the chance in
    2^-16
    of one more; impulse in 2^-8."""

    keep: tuple[int, ...]
    more: tuple[int, ...]
    impulse: int = 0
    used: bool = True


@dataclass
class Learner:
    """Synapses of one block of the core that learn by one rule. rows (n_src + 1,); targets (k,),
    None
    where every row has all; mantissas and tags (k,): multiples of 2^bits from lo to hi, -256..255.
    number, seed: of its chance; nearest: no chance."""

    synapses: int
    rows: np.ndarray
    targets: np.ndarray | None
    mantissas: np.ndarray
    tags: np.ndarray
    bits: int
    lo: int
    hi: int
    exponent: int
    products: Sequence[Product]
    traces: dict[str, Trace]  # TRACES and r1
    epoch: int
    decimate: int
    number: int
    seed: int
    nearest: bool
    state: dict[str, np.ndarray] = field(default_factory=dict)  # what a run changes


@dataclass(frozen=True)
class Noise:
    """(x + mean) 2^(exponent - 7), x from -128 to 127, is added to u, or v, of a group in each
    step; a lower exponent than 7 rounds down. mean 0..448, exponent 0..20."""

    group: int
    on_u: bool
    mean: int
    exponent: int
    seed: int


class PlasticCore(Core):
    """A core whose learners change its weights after each epoch, and whose groups may have noise. A
    probe of a learner is (its index, any of RECORDED). The state has their traces, tags, weights
    and the trial too; reset() takes weights and tags back to what was last set. trial: which of a
    noise's sequences; it may be set before a reset()."""

    def __init__(
        self,
        groups: Sequence[Group],
        synapses: Sequence[Synapses],
        n_inputs: int,
        flags: int,
        learners: Sequence[Learner],
        warn: bool = False,
        noises: Sequence[Noise] = (),
    ) -> None:
        self.noises: list[Noise] = []  # those that are laid out
        super().__init__(groups, synapses, n_inputs, flags, warn)
        self.learners, self.trial = list(learners), 0
        self._lay_out_noises(noises)
        self._c_learners = ffi.new("lp_learner[]", len(self.learners))
        for c, learner in zip(self._c_learners, self.learners):
            self._fill_learner(c, learner, synapses[learner.synapses])
        for x in self.learners:
            self._longest += lib.LP_LEARN_WORK * len(x.mantissas) * len(x.products)
        self._rewards: np.ndarray | None = None
        self.reset()

    def _lay_out_noises(self, noises: Sequence[Noise]) -> None:
        self._c_noises = ffi.new("lp_noise[]", max(1, len(noises)))
        self._biases = [np.zeros((2, self.groups[x.group].n), np.int32) for x in noises]
        self.noises = list(noises)
        for c, x, bias in zip(self._c_noises, self.noises, self._biases):
            c.group, c.n, c.on_u = x.group, self.groups[x.group].n, x.on_u
            c.mean, c.exponent, c.seed = x.mean, x.exponent, x.seed
            c.bias, c.more = (pointer("int32_t *", row) for row in bias)
            c.u = ffi.cast("int32_t *", lib.lp_core_u(self._p, x.group))
            self._with_noise(x.group)

    def _with_noise(self, group: int) -> None:
        """The group's bias is what the noise is added to."""
        for x, bias in zip(self.noises, self._biases):
            if x.group == group:
                bias[:] = self._each[group, "bias"]
                self._c_groups[group].bias_each = pointer("int32_t *", bias[1])

    def _set(self, group: int, what: str, *args: Any) -> None:
        super()._set(group, what, *args)
        if what == "bias" and self.noises:
            self._with_noise(group)

    def _fill_learner(self, c: Any, x: Learner, s: Synapses) -> None:
        n_src = self.n_inputs if s.src is None else self.groups[s.src].n
        n_dst = self.groups[s.dst].n
        c.src, c.dst = lib.LP_INPUT if s.src is None else s.src, s.dst
        c.n_src, c.n_dst = n_src, n_dst
        k = len(x.mantissas)
        c.rows = pointer("uint32_t *", self._array("row offset", x.rows, 0, k, np.uint32))
        if x.targets is not None:
            targets = self._array("target", x.targets, 0, n_dst - 1, np.uint16)
            c.targets = pointer("uint16_t *", targets)
        units = {t: n_src if t[0] == "x" else n_dst for t in TRACES}
        x.state = {t: np.zeros(n, np.uint8) for t, n in units.items()}
        x.state |= {"tx": np.zeros(n_src, np.uint8), "ty": np.zeros(n_dst, np.uint8)}
        x.state |= {"r1": np.zeros(x.epoch + 2, np.int16)}
        x.state |= {"w": np.zeros(k, np.int16), "t": np.zeros(k, np.int16)}
        weights = self._weights[x.synapses]
        if weights is None or weights.size != k:
            raise ValueError("a learner's synapses are not those of its block")
        c.out = pointer("int16_t *", weights)
        c.weights, c.tags = (pointer("int16_t *", x.state[w]) for w in "wt")
        c.tx, c.ty = (pointer("uint8_t *", x.state[t]) for t in ("tx", "ty"))
        c.r1 = pointer("int16_t *", x.state["r1"])
        for name in ("bits", "lo", "hi", "exponent", "epoch", "decimate", "number", "seed"):
            setattr(c, name, getattr(x, name))
        c.nearest = x.nearest
        for trace, of in zip(c.traces, TRACES):
            self._fill_trace(trace, x.traces[of])
            trace.now = pointer("uint8_t *", x.state[of])
            trace.history = self._room(np.uint8, (x.epoch + 1) * units[of])
        self._fill_trace(c.reward, x.traces["r1"])
        c.products, c.n_products = self._products(x), len(x.products)
        c.scratch, c.scratch64 = self._room(np.int32, 4 * n_dst), self._room(np.int64, n_dst)
        c.at, c.to = self._room(np.uint32, n_dst), self._room(np.uint16, n_dst)
        c.own = self._room(np.uint8, 3 * n_dst)

    def _room(self, dtype: Any, n: int) -> Any:
        self._keep.append(np.zeros(max(1, n), dtype))
        ctype = {1: "uint8_t *", 2: "uint16_t *", 8: "int64_t *"}.get(np.dtype(dtype).itemsize)
        ctype = ctype or ("int32_t *" if dtype is np.int32 else "uint32_t *")
        return pointer(ctype, self._keep[-1])

    @staticmethod
    def _fill_trace(c: Any, t: Trace) -> None:
        c.used, (c.impulse, c.fraction) = t.used, divmod(t.impulse, 256)
        c.keep[0 : len(t.keep)], c.more[0 : len(t.more)] = t.keep, t.more

    def _products(self, x: Learner) -> Any:
        out = ffi.new("lp_product[]", max(1, len(x.products)))
        self._keep.append(out)
        for c, p in zip(out, x.products):
            if p.bits > 62 or len(p.factors) > MOST_FACTORS:
                raise ValueError(f"a product of {p.bits} bits, {len(p.factors)} factors")
            c.target, c.when = VARIABLES[p.target], VARIABLES[p.when or "t"]
            c.gated, c.mantissa, c.right, c.left = p.gated, p.mantissa, p.right, p.left
            c.n, c.wide = len(p.factors), p.bits > 31
            for f, given in zip(c.factors, p.factors):
                f.what, f.bits = VARIABLES[given.what], given.bits
                f.add, f.sign = given.add, given.sign
        return out

    # ------------------------------------------------------------------------------ what it does --

    def run(self, *args: Any, rewards: Any = None, **named: Any) -> list[np.ndarray]:
        """As Core.run. rewards: (steps,) -128..127, added to r1; None: none."""
        with self.lock:
            self._rewards = rewards
            try:
                return super().run(*args, **named)
            finally:
                self._rewards = None

    def stream(self, *args: Any, rewards: Any = None, **named: Any) -> None:
        with self.lock:
            self._rewards = rewards
            try:
                super().stream(*args, **named)
            finally:
                self._rewards = None

    def _row(self, probe: tuple[int, str]) -> tuple[int, Any]:
        index, what = probe
        if what not in RECORDED:
            return super()._row(probe)
        if what == "r1":
            return 1, np.int16
        array = self.learners[index].state[what]
        return len(array), array.dtype

    def _call(self, steps: int, events: Any, at: int, probes: Any, rows: Any) -> int:
        both = list(zip(probes, rows))
        learned = [(p, r) for p, r in both if p[1] in RECORDED]
        others = [(p, r) for p, r in both if p[1] not in RECORDED]
        c_learned = ffi.new("lp_learn_probe[]", max(1, len(learned)))
        for c, ((index, what), r) in zip(c_learned, learned):
            c.learner, c.what, c.rows = index, VARIABLES[what], pointer("void *", r)
        c_probes, sizes = self._c_probes([p for p, _ in others], [r for _, r in others])
        given = self._rewards  # held, so that they last as long as the call
        rewards = ffi.NULL if given is None else pointer("int16_t *", given) + at
        starts, inputs = self._pointers(events, at)
        for c in self._c_noises[0 : len(self.noises)]:
            c.trial = self.trial
        work = ffi.new("uint64_t *", self._work)
        return lib.lp_learn_run(
            self._p, self._c_learners, len(self.learners), work, steps, starts, inputs, rewards,
            c_probes, sizes, len(others), c_learned, len(learned), self._c_noises,
            len(self.noises), self._done,
        )  # fmt: skip

    def reset(self) -> None:
        with self.lock:
            super().reset()
            for c, x in zip(self._c_learners, self.learners):
                for array in x.state.values():
                    array[:] = 0
                x.state["w"][:], x.state["t"][:] = x.mantissas, x.tags
                lib.lp_learn_out(ffi.addressof(c))

    def set_learned(self, learner: int, what: str, values: np.ndarray) -> None:
        """New mantissas ("w") or tags ("t"), checked by the caller, now and after each reset(); or
        a
        trace's values, now."""
        with self.lock:
            x = self.learners[learner]
            x.state[what][: len(values)] = values
            if what == "w":
                x.mantissas = np.array(values)
                lib.lp_learn_out(ffi.addressof(self._c_learners, learner))
            if what == "t":
                x.tags = np.array(values)

    def learned(self, learner: int, what: str) -> np.ndarray:
        """A copy of what a run would record now."""
        with self.lock:
            array = self.learners[learner].state[what]
            return array[:1].copy() if what == "r1" else array.copy()

    def save(self) -> bytes:
        with self.lock:
            core = super().save()
            rest = b"".join(a.tobytes() for x in self.learners for a in x.state.values())
            rest += struct.pack("<I", self.trial)
            check = zlib.crc32(rest, self._fingerprint())
            return MAGIC + struct.pack("<QI", len(core), check) + core + rest

    def restore(self, state: bytes) -> None:
        with self.lock:
            head = len(MAGIC) + 12
            n, check = struct.unpack("<QI", state[len(MAGIC) : head].ljust(12, b"\0")[:12])
            rest, trial, arrays = state[head + n : -4], state[-4:], []
            for x in self.learners:
                for name, a in x.state.items():
                    new = np.frombuffer(rest[: a.nbytes].ljust(a.nbytes, b"\xff"), a.dtype)
                    lo, hi = (0, LIMITS[name] or x.epoch) if name in LIMITS else (-256, 255)
                    arrays.append((a, new, new.min(initial=0) >= lo and new.max(initial=0) <= hi))
                    rest = rest[a.nbytes :]
            sealed = zlib.crc32(state[head + n :], self._fingerprint()) == check
            if state[: len(MAGIC)] != MAGIC or rest or not sealed or not all(w for *_, w in arrays):
                raise ValueError(
                    f"{len(state)} bytes that are damaged or no state of this network, expected "
                    "what save() gave for one that differs at most in weights and biases"
                )
            super().restore(state[head : head + n])
            (self.trial,) = struct.unpack("<I", trial)
            for a, new, _ in arrays:
                a[:] = new
            for c in self._c_learners:
                lib.lp_learn_out(ffi.addressof(c))

    def _fingerprint(self) -> int:
        """Of everything that a state needs to fit."""
        value = zlib.crc32(repr(self.noises).encode()) if self.noises else 0
        for x in self.learners:
            rest: tuple = (
                x.products,
                sorted(x.traces.items()),
                x.bits,
                x.lo,
                x.hi,
                x.exponent,
                x.epoch,
            )
            rest += (x.decimate, x.number, x.seed, x.nearest)
            value = zlib.crc32(repr(rest).encode(), zlib.crc32(x.rows.tobytes(), value))
            value = zlib.crc32(b"" if x.targets is None else x.targets.tobytes(), value)
        return value


def rewards_of(rewards: Any, steps: int) -> np.ndarray | None:
    """(steps,) int16, checked."""
    if rewards is None:
        return None
    a = whole("reward", rewards, -128, 127, np.int16)
    if a.shape != (steps,):
        raise ValueError(f"rewards have shape {a.shape}, expected ({steps},): one a step")
    return a

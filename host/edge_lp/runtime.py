# SPDX-License-Identifier: Apache-2.0
"""The C runtime, in Python terms. The only file that touches cffi: pointers, sizes and status codes
stop here.

Calls release the GIL, so several threads evaluate on several cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from edge_lp._runtime import ffi, lib
from edge_lp.errors import EdgeLpError, ModelError, OverflowDetected

SAMPLE_RATE: int = lib.LP_SAMPLE_RATE
HOP: int = lib.LP_HOP
WINDOW: int = lib.LP_WINDOW
FEATURES: int = lib.LP_FEATURES
FRAME_SECONDS = HOP / SAMPLE_RATE
FORMAT_VERSION = (lib.LP_FORMAT_MAJOR, lib.LP_FORMAT_MINOR)
FRONTEND_VERSION: int = lib.LP_FRONTEND_VERSION
MAX_WINDOW: int = lib.LP_MAX_WINDOW
MAX_LABELS: int = lib.LP_MAX_LABELS
MAX_DELAY: int = lib.LP_MAX_DELAY
STRICT: int = lib.LP_STRICT
COUNT: int = lib.LP_COUNT

_MESSAGES = {
    lib.LP_E_ARG: (ValueError, "an argument is out of its range"),
    lib.LP_E_SPACE: (MemoryError, "the memory given is too small or not aligned to 8 bytes"),
    lib.LP_E_MAGIC: (ModelError, "not an .lpb model (the first four bytes are not \\x89LPB)"),
    lib.LP_E_MAJOR: (
        ModelError,
        "written for another major version of the .lpb format; this edge-lp reads version "
        f"{lib.LP_FORMAT_MAJOR}: export the model again",
    ),
    lib.LP_E_MINOR: (
        ModelError,
        f"written for a newer .lpb format than {lib.LP_FORMAT_MAJOR}.{lib.LP_FORMAT_MINOR}: "
        "upgrade edge-lp",
    ),
    lib.LP_E_TRUNCATED: (
        ModelError,
        "shorter than its header says: the file is cut off, copy or export it again",
    ),
    lib.LP_E_TRAILING: (
        ModelError,
        "longer than its header says: something was appended, copy or export it again",
    ),
    lib.LP_E_CHECKSUM: (
        ModelError,
        "checksum mismatch: the file is damaged, copy or export it again",
    ),
    lib.LP_E_FORMAT: (
        ModelError,
        "a field contradicts the .lpb format (SPEC.md): export the model again",
    ),
    lib.LP_E_LIMIT: (ModelError, "well-formed, but larger than this runtime can run"),
    lib.LP_E_FRONTEND: (
        ModelError,
        f"trained with another front end; this edge-lp has version {lib.LP_FRONTEND_VERSION} "
        f"({lib.LP_SAMPLE_RATE} Hz, {lib.LP_FEATURES} bands): train or export the model again",
    ),
}


def check(status: int) -> int:
    """A non-negative status passes; a negative one becomes the exception for its cause."""
    if status >= 0:
        return status
    kind, message = _MESSAGES.get(status, (EdgeLpError, f"unknown status {status}"))
    raise kind(message)


def _memory(n: int) -> Any:
    """n bytes, aligned to 8, zeroed, owned by the returned object."""
    return ffi.new("uint64_t[]", (n + 7) // 8)


def _size(function: Any, *args: Any) -> int:
    out = ffi.new("size_t *")
    check(function(*args, out))
    return out[0]


def _pointer(ctype: str, array: np.ndarray) -> Any:
    return ffi.cast(ctype, array.ctypes.data)


def _pcm(samples: np.ndarray) -> np.ndarray:
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise ValueError(
            f"expected a one-dimensional int16 array of samples, got {samples.dtype} with shape "
            f"{samples.shape}"
        )
    return np.ascontiguousarray(samples)


def version() -> str:
    return f"{lib.LP_VERSION_MAJOR}.{lib.LP_VERSION_MINOR}.{lib.LP_VERSION_PATCH}"


def crc32(data: bytes, crc: int = 0) -> int:
    return lib.lp_crc32(crc, data, len(data))


def weight(mantissa: int, bits: int, sign_mode: int, exponent: int) -> int:
    """Synaptic weight in accumulator units (SPEC.md, "Weights"). ValueError where a field is out of
    range."""
    out = ffi.new("int32_t *")
    check(lib.lp_weight(mantissa, bits, sign_mode, exponent, out))
    return out[0]


@dataclass(frozen=True)
class DetectorConfig:
    """window, refractory, latency, hold in frames of 10 ms; threshold is a posterior in 0..1
    (edge_lp.h, lp_detector_config)."""

    window: int
    threshold: float
    refractory: int
    latency: int
    hold: int = 0

    def _c(self) -> Any:
        q15 = int(round(self.threshold * 32767))
        if not 0 <= q15 <= 32767:
            raise ValueError(f"threshold is {self.threshold}, expected a posterior between 0 and 1")
        if not 1 <= self.window <= MAX_WINDOW:
            raise ValueError(f"window is {self.window} frames, expected 1 to {MAX_WINDOW}")
        if not all(0 <= frames <= 65535 for frames in (self.refractory, self.latency, self.hold)):
            raise ValueError("refractory, latency and hold must be 0 to 65535 frames")
        return ffi.new(
            "lp_detector_config *",
            dict(
                window=self.window,
                threshold=q15,
                refractory=self.refractory,
                latency=self.latency,
                hold=self.hold,
            ),
        )


@dataclass(frozen=True)
class Event:
    """frame: index of the frame with the best posterior; middle: the estimated frame of the word's
    middle; score: posterior 0..1."""

    frame: int
    middle: int
    label: int
    score: float


class Model:
    """An .lpb model, opened and checked by the C runtime. `bytes` stays alive with it and is never
    copied."""

    def __init__(self, data: bytes):
        self.bytes = bytes(data)
        self._buffer = ffi.from_buffer("uint8_t[]", self.bytes)
        self.c = ffi.new("lp_model *")
        check(lib.lp_model_open(self.c, self._buffer, len(self.bytes)))
        self.labels: list[str] = [self._label(i) for i in range(self.c.n_labels)]

    def _label(self, index: int) -> str:
        length = ffi.new("size_t *")
        return ffi.unpack(lib.lp_model_label(self.c, index, length), length[0]).decode(
            "utf-8", "replace"
        )

    @property
    def n_keywords(self) -> int:
        return self.c.n_keywords

    @property
    def keywords(self) -> list[str]:
        return self.labels[: self.c.n_keywords]

    @property
    def steps(self) -> int:
        """K, time steps of the core in a frame."""
        return self.c.steps

    @property
    def detector(self) -> DetectorConfig:
        d = self.c.detector
        return DetectorConfig(d.window, d.threshold / 32767, d.refractory, d.latency, d.hold)

    def coding(self, layer: int, matrix: str) -> tuple[str, int]:
        """How the file holds matrix "w" or "u" of a layer: ("dense" | "sparse", bytes)."""
        m = getattr(self.c.layers[layer], matrix)
        return "sparse" if m.kind == lib.LP_SPARSE3 else "dense", m.bytes

    def ram(self) -> dict[str, int]:
        """Bytes of working memory of each part and of the whole, as this build of the runtime lays
        them out."""
        return {
            "front end": lib.lp_frontend_size(),
            "network": _size(lib.lp_net_size, self.c, 0),
            "detector": _size(lib.lp_detector_size, self.c.n_labels),
            "spotter": _size(lib.lp_spotter_size, self.c, 0),
        }


class Frontend:
    """PCM int16 at 16 kHz -> frames of FEATURES int16 (Q10), one every HOP samples."""

    def __init__(self) -> None:
        n = lib.lp_frontend_size()
        self._mem = _memory(n)
        out = ffi.new("lp_frontend **")
        check(lib.lp_frontend_init(out, self._mem, n))
        self._p = out[0]

    def reset(self) -> None:
        lib.lp_frontend_reset(self._p)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """(n,) int16 -> (frames, FEATURES) int16. Any cut of a stream into pushes gives the same
        frames."""
        samples = _pcm(samples)
        frames = np.empty((len(samples) // HOP + 1, FEATURES), np.int16)
        used, at, n = ffi.new("size_t *"), 0, 0
        pcm, to = _pointer("int16_t *", samples), _pointer("int16_t *", frames)
        while at < len(samples):
            n += lib.lp_frontend_push(self._p, pcm + at, len(samples) - at, used, to + n * FEATURES)
            at += used[0]
        return frames[:n]


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


def _counts(core: Any) -> Counts:
    c = ffi.new("lp_counts *")
    lib.lp_core_counts(core, c)
    return Counts(c.steps, c.updates, c.active, c.spikes, c.synops)


class Net:
    """Frames -> logits on the spiking core."""

    def __init__(self, model: Model, flags: int = 0) -> None:
        n = _size(lib.lp_net_size, model.c, flags)
        self.model, self._mem = model, _memory(n)
        out = ffi.new("lp_net **")
        check(lib.lp_net_init(out, model.c, flags, self._mem, n))
        self._p = out[0]
        self._core = lib.lp_net_core(self._p)
        self.n_groups: int = lib.lp_net_groups(self._p)

    def reset(self) -> None:
        lib.lp_net_reset(self._p)

    def push(self, frames: np.ndarray) -> np.ndarray:
        """(frames, FEATURES) int16 -> (frames, labels) int32 Q8. OverflowDetected: strict mode."""
        frames = np.ascontiguousarray(frames, np.int16).reshape(-1, FEATURES)
        logits = np.empty((len(frames), len(self.model.labels)), np.int32)
        f, z = _pointer("int16_t *", frames), _pointer("int32_t *", logits)
        for i in range(len(frames)):
            status = lib.lp_net_frame(self._p, f + i * FEATURES, z + i * logits.shape[1])
            if status == lib.LP_E_OVERFLOW:
                raise _overflow(self._core)
            check(status)
        return logits

    def counts(self) -> Counts:
        return _counts(self._core)

    def state(self, group: int) -> dict[str, np.ndarray]:
        """u, v and (unless silent) spikes of a group after the last step, copied."""
        return _group_state(self._core, group, self._group_size(group))

    def _group_size(self, group: int) -> int:
        return self.model.c.layers[group // 2].n


def _group_state(core: Any, group: int, n: int) -> dict[str, np.ndarray]:
    spikes = lib.lp_core_spikes(core, group)
    out = {
        "u": np.frombuffer(ffi.buffer(lib.lp_core_u(core, group), 4 * n), np.int32).copy(),
        "v": np.frombuffer(ffi.buffer(lib.lp_core_v(core, group), 4 * n), np.int32).copy(),
    }
    if spikes != ffi.NULL:
        out["spikes"] = np.frombuffer(ffi.buffer(spikes, n), np.uint8).copy()
    return out


_WHAT = {lib.LP_WHAT_U: "u", lib.LP_WHAT_V: "v", lib.LP_WHAT_SPIKES: "spikes", lib.LP_WHAT_Q: "q"}


def _overflow(core: Any) -> OverflowDetected:
    w = ffi.new("lp_overflow *")
    lib.lp_core_overflow(core, w)
    where = dict(step=w.step, group=w.group, index=w.index, what=_WHAT[w.what], value=w.value)
    return OverflowDetected(
        f"overflow at step {w.step}: {_WHAT[w.what]} of compartment {w.index} in group {w.group} "
        f"is {w.value}, "
        "more than its register holds",
        where,
    )


class Detector:
    """Logits -> events and posteriors."""

    def __init__(self, n_labels: int, n_keywords: int, config: DetectorConfig) -> None:
        n = _size(lib.lp_detector_size, n_labels)
        self.n_labels, self._mem = n_labels, _memory(n)
        out = ffi.new("lp_detector **")
        check(lib.lp_detector_init(out, n_labels, n_keywords, config._c(), self._mem, n))
        self._p = out[0]

    def reset(self) -> None:
        lib.lp_detector_reset(self._p)

    def push(self, logits: np.ndarray) -> tuple[list[Event], np.ndarray]:
        """(frames, labels) int32 Q8 -> events, posteriors (frames, labels) uint16 Q15."""
        logits = np.ascontiguousarray(logits, np.int32).reshape(-1, self.n_labels)
        posteriors = np.empty(logits.shape, np.uint16)
        events, e, z = [], ffi.new("lp_event *"), _pointer("int32_t *", logits)
        posterior = np.frombuffer(
            ffi.buffer(lib.lp_detector_posterior(self._p), 2 * self.n_labels), np.uint16
        )
        for i in range(len(logits)):
            if lib.lp_detector_push(self._p, z + i * self.n_labels, e):
                events.append(_event(e))
            posteriors[i] = posterior
        return events, posteriors


def _event(e: Any) -> Event:
    return Event(e.frame, e.middle, e.label, e.score / 32767)


class Spotter:
    """PCM -> events: front end, network and detector in a row, as a board runs them."""

    def __init__(self, model: Model, flags: int = 0, config: DetectorConfig | None = None) -> None:
        n = _size(lib.lp_spotter_size, model.c, flags)
        self.model, self._mem = model, _memory(n)
        out = ffi.new("lp_spotter **")
        check(lib.lp_spotter_init(out, model.c, flags, self._mem, n))
        self._p = out[0]
        self._core = lib.lp_net_core(lib.lp_spotter_net(self._p))
        self._used, self._frames, self._event = (
            ffi.new("size_t *"),
            ffi.new("int *"),
            ffi.new("lp_event *"),
        )
        self._posterior = lib.lp_detector_posterior(lib.lp_spotter_detector(self._p))
        if config is not None:
            check(lib.lp_detector_configure(lib.lp_spotter_detector(self._p), config._c()))

    def reset(self) -> None:
        lib.lp_spotter_reset(self._p)

    def push(self, samples: np.ndarray) -> list[Event]:
        """(n,) int16 at 16 kHz, any n -> the events they complete."""
        samples, at, events = _pcm(samples), 0, []
        pcm, n = _pointer("int16_t *", samples), len(samples)
        while at < n:
            status = lib.lp_spotter_push(
                self._p, pcm + at, n - at, self._used, self._frames, self._event
            )
            if status == lib.LP_E_OVERFLOW:
                raise _overflow(self._core)
            if check(status):
                events.append(_event(self._event))
            at += self._used[0]
        return events

    def posterior(self) -> np.ndarray:
        """(labels,) posteriors 0..1 of the last frame."""
        return (
            np.frombuffer(ffi.buffer(self._posterior, 2 * len(self.model.labels)), np.uint16)
            / 32767
        )

    def counts(self) -> Counts:
        return _counts(self._core)


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
        n = _size(lib.lp_core_size, spec)
        mem = _memory(n)
        out = ffi.new("lp_core **")
        check(lib.lp_core_init(out, spec, mem, n))
        self._keep += [c_groups, c_synapses, spec, mem]
        self._p = out[0]

    def _array(self, values: Any, dtype: Any, ctype: str) -> Any:
        a = np.ascontiguousarray(values, dtype)
        if not np.array_equal(a, values):
            raise ValueError(f"an array of the core has values that {np.dtype(dtype)} cannot hold")
        self._keep.append(a)
        return _pointer(ctype, a)

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
            c.group, c.what, c.rows, c.stride = g, what[w], _pointer("void *", r), r.shape[1]
        status = lib.lp_core_run(
            self._p,
            steps,
            ffi.NULL if starts is None else _pointer("uint32_t *", starts),
            ffi.NULL if starts is None or inputs is None else _pointer("uint16_t *", inputs),
            c_probes,
            len(rows),
        )
        if status == lib.LP_E_OVERFLOW:
            raise _overflow(self._p)
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
        return _counts(self._p)

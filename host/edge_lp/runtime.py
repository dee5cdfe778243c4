# SPDX-License-Identifier: Apache-2.0
"""The keyword spotter's chain in Python terms: model, front end, network, detector, and all in a
row. Pointers, sizes and status codes stop here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.binding import check, ffi, lib, memory, pointer, size_of
from edge_lp.core import Counts, counts_of, overflow
from edge_lp.model.spec import DetectorConfig, DetectorIntegers

SAMPLE_RATE: int = lib.LP_SAMPLE_RATE
HOP: int = lib.LP_HOP
WINDOW: int = lib.LP_WINDOW
FEATURES: int = lib.LP_FEATURES
FRAME_SECONDS = HOP / SAMPLE_RATE
FORMAT_VERSION = (lib.LP_FORMAT_MAJOR, lib.LP_FORMAT_MINOR)
VECTORS = bool(lib.built_for_vectors())  # the runtime here is built for them, as no board's is
FRONTEND_VERSION: int = lib.LP_FRONTEND_VERSION
MAX_WINDOW: int = lib.LP_MAX_WINDOW
MAX_LABELS: int = lib.LP_MAX_LABELS


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


def _detector_config(c: DetectorConfig, n_keywords: int) -> Any:
    return ffi.new("lp_detector_config *", c.integers(n_keywords)._asdict())


@dataclass(frozen=True)
class Event:
    """frame: index of the frame with the best posterior; middle: the estimated frame of the word's
    middle; score: posterior 0..1; wake: of a wake word."""

    frame: int
    middle: int
    label: int
    score: float
    wake: bool = False


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
        d, thresholds = self.c.detector, max(1, self.n_keywords)
        return DetectorConfig.of(
            DetectorIntegers(
                list(d.windows),
                d.stride,
                d.refractory,
                d.latency,
                d.hold,
                d.wake_words,
                d.wake,
                list(d.thresholds)[:thresholds],
            )
        )

    def coding(self, layer: int, matrix: str) -> tuple[str, int]:
        """How the file holds matrix "w" or "u" of a layer: ("dense" | "sparse", bytes)."""
        m = getattr(self.c.layers[layer], matrix)
        return "sparse" if m.kind == lib.LP_SPARSE3 else "dense", m.bytes

    def ram(self, board: bool = True) -> dict[str, int]:
        """Bytes of working memory of each part and of the whole on a board: on a machine without
        vectors, with pointers of this one, so at most a few bytes too many for one of 32 bits.
        board False: on this machine."""
        flags = lib.LP_BOARD if board else 0
        return {
            "front end": lib.board_frontend_size() if board else lib.lp_frontend_size(),
            "network": size_of(lib.lp_net_size, self.c, flags),
            "detector": size_of(
                lib.lp_detector_size, self.c.n_labels, ffi.addressof(self.c, "detector")
            ),
            "spotter": size_of(lib.lp_spotter_size, self.c, flags),
        }


class Frontend:
    """PCM int16 at 16 kHz -> frames of FEATURES int16 (Q10), one every HOP samples."""

    def __init__(self) -> None:
        n = lib.lp_frontend_size()
        self._mem = memory(n)
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
        pcm, to = pointer("int16_t *", samples), pointer("int16_t *", frames)
        return frames[: lib.frames_of(self._p, pcm, len(samples), to)]


class Net:
    """Frames -> logits on the spiking network. kernel: it runs on the sigma-delta kernel, not on
    the core, as with STRICT or CORE and for a model that could leave a range. Both give the same
    numbers."""

    def __init__(self, model: Model, flags: int = 0) -> None:
        n = size_of(lib.lp_net_size, model.c, flags)
        self.model, self._mem = model, memory(n)
        out = ffi.new("lp_net **")
        check(lib.lp_net_init(out, model.c, flags, self._mem, n))
        self._p = out[0]
        self.kernel = lib.lp_net_core(self._p) == ffi.NULL
        self.n_groups: int = 2 * model.c.n_layers - 1

    def reset(self) -> None:
        lib.lp_net_reset(self._p)

    def push(self, frames: np.ndarray) -> np.ndarray:
        """(frames, FEATURES) int16 -> (frames, labels) int32 Q8. OverflowDetected: strict mode."""
        frames = np.ascontiguousarray(frames, np.int16).reshape(-1, FEATURES)
        logits = np.empty((len(frames), len(self.model.labels)), np.int32)
        f, z = pointer("int16_t *", frames), pointer("int32_t *", logits)
        status = lib.logits_of(self._p, f, len(frames), z, logits.shape[1])
        if status == lib.LP_E_OVERFLOW:
            raise overflow(lib.lp_net_core(self._p))
        check(status)
        return logits

    def counts(self) -> Counts:
        return counts_of(lib.lp_net_counts, self._p)

    def state(self, group: int) -> dict[str, np.ndarray]:
        """u, v and, of somas, spikes of a group (edge_lp.h, lp_net_state) after the last step,
        copied."""
        n = self.model.c.layers[group // 2].n
        u, v, spikes = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.uint8)
        to = pointer("int32_t *", u), pointer("int32_t *", v), pointer("uint8_t *", spikes)
        check(lib.lp_net_state(self._p, group, *to))
        return {"u": u, "v": v, "spikes": spikes} if group % 2 else {"u": u, "v": v}


class Detector:
    """Logits -> events and posteriors."""

    def __init__(self, n_labels: int, n_keywords: int, config: DetectorConfig) -> None:
        c = _detector_config(config, n_keywords)
        n = size_of(lib.lp_detector_size, n_labels, c)
        self.n_labels, self.n_keywords, self._mem = n_labels, n_keywords, memory(n)
        out = ffi.new("lp_detector **")
        check(lib.lp_detector_init(out, n_labels, n_keywords, c, self._mem, n))
        self._p = out[0]

    def reset(self) -> None:
        lib.lp_detector_reset(self._p)

    def configure(self, config: DetectorConfig) -> None:
        """Counts from the next frame on; what was heard is forgotten only if the windows, the
        stride or the number of wake words change. MemoryError: longer or more windows."""
        check(lib.lp_detector_configure(self._p, _detector_config(config, self.n_keywords)))

    def push(self, logits: np.ndarray) -> tuple[list[Event], np.ndarray]:
        """(frames, labels) int32 Q8 -> events, posteriors (frames, labels) uint16 Q15."""
        logits = np.ascontiguousarray(logits, np.int32).reshape(-1, self.n_labels)
        posteriors = np.empty(logits.shape, np.uint16)
        events = ffi.new("lp_event[]", max(1, len(logits)))
        z, p = pointer("int32_t *", logits), pointer("uint16_t *", posteriors)
        found = lib.events_of(self._p, z, len(logits), self.n_labels, p, events)
        return [_event(events[i]) for i in range(found)], posteriors

    def awake(self) -> int:
        """Frames left in which commands count behind a wake word."""
        return lib.lp_detector_awake(self._p)


def _event(e: Any) -> Event:
    return Event(e.frame, e.middle, e.label, e.score / 32767, bool(e.wake))


class Spotter:
    """PCM -> events: front end, network and detector in a row, as a board runs them. config in
    place of the model's detector.

    >>> import numpy as np
    >>> from edge_lp.model.find import read_model
    >>> model = Model(read_model("commands12"))
    >>> spotter = Spotter(model)
    >>> spotter.push(np.zeros(16000, np.int16))  # a second of silence
    []
    >>> model.labels[spotter.posterior().argmax()]
    '_silence_'
    """

    def __init__(self, model: Model, flags: int = 0, config: DetectorConfig | None = None) -> None:
        self.model, self._c = model, ffi.new("lp_model *", model.c[0])
        if config is not None:
            self._c.detector = _detector_config(config, model.n_keywords)[0]
        n = size_of(lib.lp_spotter_size, self._c, flags)
        self._mem, out = memory(n), ffi.new("lp_spotter **")
        check(lib.lp_spotter_init(out, self._c, flags, self._mem, n))
        self._p = out[0]
        self._net = lib.lp_spotter_net(self._p)
        self._detector = lib.lp_spotter_detector(self._p)
        self._posterior = lib.lp_detector_posterior(self._detector)

    def reset(self) -> None:
        lib.lp_spotter_reset(self._p)

    def push(self, samples: np.ndarray) -> list[Event]:
        """(n,) int16 at 16 kHz, any n -> the events they complete."""
        samples = _pcm(samples)
        room = len(samples) // HOP + 1
        events = ffi.new("lp_event[]", room)
        found = lib.lp_spotter_hear(
            self._p, pointer("int16_t *", samples), len(samples), events, room
        )
        if found == lib.LP_E_OVERFLOW:
            raise overflow(lib.lp_net_core(self._net))
        return [_event(events[i]) for i in range(check(found))]

    def awake(self) -> int:
        """Frames left in which commands count behind a wake word."""
        return lib.lp_detector_awake(self._detector)

    def posterior(self) -> np.ndarray:
        """(labels,) posteriors 0..1 of the last decision; 0 before the first."""
        return (
            np.frombuffer(ffi.buffer(self._posterior, 2 * len(self.model.labels)), np.uint16)
            / 32767
        )

    def counts(self) -> Counts:
        return counts_of(lib.lp_net_counts, self._net)

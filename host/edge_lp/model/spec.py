# SPDX-License-Identifier: Apache-2.0
"""A model as plain data: what an .lpb file holds, and its limits (SPEC.md, "Model file"). Stands on
nothing but NumPy, so that the twins of the tests can stand on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

FRONT_END = (16000, 512, 160, 40, 1)  # samples/s, window, hop, features, version of the front end
FEATURES = FRONT_END[3]
MAX_LAYERS, MAX_UNITS, MAX_LABELS = 8, 1024, 64
MAX_SHIFT = 12  # a code's shift on the core
MAX_WINDOWS, MAX_WINDOW = 4, 200  # the detector's: how many, and the longest, in frames
THRESHOLD_ONE = 32767  # posterior 1 in Q15
# field of ModelSpec: least, greatest; in the order of the file
RANGES = {
    "delta": (1, 4096),
    "steps": (1, 256),
    "feedback": (1, 32767),
    "drive_shift": (-16, 6),
    "synapse_shift": (0, 15),
    "output_shift": (0, 15),
    "logit_mul": (1, 255),
    "logit_shift": (0, 24),
    "ceiling": (1, 2**23 - 1),
}


# features Q10 -> activation units: the scale that the drive of SPEC.md, "Network", has; the 3 makes
# the drive on the core an exact shift
INPUT_SCALE = 3 * 2.0**-13
I_IN = 6.0  # ceiling of an activation


class DetectorIntegers(NamedTuple):
    """A detector's parameters as the runtime, the file and the line have them: the fields of
    edge_lp.h, lp_detector_config, in their order. Four windows, 0 behind the last one; a threshold
    in Q15 for each keyword, and one where there is no keyword."""

    windows: list[int]
    stride: int
    refractory: int
    latency: int
    hold: int
    wake_words: int
    wake: int
    thresholds: list[int]


@dataclass(frozen=True)
class DetectorConfig:
    """What turns logits into events (SPEC.md, "Detector").

    windows: frames of 10 ms over which logits are averaged, 1 to 4 of them, rising. thresholds:
    posteriors 0..1, one for each keyword, or a single one for all. refractory, latency, hold in
    frames. The first wake_words keywords are wake words; if there are any, the others count only in
    the `wake` frames behind one. One frame in `stride` is a decision: it divides every window."""

    windows: tuple[int, ...]
    thresholds: tuple[float, ...]
    refractory: int
    latency: int
    hold: int = 0
    wake_words: int = 0
    wake: int = 0
    stride: int = 1

    @property
    def tail(self) -> int:
        """Frames behind a word's end after which nothing more is said of it: its windows are full
        of what follows, and the last decision's candidate has been held."""
        return self.windows[-1] + self.hold + self.stride - 1

    @property
    def rows(self) -> int:
        """Memory that it takes in a detector, in rows of an int16 a label (edge_lp.h,
        lp_detector_size): one with as many has room for it."""
        return 2 * len(self.windows) + self.windows[-1] // self.stride

    def integers(self, n_keywords: int) -> DetectorIntegers:
        """The same as integers. ValueError names what is out of its range."""
        rising = [0, *self.windows, MAX_WINDOW + 1]
        if not 1 <= len(self.windows) <= MAX_WINDOWS or any(
            a >= b for a, b in zip(rising, rising[1:])
        ):
            raise ValueError(
                f"detector windows are {self.windows} frames, expected 1 to {MAX_WINDOWS} that "
                f"rise within 1 to {MAX_WINDOW}"
            )
        if self.stride < 1 or any(w % self.stride for w in self.windows):
            raise ValueError(
                f"detector stride is {self.stride} frames, expected 1 or more that divides its "
                f"windows {self.windows}"
            )
        if len(self.thresholds) not in (1, n_keywords):
            raise ValueError(f"{len(self.thresholds)} detector thresholds, {n_keywords} keywords")
        for t in self.thresholds:
            if not 0 <= t <= 1:
                raise ValueError(f"detector threshold is {t}, expected a posterior between 0 and 1")
        for name in ("refractory", "latency", "hold", "wake"):
            if not 0 <= (value := getattr(self, name)) <= 65535:
                raise ValueError(f"detector {name} is {value} frames, expected 0 to 65535")
        if not 0 <= self.wake_words <= n_keywords:
            raise ValueError(f"{self.wake_words} wake words of {n_keywords} keywords")
        if self.wake and not self.wake_words:
            raise ValueError(f"detector wake is {self.wake} frames, but there is no wake word")
        q15 = [round(t * THRESHOLD_ONE) for t in self.thresholds]
        return DetectorIntegers(
            [*self.windows, *[0] * (MAX_WINDOWS - len(self.windows))],
            self.stride,
            self.refractory,
            self.latency,
            self.hold,
            self.wake_words,
            self.wake,
            q15 * max(1, n_keywords) if len(q15) == 1 else q15,
        )

    @classmethod
    def of(cls, x: DetectorIntegers) -> DetectorConfig:
        """The inverse of integers(); what is out of its range stays so."""
        n_windows = max((i + 1 for i, w in enumerate(x.windows) if w), default=0)
        one = len(set(x.thresholds)) == 1
        return cls(
            tuple(x.windows[:n_windows]),
            tuple(t / THRESHOLD_ONE for t in (x.thresholds[:1] if one else x.thresholds)),
            x.refractory,
            x.latency,
            x.hold,
            x.wake_words,
            x.wake,
            x.stride,
        )


@dataclass(frozen=True)
class Matrix:
    """codes: (n_in, n_out) int8, -4..3. A weight of the float net is code * 2**-scale."""

    codes: np.ndarray
    scale: int


@dataclass(frozen=True)
class Layer:
    """w: from below; u: from the layer itself, or None. bias: (n,) int16 mantissas; mantissa <<
    bias_shift is in core units, in the output layer in Q8 logits."""

    w: Matrix
    u: Matrix | None
    bias: np.ndarray
    bias_shift: int

    @property
    def n(self) -> int:
        return self.w.codes.shape[1]


@dataclass(frozen=True)
class ModelSpec:
    """Everything that an .lpb holds. The last layer is the output; the first n_keywords labels are
    the keywords. Fields: SPEC.md "Network"."""

    labels: list[str]
    n_keywords: int
    delta: int
    steps: int
    feedback: int
    ceiling: int
    drive_shift: int
    synapse_shift: int
    output_shift: int
    logit_mul: int
    logit_shift: int
    detector: DetectorConfig
    layers: list[Layer]
    provenance: dict[str, str] = field(default_factory=dict)

# SPDX-License-Identifier: Apache-2.0
"""A model as plain data: what an .lpb file holds, and its limits (SPEC.md, "Model file"). Stands on
nothing but NumPy, so that the twins of the tests can stand on it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

FRONT_END = (16000, 512, 160, 40, 1)  # samples/s, window, hop, features, version of the front end
FEATURES = FRONT_END[3]
MAX_LAYERS, MAX_UNITS, MAX_LABELS = 8, 1024, 64
MAX_SHIFT = 12  # a code's shift on the core
MAX_WINDOW = 200  # the detector's, in frames
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


@dataclass(frozen=True)
class DetectorConfig:
    """window, refractory, latency, hold in frames of 10 ms; threshold is a posterior in 0..1
    (edge_lp.h, lp_detector_config)."""

    window: int
    threshold: float
    refractory: int
    latency: int
    hold: int = 0


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

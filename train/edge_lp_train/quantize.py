# SPDX-License-Identifier: Apache-2.0
"""3-bit quantisation-aware training: codes -4 .. 3 times a power of two per matrix,
straight-through with clipping.

A power-of-two scale makes the mapping to the core exact: the weight there is the integer code,
shifted.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

CODE_MIN, CODE_MAX = -4, 3


@keras.saving.register_keras_serializable(package="edge_lp")
class CodeQuantizer:
    """w -> clip(round(w * 2**scale), -4, 3) / 2**scale; the gradient is 1 inside the range and 0
    where w is clipped."""

    def __init__(self, scale: int) -> None:
        self.scale = int(scale)

    def __call__(self, w: Any) -> Any:
        unit = 2.0**-self.scale
        clipped = ops.clip(w, CODE_MIN * unit, CODE_MAX * unit)
        return clipped + ops.stop_gradient(ops.round(clipped / unit) * unit - clipped)

    def limits(self) -> tuple[float, float]:
        """The least and the greatest weight there is."""
        return CODE_MIN * 2.0**-self.scale, CODE_MAX * 2.0**-self.scale

    def get_config(self) -> dict[str, int]:
        return {"scale": self.scale}

    @classmethod
    def from_config(cls, config: dict[str, int]) -> "CodeQuantizer":
        return cls(**config)


def codes(w: np.ndarray, scale: int) -> np.ndarray:
    """int8 codes -4 .. 3 of a float matrix, as CodeQuantizer sees it (rounded half to even)."""
    return np.clip(np.round(np.asarray(w, np.float64) * 2.0**scale), CODE_MIN, CODE_MAX).astype(
        np.int8
    )


def best_scale(w: np.ndarray, finest: int) -> int:
    """The scale 0 .. finest with the least mean square error."""
    return min(range(finest + 1), key=lambda s: float(np.mean((codes(w, s) * 2.0**-s - w) ** 2)))

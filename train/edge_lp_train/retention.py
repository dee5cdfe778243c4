# SPDX-License-Identifier: Apache-2.0
"""How much of its last value a low-pass filter retains: alpha, one number, one per unit, drawn, or
learnt. What the low-pass cells have in common."""

from __future__ import annotations

import random
from numbers import Integral
from typing import Any, Sequence

import keras
import numpy as np
from keras import ops

ALPHA_ARGS = ("alpha", "alpha_range", "learn_alpha", "seed")


def positive(name: str, value: Any) -> int:
    """A count; ValueError for what is none."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be positive and whole, received {value}")
    return int(value)


class Filtered(keras.layers.Layer):
    """A cell whose output is low-passed, y <- a y + (1 - a) x, with a weight `alpha` (units,).

    alpha: of a whole step (frame), in [0, 1), one number or one per unit. alpha_range: (low, high);
    draws alpha per unit uniformly from it (with `seed`) in place of `alpha`. learn_alpha: train
    alpha, per unit, through a sigmoid; it starts from the values above, which must then be above
    0."""

    units: int

    def set_alpha(
        self,
        alpha: float | Sequence[float],
        alpha_range: Sequence[float] | None,
        learn_alpha: bool,
        seed: int | None,
    ) -> None:
        """Takes the arguments; ValueError says which one is wrong. `units` is set before."""
        each = np.ndim(alpha) > 0
        if each and np.shape(alpha) != (self.units,):
            raise ValueError(
                f"alpha must be one number or {self.units} numbers, received shape "
                f"{np.shape(alpha)}"
            )
        if alpha_range is not None and not (
            len(alpha_range) == 2 and 0 <= alpha_range[0] <= alpha_range[1] < 1
        ):
            raise ValueError(
                "alpha_range must be (low, high) with 0 <= low <= high < 1, received "
                f"{tuple(alpha_range)}"
            )
        lowest = 1e-6 if learn_alpha else 0.0
        if alpha_range is None and not np.all(
            (np.asarray(alpha) >= lowest) & (np.asarray(alpha) < 1)
        ):
            raise ValueError(f"alpha must be in [{lowest:g}, 1), received {alpha}")
        self.learn_alpha, self.seed = learn_alpha, seed
        self.alpha = np.asarray(alpha, float).tolist() if each else alpha
        self.alpha_range = None if alpha_range is None else [float(a) for a in alpha_range]

    def _start(self) -> np.ndarray:
        """(units,) alpha before training."""
        if self.alpha_range is None:
            return np.broadcast_to(np.asarray(self.alpha, np.float32), (self.units,)).copy()
        # Python's generator is what keras.utils.set_random_seed sets, and Keras's initialisers use
        seed = random.randrange(2**32) if self.seed is None else self.seed
        rng = np.random.default_rng(seed)
        low, high = self.alpha_range
        return rng.uniform(low, high, self.units).astype(np.float32)

    def add_alpha(self) -> None:
        """Adds the weight; for build()."""
        start = self._start()
        if self.learn_alpha:
            start = np.log(np.maximum(start, 1e-6) / (1 - start))
        self.alpha_weight = self.add_weight(
            name="alpha",
            shape=(self.units,),
            trainable=self.learn_alpha,
            initializer=keras.initializers.Constant(0.0),
        )
        self.alpha_weight.assign(start)

    def retention(self) -> Any:
        """(units,) alpha of a whole step."""
        return ops.sigmoid(self.alpha_weight) if self.learn_alpha else self.alpha_weight

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{k: getattr(self, k) for k in ALPHA_ARGS}}


class FilteredRNN(keras.layers.RNN):
    """An RNN of such a cell. In half precision (mixed or not) the filter's state stays float32, as
    a state that moves by (1 - alpha) of a difference comes to rest too early in 11 bits; what is
    returned has the layer's compute type."""

    @staticmethod
    def cell_policy(dtype: Any) -> Any:
        """The cell's dtype in a layer of this one."""
        policy = keras.dtype_policies.get(dtype)
        return "float32" if policy.compute_dtype in ("float16", "bfloat16") else policy

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        out = super().call(sequences, initial_state, mask, training)
        if self.return_state:
            return ops.cast(out[0], self.compute_dtype), *out[1:]
        return ops.cast(out, self.compute_dtype)

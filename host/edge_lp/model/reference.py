# SPDX-License-Identifier: Apache-2.0
"""The network in float arithmetic, in NumPy: what the spiking one is measured against.

Nair & Indiveri (P1) eq. 6, with the recurrence inside each of a frame's sub-steps:
    z = x W + y U + b,   y <- a y + (1 - a) clip(z, 0, I_in),   a = alpha^(1 / sub_steps)
and a linear read-out of y at each frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_lp.errors import EdgeLpError, ModelError
from edge_lp.files import read_arrays
from edge_lp.model.spec import FEATURES, I_IN, INPUT_SCALE, Layer, Matrix, ModelSpec

SUB_STEPS = 2  # updates of the recurrence in a frame, as trained


def _weights(m: Matrix) -> np.ndarray:
    return m.codes.astype(np.float32) * np.float32(2.0**-m.scale)


def _bias(layer: Layer, unit: float) -> np.ndarray:
    return (layer.bias.astype(np.float64) * 2.0**layer.bias_shift * unit).astype(np.float32)


class ReferenceNet:
    """layers: (W (n_in, n), U (n, n) or None, b (n,)) of each hidden layer; output: (W, b); alpha:
    low-pass factor per frame, 0..1."""

    def __init__(
        self,
        layers: list[tuple[np.ndarray, np.ndarray | None, np.ndarray]],
        output: tuple[np.ndarray, np.ndarray],
        alpha: float,
        sub_steps: int = SUB_STEPS,
    ) -> None:
        self.layers, self.output, self.sub_steps = layers, output, sub_steps
        self.a = np.float32(alpha ** (1.0 / sub_steps))

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> ReferenceNet:
        """The 3-bit net of a model file, its integers read as the numbers they stand for
        (SPEC.md, "Network", backwards)."""
        # steps; core units per activation unit
        tau, unit = 4096 / spec.delta, (spec.ceiling + 1) / I_IN
        layers = [
            (_weights(h.w), None if h.u is None else _weights(h.u), _bias(h, tau / unit))
            for h in spec.layers[:-1]
        ]
        out = spec.layers[-1]
        return cls(
            layers, (_weights(out.w), _bias(out, 1 / 256)), (1 - spec.delta / 4096) ** spec.steps
        )

    @classmethod
    def from_npz(cls, path: str | Path) -> ReferenceNet:
        """Float weights as training leaves them: w0, u0, b0, w1, ... and the output's wN, bN;
        alpha, sub_steps. ModelError: not such a file."""
        try:
            z = read_arrays(path)
            n = sum(k.startswith("w") for k in z) - 1
            layers = [(z[f"w{i}"], z.get(f"u{i}"), z[f"b{i}"]) for i in range(n)]
            output, n_in = (z[f"w{n}"], z[f"b{n}"]), FEATURES
            for w, u, b in [*layers, (output[0], None, output[1])]:
                units = w.shape[-1] if w.ndim else 0
                right = w.shape == (n_in, units) and b.shape == (units,)
                if not right or (u is not None and u.shape != (units, units)):
                    raise ValueError(f"weights of shape {w.shape} after {n_in} inputs")
                n_in = units
            return cls(layers, output, float(z["alpha"]), int(z["sub_steps"]))
        except (EdgeLpError, KeyError, ValueError, TypeError) as e:
            raise ModelError(
                f"{path}: not a file of float weights ({e}); expected what edge-lp train writes"
            ) from None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """(clips, frames, features) int16 Q10 -> (clips, frames, labels) float32 logits. Each clip
        starts from a fresh state."""
        w, b = self.output
        return self.states(frames)[-1] @ w + b

    def states(self, frames: np.ndarray) -> list[np.ndarray]:
        """The same frames -> y of each hidden layer at each frame's end, (clips, frames, n) float32
        in units of activation, 0..I_IN."""
        x, found = frames.astype(np.float32) * np.float32(INPUT_SCALE), []
        for w, u, b in self.layers:
            z, y = x @ w + b, np.zeros((len(x), w.shape[1]), np.float32)
            x = np.empty_like(z)
            for t in range(z.shape[1]):
                for _ in range(self.sub_steps):
                    y = self.a * y + (1 - self.a) * np.clip(
                        z[:, t] if u is None else z[:, t] + y @ u, 0, np.float32(I_IN)
                    )
                x[:, t] = y
            found.append(x)
        return found

# SPDX-License-Identifier: Apache-2.0
"""Valid random models at the default operating point:  python tests/random_model.py SEED OUT.lpb"""

import sys

import numpy as np
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from edge_lp.model.spec import FEATURES, DetectorConfig, Layer, Matrix, ModelSpec


def random_matrix(rng, n_in, n_out, spread=1.0, density=1.0, scale=3):
    codes = np.clip(np.rint(rng.normal(0, spread, (n_in, n_out))), -4, 3).astype(np.int8)
    return Matrix(codes * (rng.random((n_in, n_out)) < density).astype(np.int8), scale)


def random_spec(seed, sizes=(128, 128), n_labels=12, n_keywords=10, density=1.0, **changes):
    """A network of random weights that is alive: random frames make some units spike and leave
    others silent.

    The operating point is P2's: tau = 64 steps, K = 14, I_snn = 2**21; changes replaces any field
    of ModelSpec."""
    rng = np.random.default_rng(seed)
    layers, n_in = [], FEATURES
    for n in sizes:
        bias = rng.integers(-2000, 4000, n).astype(np.int16)
        layers.append(
            Layer(
                random_matrix(rng, n_in, n, 1.0, density),
                random_matrix(rng, n, n, 0.7, density),
                bias,
                1,
            )
        )
        n_in = n
    layers.append(
        Layer(
            random_matrix(rng, n_in, n_labels, 1.5, density),
            None,
            rng.integers(-500, 500, n_labels).astype(np.int16),
            0,
        )
    )
    fields = {
        "labels": [f"word{i}" for i in range(n_labels)],
        "n_keywords": n_keywords,
        "delta": 64,
        "steps": 14,
        "feedback": 512,
        "ceiling": 2**21 - 1,
        "drive_shift": -2,
        "synapse_shift": 3,
        "output_shift": 9,
        "logit_mul": 3,
        "logit_shift": 12,
        "detector": DetectorConfig((30,), (0.5,), 50, 20),
        "layers": layers,
        "provenance": {"name": f"random {seed}", "license": "Apache-2.0"},
    }
    return ModelSpec(**{**fields, **changes})


def random_frames(seed, n):
    """(n, FEATURES) int16 Q10, slowly varying, as loud as speech makes them."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 700, (n, FEATURES))
    x = np.zeros((n, FEATURES))
    for t in range(n):
        x[t] = 0.9 * x[t - 1] + steps[t] if t else steps[t]
    return np.clip(np.rint(x), -16384, 16384).astype(np.int16)


if __name__ == "__main__":
    write_model(sys.argv[2], pack(random_spec(int(sys.argv[1]))))

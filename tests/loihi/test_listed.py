# SPDX-License-Identifier: Apache-2.0
"""Input spikes as a list, made in C, beside NumPy's."""

import numpy as np
import pytest
from edge_lp.listed import listed


def same(spikes):
    starts, axons = listed(spikes)
    steps, expected = np.nonzero(spikes)
    per_step = np.bincount(steps, minlength=len(spikes))
    assert starts.dtype == np.uint32 and axons.dtype == np.uint16
    assert starts.tolist() == [0, *np.cumsum(per_step)]
    assert axons.tolist() == expected.tolist()


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 25, 64, 300])
@pytest.mark.parametrize("density", [0, 0.05, 0.5, 1])
def test_a_matrix_is_listed(n, density):
    rng = np.random.default_rng(n)
    for steps in (0, 1, 40):
        same(rng.random((steps, n)) < density)


def test_any_layout_and_any_true_byte():
    spikes = np.random.default_rng(1).random((30, 50)) < 0.2
    same(spikes.T)
    same(spikes[::3, ::-2])
    same(np.where(spikes, 2, 0).astype(np.uint8).view(bool))


def test_the_last_axon_there_can_be():
    spikes = np.zeros((2, 65536), bool)
    spikes[:, -1] = True
    same(spikes)

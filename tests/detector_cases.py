# SPDX-License-Identifier: Apache-2.0
"""Detectors and logits for their tests."""

import numpy as np
from edge_lp.model.spec import DetectorConfig
from twins import detector as twin

ONE = 32767


def config(windows, thresholds, *rest):
    """thresholds in Q15; one of each may be given as it is"""
    if isinstance(windows, int):
        windows = (windows,)
    if isinstance(thresholds, int):
        thresholds = (thresholds,)
    return DetectorConfig(tuple(windows), tuple(t / ONE for t in thresholds), *rest)


def as_twin(events):
    return [twin.Event(e.frame, e.middle, e.label, round(e.score * ONE), e.wake) for e in events]


def random_logits(rng, n, labels, size):
    """Q8 logits in which one label after the other stands out for a while."""
    leader = rng.integers(0, labels, n // 20 + 1).repeat(20)[:n]
    return (
        (rng.normal(0, size / 4, (n, labels)) + size * np.eye(labels)[leader])
        .astype(np.int64)
        .clip(-(2**31), 2**31 - 1)
        .astype(np.int32)
    )


def words(n, *said, loud=4000, labels=4):
    """Frames of logits in which label i stands out in each frame t of said = (t, i), ..."""
    logits = np.zeros((n, labels), np.int32)
    logits[:, -1] = loud  # else silence, the last label
    for t, i in said:
        logits[t] = 0
        logits[t, i] = loud
    return logits

# SPDX-License-Identifier: Apache-2.0
"""The training loss, of two kinds: the posterior of a clip's mean logits (what `evaluate` decides
by), and the score that the detector computes on a stream (what raises events): a word must be
found in its best place, anything else must not be taken for a word in its worst place (max-pooling
loss, Sun et al. 2016, arXiv:1705.02411)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

WINDOWS = (20, 45, 90)  # frames: the detector's posteriors, combined by their geometric mean
STRIDE = 4


def clip_logits(logits: Any, start: Any, frames: int) -> Any:
    """(batch, time, labels) logits, (batch,) first frames -> (batch, labels) means over each clip,
    which is so many frames long."""
    t = ops.arange(ops.shape(logits)[1])[None]
    inside = ops.cast((t >= start[:, None]) & (t < start[:, None] + frames), logits.dtype)
    return ops.sum(logits * inside[..., None], axis=1) / frames


def detector_scores(logits: Any, stride: int = 1) -> Any:
    """(batch, time, labels) logits -> (batch, time / stride, labels): log of the geometric mean
    over WINDOWS of the posteriors of the mean logits of the frames up to each. Frames before the
    first count as zeros, as in the runtime."""
    total = ops.cumsum(logits, axis=1)
    frames = total.shape[1]
    out = 0.0
    for w in WINDOWS:
        before = ops.pad(total[:, : max(frames - w, 0)], [[0, 0], [min(w, frames), 0], [0, 0]])
        mean = (total - before)[:, stride - 1 :: stride] / w
        out = out + keras.ops.log_softmax(mean, axis=-1)
    return out / len(WINDOWS)


def detector_loss(logits: Any, start: Any, label: Any, words: int, wake: int = 0) -> Any:
    """(batch,) loss: a word's -log of its best score, -log(1 - p) of anything else's worst score
    for any word; and, of all but wake words, that of the worst score for one of them, which are the
    first `wake` labels: what is nearest to a command may hide it. Windows that end within the first
    ten frames behind `start` say nothing."""
    scores = detector_scores(logits, STRIDE)
    t = (ops.arange(ops.shape(scores)[1]) + 1) * STRIDE
    live = t[None] > start[:, None] + 10
    own = ops.take_along_axis(scores, label[:, None, None], axis=2)[..., 0]
    hit = -ops.max(ops.where(live, own, -30.0), axis=1)

    def wrong(first: int) -> Any:
        any_of = ops.logsumexp(scores[..., :first], axis=2)
        worst = ops.max(ops.where(live, any_of, -30.0), axis=1)
        return -ops.log(1 - ops.exp(ops.minimum(worst, -1e-3)))

    loss = ops.where(label < words, hit, wrong(words))
    return loss + ops.where(label < wake, 0.0, wrong(wake)) if wake else loss


def cross_entropy(target: Any, logits: Any) -> Any:
    """(batch,) cross-entropy of (batch, labels) posteriors of logits against a distribution."""
    return -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)

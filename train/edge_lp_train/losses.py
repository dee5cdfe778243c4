# SPDX-License-Identifier: Apache-2.0
"""The training loss, of two kinds: the posterior of a clip's mean logits (what `evaluate` decides
by), and the score that the detector computes on a stream (what raises events): a word must be
found in its best place, anything else must not be taken for a word in its worst place (max-pooling
loss, Sun et al. 2016, arXiv:1705.02411)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

STRIDE = 4  # frames between two scores of the detector in the loss


def clip_logits(logits: Any, start: Any, frames: int) -> Any:
    """(batch, time, labels) logits, (batch,) first frames -> (batch, labels) means over each clip,
    which is so many frames long."""
    t = ops.arange(ops.shape(logits)[1])[None]
    inside = ops.cast((t >= start[:, None]) & (t < start[:, None] + frames), logits.dtype)
    return ops.sum(logits * inside[..., None], axis=1) / frames


def detector_scores(logits: Any, windows: tuple[int, ...], stride: int = 1) -> Any:
    """(batch, time, labels) logits -> (batch, time / stride, labels): log of the geometric mean
    over windows, of so many frames, of the posteriors of the mean logits of the frames up to each.
    Frames before the first count as zeros, as in the runtime."""
    total = ops.cumsum(logits, axis=1)
    frames = total.shape[1]
    out = 0.0
    for w in windows:
        before = ops.pad(total[:, : max(frames - w, 0)], [[0, 0], [min(w, frames), 0], [0, 0]])
        mean = (total - before)[:, stride - 1 :: stride] / w
        out = out + keras.ops.log_softmax(mean, axis=-1)
    return out / len(windows)


def detector_loss(
    logits: Any, start: Any, label: Any, windows: tuple[int, ...], words: int, wake: int = 0
) -> Any:
    """(batch,) loss: a word's -log of its best score, -log(1 - p) of anything else's worst score
    for any word; and, of all but wake words, that of the worst score for one of them, which are the
    first `wake` labels: what is nearest to a command may hide it. Windows that end within the first
    ten frames behind `start` say nothing."""
    scores = detector_scores(logits, windows, STRIDE)
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


def activity(states: list[Any], cells: list[Any]) -> Any:
    """The synapses that a core step works on, as a share of those behind hidden units. states:
    (batch, time, units) of each hidden layer; cells: theirs. A spike adds limit / tau to what its
    unit carries, of which 1 / tau leaks away a step: so a unit that carries y spikes y / limit
    times a step on average, whatever its course."""
    above = [*(c.units for c in cells[1:]), 0]  # the read-out's synapses are few, and left out
    sizes = [c.units * (n + c.recurrent * c.units) for c, n in zip(cells, above)]
    shares = [n * ops.mean(y) / c.clip for n, y, c in zip(sizes, states, cells)]
    return sum(shares) / max(sum(sizes), 1)


def cross_entropy(target: Any, logits: Any) -> Any:
    """(batch,) cross-entropy of (batch, labels) posteriors of logits against a distribution."""
    return -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)

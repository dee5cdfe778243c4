# SPDX-License-Identifier: Apache-2.0
"""Linear maps between populations as lists of synapses: a chain of layers (matrices, convolutions,
pools, delays) becomes one list, with an entry for each pair that has a weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.loihi.limits import LimitError


@dataclass(frozen=True, eq=False)
class Operator:
    """y[target] += weight x[source], delay steps later. sources, targets, delays (k,) int64;
    weights (k,) float64. bias: (n_out,), added to y in every step."""

    n_in: int
    n_out: int
    sources: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    delays: np.ndarray
    bias: np.ndarray


def operator(
    n_in: int, n_out: int, sources: Any, targets: Any, weights: Any, delays: Any = 0, bias: Any = 0
) -> Operator:
    """Synapses of weight 0 are left out; delays and bias: one number, or as Operator has them."""
    used = np.asarray(weights) != 0
    return Operator(
        n_in,
        n_out,
        np.asarray(sources, np.int64)[used],
        np.asarray(targets, np.int64)[used],
        np.asarray(weights, np.float64)[used],
        np.broadcast_to(np.asarray(delays, np.int64), used.shape)[used],
        np.zeros(n_out) + bias,
    )


def identity(n: int) -> Operator:
    return diagonal(np.ones(n))


def diagonal(weights: np.ndarray, delays: Any = 0) -> Operator:
    n = len(weights)
    return operator(n, n, np.arange(n), np.arange(n), weights, delays)


def matrix(weights: np.ndarray, bias: Any = 0) -> Operator:
    """weights: (targets, sources)."""
    targets, sources = np.indices(weights.shape).reshape(2, -1)
    n_out, n_in = weights.shape
    return operator(n_in, n_out, sources, targets, weights.ravel(), 0, bias)


def convolution(
    weights: np.ndarray, size: tuple[int, int], stride: tuple[int, int],
    padding: tuple[int, int], dilation: tuple[int, int], groups: int = 1, bias: Any = 0,
) -> Operator:  # fmt: skip
    """A 2-d convolution (a cross-correlation, as in PyTorch) over channels x rows x columns, in
    this order. weights: (channels out, channels in of a group, rows, columns); size: rows and
    columns of the input."""
    out, per_group, *kernel = weights.shape
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    rows, columns = ((n + 2 * p - r) // s + 1 for n, p, r, s in zip(size, padding, reach, stride))
    o, y, x, c, ky, kx = np.ogrid[:out, :rows, :columns, :per_group, : kernel[0], : kernel[1]]
    row = y * stride[0] - padding[0] + ky * dilation[0]
    column = x * stride[1] - padding[1] + kx * dilation[1]
    inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
    channel = o // (out // groups) * per_group + c
    sources = (channel * size[0] + row) * size[1] + column
    targets = (o * rows + y) * columns + x
    shape = np.broadcast_shapes(sources.shape, targets.shape)
    inside = np.broadcast_to(inside, shape)
    each = np.broadcast_to(weights[:, None, None], shape)[inside]
    return operator(
        per_group * groups * size[0] * size[1],
        out * rows * columns,
        np.broadcast_to(sources, shape)[inside],
        np.broadcast_to(targets, shape)[inside],
        each,
        0,
        np.repeat(np.broadcast_to(bias, out), rows * columns),
    )


def chain(first: Operator, then: Operator) -> Operator:
    """The map `then` of what `first` gives. Ways between a pair that have one delay are added
    up; a pair that has ways of different delays is refused."""
    order = np.argsort(then.sources, kind="stable")
    starts = np.searchsorted(then.sources[order], np.arange(then.n_in + 1))
    count = np.diff(starts)[first.targets]
    begin = np.cumsum(count) - count
    a = np.repeat(np.arange(len(count)), count)
    b = order[np.repeat(starts[first.targets] - begin, count) + np.arange(count.sum())]
    delays = first.delays[a] + then.delays[b]
    weights = first.weights[a] * then.weights[b]
    bias = np.bincount(then.targets, then.weights * first.bias[then.sources], then.n_out)
    return merged(
        first.n_in, then.n_out, first.sources[a], then.targets[b], weights, delays,
        bias + then.bias,
    )  # fmt: skip


def total(parts: list[Operator]) -> Operator:
    """The sum of maps between the same populations."""
    if len(parts) == 1:
        return parts[0]
    sources, targets, weights, delays = (
        np.concatenate([getattr(p, k) for p in parts])
        for k in ("sources", "targets", "weights", "delays")
    )
    bias = sum((p.bias for p in parts), np.zeros(parts[0].n_out))
    return merged(parts[0].n_in, parts[0].n_out, sources, targets, weights, delays, bias)


def merged(
    n_in: int, n_out: int, sources: Any, targets: Any, weights: Any, delays: Any, bias: Any
) -> Operator:
    pairs, which = np.unique(sources * n_out + targets, return_inverse=True)
    longest = np.zeros(len(pairs), np.int64)
    np.maximum.at(longest, which, delays)
    if (longest[which] != delays).any():
        raise LimitError(
            "a pair of units is connected by ways of different delays, expected one synapse a pair"
        )
    sums = np.bincount(which, weights, len(pairs))
    return operator(n_in, n_out, *np.divmod(pairs, n_out), sums, longest, bias)

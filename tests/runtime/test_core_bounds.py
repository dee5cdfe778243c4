# SPDX-License-Identifier: Apache-2.0
"""Each bound that a comment of runtime/lp_core.c and lp_fix.h claims, driven to its worst case; the
oracle's integers have no width."""

from __future__ import annotations

import numpy as np
import pytest
from edge_lp import core as binding
from edge_lp.errors import OverflowDetected
from edge_lp.loihi import Network
from edge_lp.model.format import pack_dense
from twins import core as oracle

LIMIT = 2**23 - 1
EDGES = sorted(
    {
        s * (x + d)
        for s in (-1, 1)
        for x in (0, 1, 4095, 4096, 2**22, LIMIT - 4096, LIMIT)
        for d in (-1, 0, 1)
        if abs(x + d) <= LIMIT
    }
)


@pytest.mark.parametrize("floor", [-LIMIT, 0])
def test_decay_of_every_delta_at_the_edges(floor) -> None:
    """lp_decay and lp_decay_shift: no product leaves int32. v takes x by a bias of one step, then
    decays with every delta 0..4096, one a compartment and one a group."""
    deltas = np.arange(4097)
    for x in EDGES if floor else [e for e in EDGES if e >= 0]:
        bias = np.full(4097, x, np.int32)
        each = binding.Core(
            [binding.Group(4097, 0, deltas, bias=bias, vmin=floor, silent=True)], []
        )
        each.run(1)
        each.set_bias(0, 0)
        np.testing.assert_array_equal(
            each.run(1, probes=[(0, "v")])[0][0], oracle.decay(np.int64(x), deltas)
        )
    for delta in [*(1 << k for k in range(13)), 0, 3, 4095]:
        edges = np.array([e for e in EDGES if e >= floor], np.int32)
        shared = binding.Core(
            [binding.Group(len(edges), 64, delta, bias=edges, vmin=floor, silent=True)], []
        )
        shared.run(1)
        shared.set_bias(0, 0)
        np.testing.assert_array_equal(
            shared.run(1, probes=[(0, "v")])[0][0], oracle.decay(edges.astype(np.int64), delta)
        )


ODD_255 = [0, 1, 128, 255, 410, 510, 512, 1020, 1024, 2040, 2048, 3072, 4080, 4096]
ODD_MORE = [257, 511, 1023, 1028, 2044, 2047, 2052, 4095]


@pytest.mark.parametrize("delta", ODD_255 + ODD_MORE)
def test_currents_and_voltages_at_the_edges(delta) -> None:
    """Shared decays in whole vectors (lp_update.h): lp_decay_odd where the odd part fits 8 bits, no
    wrap where a quarter decays; u and v at each edge of 24 bits and beside it, accumulators at the
    edges of 16, in groups that fill no vector, some and several. What lies behind a group gets a
    bias, too, and never spikes."""
    q = [-32768, -32767, -1, 0, 1, 32767]
    for n in (1, 15, 32, 33, 70):
        start_u, start_v = np.resize(EDGES, n), np.resize(EDGES[::-1], n)
        for bias, weight in [(0, w) for w in q] + [(LIMIT, 0), (-LIMIT, 32767)]:
            group = binding.Group(n, delta, delta, vth=LIMIT - 5, bias=bias)
            dense = np.full((1, n), weight, np.int16)
            core = binding.Core([group], [binding.Synapses(None, 0, dense=dense)], 1)
            core.run(1, np.array([0, 1]), np.array([0]))  # it is due in the next step
            core.set_state(0, "u", start_u)
            core.set_state(0, "v", start_v)
            u, v, spikes = core.run(2, probes=[(0, "u"), (0, "v"), (0, "spikes")])
            now, x = start_u, start_v
            for step, sum_ in enumerate((weight, 0)):
                now = oracle.wrap(oracle.decay(now, delta) + 64 * sum_, 24)
                x = oracle.decay(x, delta) + oracle.wrap(now + bias, 24)
                x = np.clip(x, -LIMIT, LIMIT)
                fired = x > LIMIT - 5
                x = np.where(fired, 0, x)
                np.testing.assert_array_equal(u[step], now)
                np.testing.assert_array_equal(v[step], x)
                np.testing.assert_array_equal(spikes[step], fired)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_widest_sum_on_the_way_to_v(sign) -> None:
    """|u|, |bias| and |join| at 2^23 together: below 2^25 before the wrap, v below 2^24 before the
    clip. u climbs to its edge with delta 0."""
    join = binding.Group(3, 0, 0, bias=sign * LIMIT, silent=True)
    group = binding.Group(3, 0, 0, bias=sign * LIMIT, join=0, silent=True)
    core = binding.Core(
        [join, group], [binding.Synapses(None, 1, dense=np.full((1, 3), sign * 32767, np.int16))], 1
    )
    starts = np.arange(301)
    u, v, joined = core.run(300, starts, np.zeros(300, int), [(1, "u"), (1, "v"), (0, "v")])
    exact_u = np.int64(0)
    exact_v, widest = np.int64(0), 0
    for t in range(300):
        exact_u = oracle.wrap(exact_u + (64 * sign * 32767 if t else 0), 24)
        drive = exact_u + sign * LIMIT + joined[t, 0]
        widest = max(widest, abs(int(drive)))
        exact_v = np.clip(exact_v + oracle.wrap(drive, 24), -LIMIT, LIMIT)
        assert (u[t, 0], v[t, 0]) == (exact_u, exact_v)
    assert widest > 2.8 * 2**23 and (abs(v) == LIMIT).any()


@pytest.mark.parametrize("shift", [0, 6, 12])
@pytest.mark.parametrize("code", [-4, 3])
def test_accumulators_at_and_past_16_bits(code, shift) -> None:
    """Everybody spikes at once, in a ring of one slot and in the longest: packed lanes just below
    their limit, and single codes that wrap."""
    fits = 65535 // (7 << shift)
    for n_src in (fits, fits + 1, 2 * fits + 3):
        if n_src > 10000:
            continue
        for delay in (0, 62):
            core = binding.Core(
                [binding.Group(21, 4096, 4096, silent=True)],
                [
                    binding.Synapses(
                        None, 0, delay, dense3=pack_dense(np.full((n_src, 21), code)), shift=shift
                    )
                ],
                n_src,
            )
            steps = delay + 3
            (u,) = core.run(
                steps, np.arange(steps + 1) * n_src, np.tile(np.arange(n_src), steps), [(0, "u")]
            )
            assert (
                u[delay + 1 :] == 64 * oracle.wrap(np.int64(n_src * code << shift), 16)
            ).all() and not u[: delay + 1].any()


def test_accumulator_of_strict_mode() -> None:
    """64 bits that cannot wrap: the exact sum is reported, far beyond 16 and 32 bits' reach of one
    step."""
    net = Network(inputs=60000, cores=None)
    g = net.group(2, 4096, 4096)
    for _ in range(3):
        net.connect(net.inputs, g, np.full((60000, 2), -256), exponent=7)
    simulation = net.build(strict=True)
    with pytest.raises(OverflowDetected) as caught:
        simulation.run(2, np.ones((2, 60000), bool))
    assert caught.value.where == {
        "step": 1,
        "group": 0,
        "index": 0,
        "what": "q",
        "value": -3 * 60000 * 32767,
    }

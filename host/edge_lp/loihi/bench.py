# SPDX-License-Identifier: Apache-2.0
"""Speed of the core on the standard network: 25 inputs -> 128 recurrent -> 128 recurrent -> 36,
dense 3-bit weights, about 5 % spikes a step.

One thread, all spikes recorded, CPU time: other programs on the machine make it no slower. The
network is that of the golden cases' benchmark where its file is at hand (beside the source tree),
else one of the same shape, weights' distribution and activity, drawn from a seed.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.loihi.network import Network
from edge_lp.loihi.replay import Case
from edge_lp.loihi.rules import Rule

STEPS = 1000
SHARED = Path(__file__).resolve().parents[4] / "shared" / "golden" / "b15_bench_net.npz"


def standard(seed: int = 4242) -> tuple[Network, np.ndarray]:
    """The seeded network and its input spikes (STEPS, 25)."""
    rng = np.random.default_rng(seed)
    net = Network(inputs=25)

    def draw(n_src: int, n_dst: int, mean: float) -> np.ndarray:
        return np.clip(np.round(rng.normal(mean, 80, (n_src, n_dst)) / 64), -4, 3).astype(int) * 64

    a = net.group(128, 2048, 410, threshold=894)
    b = net.group(128, 2048, 410, threshold=780)
    out = net.group(36, 1024, 128, threshold=2000)
    for src, dst, mean, exponent in (
        (net.inputs, a, 40, 0),
        (a, a, -6, -2),
        (a, b, 16, -1),
        (b, b, -6, -2),
        (b, out, 12, -1),
    ):
        m = draw(src.n, dst.n, mean)
        if src is dst:
            np.fill_diagonal(m, rng.choice([-64, -128, -192], src.n))
        net.connect(src, dst, m, bits=3, exponent=exponent)
    return net, rng.random((STEPS, 25)) < 0.05


def from_case(case: Case) -> tuple[Network, np.ndarray]:
    """A golden case's populations and synapse groups as a Network, and its input spikes (steps,
    axons). Every population's parameters are shared."""
    net = Network(inputs=case.n_in, cores=None)
    starts, groups = case.field("pop_start"), {}
    for p, (i, j) in enumerate(zip(starts[:-1], starts[1:])):
        groups[p] = net.group(
            int(j - i), int(case.du[i]), int(case.dv[i]), threshold=int(case.vth[i]) >> 6
        )
    of_group = case.field("syn_grp")
    for k, (src, dst) in enumerate(zip(case.field("grp_src_pop"), case.field("grp_dst_pop"))):
        mine = of_group == k
        source, target = net.inputs if src < 0 else groups[int(src)], groups[int(dst)]
        m = np.zeros((source.n, target.n), int)
        m[
            case.src[mine] - (0 if src < 0 else case.n_in + starts[src]),
            case.dst[mine] - starts[dst],
        ] = case.field("syn_mant")[mine]
        net.connect(
            source,
            target,
            m,
            bits=int(case.field("grp_num_weight_bits")[k]),
            exponent=int(case.field("grp_wexp")[k]),
        )
    stimulus = np.zeros((case.steps, case.n_in), bool)
    stimulus[case.in_t, case.in_axon] = True
    return net, stimulus


def network() -> tuple[Network, np.ndarray, str]:
    """The network, its input spikes, and which one it is."""
    if SHARED.exists():
        return *from_case(Case(SHARED)), f"golden case {SHARED.stem}"
    return *standard(), "standard network drawn from seed 4242"


def plastic(seed: int = 4242) -> tuple[Network, np.ndarray, str]:
    """128 inputs, 5 % of which spike, and 128 compartments, all pairs of which learn by pairs of
    spikes (STDP), an epoch each step."""
    rng = np.random.default_rng(seed)
    net = Network(inputs=128)
    rule = Rule(dw="2^-2*x1*y0 - 2^-2*y1*x0", x1_impulse=16, x1_tau=10, y1_impulse=16, y1_tau=10)
    out = net.group(128, 2048, 410, threshold=10_000)
    weights = rng.integers(0, 128, (128, 128)) * 2
    net.connect(net.inputs, out, weights, sign_mode="excitatory", learning=rule)
    return net, rng.random((STEPS, 128)) < 0.05, "plastic network drawn from seed 4242"


def bench(
    seconds: float = 2.0, of: tuple[Network, np.ndarray, str] | None = None
) -> dict[str, Any]:
    """Median over runs of STEPS steps for `seconds`: steps and synaptic operations per CPU second
    of `of`, else of network()."""
    net, stimulus, name = of or network()
    simulation = net.build()
    simulation.run(len(stimulus), stimulus)  # warm-up
    times: list[float] = []
    end = time.process_time() + seconds
    while time.process_time() < end or len(times) < 5:
        simulation.reset()
        start = time.process_time()
        result = simulation.run(len(stimulus), stimulus)
        times.append(time.process_time() - start)
    median = statistics.median(times)
    return {
        "steps_per_s": round(len(stimulus) / median),
        "synaptic_ops_per_s": round(result.counts.synops / median),
        "best_steps_per_s": round(len(stimulus) / min(times)),
        "synaptic_ops_per_step": result.counts.synops / len(stimulus),
        "spikes_per_step": result.counts.spikes / len(stimulus),
        "runs": len(times),
        "network": name,
    }

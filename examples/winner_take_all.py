# SPDX-License-Identifier: Apache-2.0
"""A winner-take-all network that learns on the Loihi-1 core: neurons that inhibit each other become
detectors of patterns that come again, each of one, by a rule that sees spikes alone.

Source: P. U. Diehl, M. Cook, "Unsupervised learning of digit recognition using
spike-timing-dependent plasticity", Front. Comput. Neurosci. 9, 2015, in small: lateral inhibition
makes neurons compete; when one of them spikes, its synapses from sources that were active grow and
the others shrink. A second compartment of each, which its own spikes push down for some
1000 steps, is the paper's adaptive threshold; noise on v breaks ties.
python winner_take_all.py [PICTURE.png]
"""

import sys

import numpy as np
from edge_lp.loihi import Network, Noise, Probe, Rule

PATTERNS, WIDTH, SHOWN, SLOT, ROUNDS = 4, 8, 20, 40, 60
AXONS, NEURONS, SEED, TIRED = PATTERNS * WIDTH, 4, 3, 16

rng = np.random.default_rng(SEED)
net = Network(inputs=AXONS)
tired = net.group(NEURONS, decay_u=4096, decay_v=4, silent=True, name="tired")
out = net.group(
    NEURONS, decay_u=1024, decay_v=256, threshold=1500, join=tired, noise=Noise(12, seed=SEED),
    name="winners",
)  # fmt: skip
net.connect(out, tired, -TIRED * np.eye(NEURONS, dtype=int))
# x1 is above 16 where the source has spiked in the last steps: then the weight grows, else shrinks
rule = Rule(dw="2^-3*x1*y0 - 2*y0", x1_impulse=40, x1_tau=8, seed=SEED)
start = rng.integers(60, 140, (AXONS, NEURONS))
learned = net.connect(net.inputs, out, start, sign_mode="excitatory", learning=rule)
apart = -255 * (1 - np.eye(NEURONS, dtype=int))
net.connect(out, out, apart, sign_mode="inhibitory", exponent=4)

order = np.concatenate([rng.permutation(PATTERNS) for _ in range(ROUNDS)])
inputs = rng.random((len(order) * SLOT, AXONS)) < 0.005
for k, pattern in enumerate(order):
    at, axons = slice(k * SLOT, k * SLOT + SHOWN), slice(pattern * WIDTH, (pattern + 1) * WIDTH)
    inputs[at, axons] |= rng.random((SHOWN, WIDTH)) < 0.3

weights = Probe(learned, "w", every=SLOT)
result = net.run(len(inputs), inputs, ("spikes", weights))


def winners(rounds: int) -> np.ndarray:
    """(patterns, neurons): spikes in the first (or, if negative, the last) rounds."""
    counts = result.spikes[out].reshape(len(order), SLOT, NEURONS).sum(1)
    part = slice(0, rounds * PATTERNS) if rounds > 0 else slice(rounds * PATTERNS, None)
    return np.array([counts[part][order[part] == p].sum(0) for p in range(PATTERNS)])


for name, rounds in (("first", 5), ("last", -10)):
    counts = winners(rounds)
    share = counts.max(1) / np.maximum(1, counts.sum(1))
    print(
        f"{name} rounds: winners {counts.argmax(1).tolist()}, their share {share.round(2).tolist()}"
    )
if len(sys.argv) > 1:
    result.plot(sys.argv[1])

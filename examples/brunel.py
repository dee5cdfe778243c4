# SPDX-License-Identifier: Apache-2.0
"""A sparse network of excitatory and inhibitory neurons on the Loihi-1 core: with strong inhibition
it is asynchronous and irregular, with weak inhibition it fires near its limit, all together.

Source: N. Brunel, "Dynamics of sparsely connected networks of excitatory and inhibitory spiking
neurons", J. Comput. Neurosci. 8, 2000: 80 % excitatory, each neuron has C_E inputs from them and
C_E / 4 from the others, weights J and -g J, random input from outside. Here 1000 neurons in 10 %
connections. python brunel.py [PICTURE.png]
"""

import sys

import numpy as np
from edge_lp.loihi import Network

N, SHARE, J, STEPS = 1000, 0.1, 24, 1000


def run(g: float):
    """Rate (spikes a step), mean coefficient of variation of the intervals, result."""
    rng = np.random.default_rng(1)
    n_e = N * 4 // 5
    net = Network(inputs=200, cores=None)
    how = dict(decay_u=4096, decay_v=204, threshold=240, refractory=3)
    excitatory = net.group(n_e, name="excitatory", **how)
    inhibitory = net.group(N - n_e, name="inhibitory", **how)
    for target in (excitatory, inhibitory):
        for source, weight in ((excitatory, J), (inhibitory, -round(g * J)), (net.inputs, J)):
            there = rng.random((source.n, target.n)) < SHARE
            net.connect(source, target, weight * there, delay=0 if source is net.inputs else 2)
    outside = rng.random((STEPS, 200)) < 0.05
    result = net.run(STEPS, outside)
    spikes = np.hstack([result.spikes[g] for g in (excitatory, inhibitory)])[100:]
    intervals = [np.diff(np.flatnonzero(s)) for s in spikes.T]
    irregular = [x.std() / x.mean() for x in intervals if len(x) > 4]
    return spikes.mean(), float(np.mean(irregular or [0])), result


for g in (2.0, 6.0):
    rate, irregular, result = run(g)
    print(f"g = {g:.0f}: {rate:.3f} spikes a step, coefficient of variation {irregular:.2f}")
if len(sys.argv) > 1:
    result.plot(sys.argv[1])

# SPDX-License-Identifier: Apache-2.0
"""A balanced network on the Loihi-1 core: 80 excitatory and 20 inhibitory neurons, driven by noise.

Prints the rate of each group, and the state of one neuron around its first spike.
"""

import numpy as np
from edge_lp.loihi import Network

rng = np.random.default_rng(1)
net = Network(inputs=40)
excitatory = net.group(80, decay_u=1024, decay_v=256, threshold=600)
inhibitory = net.group(20, decay_u=1024, decay_v=256, threshold=1200)


def sparse(source, target, weight, share):
    """(source.n, target.n) mantissas: `weight` in a drawn share of the pairs, else no synapse."""
    return weight * (rng.random((source.n, target.n)) < share)


net.connect(net.inputs, excitatory, sparse(net.inputs, excitatory, 96, 0.6))
net.connect(net.inputs, inhibitory, sparse(net.inputs, inhibitory, 64, 0.3))
net.connect(excitatory, inhibitory, sparse(excitatory, inhibitory, 64, 0.2), delay=2)
net.connect(inhibitory, excitatory, sparse(inhibitory, excitatory, -32, 0.4))

stimulus = rng.random((1000, 40)) < 0.02
result = net.run(1000, inputs=stimulus, record=("spikes", "v"))
for name, group in (("excitatory", excitatory), ("inhibitory", inhibitory)):
    print(f"{name}: {1000 * result.spikes[group].mean():.1f} spikes per 1000 steps and neuron")
step, neuron = np.argwhere(result.spikes[excitatory])[0]
print(f"v of neuron {neuron}: {result.v[excitatory][step - 3 : step + 2, neuron].tolist()}")

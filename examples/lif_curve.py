# SPDX-License-Identifier: Apache-2.0
"""The f-I curve of the leaky integrate-and-fire neuron on the Loihi-1 core, beside its formula.

    T = r + tau ln(I tau / (I tau - theta)),  rate 1 / T where I tau > theta        (in steps)

Source: W. Gerstner, W. M. Kistler, R. Naud, L. Paninski, "Neuronal Dynamics", 2014, eq. 1.18; the
input current is the compartments' bias. python lif_curve.py [PICTURE.png]
"""

import sys

import numpy as np
from edge_lp.loihi import Network

THRESHOLD, DECAY, REFRACTORY, STEPS = 1000, 128, 5, 5000
tau, theta = 4096 / DECAY, THRESHOLD * 64

bias = np.arange(0, 4096, 32)  # one compartment for each current, times 4
net = Network(cores=None)
neurons = net.group(
    len(bias), decay_u=4096, decay_v=DECAY, threshold=THRESHOLD, refractory=REFRACTORY,
    bias=bias, bias_exponent=2, name="LIF",
)  # fmt: skip
result = net.run(STEPS, record=("spikes",))
measured = result.spikes[neurons].mean(0)

current = bias * 4.0
above = current * tau > theta
with np.errstate(divide="ignore", invalid="ignore"):
    period = REFRACTORY - 1 + tau * np.log(current * tau / (current * tau - theta))
formula = np.where(above, 1 / period, 0.0)
rheobase = current[measured > 0].min()
print(f"rheobase {rheobase:.0f}, formula {theta / tau:.0f}")
both = (measured > 0) & above
off = np.abs(1 / measured[both] - period[both]).max()
print(f"periods differ by at most {off:.2f} steps of {period[both].max():.0f}")

if len(sys.argv) > 1:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(current, formula, "k", label="formula")
    axes.plot(current, measured, "C1.", label="core")
    axes.set(xlabel="input current, units of v a step", ylabel="spikes a step")
    axes.legend()
    figure.savefig(sys.argv[1], dpi=110)

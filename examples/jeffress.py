# SPDX-License-Identifier: Apache-2.0
"""Sound localisation by delays on the Loihi-1 core: coincidence detectors between two ears, each
with its own pair of delays, so that the place of the most active one is the interaural time
difference.

Source: L. A. Jeffress, "A place theory of sound localization", J. Comp. Physiol. Psychol. 41, 1948.
python jeffress.py [PICTURE.png]
"""

import sys

import numpy as np
from edge_lp.loihi import Network

LINE, STEPS = 31, 800  # detectors, for differences of -60 to 60 steps, every fourth one

net = Network(inputs=2)
detectors = net.group(LINE, decay_u=4096, decay_v=2048, threshold=100, name="detectors")
place = np.arange(LINE)
both = np.zeros(LINE, int)
net.connect(net.inputs, detectors, (both, place, 80), delay=2 * place)  # the left ear
net.connect(net.inputs, detectors, (both + 1, place, 80), delay=2 * place[::-1])  # the right ear


def localise(difference: int, seed: int):
    """Steps by which the left ear hears later, from the spikes; and the result."""
    rng = np.random.default_rng(seed)
    sound = np.flatnonzero(rng.random(STEPS - 100) < 0.04) + 40
    ears = np.zeros((STEPS, 2), bool)
    ears[sound + (difference + 1) // 2, 0] = True
    ears[sound - difference // 2, 1] = True
    result = net.run(STEPS, ears)
    best = int(result.spikes[detectors].sum(0).argmax())
    return 2 * (LINE - 1 - 2 * best), result


true = list(range(-28, 29, 4))
found = [localise(d, seed=d + 99)[0] for d in true]
print("true ", *true)
print("found", *found)
if len(sys.argv) > 1:
    localise(-12, seed=1)[1].plot(sys.argv[1])

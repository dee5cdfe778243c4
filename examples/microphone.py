# SPDX-License-Identifier: Apache-2.0
"""Keywords as they are spoken into the default microphone, until Ctrl-C. Needs 'edge-lp[audio]'."""

from edge_lp.audio.microphone import MicrophoneBlocks
from edge_lp.model.find import read_model
from edge_lp.runtime import Model, Spotter

model = Model(read_model("commands12"))
spotter = Spotter(model)
try:
    with MicrophoneBlocks() as microphone:
        for block in microphone:
            for event in spotter.push(block):
                print(model.labels[event.label], f"{event.score:.2f}", flush=True)
except KeyboardInterrupt:
    pass

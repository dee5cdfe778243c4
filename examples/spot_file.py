# SPDX-License-Identifier: Apache-2.0
"""Keywords in a recording:  python spot_file.py RECORDING [MODEL]"""

import sys

from edge_lp.audio.files import read_file
from edge_lp.model.find import read_model
from edge_lp.runtime import FRAME_SECONDS, Model, Spotter

recording, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "commands12"
model = Model(read_model(name))
for event in Spotter(model).push(read_file(recording)):
    print(f"{event.middle * FRAME_SECONDS:.2f} s  {model.labels[event.label]}  {event.score:.2f}")

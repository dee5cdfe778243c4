# SPDX-License-Identifier: Apache-2.0
"""A recorded run of the whole chain, made by the twins and never by the C:  python
tests/golden_chain.py NAME

Writes tests/golden/NAME.lpb and NAME.json. Recordings are added when a format or a front end gets a
new version, and never made anew: a change in one that is there means that models and boards in use
would behave in another way.
"""

import json
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from edge_lp.model.find import write_model
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import DetectorConfig
from random_model import random_spec
from twins import detector, frontend, net

FOLDER = Path(__file__).parent / "golden"


def signal():
    """One second: noise from a linear congruential generator, in bursts, through a one-pole
    low-pass of changing cut-off. Integers only."""
    state, y, out = 1, 0, []
    for n in range(16000):
        state = (1664525 * state + 1013904223) % 2**32
        x = (state // 2**16 - 2**15) * (n // 1600 % 3)
        y += (x - y) // 2 ** (1 + n // 800 % 4)
        out.append(max(-32768, min(32767, y)))
    return out


def crc(rows):
    """CRC-32 of the rows as little-endian int32."""
    return zlib.crc32(np.array(rows, "<i4").tobytes())


def run(data):
    """What the twins make of the signal with the model: checksums of all features, logits and
    posteriors, some values in clear, and the events."""
    spec = unpack(data)
    frames = frontend.features(signal())
    result = net.run(spec, frames)
    events, posteriors = detector.detect(result.logits, spec.n_keywords, spec.detector)
    return {
        "signal": crc(signal()),
        "features": crc(frames),
        "logits": crc(result.logits),
        "posteriors": crc(posteriors),
        "spikes": result.spikes,
        "frame 50": frames[50],
        "logits 50": result.logits[50],
        # frame, middle, label, score; and 1 behind those of a wake word
        "events": [[e.frame, e.middle, e.label, e.score] + [1] * e.wake for e in events],
    }


def model_1_0():
    detector_ = DetectorConfig((8,), (0.2,), 15, 4, 3)
    spec = random_spec(20, (40, 40), 6, 6, detector=detector_)
    sparse = random_spec(21, (40, 40), 6, 6, density=0.15).layers[1]
    return replace(spec, layers=[spec.layers[0], sparse, spec.layers[2]])


def model_1_1():
    """The same net with louder logits and biases that let each label lead for a while; three
    windows, a threshold a keyword, two wake words."""
    spec = model_1_0()
    bias = np.array([-1479, 1210, -4437, 1576, -584, -1435], np.int16)
    detector_ = DetectorConfig(
        (3, 8, 20), (0.3, 0.2, 0.2, 0.2, 0.25, 0.3), 4, 4, 2, wake_words=2, wake=25
    )
    layers = [*spec.layers[:2], replace(spec.layers[2], bias=bias)]
    return replace(spec, logit_mul=60, layers=layers, detector=detector_)


def model_1_2():
    """The same with every second frame a decision."""
    spec = model_1_1()
    detector_ = replace(spec.detector, windows=(4, 8, 20), hold=3, refractory=5, stride=2)
    return replace(spec, detector=detector_)


MODELS = {"format-1.0": model_1_0, "format-1.1": model_1_1, "format-1.2": model_1_2}


def main(name):
    if (FOLDER / f"{name}.lpb").exists():
        sys.exit(f"{name} is recorded already: a recording is never made anew, choose another name")
    data = pack(MODELS[name]())
    write_model(FOLDER / f"{name}.lpb", data)
    (FOLDER / f"{name}.json").write_text(json.dumps(run(data), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

# SPDX-License-Identifier: Apache-2.0
"""Recorded runs stay what they are, in C and in the twins: boards in use depend on it."""

import json

import golden_chain
import numpy as np
import pytest
from edge_lp import runtime

RECORDINGS = sorted(golden_chain.FOLDER.glob("*.lpb"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_twins(path):
    assert golden_chain.run(path.read_bytes()) == json.loads(
        path.with_suffix(".json").read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_c(path):
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model = runtime.Model(path.read_bytes())
    net = runtime.Net(model)
    frames = runtime.Frontend().push(np.array(golden_chain.signal(), np.int16))
    logits = net.push(frames)
    events, posteriors = runtime.Detector(len(model.labels), model.n_keywords, model.detector).push(
        logits
    )
    assert (
        frames[50].tolist() == recorded["frame 50"] and logits[50].tolist() == recorded["logits 50"]
    )
    assert [golden_chain.crc(x) for x in (frames, logits, posteriors)] == [
        recorded[k] for k in ("features", "logits", "posteriors")
    ]
    assert net.counts().spikes == recorded["spikes"]
    assert [
        [e.frame, e.middle, e.label, round(e.score * 32767)] + [1] * e.wake for e in events
    ] == recorded["events"] and recorded["events"]


def test_there_is_one_for_the_format_of_today():
    assert any(
        runtime.Model(p.read_bytes()).c.minor == runtime.FORMAT_VERSION[1] for p in RECORDINGS
    )

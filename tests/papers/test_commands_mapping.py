# SPDX-License-Identifier: Apache-2.0
"""Fig. G.4 on one clip: the shapes, and the decision that survives the mapping."""

import numpy as np
import pytest
from edge_lp.errors import EdgeLpError
from edge_lp_papers.experiments import commands_mapping
from edge_lp_papers.work import Work
from paths import SHARED

DATA = SHARED / "data"


def test_one_clip(tmp_path):
    if not (DATA / "speech_commands").is_dir():
        pytest.skip("no recordings in ../shared")
    clip = min((DATA / "speech_commands" / "testing" / "yes").glob("*.*"))
    found = commands_mapping.one_clip(str(clip), 0, True)
    nmse = np.array(found["nmse"])
    assert nmse.shape == (5, 3) and nmse[0, 0] > 0.6 and found["same"][0]
    assert (nmse[4] > 0.99).all(), "what eqs. 1-3 do beyond eq. 6 is all that differs"
    assert np.shape(found["curves"][0][2])[0] == commands_mapping.SHOWN


def test_a_folder_without_words(tmp_path):
    (tmp_path / "speech_commands" / "testing").mkdir(parents=True)
    work = Work(tmp_path / "parts", data=tmp_path)
    with pytest.raises(EdgeLpError, match="no recordings of yes"):
        commands_mapping.measure(work, 1)

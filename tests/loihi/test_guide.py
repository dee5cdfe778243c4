# SPDX-License-Identifier: Apache-2.0
"""The code of docs/loihi.md runs as printed."""

import contextlib
import io
import re

import numpy as np
from edge_lp.loihi import Network
from paths import ROOT

GUIDE = (ROOT / "docs" / "loihi.md").read_text(encoding="utf-8")


def test_the_guide_runs() -> None:
    code, out = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, re.S)), io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "docs/loihi.md", "exec"), {})  # noqa: S102 - our own text
    assert "(1000, 128) int32 True" in out.getvalue() and "Davies" in out.getvalue()


def test_b14_conventions_that_peers_have_otherwise() -> None:
    """A matrix is (source, target), and v is 0 at a spike; the guide says both beside what others
    do."""
    net = Network()
    g = net.group(2, 4096, 4096, threshold=1, bias=[100, 0])
    net.connect(g, g, np.array([[0, 2], [0, 0]]))  # square: from 0 to 1
    result = net.run(3, record=("spikes", "u", "v"))
    assert result.spikes[g].tolist() == [[1, 0], [1, 1], [1, 1]]
    assert not result.v[g].any() and result.u[g][2].tolist() == [0, 128]
    conventions = GUIDE[GUIDE.index("## From and to other simulators") :]
    for text in ("(target, source)", "`m.T`", "128 at a", "decay_u = 1023", "wraps"):
        assert text in conventions

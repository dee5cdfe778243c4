# SPDX-License-Identifier: Apache-2.0
"""Result.plot(): which panels, what is in them, and what it says where it cannot draw."""

from __future__ import annotations

import sys
from unittest import mock

import numpy as np
import pytest
from edge_lp.errors import MissingDependency
from edge_lp.loihi import LimitError, Network, Probe, Rule

pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'edge-lp[plot]'")


def net_and_result():
    net = Network(inputs=4)
    a = net.group(6, 1024, 256, threshold=60, name="first")
    b = net.group(3, 1024, 256, threshold=60, name="second")
    rule = Rule(dw="2^-2*x1*y0", x1_impulse=16, x1_tau=10)
    c = net.connect(net.inputs, a, np.full((4, 6), 90), learning=rule)
    net.connect(a, b, np.full((6, 3), 60))
    probes = [Probe(c, "w", every=10), Probe(c, "x1"), Probe(a, events=True)]
    inputs = np.random.default_rng(0).random((200, 4)) < 0.2
    return net, (a, b), net.run(200, inputs, ["spikes", "v", *probes])


def test_each_record_has_a_panel(tmp_path) -> None:
    _, (a, b), result = net_and_result()
    figure = result.plot(tmp_path / "run.png", units=2)
    assert (tmp_path / "run.png").read_bytes()[:4] == b"\x89PNG"
    panels = [x for x in figure.axes if x.get_label() != "<colorbar>"]
    assert len(panels) == 2 + 2 + 3
    raster, rates, v = panels[:3]
    assert [t.get_text() for t in raster.get_yticklabels()] == ["first", "second"]
    marks = [line.get_data() for line in raster.get_lines()]
    assert [len(x) for x, _ in marks] == [result.spikes[a].sum(), result.spikes[b].sum()]
    assert marks[1][1].min() >= a.n and len(marks[0][0]) > 20
    expected = result.spikes[a][100 - 19 : 101].mean()
    assert rates.get_lines()[0].get_ydata()[100] == pytest.approx(expected)
    assert len(v.get_lines()) == 2
    np.testing.assert_array_equal(v.get_lines()[1].get_ydata(), result.v[a][:, 1])
    (image,) = panels[4].get_images()  # 24 weights, every 10th step
    assert image.get_array().shape == (24, 20) and tuple(image.get_extent()[:2]) == (0, 200)
    only = result.plot(groups=[b])
    assert len(only.axes[0].get_lines()) == 1


def test_what_cannot_be_drawn_is_told() -> None:
    net, (a, b), result = net_and_result()
    with pytest.raises(LimitError, match="was not recorded, expected a group of this result"):
        result.plot(groups=[Network().group(1, 0, 0)])
    with pytest.raises(LimitError, match="no records"):
        net.run(3, record=()).plot()
    with pytest.raises(LimitError, match="a batch's result has no picture"):
        net.run_batch(np.zeros((2, 3, 4))).plot()
    with mock.patch.dict(sys.modules, {"matplotlib.figure": None}):
        with pytest.raises(MissingDependency, match=r"pip install 'edge-lp\[plot\]'"):
            result.plot()

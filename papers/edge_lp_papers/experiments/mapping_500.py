# SPDX-License-Identifier: Apache-2.0
"""P1, Table 2: what is left of the ANN's states in networks of 500 neurons, without and with
mismatch."""

from __future__ import annotations

from functools import partial
from typing import Any

from edge_lp_papers.experiment import CODE_ONLY, NOT_REPRODUCED, Experiment, Verdict
from edge_lp_papers.experiments import tables

PUBLISHED = {
    0: [1.0, 0.9, 0.8, 0.2],
    0.2: [1.0, -1.0, -6.8, -6.3],
    1: [0.4, -49.0, -185.0, -134.0],
    2: [0.6, -132.0, -684.0, -416.0],
}


def judge(data: dict[str, Any]) -> Verdict:
    means = dict(zip(data["c_v"], tables.table(data).mean(1), strict=False))
    plain, spread = means[0], means[0.2]
    good = plain[0] >= 0.8 and plain[2] >= 0.5 and spread[0] >= 0.8 and (spread[2:] < -2).all()
    return Verdict(
        CODE_ONLY if good else NOT_REPRODUCED,
        f"Over {len(data['runs'])} runs layers 1 to 4 keep {plain[0]:.2f} {plain[1]:.2f} "
        f"{plain[2]:.2f} {plain[3]:.2f} without mismatch (published 1.0 .9 .8 .2) and "
        f"{spread[0]:.2f} {spread[1]:.1f} {spread[2]:.1f} {spread[3]:.1f} with c_v .2 (1.0 -1.0 "
        "-6.8 -6.3): the first layer survives mismatch, the deeper ones do not. The mismatch is "
        "the code's (one-sided, Delta and I_in), not that of the paper's eq. 8. "
        "Draws of the weights differ much, and a default run has two of them.",
    )


EXPERIMENT = Experiment(
    name="mapping-500",
    paper="P1",
    figure="Table 2",
    title="ANN against SNN, four recurrent layers of 500 neurons, with mismatch",
    default={"runs": 2, "units": 500, "c_v": [0, 0.2], "gaussian_c_v": []},
    full={"runs": 100, "units": 500, "c_v": [0, 0.2, 1, 2], "gaussian_c_v": [0.2]},
    times=("2 min", "2 h"),
    measure=tables.measure,
    compare=partial(tables.compare, published=PUBLISHED),
    judge=judge,
    draw=partial(tables.draw, published=PUBLISHED),
)

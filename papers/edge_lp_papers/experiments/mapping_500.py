# SPDX-License-Identifier: Apache-2.0
"""P1, Table 2: what is left of the ANN's states in networks of 500 neurons, without and with
mismatch. Published are the deviations over 100 runs, and in a notebook of the authors' code the
inputs of this table: BLOCKS. They matter: of the first draw of seed 0 layer 1 keeps .91 with them,
.72 with blocks [1, 1, 1] and the same weights, which is below the worst of their 100 runs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from edge_lp_papers.experiment import CODE_ONLY, NOT_REPRODUCED, Experiment, Verdict
from edge_lp_papers.experiments import tables

PUBLISHED = {
    0: ([1.0, 0.9, 0.8, 0.2], [0.1, 0.1, 0.2, 0.9]),
    0.2: ([1.0, -1.0, -6.8, -6.3], [0.1, 1.6, 2.9, 3.5]),
    1: ([0.4, -48.9, -185.1, -133.7], [1.8, 52.1, 73.2, 64.0]),
    2: ([0.6, -132.0, -683.6, -416.3], [1.3, 143.7, 295.9, 203.6]),
}
BLOCKS = [0, 0, 1]


ERRORS, ROUNDING = 3, 0.05  # standard errors that a mean may be off; what rounding adds


def judge(data: dict[str, Any]) -> Verdict:
    """By the deviations that were published: over 100 runs as well."""
    means = dict(zip(data["c_v"], tables.table(data).mean(1), strict=False))
    runs, off = len(data["runs"]), []
    for c in (0, 0.2):
        said, deviation = (np.array(x) for x in PUBLISHED[c])
        bound = ERRORS * deviation / np.sqrt(runs) + ROUNDING
        off += [f"layer {k + 1}, c_v {c:g}" for k in np.flatnonzero(abs(means[c] - said) > bound)]
    plain, spread = means[0], means[0.2]
    return Verdict(
        NOT_REPRODUCED if off else CODE_ONLY,
        f"Over {runs} runs layers 1 to 4 keep {plain[0]:.2f} {plain[1]:.2f} {plain[2]:.2f} "
        f"{plain[3]:.2f} without mismatch (published 1.0 .9 .8 .2) and {spread[0]:.2f} "
        f"{spread[1]:.1f} {spread[2]:.1f} {spread[3]:.1f} with c_v .2 (1.0 -1.0 -6.8 -6.3): the "
        "first layer survives mismatch, the deeper ones do not. "
        + ("Outside" if off else "All are within")
        + f" {ERRORS} standard errors of {runs} draws with the published deviations"
        + (f" are {', '.join(off)}. " if off else ". ")
        + "The mismatch is the code's (one-sided, Delta and I_in), not that of the paper's eq. 8, "
        "and the inputs are those of the authors' log: which of two kinds their blocks are is "
        "drawn once for all runs, and moves the whole table.",
    )


EXPERIMENT = Experiment(
    name="mapping-500",
    paper="P1",
    figure="Table 2",
    title="ANN against SNN, four recurrent layers of 500 neurons, with mismatch",
    default={"runs": 4, "units": 500, "blocks": BLOCKS, "c_v": [0, 0.2], "gaussian_c_v": []},
    full={
        "runs": 100,
        "units": 500,
        "blocks": BLOCKS,
        "c_v": [0, 0.2, 1, 2],
        "gaussian_c_v": [0.2],
    },
    times=("3 min", "2 h"),
    measure=tables.measure,
    compare=partial(tables.compare, published=PUBLISHED),
    judge=judge,
    draw=partial(tables.draw, published=PUBLISHED),
)

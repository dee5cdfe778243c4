# SPDX-License-Identifier: Apache-2.0
"""States of an ANN and of the SNNs that it is mapped to, over each other (P1, Figs. F.3, G.4)."""

from __future__ import annotations

from typing import Any

import numpy as np


def draw(
    figure: Any, t: np.ndarray, ann: Any, snns: Any, titles: list[list[str]], abscissa: str
) -> Any:
    """A column for each SNN, its layers below each other, in a layer the units that are shown: ANN
    red and dashed, SNN green. t (points,); ann (layers, units, points); snns (SNNs, layers, units,
    points); titles (SNNs, layers). Returns the axes, (layers * units, SNNs)."""
    layers, units = len(ann), len(ann[0])
    axes = figure.subplots(layers * units, len(snns), squeeze=False, sharex=True)
    for column, snn in enumerate(snns):
        for k in range(layers):
            for unit in range(units):
                a = axes[k * units + unit, column]
                a.plot(t, snn[k][unit], "g", alpha=0.7)
                a.plot(t, ann[k][unit], "r-.", lw=1)
                a.tick_params(labelsize=7)
            axes[k * units, column].set_title(titles[column][k], fontsize=9)
        axes[-1, column].set_xlabel(abscissa)
    figure.legend(axes[0, 0].get_lines(), ["SNN", "ANN"], loc="outside lower center", ncols=2)
    return axes

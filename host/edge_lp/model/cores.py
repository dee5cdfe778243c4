# SPDX-License-Identifier: Apache-2.0
"""Lays a model out on Loihi-1 cores: which neurons go where, and what each core's resources come
to.

A hidden neuron is two joined compartments and stays in one piece; layers follow each other, and a
core is filled until one resource is full. Weights are 3-bit codes, so synapse formats are (bits,
exponent): code << shift is the mantissa 64 code times 2^(shift - 6). The first layer's drive and
all biases are written by the host and take no synapses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_lp.loihi import limits
from edge_lp.model.spec import ModelSpec

RESOURCES = {
    "compartments": limits.COMPARTMENTS,
    "input axons": limits.INPUT_AXONS,
    "output axons": limits.OUTPUT_AXONS,
    "synapse words": limits.SYNAPSE_WORDS,
    "delay accumulators": limits.ACCUMULATORS,
    "compartment profiles": limits.PROFILES,
    "threshold profiles": limits.THRESHOLDS,
    "synapse formats": limits.FORMATS,
}


@dataclass
class Part:
    """Neurons first .. last - 1 of a layer."""

    layer: int
    first: int
    last: int


@dataclass
class Core:
    """parts, and how much of each resource they take."""

    parts: list[Part] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)

    def fullest(self) -> tuple[str, float]:
        """The resource nearest to its limit, and how near: 1 is full."""
        return max(
            ((what, n / RESOURCES[what]) for what, n in self.used.items()), key=lambda x: x[1]
        )


class Mapper:
    """The counting of resources, and the greedy layout."""

    def __init__(self, spec: ModelSpec):
        self.spec, self.last = spec, len(spec.layers) - 1

    def _matrices(self, i: int) -> list[tuple[int, np.ndarray, int]]:
        """(source layer, codes, weight exponent) of a layer's synapses on the cores: all but its
        own autapses."""
        layer = self.spec.layers[i]
        top = self.spec.output_shift if i == self.last else self.spec.synapse_shift
        below = [(i - 1, layer.w.codes, top - layer.w.scale - 6)] if i else []
        return below + ([(i, layer.u.codes, top - layer.u.scale - 6)] if layer.u else [])

    def use(self, parts: list[Part]) -> dict[str, int]:
        """What a core with these parts needs; output axons aside, which depend on where the targets
        are."""
        used, profiles, thresholds, formats = dict.fromkeys(RESOURCES, 0), set(), set(), set()
        for p in parts:
            n, hidden = p.last - p.first, p.layer < self.last
            used["compartments"] += n * (1 + hidden)
            for _, codes, exponent in self._matrices(p.layer):
                fan = (codes[:, p.first : p.last] != 0).sum(axis=1)
                words, coding = limits.synapse_words(fan, n, 3, False)
                used["input axons"] += int((fan > 0).sum())
                used["synapse words"] += words
                formats.add((3, exponent, coding))
            if hidden:  # each soma's autapse: an axon with one synapse
                used["input axons"] += n
                used["synapse words"] += n * limits.axon_words(1, 8)
                formats.add((8, self.spec.feedback, "dense"))
                thresholds |= {limits.THRESHOLD[1], 0}  # dendrites, somas
                profiles |= {(self.spec.delta, self.spec.delta, 1)}
            else:
                thresholds.add(limits.THRESHOLD[1])
                profiles.add((self.spec.delta, 4095, 1))  # its voltage is not read
        used |= {
            "delay accumulators": used["compartments"] * limits.delay_slots(0),
            "compartment profiles": len(profiles),
            "threshold profiles": len(thresholds),
            "synapse formats": len(formats),
        }
        return used

    def _fits(self, parts: list[Part]) -> bool:
        return all(n <= RESOURCES[what] for what, n in self.use(parts).items())

    def layout(self, most: int = limits.COMPARTMENTS) -> list[Core]:
        """Cores in order, each with at most `most` neurons. An empty core takes at least one neuron
        of any model (2049 axons of a word each), and the largest that the format allows, seven
        recurrent layers of 1024, takes 58 of a chip's 128 cores."""
        cores = [Core()]
        for i, layer in enumerate(self.spec.layers):
            at = 0
            while at < layer.n:
                parts, room = cores[-1].parts, most - sum(p.last - p.first for p in cores[-1].parts)
                # the most neurons that still fit, by bisection: what they need grows with their
                # number
                low, high = 0, min(room, layer.n - at)
                while low < high:
                    middle = (low + high + 1) // 2
                    if self._fits([*parts, Part(i, at, at + middle)]):
                        low = middle
                    else:
                        high = middle - 1
                if low:
                    parts.append(Part(i, at, at + low))
                    at += low
                if at < layer.n:
                    cores.append(Core())
        for core in cores:
            core.used = self.use(core.parts)
            core.used["output axons"] = sum(self._axons_out(p, cores) for p in core.parts)
        if most > 1 and any(c.used["output axons"] > limits.OUTPUT_AXONS for c in cores):
            return self.layout(most // 2)
        return cores

    def _axons_out(self, part: Part, cores: list[Core]) -> int:
        """One axon for each neuron, connection and core with a target of it, and one for its
        autapse."""
        if part.layer == self.last:
            return 0
        total = part.last - part.first
        for target in (t for c in cores for t in c.parts):
            for src, codes, _ in self._matrices(target.layer):
                if src == part.layer:
                    total += int(
                        codes[part.first : part.last, target.first : target.last].any(axis=1).sum()
                    )
        return total


def layout(spec: ModelSpec) -> dict[str, Any]:
    """{"cores": [{"layers", "used"}], "limits", "bottleneck": {"core", "resource", "used",
    "limit"}} as plain values."""
    cores = Mapper(spec).layout()
    k = max(range(len(cores)), key=lambda i: cores[i].fullest()[1])
    what = cores[k].fullest()[0]
    names = [f"hidden {i + 1}" for i in range(len(spec.layers) - 1)] + ["output"]
    return {
        "cores": [
            {
                "layers": [
                    {"name": names[p.layer], "first": p.first, "last": p.last - 1} for p in c.parts
                ],
                "used": c.used,
            }
            for c in cores
        ],
        "limits": RESOURCES,
        "bottleneck": {
            "core": k,
            "resource": what,
            "used": cores[k].used[what],
            "limit": RESOURCES[what],
        },
    }


def tables(found: dict[str, Any]) -> list[Any]:
    """The same for a reader."""
    from rich.table import Table

    t = Table(box=None, padding=(0, 2, 0, 0))
    t.add_column("Loihi-1 cores")
    for k, _ in enumerate(found["cores"]):
        t.add_column(f"core {k}", justify="right")
    t.add_column("limit", justify="right")
    t.add_row(
        "neurons",
        *(
            "\n".join(f"{p['name']}: {p['first']}-{p['last']}" for p in c["layers"])
            for c in found["cores"]
        ),
        "",
    )
    for what, limit in found["limits"].items():
        t.add_row(
            what,
            *(
                f"{c['used'][what]:,} ({100 * c['used'][what] / limit:.0f} %)"
                for c in found["cores"]
            ),
            f"{limit:,}",
        )
    b, n = found["bottleneck"], len(found["cores"])
    return [
        t,
        f"{n} core{'s' * (n > 1)}; the bottleneck is {b['resource']}: {b['used']:,} of "
        f"{b['limit']:,} on core {b['core']}. "
        "Biases and the first layer's drive are written by the host.",
    ]

# SPDX-License-Identifier: Apache-2.0
"""The sigma-delta network in Python's integers (SPEC.md, "Network"): two compartments a unit, step
by step, no core in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_lp.model.spec import Matrix, ModelSpec

WIDEST_DRIVE = 2**22 - 1
WIDEST_LOGIT = 2**24
LARGEST = 2**23 - 1


def wrap(x: int, bits: int) -> int:
    """The integer of that many bits, two's complement, that equals x modulo 2^bits."""
    half = 2 ** (bits - 1)
    return (x + half) % (2 * half) - half


def decay(x: int, d: int) -> int:
    kept = abs(x) * (4096 - d) // 4096
    return kept if x >= 0 else -kept


def clip(x: int, low: int, high: int) -> int:
    return max(low, min(high, x))


@dataclass
class Compartments:
    """One group: current u, voltage v, spikes s of the last step, each a list; None for what it
    does not have."""

    u: list[int]
    v: list[int]
    s: list[int] | None = None


@dataclass
class Run:
    """What came out: logits (frames x labels, Q8), the groups' last states in the core's order, the
    number of spikes, and the first quantity that left its register: (step, group, index, "q" | "u"
    | "v", value), or None."""

    logits: list[list[int]] = field(default_factory=list)
    groups: list[Compartments] = field(default_factory=list)
    spikes: int = 0
    overflow: tuple[int, int, int, str, int] | None = None


def _weights(m: Matrix | None, shift: int) -> list[list[int]]:
    return (
        []
        if m is None
        else [[code * 2 ** (shift - m.scale) for code in row] for row in m.codes.tolist()]
    )


def _received(weights: list[list[int]], spikes: Iterable[int], n: int) -> list[int]:
    total = [0] * n
    for row, s in zip(weights, spikes):
        if s:
            total = [a + w for a, w in zip(total, row)]
    return total


class _Step:
    """The current's and the voltage's update, with the watch for what leaves its register."""

    def __init__(self, delta: int, run: Run):
        self.delta, self.run, self.step = delta, run, 0

    def _fits(self, value: int, bits: int, what: str, group: int, i: int) -> int:
        wrapped = wrap(value, bits)
        if wrapped != value:
            self.seen(what, value, group, i)
        return wrapped

    def seen(self, what: str, value: int, group: int, i: int) -> None:
        if self.run.overflow is None:
            self.run.overflow = (self.step, group, i, what, value)

    def advance(
        self,
        group: int,
        received: Sequence[int],
        into_v: Sequence[int],
        dv: int,
        floor: int,
        ceiling: int,
    ) -> None:
        """into_v: bias or joined voltage, added to the new current on its way into the voltage,
        which decays with dv."""
        c = self.run.groups[group]
        for i in range(len(c.u)):
            q = self._fits(received[i], 16, "q", group, i)
            c.u[i] = self._fits(decay(c.u[i], self.delta) + 64 * q, 24, "u", group, i)
            v = decay(c.v[i], dv) + self._fits(c.u[i] + into_v[i], 24, "v", group, i)
            if abs(v) > LARGEST:
                self.seen("v", v, group, i)
            c.v[i] = clip(v, floor, ceiling)


def drive(spec: ModelSpec, features: Sequence[int]) -> list[int]:
    """One frame -> what is added to the voltage of each dendrite of the first layer in each of its
    steps."""
    layer, out = spec.layers[0], []
    for i, bias in enumerate(layer.bias.tolist()):
        z = sum(code * int(x) for code, x in zip(layer.w.codes[:, i].tolist(), features))
        z = z * 2**spec.drive_shift if spec.drive_shift >= 0 else z // 2**-spec.drive_shift
        out.append(clip(z + bias * 2**layer.bias_shift, -WIDEST_DRIVE, WIDEST_DRIVE))
    return out


def run(spec: ModelSpec, frames: Any) -> Run:
    """Frames of features (Q10) from a reset, through the network."""
    hidden, output = spec.layers[:-1], spec.layers[-1]
    result = Run()
    for layer in hidden:
        result.groups.append(Compartments([0] * layer.n, [0] * layer.n))
        result.groups.append(Compartments([0] * layer.n, [0] * layer.n, [0] * layer.n))
    result.groups.append(Compartments([0] * output.n, [0] * output.n))
    last = len(result.groups) - 1
    below = [
        _weights(layer.w, spec.output_shift if layer is output else spec.synapse_shift) if i else []
        for i, layer in enumerate(spec.layers)
    ]
    within = [_weights(layer.u, spec.synapse_shift) for layer in hidden]
    bias = [[b * 2**layer.bias_shift for b in layer.bias.tolist()] for layer in spec.layers]
    step = _Step(spec.delta, result)
    for features in frames:
        bias[0] = drive(spec, features)
        for _ in range(spec.steps):
            before: list[list[int]] = [
                list(result.groups[2 * l + 1].s or []) for l in range(len(hidden))
            ]
            for l, layer in enumerate(hidden):
                dendrite, soma = result.groups[2 * l], result.groups[2 * l + 1]
                from_below = _received(below[l], before[l - 1], layer.n) if l else [0] * layer.n
                from_within = _received(within[l], before[l], layer.n)
                step.advance(
                    2 * l,
                    [a + b for a, b in zip(from_below, from_within)],
                    bias[l],
                    spec.delta,
                    0,
                    spec.ceiling,
                )
                step.advance(
                    2 * l + 1,
                    [-spec.feedback * s for s in before[l]],
                    dendrite.v,
                    spec.delta,
                    0,
                    spec.ceiling,
                )
                soma.s = [int(v > 0) for v in soma.v]
                soma.v = [0] * layer.n
                result.spikes += sum(soma.s)
            step.advance(
                last,
                _received(below[-1], before[-1], output.n),
                [0] * output.n,
                4096,
                -LARGEST,
                LARGEST,
            )
            step.step += 1
        result.logits.append(
            [
                clip(u * spec.logit_mul // 2**spec.logit_shift, -WIDEST_LOGIT, WIDEST_LOGIT) + b
                for u, b in zip(result.groups[last].u, bias[-1])
            ]
        )
    return result

# SPDX-License-Identifier: Apache-2.0
"""A stack of low-pass layers as sigma-delta neurons on the core (SPEC.md, "Network"; Boeshertz et
al. 2024), for any weights, clips and alphas.

    y <- a y + (1 - a) clip(W x + U y + b, 0, c)        every frame of `steps` core steps

A unit is two compartments. The dendrite's v is y: it decays by 1 - a^(1/steps), takes the filtered
spikes of its inputs as its current, and is clipped at 0 and I_snn, which stands for c. The soma's
current is its own spikes, filtered with `delta` and fed back with the weight -F; it spikes as long
as that is less than the dendrite's v, so its filtered spikes follow y. With tau = 4096 / delta and
tau_v = 4096 / decay_v:

    I_snn = 64 F tau,   weight from j to i = W F c_j / (c_i tau_v,i),   bias = b I_snn / (c tau_v)

I_snn is what one of the chip's limits of v allows, 2^21 or 2^23: the first, as in the paper, unless
the second one costs the weights less by rounding, and nothing can overflow at it. At delta 64, F
512 and clips of 6, eighths are exact, as are the trainer's 3-bit codes: then all is as in an .lpb
model, to the bit, but for the drive. The first layer's W x + b is the host's work here as there: it
writes a bias register each frame, which has 13 bits and an exponent.

The read-out's current is its logits without bias, in units of the largest power of two at which it
cannot overflow; its voltage is current plus bias, and is what is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.errors import OverflowDetected
from edge_lp.loihi import limits
from edge_lp.loihi.conversion import Coded, Layer, Report
from edge_lp.loihi.description import Group
from edge_lp.loihi.fixed import off, one_if_alike
from edge_lp.loihi.limits import LimitError, check_number
from edge_lp.loihi.network import Network
from edge_lp.loihi.simulation import Simulation

CEILINGS = (2**21 - 1, 2**23 - 1)
LARGEST_FEEDBACK = 255 << 7
ACCUMULATOR, STATE = 2**15 - 1, limits.U[1]
REGISTER = limits.BIAS_MANTISSA[1] << limits.BIAS_EXPONENT[1]


@dataclass(frozen=True, eq=False)
class LowPassLayer:
    """w (below, n); u (n, n), None: feed-forward; bias, alpha (n,); clip: the largest y."""

    name: str
    w: np.ndarray
    u: np.ndarray | None
    bias: np.ndarray
    alpha: np.ndarray
    clip: float


@dataclass(frozen=True, eq=False)
class ReadOutLayer:
    """w (below, n), bias (n,)."""

    name: str
    w: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class LowPassNetwork:
    """A converted stack. dendrites, somas: a layer's name -> its groups; output: the read-out's, or
    None. steps: of the core for a frame. scale: integer units of v (of a soma's u: the negative)
    for 1 of a layer's y; of the read-out, for 1 of a logit."""

    network: Network
    dendrites: dict[str, Group]
    somas: dict[str, Group]
    output: Group | None
    steps: int
    scale: dict[str, float]
    report: Report
    layers: list[LowPassLayer]

    def drive(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of frames (..., features): the first layer's biases, mantissas and exponents (..., n); a
        value that the register cannot hold is the largest one that it can."""
        first = self.layers[0]
        unit = self.scale[first.name] * np.asarray(self.dendrites[first.name].decay_v) / 4096
        return registers(unit * (np.asarray(frames, float) @ first.w + first.bias))

    def run(
        self, frames: np.ndarray, simulation: Simulation | None = None
    ) -> dict[str, np.ndarray]:
        """frames (frames, features) -> layer's name: (frames, n), its y, and the read-out's logits,
        each as it is at the frame's end. simulation: one of the network's, which goes on from where
        it is; None: from step 0."""
        simulation = simulation or self.network.build()
        first = self.dendrites[self.layers[0].name]
        ends: dict[str, list[np.ndarray]] = {name: [] for name in self.scale}
        for mantissas, exponents in zip(*self.drive(frames)):
            simulation.set_bias(first, mantissas, exponents)
            simulation.run(self.steps, record=())
            for name, soma in self.somas.items():
                ends[name].append(-simulation.state(soma, "u") / self.scale[name])
            if self.output is not None:
                v = simulation.state(self.output, "v")
                ends[self.output.name].append(v / self.scale[self.output.name])
        widths = {g.name: g.n for g in (*self.somas.values(), self.output) if g is not None}
        return {k: np.array(rows).reshape(len(rows), widths[k]) for k, rows in ends.items()}


def registers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bias registers' mantissas and exponents nearest to values, in units of v."""
    most = limits.BIAS_MANTISSA[1]
    exponents = np.zeros(values.shape, np.int64)
    for _ in range(limits.BIAS_EXPONENT[1]):
        exponents += np.abs(np.round(values / 2.0**exponents)) > most
    mantissas = np.round(values / 2.0**exponents)
    return np.clip(mantissas, -most, most).astype(np.int64), exponents


# ----------------------------------------------------------------------------------- the numbers --


@dataclass(frozen=True, eq=False)
class Mapped:
    """A layer's integers. parts: from where -> weights (n_src, n), exact and as they are stored."""

    of: LowPassLayer
    decay_v: np.ndarray
    exact_decay: np.ndarray
    feedback: int
    scale: float  # of y
    parts: dict[str, tuple[np.ndarray, Coded]]

    @property
    def tau(self) -> np.ndarray:
        return 4096 / self.decay_v


def decay_of(layer: LowPassLayer, steps: int) -> np.ndarray:
    """(n,) decays of v that leave alpha after so many steps, as real numbers."""
    kept = layer.alpha
    if not ((kept >= 0) & (kept < 1)).all() or (1 - kept ** (1 / steps) < 0.5 / 4096).any():
        raise LimitError(
            f"layer {layer.name}: alpha is {kept.max():g}, 12 bits of decay in {steps} steps a "
            f"frame reach {(1 - 1 / 4096) ** steps:.6f}; expected less, or more steps"
        )
    return 4096 * (1 - kept ** (1 / steps))


def steps_of(layers: list[LowPassLayer], delta: int) -> int:
    """So many that most alphas need the decay delta."""
    kept = np.concatenate([x.alpha for x in layers])
    if delta == 4096 or not (kept > 0).any():
        return 1
    exact = np.log(kept[kept > 0]) / np.log(1 - delta / 4096)
    return max(1, round(float(np.median(exact))))


def mapped(layers: list[LowPassLayer], delta: int, steps: int, ceiling: int) -> list[Mapped]:
    feedback = min((ceiling + 1) * delta // (64 * 4096), LARGEST_FEEDBACK)
    shift = max(0, feedback.bit_length() - 8)
    feedback = feedback >> shift << shift  # what an inhibitory weight of 8 bits can be
    made: list[Mapped] = []
    for x in layers:
        exact = decay_of(x, steps)
        decay_v = np.round(exact).astype(np.int64)
        to = feedback * decay_v / 4096 / x.clip
        arriving = {}
        if made:
            arriving[made[-1].of.name] = x.w * made[-1].of.clip * to
        if x.u is not None:
            arriving[x.name] = x.u * x.clip * to
        parts = {name: (w, Coded.of(w.ravel(), fine=False)) for name, w in arriving.items()}
        scale = 64 * feedback * 4096 / delta / x.clip
        made.append(Mapped(x, decay_v, exact, feedback, scale, parts))
    return made


def fits(made: list[Mapped], delta: int) -> bool:
    """No input can overflow an accumulator or a current, all spiking in every step."""
    for x in made:
        up, down = np.zeros(len(x.of.bias)), np.zeros(len(x.of.bias))
        for exact, coded in x.parts.values():
            w = coded.weights.reshape(exact.shape)
            up += np.maximum(w, 0).sum(0)
            down += np.maximum(-w, 0).sum(0)
        arriving = np.maximum(up, down)
        bias = REGISTER if x is made[0] else np.abs(x.of.bias) * x.scale / x.tau
        most = (arriving * 64 * 4096 / delta + bias).max(initial=0)
        if x.feedback < 1 or arriving.max(initial=0) > ACCUMULATOR or most > STATE:
            return False
    return True


def weight_error(made: list[Mapped]) -> float:
    return sum(coded.error**2 for x in made for _, coded in x.parts.values())


# ----------------------------------------------------------------------------------- the network --


def convert(
    layers: list[LowPassLayer],
    last: ReadOutLayer | None,
    delta: int,
    steps: int | None,
    inputs: Any,
    cores: int | None,
) -> LowPassNetwork:
    delta = check_number("delta", delta, (1, 4096))
    if steps is not None:
        steps = check_number("steps of a frame", steps, (1, 4096))
    else:
        steps = steps_of(layers, delta)
    narrow, wide = (mapped(layers, delta, steps, c) for c in CEILINGS)
    gains = fits(wide, delta) and weight_error(wide) < weight_error(narrow)
    made, ceiling = (wide, CEILINGS[1]) if gains else (narrow, CEILINGS[0])
    if made[0].feedback < 1:
        raise LimitError(f"delta is {delta}, whose feedback is less than a weight's step")
    net, report = Network(cores=cores), Report([])
    dendrites: dict[str, Group] = {}
    somas: dict[str, Group] = {}
    scale: dict[str, float] = {}
    for x in made:
        _add(net, x, delta, ceiling, dendrites, somas, report)
        scale[x.of.name] = x.scale
    output = None
    if last is not None:
        below = layers[-1]
        output, scale[last.name] = _read_out(
            net, last, somas[below.name], below.clip, delta, report
        )
    done = LowPassNetwork(net, dendrites, somas, output, steps, scale, report, layers)
    if inputs is not None:
        samples = np.asarray(inputs, float)
        _measure(done, samples[None] if samples.ndim == 2 else samples)
    return done


def _add(
    net: Network,
    x: Mapped,
    delta: int,
    ceiling: int,
    dendrites: dict[str, Group],
    somas: dict[str, Group],
    report: Report,
) -> None:
    name, n, first = x.of.name, len(x.of.bias), not somas
    exact = x.scale / x.tau * x.of.bias
    mantissas, exponents = registers(0 * exact if first else exact)  # the host's, in the first one
    stored = mantissas * 2.0**exponents
    layer = Layer(
        name, n, x.scale,
        decay_error=off(x.decay_v, x.exact_decay), bias_error=0.0 if first else off(stored, exact),
    )  # fmt: skip
    dendrites[name] = net.group(
        n, delta, one_if_alike(x.decay_v), bias=mantissas, bias_exponent=exponents, silent=True,
        v_min=0, v_max=ceiling, name=f"{name} dendrite",
    )  # fmt: skip
    somas[name] = net.group(
        n, delta, delta, threshold=0, join=dendrites[name], v_min=0, v_max=ceiling, name=name
    )
    for source, (_, coded) in x.parts.items():
        _connect(net, somas[source], dendrites[name], coded)
        layer.connections[source] = coded
    exponent, itself = max(0, x.feedback.bit_length() - 8), np.arange(n)
    net.connect(
        somas[name], somas[name], (itself, itself, -(x.feedback >> exponent)),
        sign_mode="inhibitory", exponent=exponent,
    )  # fmt: skip
    report.layers.append(layer)


def _connect(net: Network, src: Group, dst: Group, coded: Coded) -> None:
    (f,) = coded.formats
    m = f.mantissas.reshape(src.n, dst.n)
    net.connect(src, dst, m, sign_mode=f.sign_mode, exponent=f.exponent)


def _read_out(
    net: Network, x: ReadOutLayer, below: Group, clip: float, delta: int, report: Report
) -> tuple[Group, float]:
    """The group, and its units for 1 of a logit."""
    n, tau = len(x.bias), 4096 / delta
    largest = max(
        np.maximum(x.w, 0).sum(0).max(initial=0), np.maximum(-x.w, 0).sum(0).max(initial=0)
    )
    bias = np.abs(x.bias).max(initial=0)
    bounds = [  # of 2^k, the weights' unit
        (ACCUMULATOR, largest),
        (STATE, 64 * tau * (largest + bias / clip)),
        (REGISTER, 64 * tau * bias / clip),
    ]
    unit = 2.0 ** int(np.floor(np.log2(min([most / y for most, y in bounds if y > 0], default=1))))
    scale = 64 * tau * unit / clip
    mantissas, exponents = registers(scale * x.bias)
    group = net.group(
        n, delta, 4096, bias=mantissas, bias_exponent=exponents, silent=True, name=x.name
    )
    coded = Coded.of((unit * x.w).ravel(), fine=False)
    _connect(net, below, group, coded)
    error = off(mantissas * 2.0**exponents, scale * x.bias)
    report.layers.append(Layer(x.name, n, scale, bias_error=error, connections={below.name: coded}))
    return group, scale


# ------------------------------------------------------------------------------------- measuring --


def _measure(made: LowPassNetwork, samples: np.ndarray) -> None:
    """What the samples reach, and their first overflow, into the report. Where v may reach 2^23,
    its limit is the clip that is wanted, and strict mode's, while nothing else can overflow."""
    if samples.ndim != 3 or samples.shape[2] != made.layers[0].w.shape[0]:
        raise LimitError(
            f"inputs have shape {samples.shape}, expected samples, frames, "
            f"{made.layers[0].w.shape[0]} features"
        )
    groups = [*made.dendrites.values(), *([] if made.output is None else [made.output])]
    peaks = {g: np.zeros(3) for g in groups}
    first = made.dendrites[made.layers[0].name]
    simulation, strict = made.network.build(), made.network.build(strict=True)
    beyond: list[float] = []
    for i, sample in enumerate(samples):
        simulation.reset()
        u = {g: np.zeros((1, g.n), np.int64) for g in groups}
        for mantissas, exponents in zip(*made.drive(sample)):
            beyond.append(float((np.abs(mantissas) == limits.BIAS_MANTISSA[1]).mean()))
            simulation.set_bias(first, mantissas, exponents)
            result = simulation.run(made.steps, record=("u", "v"))
            for g in groups:
                now = result.u[g].astype(np.int64)
                before = np.vstack([u[g], now[:-1]])
                kept = np.sign(before) * (np.abs(before) * (4096 - g.decay_u) >> 12)
                reached = [np.abs(x).max() for x in (now - kept, now, result.v[g].astype(np.int64))]
                peaks[g], u[g] = np.maximum(peaks[g], reached), now[-1:]
        if made.report.overflow is None and first.v_max < STATE:
            try:
                strict.reset()
                made.run(sample, strict)
            except OverflowDetected as e:
                made.report.overflow = f"sample {i}: {e}"
    made.report.samples = len(samples)
    for layer, g in zip(made.report.layers, groups):
        arriving, u, v = (peaks[g] / (2**21, 2**23, g.v_max)).tolist()
        layer.reached = (arriving, u, v)
    made.report.layers[0].beyond = float(np.mean(beyond)) if beyond else 0.0

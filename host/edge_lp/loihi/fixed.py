# SPDX-License-Identifier: Apache-2.0
"""Networks in real numbers -> the chip's integers.

A population has one scale S, integer units of u and v per real unit: thresholds are S (threshold -
reset) / 64, weights S gain w / 64, biases S times what a step adds; v is counted from the reset.
Decays are rounded to 12 bits, and what a spike adds stays as it was. S is as large as accumulators
(16 bits), u (24), thresholds (17 << 6) and biases (13 << 7) allow: whatever the input is, or, where
samples are given, for 1.5 times what they reach; and as v's range (24 bits, where it saturates)
allows, as long as that costs no weight a bit and leaves a threshold 512 of its steps. Within the
octave below that it is where the mantissas' rounding errors are least. Each connection has its own
exponent, the smallest that reaches its largest weight; one of a single sign is stored so, with a
bit more.

A constant input (an Affine's bias) reaches v through the current: its limit is the bias register's,
and an initial u of the opposite sign makes the way to it exact. Synapses take a step each; a
population as many as its latency from the inputs, and shorter ways are delayed, so that all of a
population's inputs meet as they do in the graph. Populations on a common cycle act on each other
one step later. Initial u and v are such that the population is in its start when its graph begins,
after as many steps as its latency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lp.errors import OverflowDetected
from edge_lp.loihi import limits
from edge_lp.loihi.conversion import Coded, Converted, Layer, Report
from edge_lp.loihi.description import Group
from edge_lp.loihi.limits import LimitError
from edge_lp.loihi.network import Network
from edge_lp.loihi.neurons import Graph, Neurons
from edge_lp.loihi.operators import Operator

KEPT = 512  # a threshold's mantissa at least, rather than room for v's worst case
HEADROOM = 1.5  # over what the samples reach
ACCUMULATOR, STATE = 2**15 - 1, limits.U[1]
BIAS = limits.BIAS_MANTISSA[1] << limits.BIAS_EXPONENT[1]
THRESHOLD = limits.THRESHOLD[1] << 6
ROUNDS = 2  # of measuring: the second one at the scales of the first
CANDIDATES = 64  # of an octave
SAMPLE = 20000  # weights of a connection that are looked at to choose the scale


@dataclass(frozen=True)
class Peaks:
    """What a population reaches at most, in real units: |what arrives in a step|, |u|, |v|; with
    samples, or whatever the input is."""

    arriving: float
    u: float
    v: float
    measured: bool = False


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons with what arrives at them, in units of their u, and 12-bit decays."""

    of: Neurons
    parts: list[tuple[str, Operator]]  # weights times gain
    decay_u: np.ndarray
    decay_v: np.ndarray
    constant: np.ndarray  # what u tends to without spikes
    drift: np.ndarray  # what v - reset is given in a step, constant apart

    @property
    def bias(self) -> np.ndarray:
        return self.constant + self.drift


def population(p: Neurons, edges: list[tuple[str, Operator]]) -> Population:
    parts = []
    for source, o in edges:
        weights = o.weights * p.gain[o.targets]
        parts.append((source, Operator(o.n_in, o.n_out, o.sources, o.targets, weights, o.delays,
                                       o.bias * p.gain)))  # fmt: skip
    decay_u, decay_v = (_decay(p.name, loss) for loss in (p.loss_u, p.loss_v))
    if (p.loss_u == 0).any():
        raise LimitError(f"{p.name}: its current never decays, expected a finite time constant")
    if p.threshold is not None and (p.threshold < p.reset).any():
        raise LimitError(f"{p.name}: its threshold lies below its reset, expected one above")
    steady = sum((o.bias for _, o in parts), np.zeros(p.n))
    constant = steady * 4096 / decay_u
    return Population(p, parts, decay_u, decay_v, constant, p.drift - p.loss_v * p.reset)


def _decay(name: str, loss: np.ndarray) -> np.ndarray:
    decay = np.round(4096 * loss).astype(np.int64)
    if ((decay == 0) & (loss > 0)).any():
        raise LimitError(
            f"{name}: a time constant of {1 / loss[loss > 0].min():.0f} steps, 12 bits of decay "
            "reach 8192"
        )
    return decay


# ------------------------------------------------------------------------------------- the scale --


def sums(p: Population, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(n,) each: what arrives when all that excite spike in a step, and all that inhibit."""
    up, down = np.zeros(p.of.n), np.zeros(p.of.n)
    for (_, o), w in zip(p.parts, weights):
        up += np.bincount(o.targets, np.maximum(w, 0), p.of.n)
        down += np.bincount(o.targets, np.maximum(-w, 0), p.of.n)
    return up, down


def worst(p: Population) -> Peaks:
    """Whatever the input is."""
    up, down = sums(p, [o.weights for _, o in p.parts])
    each = np.maximum(up, down)
    u = each * 4096 / p.decay_u + np.abs(p.constant)
    # a neuron that spikes is reset before v gets far above its threshold
    one_way = each if p.of.threshold is None else down
    least = np.abs(p.bias) if p.of.threshold is None else np.maximum(-p.bias, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        v = (one_way * 4096 / p.decay_u + least) * 4096 / p.decay_v
    most = [float(np.nan_to_num(x, nan=0.0).max(initial=0)) for x in (each, u, v)]
    return Peaks(most[0], most[1], most[2])


def largest_scale(p: Population, peaks: Peaks, fine: bool) -> float:
    """v saturates, which harms less than the rest, so its range counts only as far as thresholds
    keep KEPT and weights all their bits."""
    height = np.zeros(1) if p.of.threshold is None else p.of.threshold - p.of.reset
    bounds = [
        (64 * ACCUMULATOR, peaks.arriving),
        (STATE, peaks.u + np.abs(p.bias).max(initial=0)),  # wrapped together
        (THRESHOLD, height.max()),
        (BIAS, np.abs(p.bias).max(initial=0)),
    ]
    largest = min([limit / x for limit, x in bounds if x > 0], default=2.0**12)
    least = [64 * KEPT / height.max()] if height.max() > 0 else []
    one = 64 * 2.0 ** (14 if fine and not peaks.measured else 8)  # the largest weight's bits
    least += [one / m for _, o in p.parts if (m := np.abs(o.weights).max(initial=0)) > 0]
    in_range = STATE / peaks.v if peaks.v > 0 else np.inf
    return min(largest, max([in_range, *least]))


def scale_of(p: Population, peaks: Peaks, fine: bool) -> float:
    """Of the octave below the largest: where rounding costs least."""
    largest = largest_scale(p, peaks, fine)
    some = [o.weights[:: 1 + len(o.weights) // SAMPLE] for _, o in p.parts]

    def cost(scale: float) -> float:
        total = sum(Coded.of(scale / 64 * w, fine=False).error ** 2 for w in some)
        if p.of.threshold is not None:
            exact = scale / 64 * (p.of.threshold - p.of.reset)
            total += float(np.mean((np.round(exact) / np.where(exact > 0, exact, 1) - 1) ** 2))
        return total

    candidates = (largest * 2.0 ** (-np.arange(CANDIDATES) / CANDIDATES)).tolist()
    for scale in sorted(candidates, key=cost):
        if peaks.measured or fits(p, scale, fine):
            return scale
    return candidates[-1] / 2


def fits(p: Population, scale: float, fine: bool) -> bool:
    """Rounded weights, too, overflow with no input."""
    rounded = [Coded.of(scale / 64 * o.weights, fine).weights for _, o in p.parts]
    arriving = np.maximum(*sums(p, rounded))
    u = arriving * 64 * 4096 / p.decay_u + scale * (np.abs(p.constant) + np.abs(p.bias))
    return bool(arriving.max(initial=0) <= ACCUMULATOR and u.max(initial=0) <= STATE)


# ---------------------------------------------------------------------------------- the network --


def convert(
    graph: Graph, inputs: Any = None, fine: bool = False, cores: int | None = None
) -> Converted:
    """inputs: None, or (steps, axons) or (samples, steps, axons), 0 and 1. fine: connections in
    two."""
    populations = {}
    for name, p in graph.neurons.items():
        arriving = [(source, o) for source, target, o in graph.edges if target == name]
        populations[name] = population(p, arriving)
    peaks = {name: worst(p) for name, p in populations.items()}
    made = build(graph, populations, peaks, fine, cores)
    if inputs is None:
        return made
    samples = np.asarray(inputs)
    samples = samples[None] if samples.ndim == 2 else samples
    for _ in range(ROUNDS):
        reached = measure(made, populations, samples)
        for name, x in reached.items():
            some = Peaks(HEADROOM * x.arriving, HEADROOM * x.u, HEADROOM * x.v, measured=True)
            peaks[name] = some if x.arriving > 0 else peaks[name]
        made = build(graph, populations, peaks, fine, cores)
    made.report.told(measure(made, populations, samples), made.scale, len(samples))
    made.report.overflow = overflow(made.network, samples)
    return made


def build(
    graph: Graph,
    populations: dict[str, Population],
    peaks: dict[str, Peaks],
    fine: bool,
    cores: int | None,
) -> Converted:
    starts = np.cumsum([0, *graph.inputs.values()]).tolist()
    net = Network(starts[-1], cores)
    axons = {name: slice(a, b) for name, a, b in zip(graph.inputs, starts, starts[1:])}
    starts_of = {name: axons[name].start if name in axons else 0 for name in graph.depths()}
    depths, groups, scales, layers = graph.depths(), {}, {}, []
    for name, p in populations.items():
        scales[name] = scale_of(p, peaks[name], fine)
        groups[name], layer = _group(net, p, scales[name], depths[name])
        layer.v_range = peaks[name].v * scales[name] / STATE
        layers.append(layer)
    for layer, (name, p) in zip(layers, populations.items()):
        for source, o in p.parts:
            coded = Coded.of(scales[name] / 64 * o.weights, fine)
            # populations on a common cycle have one depth, all others a larger one behind
            slack = max(0, depths[name] - depths[source] - 1)
            for f in coded.formats:
                net.connect(
                    net.inputs if source in axons else groups[source],
                    groups[name],
                    (o.sources + starts_of[source], o.targets, f.mantissas),
                    sign_mode=f.sign_mode,
                    exponent=f.exponent,
                    delay=one_if_alike(o.delays + slack),
                )
            layer.connections[source] = coded
    zero = {name: p.of.reset for name, p in populations.items()}
    outputs = {name: groups[of] for name, of in graph.outputs.items()}
    latency = {name: depths[name] for name in groups}
    latency |= {name: depths[of] for name, of in graph.outputs.items()}
    return Converted(net, axons, groups, outputs, latency, scales, zero, Report(layers))


def one_if_alike(a: np.ndarray) -> Any:
    """One number where all are alike."""
    return int(a[0]) if len(a) and (a == a[0]).all() else a


def _group(net: Network, p: Population, scale: float, depth: int) -> tuple[Group, Layer]:
    exact = scale * p.bias
    exponent = np.zeros(p.of.n, np.int64)
    while (over := np.abs(np.round(exact / 2.0**exponent)) > limits.BIAS_MANTISSA[1]).any():
        exponent[over] += 1
    mantissa = np.round(exact / 2.0**exponent).astype(np.int64)
    layer = Layer(p.of.name, p.of.n, scale)
    silent, threshold = p.of.threshold is None, np.full(p.of.n, limits.THRESHOLD[1])
    if p.of.threshold is not None:
        real = scale / 64 * (p.of.threshold - p.of.reset)
        threshold = np.minimum(np.round(real), limits.THRESHOLD[1]).astype(np.int64)
        layer.threshold_error = off(threshold, real)
    layer.decay_error = max(off(p.decay_u, 4096 * p.of.loss_u), off(p.decay_v, 4096 * p.of.loss_v))
    layer.bias_error = off(mantissa * 2.0**exponent, exact)
    u, v = _start(p, scale, depth, THRESHOLD if silent else threshold << 6)
    return net.group(
        p.of.n,
        one_if_alike(p.decay_u),
        one_if_alike(p.decay_v),
        threshold=one_if_alike(threshold),
        bias=one_if_alike(mantissa),
        bias_exponent=one_if_alike(exponent),
        silent=silent,
        initial_u=one_if_alike(u),
        initial_v=one_if_alike(v),
        name=p.of.name,
    ), layer


def off(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest relative error."""
    there = exact != 0
    return float(np.abs(found[there] / exact[there] - 1).max(initial=0))


def _start(p: Population, scale: float, depth: int, most: Any) -> tuple[np.ndarray, np.ndarray]:
    """u and v from which `depth` steps without spikes lead to u = -constant, v = start - reset; as
    far as registers and the threshold allow."""
    keep_u, keep_v = (1 - d / 4096 for d in (p.decay_u, p.decay_v))
    u = np.where(keep_u > 0, -p.constant, 0.0)
    v = p.of.start - p.of.reset
    for _ in range(depth):
        v = np.where(keep_v > 0, (v - u - p.bias) / np.where(keep_v > 0, keep_v, 1), 0.0)
        u = np.where(keep_u > 0, u / np.where(keep_u > 0, keep_u, 1), 0.0)
    within = lambda x, lo, hi: np.round(np.clip(scale * x, lo, hi)).astype(np.int64)
    return within(u, *limits.U), within(v, limits.U[0], np.minimum(most, limits.U[1]))


# ------------------------------------------------------------------------------------- measuring --


def measure(
    made: Converted, populations: dict[str, Population], samples: np.ndarray
) -> dict[str, Peaks]:
    """What the samples reach, in real units."""
    found = dict.fromkeys(populations, Peaks(0.0, 0.0, 0.0))
    simulation = made.network.build()
    for sample in samples:
        simulation.reset()
        result = simulation.run(len(sample), sample, ("u", "spikes"))
        for name, p in populations.items():
            g, s, old = made.groups[name], made.scale[name], found[name]
            u = result.u[g].astype(np.int64)
            before = np.vstack([np.broadcast_to(g.initial_u, (1, g.n)), u[:-1]])
            kept = np.sign(before) * (np.abs(before) * (4096 - p.decay_u) >> 12)
            v = _unbounded(p, u / s, result.spikes[g], np.asarray(g.initial_v) / s)
            now = (np.abs(u - kept).max(initial=0) / s, np.abs(u).max(initial=0) / s, v)
            found[name] = Peaks(*np.maximum(now, (old.arriving, old.u, old.v)).tolist())
    return found


def _unbounded(p: Population, u: np.ndarray, spikes: np.ndarray, v: np.ndarray) -> float:
    """The largest |v| between spikes if v had no limits. u, spikes (steps, n)."""
    keep, most = 1 - p.decay_v / 4096, 0.0
    for arriving, fired in zip(u, spikes):
        v = np.where(fired, 0, keep * v + arriving + p.bias)
        most = max(most, float(np.abs(v).max(initial=0)))
    return most


def overflow(net: Network, samples: np.ndarray) -> str | None:
    """The first one of the samples, in words."""
    simulation = net.build(strict=True)
    for i, sample in enumerate(samples):
        simulation.reset()
        try:
            simulation.run(len(sample), sample, ())
        except OverflowDetected as e:
            return f"sample {i}: {e}"
    return None

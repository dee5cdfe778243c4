# SPDX-License-Identifier: Apache-2.0
"""A NIR graph (Pedersen et al. 2024, "Neuromorphic intermediate representation") as a Loihi
network.

Neurons follow NIR's equations by forward Euler with the step dt, current before voltage, as
snnTorch, Norse and Lava do: LIF, CubaLIF, IF spike; LI, CubaLI, I and an Output behind a linear
layer do not, their voltage is what is read. Linear, Affine, Scale, Flatten, Conv1d, Conv2d,
SumPool2d, AvgPool2d and Delay between two populations become one list of synapses. fixed.py has the
scaling.
"""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.errors import MissingDependency
from edge_lp.loihi import operators
from edge_lp.loihi.fixed import Converted, convert
from edge_lp.loihi.limits import LimitError
from edge_lp.loihi.neurons import Graph, Neurons
from edge_lp.loihi.operators import Operator

NEURONS = ("LIF", "CubaLIF", "IF", "LI", "CubaLI", "I")
MAPS = ("Linear", "Affine", "Scale", "Flatten", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d",
        "Delay")  # fmt: skip


def from_nir(
    file: str | Path | Any,
    dt: float | None = None,
    inputs: Any = None,
    fine: bool = False,
    cores: int | None = None,
) -> Converted:
    """A .nir file, or a nir.NIRGraph, as a Network with what stands for what, and a report.

    dt: seconds a step; None: the graph's metadata has it. inputs: samples of what the network will
    be given, (steps, axons) or (samples, steps, axons), 0 and 1; scales are then chosen by what
    they reach, and their overflows reported; without them, so that no input can overflow. fine:
    each connection is two, the second one with what the 8 bits of the first left. cores: Network's.
    LimitError names what no Loihi core can do; MissingDependency: without the package
    nir."""
    try:
        import nir
    except ImportError:
        raise MissingDependency(
            "NIR graphs need the package nir: pip install 'edge-lp[nir]'"
        ) from None
    if isinstance(file, (str, Path)):
        file = _opened(nir, file)
    if not isinstance(file, nir.NIRGraph):
        raise LimitError(f"{type(file).__name__}, expected a .nir file or a nir.NIRGraph")
    if dt is None:
        if "dt" not in file.metadata:
            raise LimitError(
                "the graph's metadata has no dt: give the step in seconds, from_nir(file, dt=1e-4)"
            )
        dt = float(np.asarray(file.metadata["dt"]))
    if isinstance(dt, bool) or not isinstance(dt, Real) or not 0 < dt < math.inf:
        raise LimitError(f"dt is {dt!r}, expected seconds, more than 0")
    return convert(read(file, dt), inputs, fine, cores)


def _opened(nir: Any, file: str | Path) -> Any:
    """Also what the package's own check of shapes refuses, as one unit that is (1,) here and
    (1, 1, 1) there, which Rockpool writes: sizes are checked below."""
    try:
        return nir.read(file)
    except Exception as e:  # of h5py, or of any node's constructor
        said = str(e).split("\n")[0] or type(e).__name__
    try:
        return nir.read(file, type_check=False)
    except Exception:
        raise LimitError(f"{file}: no NIR graph that the package nir can read: {said}") from None


def read(graph: Any, dt: float) -> Graph:
    """The populations of a NIRGraph and the maps between them."""
    nodes, edges = flat(graph)
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in dict.fromkeys(edges):
        for end in (a, b):
            if end not in nodes:
                raise LimitError(f"the edge {a} -> {b} names {end}, which is no node of the graph")
        before[b].append(a)
    kinds = {name: type(node).__name__ for name, node in nodes.items()}
    for name, kind in kinds.items():
        if kind not in ("Input", "Output", *NEURONS, *MAPS):
            raise LimitError(
                f"{name} is a {kind}, which a Loihi-1 core does not have; expected one of "
                f"{', '.join((*NEURONS, *MAPS))}"
            )
    inputs = {name: _size(nodes[name]) for name, kind in kinds.items() if kind == "Input"}
    neurons = {name: _neurons(name, nodes[name], dt) for name, k in kinds.items() if k in NEURONS}
    outputs: dict[str, str] = {}
    for name in [name for name, kind in kinds.items() if kind == "Output"]:
        if [kinds[s] in NEURONS for s in before[name]] == [True]:
            outputs[name] = before[name][0]
        else:  # the sum of what arrives, one step long
            outputs[name] = name
            neurons[name] = _sum(name, _size(nodes[name]))
    ways = _Ways(nodes, before, {**inputs, **{k: p.n for k, p in neurons.items()}}, dt)
    found = []
    for name, to in neurons.items():
        for source, part in ways.into(name).items():
            if source in neurons and neurons[source].threshold is None:
                raise LimitError(
                    f"{source} ({kinds[source]}) drives {name} with real numbers, expected spikes"
                )
            if part.n_out != to.n:
                raise LimitError(f"{name} has {to.n} units, {part.n_out} are connected to it")
            found.append((source, name, part))
    return Graph(inputs, neurons, found, outputs)


def flat(graph: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges, those of subgraphs as "subgraph.node" and without their Input and Output."""
    nodes: dict[str, Any] = {}
    edges = list(graph.edges)
    for name, node in graph.nodes.items():
        if type(node).__name__ != "NIRGraph":
            nodes[name] = node
            continue
        inner, between = flat(node)
        ends = {k for k, n in inner.items() if type(n).__name__ in ("Input", "Output")}
        nodes.update({f"{name}.{k}": n for k, n in inner.items() if k not in ends})
        first = [f"{name}.{b}" for a, b in between if type(inner[a]).__name__ == "Input"]
        last = [f"{name}.{a}" for a, b in between if type(inner[b]).__name__ == "Output"]
        edges = [
            (x, y)
            for a, b in edges
            for x in (last if a == name else [a])
            for y in (first if b == name else [b])
        ]
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in between if not {a, b} & ends]
    return nodes, edges


def _size(node: Any) -> int:
    """Of an Input or Output."""
    (shape,) = (node.input_type or node.output_type).values()
    return int(np.prod(np.asarray(shape)))


def _neurons(name: str, node: Any, dt: float) -> Neurons:
    kind = type(node).__name__

    def of(what: str, default: float = 0.0) -> np.ndarray:
        value = getattr(node, what, None)
        n = np.asarray(node.r).size
        return np.broadcast_to(np.ravel(np.asarray(default if value is None else value, float)), n)

    def share(what: str) -> np.ndarray:
        """dt over a time constant."""
        tau = of(what)
        if not ((tau > 0) & (dt <= tau * (1 + 1e-6))).all():
            raise LimitError(
                f"{name}: {what} is {tau.min():g} s, expected at least a step (dt = {dt:g} s)"
            )
        return np.minimum(1.0, dt / tau)

    cuba, one = kind.startswith("Cuba"), np.ones(np.asarray(node.r).size)
    loss_u = share("tau_syn") if cuba else one
    loss_v = 0 * one if kind in ("IF", "I") else share("tau_mem" if cuba else "tau")
    step = dt * one if kind in ("IF", "I") else loss_v
    reset = of("v_reset")
    return Neurons(
        name,
        loss_u,
        loss_v,
        gain=of("r") * step * (loss_u * of("w_in", 1.0) if cuba else 1.0),
        drift=loss_v * of("v_leak"),
        reset=reset,
        start=0 * one,
        threshold=of("v_threshold") if hasattr(node, "v_threshold") else None,
    )


def _sum(name: str, n: int) -> Neurons:
    one = np.ones(n)
    return Neurons(name, one, one, gain=one, drift=0 * one, reset=0 * one, start=0 * one)


class _Ways:
    """The maps that lead to a node, by the population or input where they begin."""

    def __init__(self, nodes: Any, before: Any, sizes: dict[str, int], dt: float):
        self._nodes, self._before, self._sizes, self._dt = nodes, before, sizes, dt
        self._known: dict[str, dict[str, Operator] | None] = {}  # None: on the way to it

    def into(self, name: str) -> dict[str, Operator]:
        """What arrives at a node, before it does anything."""
        parts: dict[str, list[Operator]] = {}
        for source in self._before[name]:
            for start, part in self._out_of(source).items():
                parts.setdefault(start, []).append(part)
        return {start: operators.total(found) for start, found in parts.items()}

    def _out_of(self, name: str) -> dict[str, Operator]:
        if name in self._sizes:
            return {name: operators.identity(self._sizes[name])}
        if name not in self._known:
            self._known[name] = None
            arriving = self.into(name)
            if not arriving:
                raise LimitError(f"{name}: no neuron or input leads to it")
            each: dict[str, Operator] = {}
            for start, part in arriving.items():
                own = _map(name, self._nodes[name], self._dt, part.n_out)
                if each:  # its bias counts once
                    own = operators.operator(
                        own.n_in, own.n_out, own.sources, own.targets, own.weights, own.delays
                    )
                if part.n_out != own.n_in:
                    raise LimitError(f"{name} has {own.n_in} inputs, {part.n_out} lead to it")
                each[start] = operators.chain(part, own)
            self._known[name] = each
        found = self._known[name]
        if found is None:
            raise LimitError(f"{name} lies on a cycle without a neuron, expected one that spikes")
        return found


def _map(name: str, node: Any, dt: float, n: int) -> Operator:
    """A linear node; n: units that lead to it."""
    kind = type(node).__name__
    if kind == "Flatten":
        return operators.identity(n)
    if kind == "Delay":
        steps = np.broadcast_to(np.ravel(np.asarray(node.delay, float)) / dt, n)
        return operators.diagonal(np.ones(n), np.round(steps).astype(np.int64))
    if kind == "Scale":
        return operators.diagonal(np.broadcast_to(np.ravel(np.asarray(node.scale, float)), n))
    if kind in ("Linear", "Affine"):
        weight = np.asarray(node.weight, float)
        if weight.ndim != 2:
            raise LimitError(
                f"{name}: weights of shape {weight.shape}, expected (targets, sources)"
            )
        return operators.matrix(weight, np.asarray(getattr(node, "bias", 0.0), float))
    if kind in ("SumPool2d", "AvgPool2d"):
        return _pool(name, node, kind == "AvgPool2d")
    weight, two = np.asarray(node.weight, float), kind == "Conv2d"
    if not two:  # one row
        weight = weight[:, :, None]

    def pair(value: Any, of_one: int) -> tuple[int, int]:
        a = [int(x) for x in np.ravel(value)]
        return (a[0], a[-1]) if two else (of_one, a[0])

    size = pair(_shape(name, node)[1:], 1)
    dilation, padding = pair(node.dilation, 1), node.padding
    if isinstance(padding, str) and padding == "same":
        reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
        if any(r % 2 for r in reach):
            raise LimitError(f"{name}: padding 'same' of an even kernel, expected numbers")
        padding = [r // 2 for r in reach][0 if two else 1 :]
    around = pair(0 if isinstance(padding, str) else padding, 0)
    return operators.convolution(
        weight, size, pair(node.stride, 1), around, dilation, int(node.groups),
        np.asarray(node.bias, float),
    )  # fmt: skip


def _pool(name: str, node: Any, mean: bool) -> Operator:
    channels, *size = _shape(name, node)

    def pair(value: Any) -> tuple[int, int]:
        a = np.broadcast_to(np.ravel(value), 2)
        return int(a[0]), int(a[1])

    kernel = pair(node.kernel_size)
    weights = np.full((channels, 1, *kernel), 1 / (kernel[0] * kernel[1]) if mean else 1.0)
    return operators.convolution(
        weights, pair(size), pair(node.stride), pair(node.padding), (1, 1), channels
    )


def _shape(name: str, node: Any) -> list[int]:
    """Of a convolution's or pool's input: channels, rows, columns."""
    shape = (node.input_type or {}).get("input")
    if shape is None:
        raise LimitError(f"{name}: the graph does not have the shape of its input")
    return [int(x) for x in np.ravel(shape)]

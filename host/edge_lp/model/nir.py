# SPDX-License-Identifier: Apache-2.0
"""A model as a NIR graph (Pedersen et al. 2024, "Neuromorphic intermediate representation"): the
spiking network, in activation units.

A hidden layer l is four nodes (tau = 4096 / delta steps, in seconds; forward Euler with the step
dt):

    dendrite_l   CubaLI (LI in the first layer, whose drive is not filtered twice): u_d, v_d of
    SPEC.md "Network"; v_leak is the bias soma_l       CubaLIF: v_s; threshold and reset 0; tau_syn
    = dt, so that its input passes unfiltered feedback_l   LI fed by the soma's spikes through -1:
    u_s w_l, u_l     Linear: the 3-bit weights as the numbers they stand for

The first layer's recurrence passes current_0 (LI, its u_d); the output is a LI (its u) and an
Affine that adds the logits' bias. Spikes act one step later.

Read back and simulated so in double precision, the graph gives the step equations' logits without
rounding to 1e-6, the integer core's within 4 % and the rate model's (P1 eq. 6) within 16 % of the
logits' standard deviation, root mean square (tests/model/test_nir.py).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.errors import MissingDependency
from edge_lp.model.format import unpack
from edge_lp.model.spec import I_IN, INPUT_SCALE, ModelSpec
from edge_lp.runtime import FEATURES, FRAME_SECONDS

NOT_IN_NIR = [
    "NIR does not hold the voltages' floor at 0 and ceiling: they are in the nodes' metadata "
    "(v_min, v_max), and a simulator has to apply them",
    "NIR does not hold the integer arithmetic (12-bit decays, 16-bit accumulators, rounding): the "
    "graph is its limit in real numbers",
    "NIR does not hold the order of a step: dendrite before soma, spikes act one step later; "
    "metadata has dt, and features are held for K steps",
    "the front end, the detector and the provenance are not part of a NIR graph; labels and "
    "scales are in its metadata",
]


def graph(spec: ModelSpec) -> Any:
    """The nir.NIRGraph. Inputs: features (Q10 integers times 3 / 2^13); outputs: logits.
    MissingDependency without the nir package."""
    try:
        import nir
    except ImportError:
        raise MissingDependency(
            "NIR export needs the package nir: pip install 'edge-lp[nir]'"
        ) from None
    # tau in steps; core units per activation unit
    steps, unit = 4096 / spec.delta, (spec.ceiling + 1) / I_IN
    dt = FRAME_SECONDS / spec.steps
    limits = {"v_min": 0.0, "v_max": spec.ceiling / unit}
    nodes: dict[str, Any] = {"features": nir.Input(np.array([FEATURES]))}
    edges: list[tuple[str, str]] = []

    def add(name: str, node: Any, *sources: str) -> str:
        nodes[name] = node
        edges.extend((s, name) for s in sources)
        return name

    def full(n: int, value: float) -> np.ndarray:
        return np.full(n, value, np.float64)

    def li(n: int, r: float, v_leak: np.ndarray | None = None, **metadata: float) -> Any:
        node = nir.LI(
            tau=full(n, steps * dt), r=full(n, r), v_leak=full(n, 0) if v_leak is None else v_leak
        )
        node.metadata = metadata
        return node

    def linear(m: Any) -> Any:
        return nir.Linear(weight=m.codes.T * 2.0**-m.scale)

    # activation units that a spike adds to u, per unit of weight
    below, synapse = "features", 64 * 2.0**spec.synapse_shift / unit
    for i, layer in enumerate(spec.layers[:-1]):
        n, bias = layer.n, (layer.bias.astype(np.float64) * 2.0**layer.bias_shift) * steps / unit
        from_below = add(f"w_{i}", linear(layer.w), below)
        if i == 0:
            # 1 at the default operating point
            drive = 2.0**spec.drive_shift * steps * 2.0**layer.w.scale / INPUT_SCALE / unit
            nodes[from_below].weight *= drive
            dendrite = add("dendrite_0", li(n, 1.0, bias, **limits), from_below)
            recurrent = add("current_0", li(n, synapse * steps**2)) if layer.u else None
            if recurrent:
                edges.append((recurrent, dendrite))
        else:
            node = nir.CubaLI(
                tau_syn=full(n, steps * dt),
                tau_mem=full(n, steps * dt),
                r=full(n, 1.0),
                v_leak=bias,
                w_in=full(n, synapse * steps**2),
            )
            node.metadata = dict(limits)
            recurrent = dendrite = add(f"dendrite_{i}", node, from_below)
        soma = nir.CubaLIF(
            tau_syn=full(n, dt),
            tau_mem=full(n, steps * dt),
            r=full(n, 1.0),
            v_leak=full(n, 0),
            v_threshold=full(n, 0),
        )
        soma.metadata = {"v_min": 0.0}  # a positive one spikes: no ceiling is needed
        below = add(f"soma_{i}", soma, dendrite)
        minus = add(f"minus_{i}", nir.Scale(scale=full(n, -1.0)), below)
        edges.append((add(f"feedback_{i}", li(n, 64 * spec.feedback * steps / unit), minus), below))
        if layer.u and recurrent:
            edges.append((add(f"u_{i}", linear(layer.u), below), recurrent))
    out, last = spec.layers[-1], len(spec.layers) - 1
    per_spike = 64 * 2.0**spec.output_shift * spec.logit_mul / 2.0**spec.logit_shift / 256
    current = add("output", li(out.n, per_spike * steps), add(f"w_{last}", linear(out.w), below))
    logits = add(
        "logits",
        nir.Affine(
            weight=np.eye(out.n), bias=out.bias.astype(np.float64) * 2.0**out.bias_shift / 256
        ),
        current,
    )
    add("classes", nir.Output(np.array([out.n])), logits)
    metadata = {
        "dt": dt,
        "steps_per_frame": spec.steps,
        "input_scale": INPUT_SCALE,
        "labels": "\n".join(spec.labels),
        "cannot_hold": "\n".join(NOT_IN_NIR),
    }
    return nir.NIRGraph(nodes, edges, metadata=metadata)


def to_nir(data: bytes) -> bytes:
    """An .lpb's bytes -> a .nir file's. NOT_IN_NIR says what is lost."""
    built = graph(unpack(data))
    import nir

    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "graph.nir"
        nir.write(part, built)
        return part.read_bytes()

# SPDX-License-Identifier: Apache-2.0
"""NIR export: written, read back by the nir package and simulated in float by a small interpreter
of NIR's equations and the metadata."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from edge_lp import runtime
from edge_lp.cli import main
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from edge_lp.model.nir import NOT_IN_NIR, to_nir
from edge_lp.model.reference import ReferenceNet
from random_model import random_frames, random_spec

nir = pytest.importorskip("nir", reason="the package nir is not installed")


def simulate(graph, frames: np.ndarray) -> np.ndarray:
    """(frames, features) Q10 -> (frames, labels). Forward Euler with the metadata's dt; spikes of
    CubaLIF nodes act one step later."""
    dt, steps = float(graph.metadata["dt"]), int(graph.metadata["steps_per_frame"])
    sources = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    spiking = {name for name, n in graph.nodes.items() if isinstance(n, nir.CubaLIF)}
    order: list[str] = []
    while len(order) < len(graph.nodes):
        order += [
            n
            for n in graph.nodes
            if n not in order and all(s in order or s in spiking for s in sources[n])
        ]
    # spikes of this step become visible after all nodes have moved
    current = {n: 0.0 for n in graph.nodes}
    voltage, value, spikes = dict(current), dict(current), dict(current)

    def leak(
        name: str, tau: np.ndarray, r: np.ndarray, v_leak: np.ndarray, into: np.ndarray
    ) -> np.ndarray:
        v = voltage[name] + dt / tau * (v_leak - voltage[name] + r * into)
        limits = graph.nodes[name].metadata
        voltage[name] = np.clip(
            v, float(limits.get("v_min", -np.inf)), float(limits.get("v_max", np.inf))
        )
        return voltage[name]

    rows = []
    for frame in frames * float(graph.metadata["input_scale"]):
        for _ in range(steps):
            fired = {}
            for name in order:
                node = graph.nodes[name]
                into = (
                    frame
                    if isinstance(node, nir.Input)
                    else sum(spikes[s] if s in spiking else value[s] for s in sources[name])
                )
                if isinstance(node, (nir.CubaLI, nir.CubaLIF)):
                    current[name] += dt / node.tau_syn * (node.w_in * into - current[name])
                    into = current[name]
                if isinstance(node, nir.Linear):
                    into = node.weight @ np.broadcast_to(into, node.weight.shape[1])
                elif isinstance(node, nir.Affine):
                    into = node.weight @ into + node.bias
                elif isinstance(node, nir.Scale):
                    into = node.scale * into
                elif isinstance(node, nir.LI):
                    into = leak(name, node.tau, node.r, node.v_leak, into)
                elif isinstance(node, nir.CubaLI):
                    into = leak(name, node.tau_mem, node.r, node.v_leak, into)
                elif isinstance(node, nir.CubaLIF):
                    v = leak(name, node.tau_mem, node.r, node.v_leak, into)
                    fired[name] = (v > node.v_threshold).astype(float)
                    voltage[name] = np.where(v > node.v_threshold, node.v_reset, v)
                value[name] = into
            spikes.update(fired)
        rows.append(value["classes"])
    return np.array(rows)


def step_by_step(spec, frames: np.ndarray) -> np.ndarray:
    """The float model: SPEC.md "Network" without its roundings, in core units, one statement an
    equation."""
    keep, hidden = 1 - spec.delta / 4096, spec.layers[:-1]
    ud, vd, us, vs, s = ([np.zeros(h.n) for h in hidden] for _ in range(5))
    uo, rows = 0.0, []
    for q in frames.astype(float):
        drive = q @ hidden[0].w.codes * 2.0**spec.drive_shift
        for _ in range(spec.steps):
            before = [x.copy() for x in s]
            uo = keep * uo + 64 * 2.0 ** (spec.output_shift - spec.layers[-1].w.scale) * (
                before[-1] @ spec.layers[-1].w.codes
            )
            for i, h in enumerate(hidden):
                arrived = (
                    before[i] @ h.u.codes * 2.0 ** (spec.synapse_shift - h.u.scale) if h.u else 0.0
                )
                if i:
                    arrived = arrived + before[i - 1] @ h.w.codes * 2.0 ** (
                        spec.synapse_shift - h.w.scale
                    )
                ud[i] = keep * ud[i] + 64 * arrived
                vd[i] = np.clip(
                    keep * vd[i] + ud[i] + h.bias * 2.0**h.bias_shift + (0 if i else drive),
                    0,
                    spec.ceiling,
                )
                us[i] = keep * us[i] - 64 * spec.feedback * before[i]
                v = np.maximum(keep * vs[i] + vd[i] + us[i], 0)
                s[i] = (v > 0).astype(float)
                vs[i] = np.where(v > 0, 0, v)
        rows.append(
            (
                uo * spec.logit_mul / 2.0**spec.logit_shift
                + spec.layers[-1].bias * 2.0 ** spec.layers[-1].bias_shift
            )
            / 256
        )
    return np.array(rows)


@pytest.fixture(
    scope="module",
    params=[{}, {"delta": 128, "steps": 7, "synapse_shift": 4, "feedback": 1024}],
    ids=["tau 64", "tau 32"],
)
def written(request, tmp_path_factory):
    spec = random_spec(5, (24, 18), **request.param)
    path = tmp_path_factory.mktemp("nir") / "m.nir"
    path.write_bytes(to_nir(pack(spec)))
    return spec, nir.read(path), NOT_IN_NIR


def test_what_is_in_the_graph(written) -> None:
    spec, graph, lines = written
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert (
        kinds["soma_0"] == kinds["soma_1"] == "CubaLIF"
        and kinds["dendrite_1"] == "CubaLI"
        and kinds["features"] == "Input"
    )
    assert {
        ("soma_0", "u_0"),
        ("u_0", "current_0"),
        ("soma_1", "u_1"),
        ("u_1", "dendrite_1"),
        ("soma_0", "w_1"),
        ("w_1", "dendrite_1"),
    } <= set(graph.edges)
    np.testing.assert_array_equal(graph.nodes["u_1"].weight, spec.layers[1].u.codes.T / 8)
    assert graph.metadata["labels"].split("\n") == spec.labels and any(
        "floor" in line for line in lines
    )
    if spec.delta == 64:  # at the default operating point every gain is I_in or 1
        assert graph.nodes["dendrite_1"].w_in == pytest.approx(6) and graph.nodes[
            "feedback_0"
        ].r == pytest.approx(6)
        assert graph.nodes["dendrite_0"].r == pytest.approx(1) and graph.nodes[
            "dendrite_1"
        ].tau_mem == pytest.approx(64 / 1400)


def test_float_simulation_of_the_graph_is_the_float_model(written) -> None:
    """Both in double precision, rounding apart: logits within 1e-6. A step more or a spike
    elsewhere would show at 1e-2."""
    spec, graph, _ = written
    frames = random_frames(2, 30)
    got, expected = simulate(graph, frames), step_by_step(spec, frames)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_and_close_to_the_integer_core_and_the_rate_model(written) -> None:
    """The core rounds, and the rate model (P1 eq. 6) has no spikes: single spikes move. Bounds on
    the root mean square of the difference, in standard deviations of the logits: 0.04 to the core
    (0.012 to 0.019 measured), 0.16 to the rate model (0.03 at tau 64, 0.12 at tau 32)."""
    spec, graph, _ = written
    frames = random_frames(2, 60)
    got = simulate(graph, frames)
    core = runtime.Net(runtime.Model(pack(spec))).push(frames) / 256
    rate = ReferenceNet.from_spec(spec)(frames[None])[0]
    for other, bound in ((core, 0.04), (rate, 0.16)):
        assert (
            np.sqrt(np.mean((got - other) ** 2)) < bound * got.std()
            and np.corrcoef(got.ravel(), other.ravel())[0, 1] > 0.99
        )


def test_export_command(tmp_path) -> None:
    write_model(tmp_path / "m.lpb", pack(random_spec(1, (9,))))
    result = CliRunner().invoke(
        main, ["export", str(tmp_path / "m.lpb"), "--format", "nir", "-o", str(tmp_path / "m.nir")]
    )
    assert result.exit_code == 0 and "NIR does not hold" in result.output
    assert set(nir.read(tmp_path / "m.nir").nodes) >= {"features", "soma_0", "classes"}
    assert (
        CliRunner()
        .invoke(
            main,
            [
                "export",
                str(tmp_path / "m.lpb"),
                "--format",
                "nir",
                "-o",
                str(tmp_path / "no" / "m.nir"),
            ],
        )
        .exit_code
        == 2
    )

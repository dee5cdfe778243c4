# SPDX-License-Identifier: Apache-2.0
"""from_nir beside a float simulation of the same graph: graphs of the published examples' shapes
(NIR's paper, 01_lif, 02_cnn and 03_rnn), with weights of our own."""

from __future__ import annotations

import numpy as np
import pytest
from edge_lp.loihi import from_nir
from hypothesis import given, settings
from hypothesis import strategies as st

nir = pytest.importorskip("nir", reason="the package nir is not installed")
DT = 1e-4


def cuba(n: int, keep_u: float, keep_v: float, **more) -> nir.CubaLIF:
    """As snnTorch exports its RSynaptic: a spike adds its weight to the current, the current itself
    to v."""
    full = lambda x: np.full(n, float(x))
    tau_u, tau_v = DT / (1 - keep_u), DT / (1 - keep_v)
    return nir.CubaLIF(
        tau_syn=full(tau_u), tau_mem=full(tau_v), r=full(tau_v / DT), v_leak=full(0),
        v_threshold=full(1), w_in=full(tau_u / DT), **more,
    )  # fmt: skip


def braille(seed: int = 1, bias: bool = True):
    """12 -> 38 recurrent -> 7: the time constants of the published graph, weights of its spread,
    with a long tail of inhibition in the recurrence."""
    rng = np.random.default_rng(seed)
    draw = lambda out, n, spread: (
        rng.normal(0, spread, (out, n)) - rng.exponential(spread, (out, n))
    )

    def affine(m):
        return nir.Affine(m, rng.normal(0, 0.05, len(m))) if bias else nir.Linear(m)

    nodes = {
        "input": nir.Input(np.array([12])),
        "fc1": affine(rng.normal(0.25, 0.4, (38, 12))),
        "lif1.lif": cuba(38, 0.55, 0.9),
        "lif1.w_rec": affine(draw(38, 38, 0.1)),
        "fc2": affine(rng.normal(0, 0.5, (7, 38))),
        "lif2": cuba(7, 0.5, 0.55),
        "output": nir.Output(np.array([7])),
    }
    edges = "input fc1 lif1.lif fc2 lif2 output".split()
    edges = [*zip(edges, edges[1:]), ("lif1.lif", "lif1.w_rec"), ("lif1.w_rec", "lif1.lif")]
    return nir.NIRGraph(nodes, edges, metadata={"dt": DT})


def simulate(graph, x: np.ndarray, recurrent: tuple[str, ...] = (), dt: float = DT):
    """Float twin: forward Euler in the order of the graph, edges out of `recurrent` nodes one step
    late. x: (steps, n). -> {node: spikes or values (steps, n)}, {node: v}."""
    order, late = [], set(recurrent)
    before = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    while len(order) < len(graph.nodes):
        order += [
            n for n in graph.nodes
            if n not in order and all(a in order or a in late for a in before[n])
        ]  # fmt: skip
    current = {n: 0.0 for n in graph.nodes}
    voltage = dict(current)
    value = {n: np.zeros(node.output_type["output"]) for n, node in graph.nodes.items()}
    rows, traces = {n: [] for n in graph.nodes}, {n: [] for n in graph.nodes}
    for row in x.astype(float):
        for name in order:
            node = graph.nodes[name]
            into = row if isinstance(node, nir.Input) else sum(value[a] for a in before[name])
            if isinstance(node, (nir.Linear, nir.Affine)):
                into = node.weight @ into + getattr(node, "bias", 0)
            elif isinstance(node, nir.Scale):
                into = node.scale * into
            elif isinstance(node, (nir.LIF, nir.LI, nir.CubaLIF, nir.CubaLI)):
                tau = getattr(node, "tau", None)
                if tau is None:
                    tau = node.tau_mem
                    current[name] += dt / node.tau_syn * (node.w_in * into - current[name])
                    into = current[name]
                v = voltage[name] + dt / tau * (node.v_leak - voltage[name] + node.r * into)
                into = v
                if hasattr(node, "v_threshold"):
                    into = (v > node.v_threshold).astype(float)
                    v = np.where(into > 0, node.v_reset, v)
                voltage[name] = v
                traces[name].append(v)
            value[name] = into
            rows[name].append(into)
    return {n: np.array(r) for n, r in rows.items()}, {n: np.array(t) for n, t in traces.items()}


def run(made, x: np.ndarray):
    """name -> (spikes, v) of the core in the graph's time, v in the graph's units."""
    late = max(made.latency.values())
    longer = np.vstack([x, np.zeros((late, x.shape[1]))])
    result = made.network.run(len(longer), longer, ("spikes", "v"))
    at = {name: slice(made.latency[name], made.latency[name] + len(x)) for name in made.groups}
    return {
        name: (result.spikes[g][at[name]].astype(float), made.real(g, result.v[g][at[name]]))
        for name, g in made.groups.items()
    }


def forced(graph, x: np.ndarray, core: dict, recurrent: tuple[str, ...] = ()) -> dict:
    """name -> v of float neurons (before a spike's reset) that are driven by the core's spikes and
    reset where it spikes: what the core's rounding has made of v, without what spikes that came or
    stayed away make of everything behind them."""
    before = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    value = {n: core[n][0] for n in core if hasattr(graph.nodes[n], "v_threshold")}
    value |= {n: x.astype(float) for n, k in graph.nodes.items() if isinstance(k, nir.Input)}

    def of(name: str) -> np.ndarray:
        node = graph.nodes[name]
        if name in value:
            return value[name]
        return sum(of(a) for a in before[name]) @ node.weight.T + getattr(node, "bias", 0)

    found = {}
    for name in core:
        node, (spikes, _) = graph.nodes[name], core[name]
        late = lambda a: (
            np.vstack([0 * value[name][:1], value[name][:-1]]) @ (graph.nodes[a].weight.T)
            + getattr(graph.nodes[a], "bias", 0)
        )
        into = sum(late(a) if before[a] == [name] else of(a) for a in before[name])
        cuba = hasattr(node, "tau_syn")
        i, v, rows = 0.0, 0.0, []
        for t, arriving in enumerate(into):
            if cuba:
                i = i + DT / node.tau_syn * (node.w_in * arriving - i)
            now = i if cuba else arriving
            tau = node.tau_mem if cuba else node.tau
            v = v + DT / tau * (node.v_leak - v + node.r * now)
            rows.append(v)
            v = np.where(spikes[t] > 0, node.v_reset, v) if hasattr(node, "v_reset") else v
        found[name] = np.array(rows)
    return found


def check_forced(graph, x: np.ndarray, core: dict, bound: float) -> None:
    """The core's v is the float's to `bound` of (height + the largest |v - reset| so far), height
    from reset to threshold, and it spikes where that does but for cells so near."""
    for name, v in forced(graph, x, core).items():
        node, (spikes, found) = graph.nodes[name], core[name]
        near = node.v_threshold - node.v_reset + (np.maximum.accumulate(np.abs(v - node.v_reset)))
        off = np.where(spikes == 0, np.abs(found - v), 0) / near
        assert off.max() < bound
        clear = np.abs(v - node.v_threshold) > bound * near
        np.testing.assert_array_equal((v > node.v_threshold)[clear], spikes[clear] > 0)


def test_the_lif_example() -> None:
    """One LIF, 01_lif's numbers: the same spikes and v within 0.1 % of the threshold."""
    lif = nir.LIF(
        tau=np.array([2.5e-3]), r=np.ones(1), v_leak=np.zeros(1), v_threshold=np.array([0.1])
    )
    graph = nir.NIRGraph.from_list(nir.Affine(np.ones((1, 1)), np.zeros(1)), lif)
    x = np.random.default_rng(3).random((2000, 1)) < 0.3
    made = from_nir(graph, DT)
    result = made.network.run(2001, np.vstack([x, [[0]]]), ("spikes", "v"))
    (group,) = made.groups.values()
    floats, traces = simulate(graph, x)
    name = group.name
    assert floats[name].sum() > 50
    np.testing.assert_array_equal(result.spikes[group][1:], floats[name])
    assert np.abs(made.real(group, result.v[group][1:]) - traces[name]).max() < 0.0001


def test_shapes_that_differ_in_ones_alone_are_read(tmp_path) -> None:
    """As Rockpool writes them; the package nir reads such a file only without its own check."""
    neurons = nir.LIF(np.full(2, 1e-3), np.ones(2), np.zeros(2), np.full(2, 0.5))
    nodes = {"in": nir.Input(np.array([2])), "lif": neurons, "out": nir.Output(np.array([1, 1, 2]))}
    nodes["w"] = nir.Linear(np.eye(2))
    edges = [("in", "w"), ("w", "lif"), ("lif", "out")]
    nir.write(tmp_path / "x.nir", nir.NIRGraph(nodes, edges, type_check=False))
    with pytest.raises(ValueError, match="mismatch"):
        nir.read(tmp_path / "x.nir")
    assert [g.n for g in from_nir(tmp_path / "x.nir", DT).groups.values()] == [2]


@pytest.mark.parametrize("bias", [True, False])
def test_the_braille_rnn(bias) -> None:
    """12-38-7 on 8 inputs, scaled for them. v, driven by the core's own spikes, within 10 % of 1 +
    the largest |v| so far at a threshold of 1 with weights of 8 bits (measured: 7) and 0.6 % with
    `fine` (0.4). Running freely, single spikes decide what follows; with `fine` the outputs'
    counts correlate to 0.99 with the twin's (0.996), all rates are within 2 % (1)."""
    rng, graph = np.random.default_rng(0), braille(bias=bias)
    x = rng.random((8, 256, 12)) < 0.15
    for fine, bound in ((False, 0.1), (True, 0.006)):
        made = from_nir(graph, inputs=x, fine=fine)
        assert made.report.overflow is None and made.latency == {
            "lif1.lif": 1,
            "lif2": 2,
            "output": 2,
        }
        cores = [run(made, sample) for sample in x]
        for sample, core in zip(x, cores):
            check_forced(graph, sample, core, bound)
    twins = [simulate(graph, sample, ("lif1.lif",))[0] for sample in x]
    counts = [[of["lif2"][0].sum(0) for of in cores], [of["lif2"].sum(0) for of in twins]]
    assert np.corrcoef(np.ravel(counts[0]), np.ravel(counts[1]))[0, 1] > 0.99
    for name in ("lif1.lif", "lif2"):
        got, expected = (sum(f(of).sum() for of in runs) for f, runs in
                         ((lambda o: o[name][0], cores), (lambda o: o[name], twins)))  # fmt: skip
        assert expected > 500 and abs(got / expected - 1) < 0.02


def test_the_report_says_what_was_lost() -> None:
    rng, graph = np.random.default_rng(0), braille()
    safe, fine = from_nir(graph), from_nir(graph, fine=True)
    first, second = (x.report.layers[0].connections["lif1.lif"] for x in (safe, fine))
    assert 0.005 < first.error < 0.05 and second.error < first.error / 10
    assert first.lost > 0 and first.saturated == second.saturated == 0
    # the weights of the network are those of the report
    c = next(c for c in safe.network.connections if c.src.name == c.dst.name == "lif1.lif")
    exact = graph.nodes["lif1.w_rec"].weight.T * safe.scale["lif1.lif"] / 64
    off = np.sqrt(((c.weights - exact) ** 2).sum() / (exact**2).sum())
    assert off == pytest.approx(first.error, rel=1e-6)
    assert c.weights.any() and len(first.formats) == 1 and len(second.formats) == 2
    # every register is as full as the worst input allows, and the samples' shares are told
    made = from_nir(graph, inputs=rng.random((3, 100, 12)) < 0.2)
    text = str(made.report)
    assert "overflow in 3 samples: none" in text and "reached:" in text and "lif1.lif" in text
    for layer in made.report.layers:
        assert 0.2 < max(layer.reached) < 1


def test_no_input_overflows_without_samples_and_samples_use_the_range() -> None:
    """Fan-in 20,000 at random: the safe scale leaves few bits, samples say how many are needed; an
    input beyond them is caught by strict mode and told."""
    rng = np.random.default_rng(4)
    lif = nir.LIF(
        tau=np.full(9, 1e-3), r=np.full(9, 10.0), v_leak=np.zeros(9), v_threshold=np.ones(9)
    )
    graph = nir.NIRGraph.from_list(nir.Linear(rng.normal(0.02, 0.1, (9, 20000))), lif)
    full = np.ones((50, 20000), bool)
    quiet = rng.random((2, 100, 20000)) < 0.001
    safe = from_nir(graph, DT)
    safe.network.run(50, full, strict=True)
    made = from_nir(graph, DT, quiet)
    errors = [next(iter(x.report.layers[0].connections.values())).error for x in (safe, made)]
    assert errors[0] > 3 * errors[1] and errors[1] < 0.03 and made.report.overflow is None
    loud = from_nir(graph, DT, np.concatenate([quiet[:1], quiet[:1]]))
    with pytest.raises(Exception, match="overflow at step"):
        loud.network.run(50, full, strict=True)


def layered(seed: int):
    """Layers of 1 to 5 LIF and CubaLIF in a row, with a skip to the last, constants, v_leak and
    v_reset."""
    rng = np.random.default_rng(seed)
    n = [int(k) for k in rng.integers(1, 6, 3)]
    nodes = {"in": nir.Input(np.array([4]))}
    edges, last = [], "in"
    sizes = {"in": 4}
    for i, k in enumerate(n):
        u = lambda lo, hi: rng.uniform(lo, hi, k)
        tau, r, leak, reset = u(5e-4, 5e-3), u(0.5, 2), u(-0.3, 0.3), u(-0.5, 0.2)
        more = dict(r=r, v_leak=leak, v_threshold=np.full(k, 1.0), v_reset=reset)
        kind = rng.random() < 0.5
        nodes[f"n{i}"] = (
            nir.LIF(tau=tau, **more)
            if kind
            else nir.CubaLIF(tau_syn=u(2e-4, 1e-3), tau_mem=tau, w_in=u(1, 3), **more)
        )
        sizes[f"n{i}"] = k
        for source in {last, "in"} if i == 2 else {last}:
            w = rng.normal(3, 10, (k, sizes[source]))
            nodes[f"{source}-{i}"] = nir.Affine(w, rng.normal(0, 0.1, k))
            edges += [(source, f"{source}-{i}"), (f"{source}-{i}", f"n{i}")]
        last = f"n{i}"
    nodes["out"] = nir.Output(np.array([n[-1]]))
    return nir.NIRGraph(nodes, [*edges, (last, "out")], metadata={"dt": DT})


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_graphs_with_skips_leaks_resets_and_biases(seed) -> None:
    """v within 2 % of threshold and |v|, from the graph's first step on."""
    graph, x = layered(seed), np.random.default_rng(seed + 1).random((150, 4)) < 0.2
    made = from_nir(graph, inputs=x, fine=True)
    assert (
        made.report.overflow is None
        and made.latency["n0"] == 1
        and made.latency["n2"] == made.latency["out"] == 3
    )
    check_forced(graph, x, run(made, x), 0.02)

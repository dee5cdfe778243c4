# SPDX-License-Identifier: Apache-2.0
"""Faults of the network description that were found by use (B3, B4, B6, B7, B10, B12, B13), each as
a kind."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from core_networks import networks, rebuilt, stimulus
from edge_lp.errors import OverflowDetected
from edge_lp.loihi import LimitError, Network, Probe, from_nir
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import core as oracle

ALL = ("spikes", "u", "v")


def small() -> Network:
    net = Network(inputs=3)
    a = net.group(4, 1024, 64, threshold=3, name="soma")
    net.connect(net.inputs, a, np.arange(12).reshape(3, 4) * 8)
    return net


# --------------------------------------------------------------------------- B3: narrow integers --


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint64])
def test_b3_narrow_integers_are_their_values(dtype) -> None:
    """A threshold of 100 << 6 and a bias of 100 << 7 leave 8 and 16 bits."""

    def run(n) -> dict[str, np.ndarray]:
        net = Network(inputs=2, cores=None)
        each = [n(x) for x in (1, 100, 120)]
        g = net.group(
            3,
            decay_u=np.array(each),
            decay_v=n(100),
            threshold=np.array(each),
            bias=np.array(each),
            bias_exponent=np.array([n(7), n(1), n(0)]),
            refractory=n(60),
        )
        net.connect(net.inputs, g, np.full((2, 3), n(90)), exponent=n(7), delay=n(62))
        result = net.run(200, np.ones((200, 2), bool), ALL)
        return {k: getattr(result, k)[g] for k in ALL}

    expected, got = run(int), run(dtype)
    for k in ALL:
        np.testing.assert_array_equal(got[k], expected[k])
    assert expected["spikes"].any()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 131071), st.integers(-4096, 4095), st.integers(0, 7))
def test_b3_the_smallest_type_that_holds_a_number_is_enough(threshold, bias, exponent) -> None:
    def first(cast) -> np.ndarray:
        net = Network(cores=None)
        g = net.group(
            2,
            0,
            0,
            threshold=np.array([cast(threshold), cast(0)]),
            bias=np.array([cast(bias), cast(0)]),
            bias_exponent=np.array([cast(exponent), cast(0)]),
        )
        result = net.run(3, record=ALL)
        return np.concatenate([result.v[g], result.spikes[g]])

    narrow = [np.min_scalar_type(x).type(x) for x in (threshold, bias, exponent)]
    names = iter([narrow[0], np.int8(0), narrow[1], np.int8(0), narrow[2], np.int8(0)])
    np.testing.assert_array_equal(first(lambda _: next(names)), first(int))


# --------------------------------------------------------------------------- B4: what a spike is --


@pytest.mark.parametrize(
    "value, told",
    [
        (np.nan, "inputs have .*nan.*expected only 0 and 1"),
        (-1, "inputs have .*-1.*expected only 0 and 1"),
        (0.3, "inputs have .*0.3.*expected only 0 and 1"),
        (2, "inputs have .*2.*expected only 0 and 1"),
        (np.inf, "inputs have .*inf.*expected only 0 and 1"),
        ("0", "inputs have .*U.*expected only 0 and 1"),
        (None, "inputs have .*O.*expected only 0 and 1"),
    ],
)
def test_b4_a_spike_is_0_or_1(value, told) -> None:
    inputs = np.zeros((2, 3), int).tolist()
    inputs[1][2] = value
    if isinstance(value, str):
        inputs = [[str(x) for x in row] for row in inputs]
    with pytest.raises(LimitError, match=told):
        small().run(2, inputs)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float32, float])
def test_b4_zeros_and_ones_of_any_type(dtype) -> None:
    net, rng = small(), np.random.default_rng(3)
    spikes_in = rng.random((40, 3)) < 0.3
    expected = net.run(40, spikes_in, ALL)
    t, axons = np.nonzero(spikes_in)
    order = rng.permutation(len(t))
    for given_ in (spikes_in.astype(dtype), (t, axons), (t[order], axons[order])):
        got = net.run(40, given_, ALL)
        for k in ALL:
            np.testing.assert_array_equal(
                getattr(got, k)[net.groups[0]], getattr(expected, k)[net.groups[0]]
            )


@pytest.mark.parametrize(
    "events, told",
    [
        (([0, 2], [0, 0]), "step of an input spike is 2 at 1, its limits are 0 and 1"),
        (([0, 1], [0, 3]), "axon of an input spike is 3 at 1, its limits are 0 and 2"),
        (([0, 1], [0]), "expected lists of a length"),
        (([0],), r"tuple of 1, expected \(steps, axons\)"),
        (([0.5], [0]), "step of an input spike has type float64"),
    ],
)
def test_b4_index_lists_are_checked(events, told) -> None:
    with pytest.raises(LimitError, match=told):
        small().run(2, events)


# --------------------------------------------------------------------------- B6: other processes --


def work(net: Network):
    return net.run(20, np.ones((20, 3), bool), ALL)


def test_b6_results_cross_processes() -> None:
    """A network there, its result back: the caller's groups find their arrays."""
    net = small()
    expected = work(net)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        got = pool.map(work, [net])[0]
    for result in (got, pickle.loads(pickle.dumps(expected))):
        for k in ALL:
            np.testing.assert_array_equal(
                getattr(result, k)[net.groups[0]], getattr(expected, k)[net.groups[0]]
            )
        assert result.counts == expected.counts
    with pytest.raises(KeyError):
        got.u[small().groups[0]]  # another network's group, though alike in all


# ----------------------------------------------------------------------- B7: synapses, not pairs --


def coo(m: np.ndarray) -> SimpleNamespace:
    i, j = np.nonzero(m)
    back = slice(None, None, -1)  # in any order
    return SimpleNamespace(row=i[back], col=j[back], data=m[i, j][back], shape=m.shape)


def csr(m: np.ndarray) -> SimpleNamespace:
    i, j = np.nonzero(m)
    starts = np.searchsorted(i, np.arange(len(m) + 1)).astype(np.int32)
    return SimpleNamespace(
        indptr=starts, indices=j.astype(np.int32), data=m[i, j], shape=m.shape, format="csr"
    )


class Csc:
    """As SciPy's: compressed by columns, and able to say so in another way."""

    def __init__(self, m: np.ndarray):
        t = csr(m.T)
        self.indptr, self.indices, self.data, self.format = t.indptr, t.indices, t.data, "csc"
        self.shape, self._m = m.shape, m

    def tocoo(self) -> SimpleNamespace:
        return coo(self._m)


FORMS = {
    "coo": coo,
    "csr": csr,
    "tocoo": Csc,
    "lists": lambda m: (*np.nonzero(m), m[np.nonzero(m)]),
    "plain lists": lambda m: tuple(x.tolist() for x in (*np.nonzero(m), m[np.nonzero(m)])),
}


@settings(max_examples=120, deadline=None, derandomize=True)
@given(networks(), st.sampled_from(list(FORMS)), st.integers(1, 70))
def test_b7_sparse_is_dense(case, form, steps) -> None:
    """The same network given as matrices and as sparse ones, delays mixed or not."""
    net, rng = case

    def given_(c):
        m, delay = FORMS[form](c.mantissas), c.delays
        if np.ndim(delay):
            i, j = (m.row, m.col) if form == "coo" else np.nonzero(c.mantissas)
            delay = delay[i, j] if form != "tocoo" else delay[i, j][::-1]
        return m, delay

    other, twin = rebuilt(net, given_)
    for c in net.connections:
        np.testing.assert_array_equal(twin[c].mantissas, c.mantissas)
        np.testing.assert_array_equal(twin[c].weights, oracle.weights(c))
    assert other.resources() == net.resources()
    spikes_in = stimulus(rng, steps, net)
    expected, got = (n.run(steps, spikes_in, ALL) for n in (net, other))
    for k in ALL:
        for g in net.groups:
            np.testing.assert_array_equal(getattr(got, k)[twin[g]], getattr(expected, k)[g])


@pytest.mark.parametrize("delays", [False, True])
def test_b7_a_million_synapses_take_the_memory_of_a_million(delays) -> None:
    """10,000 compartments: 72 and 80 MB at the most and 0.2 s, where a matrix took 4.9 GB, 33 s."""
    n, fan = 10_000, 100
    src = np.repeat(np.arange(n), fan)
    dst = (np.tile(np.arange(fan) * 97, n) + src * 31) % n
    m = src % 255 + 1
    tracemalloc.start()
    try:
        net = Network(inputs=1, cores=None)
        g = net.group(n, 100, 100)
        net.connect(g, g, (src, dst, m), delay=src % 63 if delays else 0)
        simulation = net.build()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 130e6
    assert net.resources()["input axons"][0] == n and simulation.run(1).counts.steps == 1


@pytest.mark.parametrize(
    "given_, delay, told",
    [
        (([0], [4], [1]), 0, "index of a target is 4 at 0, its limits are 0 and 3"),
        (([3], [0], [1]), 0, "index of a source is 3 at 0, its limits are 0 and 2"),
        (([-1], [0], [1]), 0, "index of a source is -1 at 0"),
        (([0, 0], [1, 1], [1, 2]), 0, "the synapse 0 -> 1 is listed twice"),
        (([0, 1], [1], [1, 2]), 0, "expected lists of one length"),
        (([0, 1], [1, 1], 256), 0, "mantissa is 256, its limits"),
        (([0, 1], [1, 1], [0.5, 1]), 0, "mantissa has type float64"),
        (([0, 1], [1, 1], 5), [1, 2, 3], "expected lists of one length"),
        (([0, 1], [1, 1]), 0, "tuple of 2, expected index lists"),
        (coo(np.ones((4, 3), int)), 0, r"shape \(4, 3\), expected \(3, 4\)"),
        (csr(np.ones((4, 3), int)), 0, r"shape \(4, 3\), expected \(3, 4\)"),
        (SimpleNamespace(**{**vars(csr(np.ones((3, 4), int))), "format": "csc"}), 0, "CSR"),
        (
            SimpleNamespace(**{**vars(csr(np.ones((3, 4), int))), "indptr": [0, 8, 4, 12]}),
            0,
            "row offsets that do not rise",
        ),
        ([[1, 2], [3]], 0, "rows of different lengths"),
    ],
)
def test_b7_sparse_forms_are_checked(given_, delay, told) -> None:
    net = Network(inputs=3)
    with pytest.raises(LimitError, match=told):
        net.connect(net.inputs, net.group(4, 1, 1), given_, delay=delay)


# -------------------------------------------------------------------- B10: what is changed later --


def test_b10_what_was_given_may_be_changed() -> None:
    given_ = {
        "decay_u": np.array([10, 20, 30, 40]),
        "threshold": np.array([1, 2, 3, 4]),
        "bias": np.array([5, 6, 7, 8]),
    }
    net = Network(inputs=3, cores=None)
    g = net.group(4, decay_v=7, **given_)
    m, d = np.full((3, 4), 60), np.full((3, 4), 2)
    c = net.connect(net.inputs, g, m, delay=d)
    simulation, spikes_in = net.build(), np.ones((30, 3), bool)
    expected = net.run(30, spikes_in, ALL)
    for a in (*given_.values(), m, d):
        a[:] = 0
    for run in (net.run, simulation.run):
        got = run(30, spikes_in, ALL)
        for k in ALL:
            np.testing.assert_array_equal(getattr(got, k)[g], getattr(expected, k)[g])
    for a in (g.decay_u, g.threshold, c.weights, c.mantissas, c.delays, c.table.mantissas):
        with pytest.raises(ValueError, match="read-only"):
            a[...] = 1
    for part, what in ((g, "threshold"), (c, "exponent")):
        with pytest.raises(AttributeError):
            setattr(part, what, 1)


# ---------------------------------------------------------------------------------- B12: threads --


def test_b12_threads_lose_no_steps() -> None:
    net = small()
    simulation, spikes_in = net.build(), np.ones((25, 3), bool)
    results: list = []
    threads = [
        threading.Thread(
            target=lambda: results.extend(simulation.run(25, spikes_in) for _ in range(20))
        )
        for _ in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert simulation.counts.steps == 2000 and all(r.counts.steps == 25 for r in results)
    whole = net.run(2000, np.ones((2000, 3), bool)).spikes[net.groups[0]]
    assert sum(int(r.spikes[net.groups[0]].sum()) for r in results) == whole.sum()


def test_b12_a_result_counts_its_own_run_alone(monkeypatch) -> None:
    """Another thread wants its turn just behind a run's first look at the counters."""
    simulation = small().build()
    other, counts = threading.Thread(target=simulation.run, args=(25,)), simulation._core.counts

    def counts_and_another():
        now = counts()
        if other.ident is None:
            other.start()
            other.join(0.5)  # it waits for us; without a lock it would be done by then
        return now

    monkeypatch.setattr(simulation._core, "counts", counts_and_another)
    assert simulation.run(25).counts.steps == 25
    other.join()
    assert simulation.counts.steps == 50


# --------------------------------------------------------------------------- B13: one clear line --


@pytest.mark.parametrize(
    "parameters, told",
    [
        ({"n": (3,)}, r"number of compartments has shape \(1,\), expected one number"),
        ({"n": 2.0}, "number of compartments has type float64"),
        ({"n": None}, "number of compartments has type object"),
        ({"join": "soma"}, "join has 'soma', expected an earlier group"),
        ({"join": 0}, "join has 0, expected an earlier group"),
        ({"silent": "no"}, "silent is 'no', expected True or False"),
        ({"silent": None}, "silent is None, expected True or False"),
        ({"threshold": "10"}, "threshold has type <U2, expected integers"),
        ({"threshold": [[1, 2], [3]]}, "threshold is no array"),
        ({"bias": [[1, 2, 3, 4]]}, r"bias has shape \(1, 4\)"),
        ({"v_min": [0, 0]}, r"v_min has shape \(2,\)"),
        ({"v_max": 2.0**23}, "v_max has type float64"),
    ],
)
def test_b13_groups(parameters, told) -> None:
    with pytest.raises(LimitError, match=told):
        Network().group(**{"n": 4, "decay_u": 1, "decay_v": 1, **parameters})


@pytest.mark.parametrize(
    "connection, told",
    [
        ({"exponent": [0, 1]}, r"weight exponent has shape \(2,\), expected one number"),
        ({"exponent": 0.5}, "weight exponent has type float64"),
        ({"bits": [8, 8]}, r"weight bits has shape \(2,\), expected one number"),
        ({"bits": "8"}, "weight bits has type <U1"),
        ({"sign_mode": 1}, "sign mode is 1, expected one of mixed"),
        ({"sign_mode": ["mixed"]}, "sign mode is .*expected one of mixed"),
        ({"mantissas": None}, r"mantissas have shape \(\), expected \(3, 4\)"),
        ({"mantissas": "ones"}, r"mantissas have shape \(\)"),
        ({"delay": None}, "delay has type object"),
        ({"src": "inputs"}, "inputs -> b: expected groups of this network"),
        ({"dst": [0]}, r"\[0\]: expected groups of this network"),
    ],
)
def test_b13_connections(connection, told) -> None:
    net = Network(inputs=3)
    g = net.group(4, 1, 1, name="b")
    given_ = {"src": net.inputs, "dst": g, "mantissas": np.ones((3, 4), int), **connection}
    with pytest.raises(LimitError, match=told):
        net.connect(**given_)
    with pytest.raises(LimitError, match="expected groups of this network"):
        net.connect(g, net.inputs, np.ones((4, 3), int))


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda n, s: s.run(-1), "steps is -1, its limits are 0"),
        (lambda n, s: s.run(2.5), "steps has type float64"),
        (lambda n, s: s.run([3]), r"steps has shape \(1,\)"),
        (lambda n, s: s.run(1, record="spikes"), "record is 'spikes', expected a list of"),
        (lambda n, s: s.run(1, record=["w"]), r"record is \['w'\], expected a list of"),
        (lambda n, s: n.build(strict="no"), "strict is 'no', expected True or False"),
        (lambda n, s: n.build(count_active=1), "count_active is 1, expected True or False"),
        (lambda n, s: s.set_bias(n.groups[0], [1, 2]), r"bias has shape \(2,\), expected"),
        (lambda n, s: s.set_bias(n.groups[0], 1, [[1]]), r"bias_exponent has shape \(1, 1\)"),
        (lambda n, s: s.set_bias(n.groups[0], 4096), "bias is 4096"),
        (lambda n, s: s.set_bias("soma", 1), "'soma' is no group of this simulation"),
        (lambda n, s: s.set_bias(n.inputs, 1), "is no group of this simulation"),
        (lambda n, s: Network(inputs=[3]), r"number of input axons has shape \(1,\)"),
        (lambda n, s: Network(cores="2"), "number of cores has type <U1"),
    ],
)
def test_b13_calls(call, told) -> None:
    net = small()
    with pytest.raises(LimitError, match=told):
        call(net, net.build())


def test_b13_strict_mode_names_the_group() -> None:
    net = Network(cores=None)
    net.group(1, 0, 0, name="quiet")
    net.group(2, 0, 0, bias=4095, bias_exponent=7, name="loud")
    with pytest.raises(OverflowDetected, match="v of compartment 0 in loud is 8910720") as caught:
        net.run(100, strict=True)
    assert caught.value.where["group"] == 1


CSR_OF_NOTHING = SimpleNamespace(indptr=None, indices=[], data=[])


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda s, g: s.run(10**12), "Unable to allocate .* by fewer steps at a time"),
        (lambda s, g: s.run(1, record=5), "record is 5, expected a list of any of spikes, u, v"),
        (lambda s, g: s.run(1, record=[g]), r"record is \['g'\], expected a list"),
        (lambda s, g: s.run(1).spikes["g"], "spikes of 'g': not in this result"),
        (lambda s, g: s.run(1).u[g], "^u of g: not in this result, which has what record= named"),
        (lambda s, g: s.run(1)[Probe(g)], "what was seen of Probe.*: not in this result"),
        (lambda s, g: s.run(1, record=[Probe(small().groups[0])]), "record: .* is no group of"),
        (lambda s, g: s.restore("state"), "a state of type str, expected what save"),
        (lambda s, g: s.restore(None), "a state of type NoneType, expected what save"),
        (lambda s, g: Network().group(1, 0, 0, name=5), "a group's name is 5, expected text"),
        (lambda s, g: s._net.run_batch(np.zeros((10**6, 10**6, 0))), "Unable to allocate .* Probe"),
        (lambda s, g: s._net.connect(g, g, np.eye(4, dtype=int), tags=5), "tags without learning="),
        (lambda s, g: s._net.connect(g, g, CSR_OF_NOTHING), "expected CSR"),
        (lambda s, g: s._net.run_batch(np.zeros((1, 2, 0)), 7), "record is 7, expected a list"),
        (lambda s, g: s._net.run_batch(np.zeros((1, 2, 0))).v[g], "v of g: not in this result"),
    ],
)  # fmt: skip
def test_b13_calls_are_told_in_a_line(call, told) -> None:
    net = Network()
    g = net.group(4, 0, 0, name="g")
    s = net.build()
    s._net = net
    with pytest.raises((LimitError, ValueError), match=told) as e:
        call(s, g)
    assert "\n" not in str(e.value) and len(str(e.value)) < 400


@pytest.mark.parametrize("dt", [0, -1e-4, float("nan"), float("inf"), "1e-4", True])
def test_b13_a_step_is_a_time(dt) -> None:
    nir = pytest.importorskip("nir", reason="the package nir is not installed")
    lif = nir.LIF(np.ones(1), np.ones(1), np.zeros(1), np.ones(1))
    graph = nir.NIRGraph.from_list(nir.Linear(np.ones((1, 1))), lif)
    with pytest.raises(LimitError, match="^dt is .* expected seconds, more than 0"):
        from_nir(graph, dt)
    with pytest.raises(LimitError, match="^int, expected a .nir file or a nir.NIRGraph"):
        from_nir(5, 1e-4)

# SPDX-License-Identifier: Apache-2.0
"""The learning engine against Lava's model (recorded) and the plain-Python twin, and against
itself:
dense is sparse, a batch is its samples, split runs are one run, what is saved goes on."""

from __future__ import annotations

import json
from unittest import mock

import numpy as np
import pytest
from edge_lp import learning
from edge_lp.loihi import Network, Probe, Rule, simulation
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from twins import learning as oracle

TRACES = ("x1", "x2", "y1", "y2", "y3")
FORMATS = {"mixed": (-256, 254, 2), "excitatory": (0, 255, 1), "inhibitory": (-255, 0, 1)}


# ----------------------------------------------------------------------- as Lava does (recorded) --

with np.load(ROOT / "tests" / "golden" / "learning-lava.npz") as z:
    LAVA = [
        (about, {k: z[f"{k}_{i}"] for k in ("weights", "tags", "pre", "post", "rows")}
         | ({} if about["fixed"] else {"drawn": z[f"drawn_{i}"].astype(int)}))
        for i, about in enumerate(json.loads(str(z["about"])))
    ]  # fmt: skip


def parameters_of(about):
    return {k: v for k, v in about.items() if k.endswith(("_tau", "_impulse")) or k == "t_epoch"}


def rule_of(about, **more):
    return Rule(**{k: about[k] for k in ("dw", "dt") if k in about}, **parameters_of(about), **more)


def unscaled(product):
    """A product of ours, as the twin and Lava have it."""
    factors = [(f.what, f.add, f.sign) for f in product.factors]
    return product.target, product.when or "u", product.mantissa, product.left, factors


@pytest.mark.parametrize("about", [a for a, _ in LAVA], ids=range(len(LAVA)))
def test_rules_are_read_as_lava_reads_them(about) -> None:
    found = [unscaled(p) for p in rule_of(about).products]
    expected = [(t, when, m, e, [tuple(f) for f in fs]) for t, when, m, e, fs in about["products"]]
    assert found == expected


class AsLava(oracle.Learning):
    """Chance as Lava uses it: one number a step for all, of the step in which the epoch ends; the
    first impulses of several in an epoch with x round up, with y as drawn then."""

    def __init__(self, *args, drawn, **named):
        self.drawn, self.ends = drawn, 0
        super().__init__(*args, **named)

    def chance(self, what, impulse, step, index):
        row = self.drawn[self.t]
        if what == "r1":  # Lava has none
            return 0
        if impulse and self.inside and what[0] == "x":
            return 0
        return int(row[4 if what in "wt" else "xy".index(what[0]) * 2 + impulse])

    def step(self, *args):
        self.inside = True
        super().step(*args)

    def _learn(self):
        self.inside = False
        super()._learn()


def twin_of(about, arrays, grid=1, kind=oracle.Learning, **more):
    lo, hi, _ = FORMATS[about["sign_mode"]]
    hi = 255 if grid == 1 and hi else hi
    w, t = arrays["weights"], arrays["tags"]
    synapses = {(i, j): [int(w[i, j]), int(t[i, j])] for i, j in np.ndindex(w.shape)}
    # Lava reads no u_k behind another dependency
    products = [(t, d, d == "u", m, e - 7, fs) for t, d, m, e, fs in about["products"]]
    k = rule_of(about).decimate
    return kind(w.shape, synapses, products, parameters_of(about), k, (lo, hi), grid, **more)


def state(twin):
    n = (twin.n_src, twin.n_dst)
    both = [[twin.synapses[i, j][which] for i, j in np.ndindex(n)] for which in (0, 1)]
    return np.concatenate([*both, *(twin.traces[t] for t in TRACES)])


@pytest.mark.parametrize("case", LAVA, ids=range(len(LAVA)))
def test_the_twin_is_lava(case) -> None:
    """Every weight, tag and trace after every step, chance and all."""
    about, arrays = case
    fixed = np.tile([65536, 32768, 65536, 32768, 32768], (len(arrays["pre"]) + 1, 1))
    twin = twin_of(about, arrays, kind=AsLava, drawn=arrays.get("drawn", fixed))
    for pre, post, row in zip(arrays["pre"], arrays["post"], arrays["rows"]):
        twin.step(pre, post)
        np.testing.assert_array_equal(state(twin), row)


def relayed(about, arrays, rule, **how):
    """A network of which two groups spike as they are told, whatever the weights between them."""
    n_src, n_dst = arrays["weights"].shape
    net = Network(inputs=n_src + n_dst, cores=None)
    pre = net.group(n_src, 4096, 4096, threshold=100)
    post = net.group(n_dst, 4096, 4096, threshold=100)
    axons = np.arange(n_src + n_dst)
    net.connect(net.inputs, pre, (axons[:n_src], axons[:n_src], 255), exponent=1)
    net.connect(net.inputs, post, (axons[n_src:], axons[:n_dst], 255), exponent=1)
    c = net.connect(
        pre, post, arrays["weights"], sign_mode=about["sign_mode"], exponent=-8,
        learning=rule, tags=arrays["tags"], **how,
    )  # fmt: skip
    told = np.hstack([arrays["pre"], arrays["post"]])
    return net, c, np.vstack([told[1:], 0 * told[:1]])  # a relay spikes a step later


def probes(c):
    return [Probe(c, what) for what in ("w", "t", *TRACES)]


ON_GRID = [c for c in LAVA if c[0]["fixed"] and c[0]["sign_mode"] != "mixed"]
assert len(ON_GRID) > 15


@pytest.mark.parametrize("case", ON_GRID, ids=range(len(ON_GRID)))
def test_the_core_is_lava(case) -> None:
    """Without chance, where Lava's weights are those that the format holds. A trace that no product
    reads and no impulse raises is 0 in both."""
    about, arrays = case
    net, c, inputs = relayed(about, arrays, rule_of(about, rounding="nearest"))
    seen = probes(c)
    result = net.build().run(len(inputs), inputs, seen)
    np.testing.assert_array_equal(np.hstack([result[p] for p in seen]), arrays["rows"])


# ---------------------------------------------------------------- as the twin does, random rules --


@st.composite
def rules(draw, chance: bool = True):
    """(text and parameters, products as the twin takes them)."""
    k = draw(st.integers(0, 3))
    texts, products = {}, []
    for target in draw(st.sampled_from([("w",), ("t",), ("w", "t"), ("w", "t")])):
        parts = []
        for _ in range(draw(st.integers(1, 3))):
            when = draw(st.sampled_from(["x0", "y0", "u"]))
            gated = when == "u" or draw(st.booleans())
            names = [*TRACES, "w", "t", "r0", "r1"] + ["x0", "y0"] * (when == "u")
            factors = draw(
                st.lists(
                    st.tuples(st.sampled_from(names), st.integers(-256, 255), st.booleans()),
                    max_size=draw(st.sampled_from([2, 2, 5])),
                )
            )
            factors = [(v, a if draw(st.booleans()) else 0, s and v in "wt") for v, a, s in factors]
            m, e = draw(st.integers(-7, 7)), draw(st.integers(-7, 8))
            # u_k first: where it stands before x0, that is no dependency
            items = [f"u{k}"] * (when == "u") + [when] * (when != "u")
            items += [f"u{k}"] * (gated and when != "u")
            items += [
                ("sgn" if s else "") + f"({v} {'+-'[a < 0]} {abs(a)})" if s or a else v
                for v, a, s in factors
            ]
            parts.append((m, f"{abs(m)}*2^{e}*" + "*".join(items)))
            products.append((target, when, gated, m, e, factors))
        texts["d" + target] = "".join(f"{'+-'[m < 0]} {p} " for m, p in parts)
    parameters = dict(
        {f"{t}_impulse": draw(st.sampled_from([0, 3, 40.25, 127])) for t in TRACES},
        **{f"{t}_tau": draw(st.sampled_from([0, 1, 5, 30.5])) for t in (*TRACES, "r1")},
        t_epoch=draw(st.sampled_from([1, 2, 5, 63])),
        seed=draw(st.integers(0, 2**32 - 1)),
        rounding=draw(st.sampled_from(["stochastic"] * 3 + ["nearest"])),
    )
    return Rule(**texts, **parameters), parameters, products, k


@st.composite
def learners(draw):
    """A rule, two groups of relays, spikes and rewards for them."""
    rule = draw(rules())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_src, n_dst, steps = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 70))
    sign_mode, rate = draw(st.sampled_from(list(FORMATS))), draw(st.sampled_from([0.05, 0.3, 0.9]))
    lo, hi, _ = FORMATS[sign_mode]
    arrays = dict(
        weights=rng.integers(lo, hi + 1, (n_src, n_dst)),
        tags=rng.integers(-256, 256, (n_src, n_dst)),
        pre=rng.random((steps, n_src)) < rate,
        post=rng.random((steps, n_dst)) < rate,
        reward=rng.integers(-128, 128, steps) * (rng.random(steps) < 0.2),
    )
    arrays["pre"][0] = arrays["post"][0] = False
    return rule, dict(sign_mode=sign_mode), arrays


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    learners(), st.sampled_from([1, 2, 3, 4, 5, 6, 8]), st.sampled_from(["full", "part", "delays"])
)
def test_the_core_is_the_twin(case, bits, form) -> None:
    """Every weight, tag and trace after every step; all pairs, some of them, several delays."""
    (rule, parameters, products, k), about, arrays = case
    rng = np.random.default_rng(rule.seed)
    shape = arrays["weights"].shape
    some = np.ones(shape, bool) if form == "full" else rng.random(shape) < 0.7
    pairs = [(int(i), int(j)) for i, j in np.argwhere(some)]
    net, c, inputs = relayed(about, arrays, rule, bits=bits)
    if form != "full":
        i, j = np.array(pairs, int).reshape(-1, 2).T
        net.connections.pop()
        c = net.connect(
            *net.groups, (i, j, arrays["weights"][i, j]), tags=arrays["tags"][i, j], bits=bits,
            sign_mode=about["sign_mode"], exponent=-8, learning=rule,
            delay=rng.integers(0, 3, len(i)) if form == "delays" else 0,
        )  # fmt: skip
    lo, hi, grid = FORMATS[about["sign_mode"]]
    grid <<= 8 - bits
    lo, hi = (lo if lo == -256 else lo // grid * grid + grid * (lo % grid > 0)), hi // grid * grid
    start = {p: int(arrays["weights"][p]) for p in pairs}
    start = {p: (abs(w) // grid * grid) * (-1 if w < 0 else 1) for p, w in start.items()}
    synapses = {p: [w, int(arrays["tags"][p])] for p, w in start.items()}
    twin = oracle.Learning(shape, synapses, products, parameters, k, (lo, hi), grid)
    read = {f.what for p in rule.products for f in p.factors}
    seen = probes(c) + [Probe(c, "r1")]
    simulated = net.build()
    result = simulated.run(len(inputs), inputs, seen, reward=arrays["reward"])
    for step, (pre, post, reward) in enumerate(
        zip(arrays["pre"], arrays["post"], arrays["reward"])
    ):
        twin.step(pre, post, int(reward))
        assert result[seen[0]][step].tolist() == [twin.synapses[p][0] for p in pairs]
        assert result[seen[1]][step].tolist() == [twin.synapses[p][1] for p in pairs]
        for p, t in zip(seen[2:], TRACES):
            if t in read or parameters[f"{t}_impulse"]:
                assert result[p][step].tolist() == twin.traces[t]
        assert result[seen[-1]][step].tolist() == [twin.r1]
    # what the core adds at a spike is what the mantissas say
    w = simulated.learned(c)
    for place, which in simulated._blocks[c]:
        part = simulated._core._weights[place].ravel()
        np.testing.assert_array_equal(part, c.weights_of(w if which is None else w[which]))


def test_chance_is_the_twins_and_even() -> None:
    """Of one step and stream, over indices; and of one index over steps."""
    draw = learning.lib.lp_learn_draw
    rng = np.random.default_rng(0)
    for seed, number, step, stream, index in rng.integers(0, 2**32, (200, 5)).tolist():
        assert draw(seed, number, step << 7, stream, index) == oracle.counted(
            seed, number, step << 7, stream, index
        )
    for rows in (
        [draw(7, 0, 5, 16, i) for i in range(20000)],
        [draw(7, 0, s, 16, 3) for s in range(20000)],
    ):
        counts = np.bincount(np.array(rows) >> 12, minlength=16)
        assert ((counts - 1250) ** 2 / 1250).sum() < 50  # chi-squared, 15 degrees: p > 1e-5
        a = np.array(rows) / 65536 - 0.5
        assert abs((a[1:] * a[:-1]).mean() * 12) < 0.04  # neighbours: 5 sigma


# ------------------------------------------------------------------------------- against itself --


@st.composite
def nets(draw):
    """Groups that really drive each other, by connections that learn, beside some that do not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    net = Network(inputs=draw(st.integers(1, 9)), cores=None)
    for _ in range(2):
        net.group(
            int(rng.integers(1, 12)), 2048, 512, threshold=int(rng.integers(20, 300)),
            bias=int(rng.integers(-50, 200)), refractory=int(rng.integers(1, 3)),
        )  # fmt: skip
    sources = [net.inputs, *net.groups]
    for k in range(draw(st.integers(1, 4))):
        src, dst = sources[rng.integers(3)], net.groups[rng.integers(2)]
        src = net.inputs if k == 0 else src
        rule = draw(rules())[0] if k == 0 or draw(st.booleans()) else None
        m = rng.integers(-100, 160, (src.n, dst.n)) * (rng.random((src.n, dst.n)) < 0.8)
        delay = rng.integers(0, 4, m.shape) if draw(st.booleans()) else int(rng.integers(0, 4))
        net.connect(src, dst, m, exponent=1, delay=delay, learning=rule)
    return net, rng


def everything(net, result, seen):
    kinds = [getattr(result, k)[g] for k in ("spikes", "u", "v") for g in net.groups]
    return kinds + [result[p] for p in seen]


def recorded(net):
    return [Probe(c, w) for c in net.connections if c.learning for w in (*learning.RECORDED,)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(nets(), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_split_runs_are_one_and_what_is_saved_goes_on(case, cuts) -> None:
    net, rng = case
    steps = sum(cuts)
    inputs = rng.random((steps, net.inputs.n)) < 0.4
    reward = rng.integers(-9, 9, steps)
    seen, record = recorded(net), ["spikes", "u", "v"]
    whole = everything(net, net.build().run(steps, inputs, record + seen, reward), seen)
    parts, at, s = [], 0, net.build()
    for n in cuts:
        fresh = net.build()
        fresh.restore(s.save())
        s = fresh
        part = s.run(n, inputs[at : at + n], record + seen, reward[at : at + n])
        parts.append(everything(net, part, seen))
        at += n
    for rows, *pieces in zip(whole, *parts):
        np.testing.assert_array_equal(rows, np.concatenate(pieces))
    s.reset()
    again = everything(net, s.run(steps, inputs, record + seen, reward), seen)
    for a, b in zip(whole, again):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(nets())
def test_dense_is_sparse_and_strict_is_not_strict(case) -> None:
    net, rng = case
    inputs, seen, record = rng.random((50, net.inputs.n)) < 0.4, recorded(net), ["spikes", "u", "v"]
    expected = everything(net, net.run(50, inputs, record + seen), seen)

    def sparse(c, index):
        t = c.table
        weights, which = c.weights_of(t.mantissas), np.arange(len(t.mantissas))
        if isinstance(t.delays, np.ndarray):
            return lowered(c, index)
        src = None if c.src is net.inputs else index[c.src]
        block = simulation.core.Synapses(
            src, index[c.dst], t.delays, sparse=(t.rows, t.targets, weights)
        )
        return [(block, which)]

    lowered = simulation.lower
    with mock.patch.object(simulation, "lower", sparse):
        other = everything(net, net.run(50, inputs, record + seen), seen)
    for a, b in zip(expected, other):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(nets(), st.integers(1, 5))
def test_a_batch_is_its_samples_one_by_one(case, samples) -> None:
    """Each sample learns from the start."""
    net, rng = case
    inputs = rng.random((samples, 30, net.inputs.n)) < 0.4
    reward = rng.integers(-9, 9, (samples, 30))
    got = net.run_batch(inputs, ["spikes", "v"], reward=reward)
    for i, x in enumerate(inputs):
        alone = net.run(30, x, ["spikes", "v"], reward=reward[i])
        for g in net.groups:
            np.testing.assert_array_equal(got.spikes[g][i], alone.spikes[g])
            np.testing.assert_array_equal(got.v[g][i], alone.v[g])

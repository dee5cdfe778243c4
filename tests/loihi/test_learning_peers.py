# SPDX-License-Identifier: Apache-2.0
"""The learning engine against the references besides Lava: random rules recorded in brian2-loihi
(tools/brian2_learning.py), and nengo-loihi's PES (tools/nengo_learning.py)."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from edge_lp.loihi import Network, Noise, Rule
from paths import ROOT
from test_core_learning import probes, relayed
from twins import learning as oracle

TRACES = oracle.TRACES

with np.load(ROOT / "tests" / "golden" / "learning-brian2.npz") as z:
    BRIAN = [
        (about, {k: z[f"{k}_{i}"].astype(int) for k in ("weights", "pre", "post", "rows")})
        for i, about in enumerate(json.loads(str(z["about"])))
    ]
FIXED = [c for c in BRIAN if c[0]["fixed"]]
assert len(FIXED) >= 15 and len(BRIAN) >= 2 * len(FIXED) - 1


def parameters_of(about):
    """brian2's decay by 1 - 1/tau as exp(-1/tau); a hair longer, so that what is whole stays so."""
    found = {k: v for k, v in about.items() if k.endswith("_impulse")}
    for k, tau in about.items():
        if k.endswith("_tau"):
            found[k] = 0 if tau == 1 else -1 / math.log(1 - 1 / tau) * (1 + 1e-12)
    return found


@pytest.mark.parametrize("about", [a for a, _ in BRIAN], ids=range(len(BRIAN)))
def test_rules_are_read_as_brian2_reads_them(about) -> None:
    """Its tool made text and products from one draw."""
    rule = Rule(dw=about["dw"], **parameters_of(about))
    found = [
        (p.when or "u", bool(p.gated), p.mantissa * 2.0 ** (p.left - 7),
         [(f.what, f.add, f.sign) for f in p.factors]) for p in rule.products
    ]  # fmt: skip
    expected = [
        (when, gated, m * 2.0**e, [tuple(f) for f in factors])
        for _, when, gated, m, e, factors in about["products"]
    ]
    assert found == expected and rule.decimate in (0, about["k"])


@pytest.mark.parametrize("case", FIXED, ids=range(len(FIXED)))
def test_the_core_is_brian2(case) -> None:
    """Every weight and trace after every step, without chance. A trace without an impulse is 0."""
    about, arrays = case
    rule = Rule(dw=about["dw"], **parameters_of(about), rounding="nearest")
    still = dict(arrays, tags=0 * arrays["weights"])
    net, c, inputs = relayed(about, still, rule)
    seen = [p for p in probes(c) if p.what != "t"]
    result = net.build().run(len(inputs), inputs, seen)
    np.testing.assert_array_equal(np.hstack([result[p] for p in seen]), arrays["rows"])


class AsBrian(oracle.Learning):
    """One chance for all; a trace that was raised is rounded by the fraction that it had before."""

    def __init__(self, *args, chance, **named):
        super().__init__(*args, **named)
        self.all, self.before = chance, {}

    def chance(self, what, impulse, step, index):
        return 65536  # nothing that is recorded needs any

    def _kicked(self, trace, v, step, index):
        self.before[trace, index] = step, v
        return super()._kicked(trace, v, step, index)

    def _decayed(self, what, size, step, index):
        tau = self.parameters.get(f"{what}_tau", 0)
        keep = math.exp(-1 / tau) if tau else 0.0
        raised, before = self.before.get((what, index), (0, 0))
        fraction = keep * (before if raised == step - 1 else size) % 1
        return math.floor(keep * size) + (self.all < fraction)


@pytest.mark.parametrize("case", BRIAN, ids=range(len(BRIAN)))
def test_the_twin_is_brian2(case) -> None:
    """With chance, and with weights of both signs."""
    about, arrays = case
    pairs = list(np.ndindex(arrays["weights"].shape))
    mixed = about["sign_mode"] == "mixed"
    limits = (-256, 254) if mixed else (0, 255) if about["sign_mode"] == "excitatory" else (-255, 0)
    twin = AsBrian(
        arrays["weights"].shape, {p: [int(arrays["weights"][p]), 0] for p in pairs},
        about["products"], parameters_of(about), about["k"], limits, 1 + mixed,
        chance=about["chance"],
    )  # fmt: skip
    for pre, post, row in zip(arrays["pre"], arrays["post"], arrays["rows"]):
        twin.step(pre, post)
        found = [twin.synapses[p][0] for p in pairs] + sum((twin.traces[t] for t in TRACES), [])
        np.testing.assert_array_equal(found, row)


# ---------------------------------------------------------------------------- nengo-loihi's PES --

with np.load(ROOT / "tests" / "golden" / "learning-nengo.npz") as z:
    ABOUT = json.loads(str(z["about"]))
    PES = [
        (about, {k: z[f"{k}_{i}"].astype(int) for k in ("weights", "spikes", "errors", "rows")})
        for i, about in enumerate(ABOUT["pes"])
    ]
    NOISE = [(how, z[f"noise_{i}"]) for i, how in enumerate(ABOUT["noise"])]
UNROUNDED = [c for c in PES if c[0]["fixed"]]
assert len(UNROUNDED) >= 15 and len(PES) == 2 * len(UNROUNDED)


def pes_of(about):
    """Twice its factor, as ours is shifted by one bit more. y1 is what the host writes."""
    tau = math.inf if about["x1_tau"] > 1e9 else about["x1_tau"]
    dw = f"{about['m']}*2^{about['e'] + 1}*u0*x1*(y1-64)"
    return dict(x1_impulse=about["x1_impulse"], x1_tau=tau, y1_tau=math.inf), dw


def y1_of(errors):
    return 64 + np.concatenate([-errors, errors])


@pytest.mark.parametrize("case", UNROUNDED, ids=range(len(UNROUNDED)))
def test_the_core_is_nengos_pes(case) -> None:
    about, arrays = case
    parameters, dw = pes_of(about)
    still = {k: np.vstack([0 * arrays["spikes"][:1], arrays["spikes"]]) for k in ("pre", "post")}
    still["post"] = np.zeros((len(still["pre"]), arrays["weights"].shape[1]), int)
    still |= dict(weights=arrays["weights"], tags=0 * arrays["weights"])
    net, c, inputs = relayed(
        {"sign_mode": "mixed"}, still, Rule(dw=dw, **parameters, rounding="nearest"),
        bits=about["bits"],
    )  # fmt: skip
    s = net.build()
    s.set_trace(c, "y1", 64)
    s.run(1, inputs[:1])
    for row, error, expected in zip(inputs[1:], arrays["errors"], arrays["rows"]):
        s.set_trace(c, "y1", y1_of(error))
        s.run(1, row[None])
        found = np.concatenate([c.table.matrix(s.learned(c)).ravel(), s.learned(c, "x1")])
        np.testing.assert_array_equal(found, expected)


class AsNengo(oracle.Learning):
    """One chance for all; weights are rounded in magnitude."""

    def __init__(self, *args, chance, **named):
        super().__init__(*args, **named)
        self.all, self.below = round(chance * 65536), False

    def chance(self, what, impulse, step, index):
        return 65536 - self.all if what == "w" and self.below else self.all

    def _settled(self, target, total, index):
        self.below = total < 0
        return super()._settled(target, total, index)


@pytest.mark.parametrize("case", PES, ids=range(len(PES)))
def test_the_twin_is_nengos_pes(case) -> None:
    about, arrays = case
    parameters, _ = pes_of(about)
    pairs, grid = list(np.ndindex(arrays["weights"].shape)), 2 ** (9 - about["bits"])
    product = ("w", "u", True, about["m"], about["e"] + 1, [("x1", 0, False), ("y1", -64, False)])
    twin = AsNengo(
        arrays["weights"].shape, {p: [int(arrays["weights"][p]), 0] for p in pairs}, [product],
        parameters, 0, (-256, 256 - grid), grid, chance=about["chance"],
    )  # fmt: skip
    for pre, error, row in zip(arrays["spikes"], arrays["errors"], arrays["rows"]):
        twin.traces["y1"] = y1_of(error).tolist()
        twin.step(pre, np.zeros(len(error) * 2))
        found = [twin.synapses[p][0] for p in pairs] + twin.traces["x1"]
        np.testing.assert_array_equal(found, row)


# -------------------------------------------------------------------------- nengo-loihi's noise --


@pytest.mark.parametrize("how, counted", NOISE, ids=range(len(NOISE)))
def test_noise_is_nengos_but_for_its_least_value(how, counted) -> None:
    """Both draw each value as often as any other; ours has x = -128 too, as 8 bits have. Neither
    has the chip's sequence."""
    (exponent, offset, on_v), (values, counts) = how, counted
    net = Network(cores=None)
    g = net.group(
        2000, 4096, 4096, silent=True, noise=Noise(exponent, offset, on="v" if on_v else "u")
    )
    result = net.run(20, record=("u", "v"))
    own, often = np.unique((result.v if on_v else result.u)[g], return_counts=True)
    np.testing.assert_array_equal(own[1:], values)
    assert own[0] == (-128 + 64 * offset) * 2 ** (exponent - 7)
    for numbers in (often, counts):  # chi-squared: 6 sigma
        mean = numbers.sum() / len(numbers)
        assert abs(((numbers - mean) ** 2 / mean).sum() - len(numbers)) < 6 * np.sqrt(
            2 * len(numbers)
        )
    if on_v:
        assert not result.u[g].any()

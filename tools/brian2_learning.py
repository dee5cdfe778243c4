# SPDX-License-Identifier: Apache-2.0
"""Records tests/golden/learning-brian2.npz: random rules on random spikes in brian2-loihi.

    python tools/brian2_learning.py OUT.npz    # with brian2-loihi 0.5.2, brian2 2.9.0, numpy < 2

Its learning is arithmetic in floats. What it shares with integers, and what is recorded: products
that need no shift (one trace or the weight, whole factors), sums that stay within 16 bits on their
way, changes on the format's grid, decays by 1 - 1/tau that floats hold (tau a power of two). Left
out are cases that reach what else it does: `common`. Chance is one number for all of a case, in the
place of brian2's rand(): 1 (`fixed`), which rounds traces down, or another. It decides at the start
of a step ("constant over dt"), so that a trace that a spike raises in that step is rounded by the
fraction that it had without, and a weight that such a spike changes never up.

Rows are what our steps 1, 2, ... end with: brian2 takes a step's weights from traces with that
step's impulses, and decays them then. Its step 0, in which every u_k counts, comes before.
"""

from __future__ import annotations

import json
import sys

import brian2
import brian2_loihi as b
import numpy as np
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS

CASES = 40
N_SRC, N_DST, STEPS = 4, 3, 40
TRACES = ("x1", "x2", "y1", "y2", "y3")
LIMITS = {"mixed": (-256, 254), "excitatory": (0, 255), "inhibitory": (-255, 0)}
SIGN_MODES = {"mixed": 1, "excitatory": 2, "inhibitory": 3}


class Chance:
    """What brian2's rand() says."""

    now = 1.0

    @classmethod
    def draw(cls, indices):
        return np.full(len(indices), cls.now) if np.ndim(indices) else cls.now


def random_product(rng, k, used):
    """(text, product): m 2^e x0 u_k factor, the factor a trace or w, with a number, or sign(w)."""
    when = str(rng.choice(["x0", "y0", "u"], p=[0.4, 0.4, 0.2]))
    gated = when == "u" or rng.random() < 0.2
    m, e = int(rng.choice([-3, -2, -1, 1, 2, 3])), int(rng.integers(0, 3))
    items = [f"{abs(m)}*2^{e}"] + [when] * (when != "u") + [f"u{k}"] * gated
    v, c, form = str(rng.choice([*used, "w"])), int(rng.integers(1, 10)), rng.integers(0, 4)
    text, factors, flip = v, [(v, 0, False)], 1
    if form == 0:  # brian2-loihi reads brackets with one sign or letter before the sign alone
        text, factors = (f"(w-{c})" if v == "w" else f"({c}-{v})"), [(v, -c, False)]
        flip = 1 if v == "w" else -1
    elif form == 1:
        text, factors = "sign(w)", [("w", 0, True)]
    elif form == 2:
        text, factors = "", []
    text = ("-" if m < 0 else "+") + "*".join([*items, text] if text else items)
    return text, ("w", when, bool(gated), m * flip, e, factors)


def random_case(rng, fixed):
    sign_mode = str(rng.choice(["excitatory", "inhibitory"] if fixed else list(LIMITS)))
    used = list(rng.choice(TRACES, rng.integers(1, 4), replace=False))
    k = int(rng.integers(0, 4))
    parts, products = zip(*(random_product(rng, k, used) for _ in range(rng.integers(1, 4))))
    # brian2-loihi has x0 and y0 where it has a trace of that side
    used += [t for t in ("x1", "y1") if t[0] not in [u[0] for u in used]]
    about = {"dw": "".join(parts).removeprefix("+"), "products": products, "k": k}
    about |= {f"{t}_impulse": int(rng.choice([1, 16, 45, 127])) for t in used}
    about |= {f"{t}_tau": int(rng.choice([1, 2, 4, 8, 16])) for t in used}
    chance = 1.0 if fixed else float(rng.choice([0.3, 0.45, 0.7]))
    return about | dict(sign_mode=sign_mode, fixed=fixed, chance=chance), used


def grid_of(about):
    """Of 8 bits."""
    return 2 if about["sign_mode"] == "mixed" else 1


def simulate(about, used, weights, pre, told):
    """-> (weights before each step, traces in it, who of the targets has spiked)."""
    Chance.now = about["chance"]

    def generator(spikes):
        at, index = np.nonzero(spikes)
        return b.LoihiSpikeGeneratorGroup(spikes.shape[1], index, at)

    source, driver = generator(pre), generator(told)
    target = b.LoihiNeuronGroup(
        N_DST, refractory=1, threshold_v_mant=100, decay_v=4096, decay_I=4096
    )
    drive = b.LoihiSynapses(driver, target, w_exp=1, sign_mode=2)
    drive.connect(i=np.arange(N_DST), j=np.arange(N_DST))
    drive.w = [255] * N_DST
    parameters = {f"imp_{t}": about[f"{t}_impulse"] for t in used}
    parameters |= {f"tau_{t}": about[f"{t}_tau"] for t in used}
    learns = b.LoihiSynapses(
        source, target, dw=about["dw"], w_exp=-8, sign_mode=SIGN_MODES[about["sign_mode"]],
        **parameters,
    )  # fmt: skip
    learns.connect()
    learns.w = weights.ravel()
    seen = brian2.StateMonitor(learns, ["w", *used], record=True, when="groups", order=-1)
    fired = b.LoihiSpikeMonitor(target)
    b.LoihiNetwork(source, driver, target, drive, learns, seen, fired).run(len(pre))
    shape = (len(pre), N_SRC, N_DST)
    of = {name: np.asarray(getattr(seen, name)).T.reshape(shape) for name in ["w", *used]}
    post = np.zeros((len(pre) + 1, N_DST), bool)
    post[np.rint(np.asarray(fired.t_) * 1000).astype(int) + 1, np.asarray(fired.i)] = True
    traces = {
        t: (of[t][:, :, 0] if t[0] == "x" else of[t][:, 0]) if t in used
        else np.zeros((len(pre), N_SRC if t[0] == "x" else N_DST)) for t in TRACES
    }  # fmt: skip
    return of["w"], traces, post[:-1]


def common(about, w, traces, pre, post):
    """Whether nothing happened that integers do otherwise."""
    lo, grid = LIMITS[about["sign_mode"]][0], grid_of(about)
    if (w < lo).any() or any(m * 2**e % grid for *_, m, e, _ in about["products"]):
        return False
    for t in range(1, len(pre)):
        total = w[t] * 128
        for target, when, gated, m, e, factors in about["products"]:
            if np.abs(total).max() >= 2**15:  # and more is to come
                return False
            on = {"x0": pre[t][:, None], "y0": post[t][None], "u": np.ones((1, 1))}[when]
            part = m * 2**e * 128.0 * on * (t % 2 ** about["k"] == 0 or not gated)
            for v, c, sign in factors:
                side = w[t] if v == "w" else traces[v][t][:, None]
                side = traces[v][t][None] if v[0] == "y" else side
                part = part * (np.sign(side) if sign else side + c)
                if v == "w" and (side + c).min() < -256:
                    return False
            if np.abs(part).max() >= 2**15:
                return False
            total = total + part
    return True


def record(path):
    brian2.prefs.codegen.target = "numpy"
    DEFAULT_FUNCTIONS["rand"].implementations.add_implementation(NumpyCodeGenerator, Chance.draw)
    rng, cases = np.random.default_rng(17), []
    while len(cases) < CASES:
        about, used = random_case(rng, fixed=len(cases) % 2 == 0)
        lo, hi = (x // 2 for x in LIMITS[about["sign_mode"]])
        grid, rate = grid_of(about), rng.choice([0.05, 0.2, 0.5])
        weights = rng.integers(lo, hi + 1, (N_SRC, N_DST)) // grid * grid
        pre, told = rng.random((STEPS + 2, N_SRC)) < rate, rng.random((STEPS + 2, N_DST)) < rate
        pre[:2], told[:2] = False, False
        w, traces, post = simulate(about, used, weights, pre, told)
        moved = (w[1:] != w[1]).any()
        if moved and common(about, w, traces, pre, post):
            last = slice(1, STEPS + 1)  # our steps
            rows = np.hstack(
                [w[2 : STEPS + 2].reshape(STEPS, -1), *(traces[t][last] for t in TRACES)]
            )
            arrays = dict(weights=w[1], pre=pre[last], post=post[last], rows=rows)
            cases.append((about, {k: a.astype(np.int16) for k, a in arrays.items()}))
            print(len(cases), about["dw"], file=sys.stderr)
    arrays = {f"{k}_{i}": a for i, (_, own) in enumerate(cases) for k, a in own.items()}
    np.savez_compressed(path, about=json.dumps([about for about, _ in cases]), **arrays)


if __name__ == "__main__":
    record(sys.argv[1])

# SPDX-License-Identifier: Apache-2.0
"""Records tests/golden/learning-lava.npz: random rules on random spikes in Lava's bit-approximate
learning model, and how long it takes for 1000 x 1000 synapses (--speed).

    python tools/lava_learning.py OUT.npz    # with lava-nc 0.10.0: Python 3.10, numpy < 2

Its connection model alone is used, without Lava's processes, so that its wheel unpacked on
PYTHONPATH does as well (with numpy < 2, scipy and asteval, Python 3.11 too). Chance is a recorded
sequence of 16-bit numbers where Lava draws from NumPy's generator, or constant (`fixed`): no trace
is rounded up, impulses and weights to the nearest. Left out are cases that reach what Lava does
otherwise and says nowhere (int32 overflow; -2^15 - 1 and -257 as least numbers).
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace

import numpy as np
from lava.magma.core.learning import learning_rule_applier
from lava.magma.core.learning.constants import FACTOR_TO_WIDTH_DICT, GradedSpikeCfg
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule
from lava.magma.core.model.py.connection import LearningConnectionModelBitApproximate
from lava.utils.weightutils import SignMode

CASES = 80
N_SRC, N_DST, STEPS = 4, 3, 40
TRACES = ("x1", "x2", "y1", "y2", "y3")


class Base:
    """What the runtime gives a model."""

    def __init__(self, proc_params):
        self.proc_params = proc_params


class Model(LearningConnectionModelBitApproximate, Base):
    def __init__(self, rule, weights, tags, sign_mode):
        """weights, tags: (n_dst, n_src)."""
        n_dst, n_src = weights.shape
        self.time_step = 0
        super().__init__(
            dict(
                learning_rule=rule,
                shape=weights.shape,
                graded_spike_cfg=GradedSpikeCfg.USE_REGULAR_IMPULSE,
                sign_mode=sign_mode,
            )
        )
        self.weights, self.tag_1 = weights.copy(), tags.copy()
        self.tag_2 = np.zeros_like(tags)
        for t in TRACES:
            setattr(self, t, np.zeros(n_src if t[0] == "x" else n_dst, int))
        self.tx, self.ty = np.zeros(n_src, int), np.zeros(n_dst, int)
        self.x0, self.y0 = self.tx > 0, self.ty > 0

    def step(self, pre, post):
        self.time_step += 1
        self._process_pre_spikes(pre.astype(int))
        self._process_post_spikes(post)
        if self.lrn_guard():
            self.run_lrn()


class Chance:
    """Recorded numbers, (steps + 1, 5) of 16 bits: decay and impulse of x, of y, weights and
    tags."""

    def __init__(self, model, drawn):
        def of(decay, impulse):
            row = lambda: drawn[model.time_step]
            return type(
                "Trace",
                (),
                dict(
                    random_trace_decay=property(lambda self: row()[decay] / 65536),
                    random_impulse_addition=property(lambda self: row()[impulse] >> 8),
                    advance=lambda self: None,
                ),
            )()

        model._x_random, model._y_random = of(0, 1), of(2, 3)
        model._conn_var_random = type(
            "Weights",
            (),
            dict(
                random_stochastic_round=property(lambda self: drawn[model.time_step][4] / 65536),
                advance=lambda self: None,
            ),
        )()


def random_rule(rng):
    """A sum of 1 to 3 products, with the syntax in its variants."""
    k = rng.integers(0, 4)
    products = []
    for _ in range(rng.integers(1, 4)):
        items = [str(rng.choice(["x0", "y0", f"u{k}"], p=[0.4, 0.4, 0.2]))]
        for _ in range(rng.integers(0, 3)):
            v = str(rng.choice([*TRACES, "w", "t"]))
            c = int(rng.integers(-60, 60))
            form = rng.integers(0, 5)
            if form == 0:
                v = f"({v}{c:+d})"
            elif form == 1:
                v = f"({c}-{v})" if c > 0 else f"({v}-{-c})" if c else v
            elif form == 2 and v in "wt":
                v = f"sgn({v}{c:+d})" if c else f"sgn({v})"
            items.append(v)
        rng.shuffle(items)
        m, e = int(rng.integers(1, 8)), int(rng.integers(-7, 2))
        scale = str(rng.choice([f"2^{e}", f"{m}*2^{e}", str(m)]))
        items.insert(0 if rng.random() < 0.7 else len(items), scale)
        products.append(" * ".join(items))
    text = products[0] if rng.random() < 0.7 else "-" + products[0]
    for p in products[1:]:
        text += str(rng.choice([" + ", " - "])) + p
    return text


def plain(rule):
    """Lava's products as plain data."""
    out = []
    for target, series in rule.active_product_series.items():
        for p in series.products:
            factors = [(f.state_var, f.const or 0, bool(f.is_sgn)) for f in p.factors]
            out.append((target[1], p.dependency, int(p.s_mantissa), int(p.s_exp), factors))
    return out


def known(products):
    """Not what overflows Lava's int32."""
    return all(sum(FACTOR_TO_WIDTH_DICT[f[0]] for f in p[4]) + 4 <= 31 for p in products)


def case(rng, fixed):
    """One recorded case: (description, arrays), or None where Lava leaves its registers."""
    parameters = {f"{t}_impulse": float(rng.choice([0, 1, 16, 40.5, 127])) for t in TRACES}
    parameters |= {f"{t}_tau": float(rng.choice([0, 1, 3, 10, 25])) for t in TRACES}
    parameters["t_epoch"] = int(rng.choice([1, 1, 2, 5, 8]))
    if parameters["t_epoch"] > 1:  # an earlier spike of an epoch: Lava rounds x's up, always
        parameters |= {f"{t}_impulse": np.floor(parameters[f"{t}_impulse"]) for t in ("x1", "x2")}
    text = {"dw": random_rule(rng)}
    if rng.random() < 0.5:
        text["dt"] = random_rule(rng)
    try:
        rule = Loihi2FLearningRule(**text, **parameters, rng_seed=1)
    except ValueError:  # a different u_k in each
        return None
    products = plain(rule)
    if not known(products):
        return None
    sign = rng.choice([SignMode.MIXED, SignMode.EXCITATORY, SignMode.INHIBITORY])
    lo, hi = {1: (-256, 256), 2: (0, 256), 3: (-255, 1)}[sign.value]
    model = Model(rule, rng.integers(lo, hi, (N_DST, N_SRC)), rng.integers(-50, 50, (N_DST, N_SRC)),
                  sign)  # fmt: skip
    drawn = rng.integers(0, 65536, (STEPS + 1, 5))
    if fixed:
        drawn[:] = [65536, 32768, 65536, 32768, 32768]
    Chance(model, drawn)
    first = dict(weights=model.weights.T.copy(), tags=model.tag_1.T.copy())
    rate = rng.choice([0.05, 0.3, 0.8])
    pre, post = rng.random((STEPS, N_SRC)) < rate, rng.random((STEPS, N_DST)) < rate
    pre[0] = post[0] = False  # spikes of our relays come one step after their inputs
    rows = []
    for k in range(STEPS):
        model.step(pre[k], post[k])
        if model.weights.min() < -256 or model.tag_1.min() < -256 or Clip.left:
            Clip.left = False
            return None
        rows.append(np.concatenate([model.weights.T.ravel(), model.tag_1.T.ravel(),
                                    *(getattr(model, t) for t in TRACES)]))  # fmt: skip
    about = dict(text, **parameters, sign_mode=sign.name.lower(), fixed=fixed, products=products)
    arrays = dict(first, pre=pre, post=post, rows=rows)
    arrays = {k: np.array(a).astype(np.int16 if k != "drawn" else int) for k, a in arrays.items()}
    if not fixed:
        arrays["drawn"] = drawn.astype(np.uint16)
    return about, arrays


class Clip:
    """np.clip as the applier sees it, noting what ends at -2^15 - 1."""

    left = False

    @staticmethod
    def clip(values, a_min, a_max):
        if a_min == -(2**15) - 1 and np.any(values <= -(2**15) - 1):
            Clip.left = True
        return np.clip(values, a_min=a_min, a_max=a_max)


def record(path):
    namespace = {k: getattr(np, k) for k in dir(np)} | {"clip": Clip.clip}
    learning_rule_applier.np = SimpleNamespace(**namespace)
    rng, cases = np.random.default_rng(13), []
    while len(cases) < CASES:
        found = case(rng, fixed=len(cases) % 2 == 0)
        if found:
            cases.append(found)
    arrays = {f"{k}_{i}": v for i, (_, a) in enumerate(cases) for k, v in a.items()}
    np.savez_compressed(path, about=json.dumps([about for about, _ in cases]), **arrays)


def speed(n=1000, steps=20):
    """The connection's learning alone: no neurons, no messages."""
    rng = np.random.default_rng(0)
    for dw in ("2^-2*x1*y0 - 2^-2*y1*x0", "u0*x1*y1 - u0*w"):
        rule = Loihi2FLearningRule(dw=dw, x1_impulse=16, x1_tau=10, y1_impulse=16, y1_tau=10)
        model = Model(
            rule, rng.integers(0, 100, (n, n)), np.zeros((n, n), int), SignMode.EXCITATORY
        )
        spikes = rng.random((steps, 2, n)) < 0.01
        start = time.process_time()
        for pre, post in spikes:
            model.step(pre, post)
        print(f"{dw}: {steps / (time.process_time() - start):.1f} steps/s")


if __name__ == "__main__":
    speed() if sys.argv[1] == "--speed" else record(sys.argv[1])

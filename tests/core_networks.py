# SPDX-License-Identifier: Apache-2.0
"""Random networks for the core's tests: small, and hard on every register."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from edge_lp.loihi import Network, Noise
from edge_lp.loihi.description import Connection
from edge_lp.loihi.limits import V_CEILINGS, V_FLOORS
from hypothesis import strategies as st


def noises() -> st.SearchStrategy[Noise]:
    on, seed = st.sampled_from("uv"), st.integers(0, 2**32 - 1)
    return st.builds(Noise, st.integers(0, 20), st.integers(0, 7), on, seed)


@st.composite
def networks(
    draw: st.DrawFn, wild: bool = True, noisy: bool = False
) -> tuple[Network, np.random.Generator]:
    """1-3 groups of 1-19 compartments, up to 4 connections, every parameter over its whole range; a
    generator for the stimulus. wild: exponents and biases that overflow accumulators and states.
    noisy: some groups have noise."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    net = Network(inputs=draw(st.integers(1, 9)), cores=None)
    for _ in range(draw(st.integers(1, 3))):
        mates = [g for g in net.groups]
        join = draw(st.sampled_from([None, *mates]))
        n = join.n if join else draw(st.integers(1, 19))
        each = draw(st.booleans())

        def of(lo: int, hi: int, *edges: int) -> np.ndarray | int:
            pick = np.where(
                rng.random(n) < 0.3, rng.choice([lo, hi, *edges], n), rng.integers(lo, hi + 1, n)
            )
            return pick if each else int(pick[0])

        net.group(
            n,
            of(0, 4096, 1, 4095, 64, 2048),
            of(0, 4096, 1, 4095, 64, 2048),
            threshold=of(0, draw(st.sampled_from([0, 50, 3000, 131071]))),
            bias=of(-4096, 4095) if draw(st.booleans()) else 0,
            bias_exponent=of(0, 7 if wild else 2),
            refractory=of(1, 64, 2, 3) if draw(st.booleans()) else 1,
            v_min=draw(st.sampled_from([0, *V_FLOORS[-3:]])),
            v_max=draw(st.sampled_from(V_CEILINGS)),
            join=join,
            silent=draw(st.booleans()),
            noise=draw(noises()) if noisy and draw(st.booleans()) else None,
            initial_u=of(1 - 2**23, 2**23 - 1) if wild and draw(st.booleans()) else 0,
            initial_v=of(0, 511) if draw(st.booleans()) else 0,
        )
    spiking = [g for g in net.groups if not g.silent]
    for k in range(draw(st.integers(1, 4))):
        src = draw(st.sampled_from([net.inputs, *spiking])) if k else net.inputs
        dst = draw(st.sampled_from(net.groups))
        sign_mode = draw(st.sampled_from(["mixed", "excitatory", "inhibitory"]))
        lo, hi = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}[sign_mode]
        m = rng.integers(lo, hi + 1, (src.n, dst.n)) * (
            rng.random((src.n, dst.n)) < draw(st.sampled_from([0.05, 0.3, 1.0]))
        )
        if wild and draw(st.booleans()):
            m[:] = draw(st.sampled_from([lo, hi]))
        delay = draw(st.one_of(st.integers(0, 62), st.just(None)))
        net.connect(
            src,
            dst,
            m,
            bits=draw(st.sampled_from([1, 2, 3, 4, 5, 6, 8])),
            sign_mode=sign_mode,
            exponent=draw(st.integers(-8, 7) if wild else st.integers(-8, 1)),
            delay=rng.integers(0, 63, m.shape) if delay is None else delay,
        )
    return net, rng


def rebuilt(net: Network, given: Callable[[Connection], tuple[Any, Any]]) -> tuple[Network, dict]:
    """The same network again, with the mantissas and delays of each connection as given() has them;
    and which group, connection and input of it stands for which."""
    other = Network(net.inputs.n, cores=net.cores)
    twin: dict[Any, Any] = {None: None, net.inputs: other.inputs}
    for g in net.groups:
        parameters = {f.name: getattr(g, f.name) for f in fields(g) if f.init}
        twin[g] = other.group(**{**parameters, "join": twin[g.join]})
    for c in net.connections:
        mantissas, delay = given(c)
        how = dict(bits=c.bits, sign_mode=c.sign_mode, exponent=c.exponent, delay=delay)
        twin[c] = other.connect(twin[c.src], twin[c.dst], mantissas, **how)
    return other, twin


def stimulus(rng: np.random.Generator, steps: int, net: Network) -> np.ndarray:
    """(steps, axons) bool: quiet, busy or full, at random."""
    return rng.random((steps, net.inputs.n)) < rng.choice([0.05, 0.5, 1.0])

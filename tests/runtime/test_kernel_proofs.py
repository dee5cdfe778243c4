# SPDX-License-Identifier: Apache-2.0
"""Why the sigma-delta kernel (runtime/lp_sd.h) computes what the core does, for every input: its
decay for every value, and the step, the ranges and sleeping by induction over steps with an SMT
solver, the decay abstract. Row sums are by the bounds of lp_sd_fits, which test_kernel.py tests."""

import numpy as np
import pytest

LIMIT = 2**23


@pytest.mark.parametrize("shift", range(1, 13))
def test_decay_of_every_value(shift):
    """y - ceil(y / 2^s), with y = x, and x + 1 below 0, is SPEC's sgn(x) ((|x| (4096 - d)) >> 12)
    for all 2^24 values of a register: as C shifts it, as an M4's smmla multiplies it, and where
    vectors shift what they keep negated."""
    keep = 4096 - (4096 >> shift)
    for low in range(-LIMIT, LIMIT, 1 << 20):
        x = np.arange(low, low + (1 << 20), dtype=np.int64)
        spec = np.sign(x) * ((np.abs(x) * keep) >> 12)
        y = x + (x < 0)
        assert np.array_equal(y + (-y >> shift), spec)
        assert np.array_equal(y + ((y * -(1 << (32 - shift))) >> 32), spec)
        n = -x - (-x > 0)
        assert np.array_equal(n - (n >> shift), -spec)


@pytest.mark.parametrize("shift", range(1, 13))
def test_a_raised_voltage_decays_alike(shift):
    """Without vectors an awake unit's v, 0 <= v < 2^23, is kept as v + 2^24: its decay is that of
    v, plus 2^24, less 2^24 / 2^s, which the unit's gain gives back."""
    v = np.arange(LIMIT, dtype=np.int64)
    raised = v + 2**24
    assert np.array_equal(raised + (-raised >> shift) + (2**24 >> shift), v + (-v >> shift) + 2**24)


# The points that are in use, and what lp_sd_fits allows at its edges. Then b <= 64 w_fb tau.
POINTS = [(64, 512), (32, 1024), (2, 65535 // 2), (2048, 63)]


class Abstract:
    """Any decay that keeps 0, does not change the order, never grows a magnitude, and takes at
    least ceil(|x| / tau) off it: all that the proof needs to know."""

    def __init__(self, z3, tau):
        self.z3, self.tau, self.seen = z3, tau, []
        self.solver = z3.Solver()

    def __call__(self, x):
        y = self.z3.FreshInt("decayed")
        z3 = self.z3
        self.solver.add(z3.Implies(x == 0, y == 0))
        self.solver.add(z3.Implies(x > 0, z3.And(y >= 0, y < x, (x - y) * self.tau >= x)))
        self.solver.add(z3.Implies(x < 0, z3.And(y <= 0, y > x, (y - x) * self.tau >= -x)))
        for other, decayed in self.seen:
            self.solver.add(z3.Implies(other == x, decayed == y))
            self.solver.add(z3.Implies(other == -x, decayed == -y))
        self.seen.append((x, y))
        return y

    def proves(self, claim):
        self.solver.push()
        self.solver.add(self.z3.Not(claim))
        result = self.solver.check()
        self.solver.pop()
        return result == self.z3.unsat


def wrap24(z3, x):
    """x of up to 26 bits"""
    return z3.If(
        x >= LIMIT,
        z3.If(x >= 3 * LIMIT, x - 4 * LIMIT, x - 2 * LIMIT),
        z3.If(x < -LIMIT, z3.If(x < -3 * LIMIT, x + 4 * LIMIT, x + 2 * LIMIT), x),
    )


def clip(z3, x, low, high):
    return z3.If(x < low, low, z3.If(x > high, high, x))


def unit(z3, tau, feedback, ceiling=None):
    """A unit with any state that the invariant allows, any input and bias that lp_sd_fits allows:
    core's and kernel's next state, and the claims' parts."""
    decay = Abstract(z3, tau)
    ud, vd, us, s, q, bias, top, most = z3.Ints("ud vd us s q bias ceiling most")
    strongest = 64 * feedback
    assert strongest * tau < LIMIT
    decay.solver.add(
        1 <= top, top < LIMIT, 0 <= most, 64 * most * tau < LIMIT, -most <= q, q <= most,
        64 * most * tau + z3.If(bias < 0, -bias, bias) < LIMIT, z3.Or(s == 0, s == 1),
    )  # fmt: skip
    bounds = lambda ud, vd, us: z3.And(  # noqa: E731
        -64 * most * tau <= ud, ud <= 64 * most * tau, 0 <= vd, vd <= top,
        -strongest * tau <= us, us <= 0,
    )  # fmt: skip
    decay.solver.add(bounds(ud, vd, us))
    # the core (SPEC.md, "Network"); the soma's voltage is 0 before the step
    in_core = {}
    in_core["ud"] = wrap24(z3, decay(ud) + 64 * q)
    in_core["vd"] = clip(z3, decay(vd) + wrap24(z3, in_core["ud"] + bias), 0, top)
    in_core["us"] = wrap24(z3, decay(us) - strongest * s)
    vs = clip(z3, wrap24(z3, in_core["us"] + in_core["vd"]), 0, top)
    in_core["s"] = z3.If(vs > 0, 1, 0)
    in_core["vs"] = z3.If(vs > 0, 0, vs)
    # the kernel: nothing wraps, b = -us
    kernel = {"ud": decay(ud) + 64 * q}
    kernel["vd"] = clip(z3, decay(vd) + kernel["ud"] + bias, 0, top)
    b = decay(-us) + strongest * s
    kernel["us"], kernel["s"], kernel["vs"] = -b, z3.If(kernel["vd"] > b, 1, 0), 0
    return decay, in_core, kernel, bounds, (ud, vd, us, s, bias)


@pytest.mark.parametrize("tau, feedback", POINTS)
def test_a_step_is_the_cores(tau, feedback):
    """If the states agree, the soma's voltage is 0 and all is in range, so it is after the step."""
    z3 = pytest.importorskip("z3")
    decay, core, kernel, bounds, _ = unit(z3, tau, feedback)
    assert decay.solver.check() == z3.sat, "nothing is proved of nothing"
    for name in core:
        assert decay.proves(core[name] == kernel[name]), name
    assert decay.proves(bounds(core["ud"], core["vd"], core["us"]))


@pytest.mark.parametrize("tau, feedback", POINTS)
def test_a_sleeper_sleeps(tau, feedback):
    """Asleep: v = 0 and, with the new u, u <= -bias. Then v is 0 after the step and the soma does
    not spike: its b only decays, so that many steps can be caught up at once; and whoever has
    v > 0 after a step was not asleep in it."""
    z3 = pytest.importorskip("z3")
    decay, core, kernel, _, (_, vd, us, s, bias) = unit(z3, tau, feedback)
    sleeps = z3.And(vd == 0, kernel["ud"] <= -bias)
    assert decay.proves(z3.Implies(sleeps, z3.And(core["vd"] == 0, core["s"] == 0)))
    assert decay.proves(z3.Implies(z3.And(sleeps, s == 0), core["us"] == decay(us)))
    # a unit that spiked had v > 0, so it is awake when its own spike comes back
    assert decay.proves(z3.Implies(core["s"] == 1, core["vd"] > 0))


def test_the_proof_sees_a_fault():
    """With a feedback that lets b leave its register the same claim fails."""
    z3 = pytest.importorskip("z3")
    decay = Abstract(z3, 64)
    us = z3.Int("us")
    decay.solver.add(-LIMIT <= us, us <= 0)
    assert not decay.proves(wrap24(z3, decay(us) - 64 * 4096) == decay(us) - 64 * 4096)

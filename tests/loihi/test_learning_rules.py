# SPDX-License-Identifier: Apache-2.0
"""Learning by hand: small rules whose numbers one can follow, third factors, what is set and saved;
and one line for every rule, parameter and call that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from edge_lp.loihi import LimitError, Network, Probe, Rule
from edge_lp.loihi.rules import read
from hypothesis import given, settings
from hypothesis import strategies as st


def test_what_is_learned_acts() -> None:
    """Learned weights act: a synapse that grows from 0 makes its target spike."""
    net = Network(inputs=1)
    target = net.group(1, 4096, 4096, threshold=50)
    rule = Rule(dw="2^0*x1*x0", x1_impulse=20, rounding="nearest")
    c = net.connect(net.inputs, target, [[0]], sign_mode="excitatory", learning=rule)
    w = Probe(c, "w")
    result = net.run(6, np.ones((6, 1)), ["spikes", "u", w])
    assert result[w][:, 0].tolist() == [20, 40, 60, 80, 100, 120]
    assert result.u[target][:, 0].tolist() == [0, 0, 64 * 20, 64 * 40, 64 * 60, 64 * 80]
    assert result.spikes[target][:, 0].tolist() == [0, 0, 0, 0, 1, 1]


def test_a_product_of_two_traces_is_an_eighth() -> None:
    """15 bits are kept of 7 + 7 + 4, as the guide says: 2^3 * x1 * y1 is x1 y1 here."""
    net = Network(inputs=1)
    target = net.group(1, 4096, 4096, threshold=1, bias=100)
    rule = Rule(dw="2^3*x0*x1*y1", x1_impulse=8, y1_impulse=2, rounding="nearest")
    c = net.connect(net.inputs, target, [[1]], sign_mode="excitatory", learning=rule)
    s = net.build()
    s.run(1, [[1]])
    assert s.learned(c).tolist() == [1 + 8 * 2]


# ----------------------------------------------------------------------- third factors, by hand --


def test_a_reward_turns_tags_into_weights() -> None:
    """Reward-modulated learning: a tag marks who was active, the reward says when it counts."""
    net = Network(inputs=2)
    target = net.group(1, 4096, 4096, threshold=1, bias=100)
    rule = Rule(
        dw="u0*r1*t", dt="2^0*x1*y0 - 2^-2*u0*t", x1_impulse=8, r1_tau=0, rounding="nearest"
    )
    c = net.connect(net.inputs, target, [[10], [10]], sign_mode="excitatory", learning=rule)
    w, t, r1 = (Probe(c, what) for what in ("w", "t", "r1"))
    inputs = np.zeros((8, 2))
    inputs[1, 0] = 1
    result = net.run(8, inputs, [w, t, r1], reward=[0, 0, 0, 0, 64, 0, 0, -40])
    assert result[t][:, 1].tolist() == [0] * 8 and result[t][1, 0] > result[t][5, 0] > 0
    assert result[r1][:, 0].tolist() == [0, 0, 0, 0, 64, 0, 0, -40]
    assert (np.diff(result[w][:, 0]) != 0).tolist() == [False] * 3 + [True] + [False] * 2 + [True]
    assert (
        result[w][4, 0] > 10 > result[w][4, 0] - result[w][7, 0] and (result[w][:, 1] == 10).all()
    )


def test_an_error_from_outside_teaches() -> None:
    """As nengo-loihi's PES: the host writes y1, one value a target, and u_k products use it."""
    net = Network(inputs=3)
    target = net.group(2, 4096, 4096)
    rule = Rule(dw="u0*x1*(y1-64)", x1_impulse=4, x1_tau=2, y1_tau=float("inf"), seed=3)
    c = net.connect(net.inputs, target, np.zeros((3, 2), int), learning=rule)
    s = net.build()
    s.set_trace(c, "y1", [127, 1])
    s.run(40, np.tile([1, 1, 0], (40, 1)))
    w = c.table.matrix(s.learned(c))
    assert (w[:2, 0] > 0).all() and (w[:2, 1] < 0).all() and not w[2].any()
    s.set_trace(c, "y1", 64)
    s.run(10, np.tile([1, 1, 1], (10, 1)))
    assert (c.table.matrix(s.learned(c)) == w).all() and s.learned(c, "y1").tolist() == [64, 64]


# ------------------------------------------------------------------------ set, reset, one error --


def learning_net(**rule):
    net = Network(inputs=2)
    g = net.group(3, 4096, 4096, threshold=1, name="soma")
    rule = {"dw": "2^-1*x0", **rule}
    c = net.connect(net.inputs, g, np.full((2, 3), 8), learning=Rule(**rule), tags=5)
    return net, c


def test_weights_and_tags_that_are_set_stay_through_a_reset() -> None:
    net, c = learning_net(dw="2*x0", dt="x0")
    s = net.build()
    s.run(3, np.ones((3, 2)))
    assert s.learned(c).tolist() == [14] * 6 and s.learned(c, "t").tolist() == [8] * 6
    s.set_weights(c, np.arange(6) * 2)
    s.set_tags(c, np.arange(6).reshape(2, 3))
    s.run(1, [[0, 1]])
    assert s.learned(c).tolist() == [0, 2, 4, 8, 10, 12]
    assert s.learned(c, "t").tolist() == [0, 1, 2, 4, 5, 6]
    s.reset()
    assert s.learned(c).tolist() == [0, 2, 4, 6, 8, 10]
    assert s.learned(c, "t").tolist() == [0, 1, 2, 3, 4, 5]


def test_damaged_states_are_refused_and_nothing_is_done() -> None:
    net, c = learning_net()
    s = net.build()
    s.run(5, np.ones((5, 2)))
    state = s.save()
    other = learning_net(seed=1)[0].build()
    s.run(5, np.ones((5, 2)))
    now = s.save()
    damaged = [state[:k] for k in (0, 7, 11, 19, 20, 60, len(state) - 1)] + [state + b"\0"]
    damaged += [state[:k] + bytes([state[k] ^ 1]) + state[k + 1 :] for k in range(0, len(state), 9)]
    for bytes_ in damaged:
        with pytest.raises(ValueError, match="damaged or no state of this network"):
            s.restore(bytes_)
    with pytest.raises(ValueError, match="no state of this network"):
        other.restore(state)
    assert s.save() == now
    s.restore(state)
    assert s.save() == state


@pytest.mark.parametrize(
    "text, told",
    [
        ("x1", "'x1' at 1 of 'x1', expected x0, y0 or u0 to u9 in every product"),
        ("x1*y0 + y1", "'y1' at 9 .* expected x0, y0 or u0 to u9 in every product"),
        ("x1*y0*", r"the end of 'x1\*y0\*', expected a number, a bracket"),
        ("2^x1*y0", "'x1' at 3 .* expected an exponent"),
        ("3^2*x0", "'3' at 1 .* expected powers of 2 only"),
        ("(x1+y1)*x0", "'y1' at 5 .* expected one variable and one number in a bracket"),
        ("x0*(w-999)", "expected a number from -256 to 255 beside a variable"),
        ("x0*(w-1", r"the end of .* expected '\)'"),
        ("sgn(x1)*x0", r"expected sgn\(w \+ number\) or sgn\(t \+ number\)"),
        ("x0 y0", r"'y0' at 4 .* expected '\*', '\+', '-' or the end"),
        ("x0/2", "'/' at 3 .* expected a number, a variable, or one of"),
        ("d*x0", r"expected w or t \(delays do not learn here\)"),
        ("z*x0", "'z' at 1 .* expected a number, a bracket, sgn"),
        ("1001*x0", r"expected a factor m \* 2\^e with m from -8 to 7 and e from -7 to 8"),
        ("2^-8*x0", r"expected a factor m \* 2\^e"),
        ("x0" + "*x1" * 9, "expected at most 8 factors of 58 bits together"),
        ("", "the end of '', expected a number"),
        (5, "dw is 5, expected text"),
    ],
)
def test_a_bad_rule_is_one_line(text, told) -> None:
    with pytest.raises(LimitError, match=told) as e:
        Rule(dw=text)
    assert "\n" not in str(e.value)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text("x012yuwt*+-^() sgn9r", max_size=25))
def test_any_text_is_a_rule_or_one_line(text) -> None:
    try:
        products, _ = read("dw", text)
    except LimitError as e:
        assert str(e).startswith("learning rule dw: ") and "\n" not in str(e)
    else:
        assert products and all(p.bits <= 62 for p in products)


@pytest.mark.parametrize(
    "parameters, told",
    [
        ({}, "a learning rule without dw and dt"),
        ({"dw": "x0", "x1_tau": -1}, "x1_tau is -1, its limits are 0 and inf"),
        ({"dw": "x0", "x1_tau": float("nan")}, "x1_tau is nan"),
        ({"dw": "x0", "y3_impulse": 128}, "y3_impulse is 128, its limits are 0 and 127"),
        ({"dw": "x0", "y3_impulse": "a"}, "y3_impulse is 'a'"),
        ({"dw": "x0", "t_epoch": 64}, "t_epoch is 64, its limits are 1 and 63"),
        ({"dw": "x0", "seed": -1}, "seed is -1"),
        ({"dw": "x0", "rounding": "down"}, "rounding is 'down', expected 'stochastic' or"),
        ({"dw": "u1*x1", "dt": "u2*x1"}, "learning rules with u1, u2, the chip has one u_k"),
    ],
)
def test_rules_are_checked(parameters, told) -> None:
    with pytest.raises(LimitError, match=told):
        Rule(**parameters)


@pytest.mark.parametrize(
    "call, told",
    [
        (lambda s, c: s.learned(c, "y9"), "'y9' of connection inputs -> soma, expected one of"),
        (lambda s, c: s.learned(5), "5 does not learn in this simulation"),
        (lambda s, c: s.set_trace(c, "w", 1), "'w' is no trace"),
        (lambda s, c: s.set_trace(c, "x1", 1), "x1 is in no product of its rule"),
        (lambda s, c: s.set_trace(c, "r1", 128), "r1 is 128, its limits are -128 and 127"),
        (lambda s, c: s.set_tags(c, 256), "tag is 256, its limits are -256 and 255"),
        (
            lambda s, c: s.set_tags(c, [1, 2]),
            r"tags have shape \(2,\), expected one number, \(6,\)",
        ),
        (lambda s, c: s.run(2, reward=[1]), r"rewards have shape \(1,\), expected \(2,\)"),
        (lambda s, c: s.run(1, reward=[200]), "reward is 200, expected integers from -128 to 127"),
        (lambda s, c: s.run(1, record=[Probe(c, "u")]), r"record is \['u'\]"),
        (lambda s, c: s.run(1, record=[Probe(c.dst, "w")]), r"record is \['w'\]"),
    ],
)
def test_calls_are_checked(call, told) -> None:
    net, c = learning_net()
    with pytest.raises(LimitError, match=told):
        call(net.build(), c)


def test_connections_that_learn_are_checked() -> None:
    net, c = learning_net()
    for how, told in (
        ({"learning": "x0"}, "learning is 'x0', expected a Rule"),
        ({"learning": c.learning, "tags": 300}, "tag is 300"),
    ):
        with pytest.raises(LimitError, match=told):
            net.connect(net.inputs, net.groups[0], np.zeros((2, 3), int), **how)
    still = Network(inputs=1)
    g = still.group(1, 0, 0)
    fixed = still.connect(still.inputs, g, [[1]])
    s = still.build()
    with pytest.raises(LimitError, match="a reward where no connection learns"):
        s.run(1, reward=[1])
    with pytest.raises(LimitError, match="does not learn in this simulation"):
        s.learned(fixed)
    with pytest.raises(LimitError, match="does not learn in this simulation"):
        s.run(1, record=[Probe(fixed, "w")])

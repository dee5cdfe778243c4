# SPDX-License-Identifier: Apache-2.0
"""Faults of the core that were found by use (B1, B2, B5, B9 to B12), each as a kind;
what a step may cost (B8, B9) is in test_core_cost.py."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest
from edge_lp.binding import ffi, lib
from edge_lp.core import STRICT, Core, Group, Synapses
from edge_lp.model.format import pack_dense, pack_sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import core as oracle

ONE = np.ones((3, 3), np.int16)


def core_of(flags: int = 0, refract: int = 2, n: int = 3, delay: int = 4, bias: int = 0) -> Core:
    """Two inputs -> three compartments -> themselves; 5 slots in the ring."""
    groups = [Group(n, 100, 200, vth=90, refract=refract, bias=bias), Group(n, 50, 50, silent=True)]
    synapses = [
        Synapses(None, 0, dense=np.full((2, n), 5, np.int16)),
        Synapses(0, 0, delay, dense=np.ones((n, n), np.int16)),
        Synapses(0, 1, diagonal=-7),
    ]
    return Core(groups, synapses, 2, flags)


def run_some(core: Core, steps: int = 9) -> Core:
    core.run(steps, np.arange(steps + 1), np.zeros(steps, int))
    return core


# ------------------------------------------------------------------------------ B1: saved states --


@pytest.mark.parametrize(
    "other",
    [
        core_of(refract=3),
        core_of(delay=5),
        core_of(n=4),
        core_of(flags=STRICT),
        Core(
            [Group(3, 100, 200, vth=90, refract=2), Group(3, 50, 50, silent=True)],
            [
                Synapses(None, 0, dense=np.full((2, 3), 5, np.int16)),
                Synapses(0, 0, 4, dense=ONE),
                Synapses(None, 1, dense=np.full((2, 3), 5, np.int16)),
            ],
            2,
        ),
    ],
    ids=["parameter", "delay", "size", "strict", "wiring"],
)
def test_b1_another_networks_state_is_refused(other) -> None:
    core = run_some(core_of())
    before = core.save()
    with pytest.raises(ValueError, match="no state of this network"):
        core.restore(run_some(other).save())
    assert core.save() == before


def test_b1_a_state_of_other_weights_and_biases_is_taken() -> None:
    core, other = run_some(core_of()), run_some(core_of(bias=30), 12)
    core.restore(other.save())
    assert core.save() == other.save() and core.counts().steps == 12


@pytest.mark.parametrize("flags", [0, STRICT])
def test_b1_damaged_states_are_refused(flags) -> None:
    """Every byte counts; and where a seal is forged over the damage, the numbers that would lead a
    step astray are looked at themselves."""
    core = run_some(core_of(flags))
    state = core.save()
    for i in range(len(state)):
        bad = bytearray(state)
        bad[i] ^= 0x81
        with pytest.raises(ValueError, match="damaged"):
            core.restore(bytes(bad))
    for bad in (b"", state[:-1], state + b"\0"):
        with pytest.raises(ValueError, match="damaged"):
            core.restore(bad)
    core.restore(state)


def forge(state: bytes, at: int, value: bytes) -> bytes:
    """A state with bytes replaced, under a right checksum: FNV-1a of all behind the seal."""
    body = bytearray(state)
    body[at : at + len(value)] = value
    h = 14695981039346656037
    for b in body[16:]:
        h = (h ^ b) * 1099511628211 % 2**64
    body[8:16] = h.to_bytes(8, "little")
    return bytes(body)


def test_b1_ring_heads_and_registers_are_checked_under_a_forged_seal() -> None:
    core = run_some(core_of())
    state = core.save()
    head = 16 + 40 + 32  # behind the seal, the counts and the place of an overflow
    u = head + 16  # room for three heads, of which there are two
    lanes = 32 if lib.built_for_vectors() else 4  # 3 numbers: to whole vectors, or to 8 bytes
    v = u + 4 * lanes
    spikes = v + 4 * lanes + 16 + 5 * 2 * lanes + 8  # behind 5 slots and their offsets, refract
    assert state == forge(state, head, state[head : head + 4])  # forging as such works
    for at, value in (
        (head, 5),  # of 5 slots
        (head + 4, 1),  # of 1
        (u, 2**23),
        *[(u + 4 * lanes - 4, 2**23)][: lib.built_for_vectors()],  # behind the group: updated, too
        (v, 2**23),
        (spikes, 2),
        (spikes + 3, 1),  # a spike of compartment 3 of 0..2
        (spikes - 8, 2),  # 2 steps of clamping left, with a refractory period of 2
    ):
        with pytest.raises(ValueError, match="damaged"):
            core.restore(forge(state, at, value.to_bytes(4, "little")))
    core.restore(forge(state, u, (2**23 - 1).to_bytes(4, "little")))


# ---------------------------------------------------------------------- B2: what is out of range --


@pytest.mark.parametrize(
    "starts, inputs, told",
    [
        ([4000000000, 4000000001, 0], [], "input offset is 4000000000"),
        ([0, 5, 2], [0] * 5, "step 0 has 5 input spikes"),
        ([0, 2, 1], [0, 1], "step 1 has -1 input spikes"),
        ([0, 1, 2], [0], "input offset is 2, expected integers from 0 to 1"),
        ([-1, 0, 0], [], "input offset is -1"),
        ([0, 1, 1], [65536], "input axon is 65536, expected integers from 0 to 1"),
        ([0, 1, 1], [-1], "input axon is -1"),
        ([0, 1, 1], [0.5], "input axon has type float64"),
        ([0, 1], [0], "input offsets for 2 steps"),
    ],
)
def test_b2_input_spikes_are_checked_before_any_is_read(starts, inputs, told) -> None:
    core = core_of()
    with pytest.raises(ValueError, match=told):
        core.run(2, np.array(starts), np.array(inputs))
    assert core.counts().steps == 0


@pytest.mark.parametrize("starts", [[4000000000, 4000000001, 0], [0, 1, 0], [0, 3, 3], [0, 0, 3]])
def test_b2_the_c_core_checks_all_starts_before_it_reads_an_input(starts) -> None:
    """A C caller has no other check: what lies between two that fall is nobody's memory."""
    core, inputs = core_of(), ffi.new("uint16_t[]", [0, 1, 0])
    c_starts = ffi.new("uint32_t[]", starts)
    assert lib.lp_core_run(core._p, 2, c_starts, inputs, ffi.NULL, 0) == lib.LP_E_ARG
    assert core.counts().steps == 0


@pytest.mark.parametrize(
    "change, told",
    [
        ({"src": -1}, "src is -1"),
        ({"src": 1}, "src is 1"),
        ({"dst": -1}, "dst is -1"),
        ({"dst": 2**32}, "dst is 4294967296"),
        ({"delay": -1}, "delay is -1"),
        ({"delay": 2**32}, "delay is 4294967296"),
        ({"shift": 13}, "shift is 13"),
        ({"dense": ONE * np.float64(0.5)}, "type float64"),
        ({"dense": ONE.astype(int) * 32768}, "weight is 32768"),
        ({"diagonal": 1}, "dense and diagonal, expected exactly one"),
        ({"dense": None}, "no weights, expected exactly one"),
        ({"dense": None, "diagonal": 40000}, "diagonal weight is 40000"),
        ({"dense": None, "sparse": ([0, 1, 1, 1], [-1], [1])}, "target is -1"),
        ({"dense": None, "sparse": ([0, 1, 1, 1], [65536], [1])}, "target is 65536"),
        ({"dense": None, "sparse": ([0, 1, 1], [0], [1])}, "do not fit"),
    ],
)
def test_b2_synapses_out_of_range(change, told) -> None:
    with pytest.raises(ValueError, match=told):
        Core([Group(3, 1, 1)], [Synapses(**{"src": 0, "dst": 0, "dense": ONE, **change})])


@pytest.mark.parametrize(
    "change, told",
    [
        ({"join": -1}, "join is -1"),
        ({"n": -1}, "n is -1"),
        ({"n": 2**32 + 1}, "n is 4294967297"),
        ({"du": 65536}, "du is 65536"),
        ({"dv": np.array([1, 2, 65537])}, "dv is 65537"),
        ({"vth": 2**32}, "vth is 4294967296"),
        ({"bias": np.array([0, 0, -(2**31)])}, "bias is -2147483648"),
        ({"bias": np.zeros(2, int)}, r"bias has shape \(2,\)"),
        ({"refract": 0}, "refract is 0"),
        ({"vmin": 1}, "vmin is 1"),
    ],
)
def test_b2_groups_out_of_range(change, told) -> None:
    with pytest.raises(ValueError, match=told):
        Core([Group(3, 1, 1), Group(**{"n": 3, "du": 1, "dv": 1, **change})], [])


def test_b2_runs_out_of_range() -> None:
    core = core_of()
    for steps, probes, told in (
        (-1, [], "steps is -1"),
        (1.5, [], "steps has type float64"),
        (1, [(2, "u")], "group is 2"),
        (1, [(-1, "u")], "group is -1"),
        (1, [(0, "x")], "probe of 'x'"),
    ):
        with pytest.raises(ValueError, match=told):
            core.run(steps, probes=probes)
    with pytest.raises(ValueError, match="bias is 8388608"):
        core.set_bias(0, 2**23)


# ---------------------------------------------------------------------------- B5: repeated axons --


def test_b5_the_row_of_the_table() -> None:
    """A diagonal of 32767 and 3-bit rows, the axon named twice: the lanes must not take it."""
    core = Core(
        [Group(2, 4096, 4096, silent=True)],
        [
            Synapses(None, 0, diagonal=32767),
            Synapses(None, 0, dense3=pack_dense(np.array([[3, 3], [3, 3]]))),
        ],
        2,
    )
    core.run(1, [0, 2], [0, 0])
    total = oracle.wrap(np.array([2 * 32767 + 6, 6]), 16)
    assert core.run(1, probes=[(0, "u")])[0][0].tolist() == (64 * total).tolist()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.integers(1, 9),
    st.sampled_from([-32768, -9000, -40, 40, 9000, 32767]),
    st.sampled_from([0, 6, 12]),
    st.lists(st.sampled_from(["diagonal", "dense3", "sparse3", "dense"]), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_b5_repeated_axons_add_up_in_every_coding(n, diagonal, shift, kinds, seed) -> None:
    """Exact sums with any axon named any number of times, up to n_inputs names a step."""
    rng = np.random.default_rng(seed)
    synapses, weights = [], np.zeros((n, n), np.int64)
    for kind in kinds:
        codes = rng.choice([-4, 3], (n, n))
        if kind == "diagonal":
            synapses.append(Synapses(None, 0, diagonal=diagonal))
            weights += diagonal * np.eye(n, dtype=np.int64)
            continue
        weights += codes << shift
        how = {
            "dense": lambda c: dict(dense=c << shift),
            "dense3": lambda c: dict(dense3=pack_dense(c), shift=shift),
            "sparse3": lambda c: dict(sparse3=pack_sparse(c), shift=shift),
        }[kind]
        synapses.append(Synapses(None, 0, **how(codes)))
    core = Core([Group(n, 4096, 4096, silent=True)], synapses, n)
    named = rng.integers(0, n, (5, n)) if seed % 2 else np.repeat(rng.integers(0, n, 5), n)
    named = named.reshape(5, n)
    u = core.run(6, np.append(np.arange(6), 5) * n, named.ravel(), [(0, "u")])[0]
    for t in range(5):
        exact = weights[named[t]].sum(0)
        np.testing.assert_array_equal(u[t + 1], 64 * oracle.wrap(exact, 16))


# ------------------------------------------------------------------------- B9: ways of a step --


def joined(n: int, bias, each: bool) -> Core:
    """A dendrite and a soma joined to it, as edge_lp.loihi lays out a sigma-delta neuron."""
    du = np.arange(1, n + 1) % 4097 if each else 64
    return Core(
        [Group(n, du, 64, vmin=0, silent=True, bias=3), Group(n, 64, 64, join=0, bias=bias)], []
    )


@pytest.mark.parametrize("n", [1, 7, 64, 65, 200])
@pytest.mark.parametrize("each", [False, True])
def test_b9_one_bias_or_one_a_compartment_give_the_same(n, each) -> None:
    """The lean path where all are alike, blocks of 64 where not; strict mode is a third way."""
    alike = joined(n, 9, each).run(40, probes=[(0, "v"), (1, "v"), (1, "u")])
    core = joined(n, np.append(np.full(n - 1, 9), 8), each)
    differ = core.run(40, probes=[(0, "v"), (1, "v"), (1, "u")])
    for a, b in zip(alike, differ):
        np.testing.assert_array_equal(a[:, : n - 1], b[:, : n - 1])
    core.reset()
    core.set_bias(1, np.full(n, 9))
    again = core.run(40, probes=[(0, "v"), (1, "v"), (1, "u")])
    for a, b in zip(alike, again):
        np.testing.assert_array_equal(a, b)


# -------------------------------------------------------------------- B10: what is changed later --


def test_b10_arrays_that_are_changed_later_change_nothing() -> None:
    weights, vth, bias = ONE.copy(), np.array([60, 70, 80]), np.array([1, 2, 3])
    rows, targets, sparse = np.array([0, 1, 2, 3]), np.array([0, 1, 2]), np.array([1, 1, 1])

    def build() -> Core:
        return Core(
            [Group(3, 1, 1, vth=vth, bias=bias)],
            [Synapses(0, 0, dense=weights), Synapses(0, 0, sparse=(rows, targets, sparse))],
        )

    expected, core = build().run(200, probes=[(0, "v")])[0], build()
    for a in (weights, vth, bias, targets, sparse):
        a[:] = 77 % (3 if a is targets else 100)
    np.testing.assert_array_equal(core.run(200, probes=[(0, "v")])[0], expected)


# ------------------------------------------------------------------ B11, B12: Ctrl-C and threads --


def test_b11_ctrl_c_ends_a_long_run_between_two_steps() -> None:
    """A run of hours; the alarm raises KeyboardInterrupt as Ctrl-C does."""
    core = Core([Group(1000, 1, 1)], [Synapses(0, 0, dense=np.ones((1000, 1000), np.int16))])

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            core.run(2**40)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0 < core.counts().steps < 2**40
    assert core.counts().updates == 1000 * core.counts().steps
    core.restore(core.save())  # a whole state


def test_b12_threads_take_their_turns() -> None:
    """No step is lost, and the result is that of one run."""
    core, alone = core_of(bias=50), core_of(bias=50)
    threads = [threading.Thread(target=lambda: [core.run(50) for _ in range(40)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    alone.run(8000)
    assert core.save() == alone.save()


def test_b12_no_run_comes_between_the_pieces_of_another(monkeypatch) -> None:
    core = core_of(bias=50)
    monkeypatch.setattr("edge_lp.core.PIECE", 1)  # step
    other, seen = threading.Thread(target=core.run, args=(100,)), []

    def take(at, rows) -> None:
        if at == 0:
            other.start()
            other.join(0.5)  # it waits for us; without a lock it would be done by then
        seen.append(core.counts().steps)

    core.stream(3, take)
    other.join()
    assert seen == [1, 2, 3] and core.counts().steps == 103

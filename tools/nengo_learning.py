# SPDX-License-Identifier: Apache-2.0
"""Records tests/golden/learning-nengo.npz: nengo-loihi's PES, and its noise, in integers.

    python tools/nengo_learning.py OUT.npz    # with nengo-loihi 1.1.0

PES is dw = 2^e m x1 error on every epoch. Its product of two traces is shifted by 2 bits where
Lava's, and so ours, is by 3 (rules.py); errors are multiples of 8 here, so that no bit is lost in
either, and ours with 2^(e + 1) must be the same, number by number. Chance is one number for all of
a case; with `fixed`, traces have nothing to round and it is 1/2. Left out are cases in which a
weight has a remainder of just a half, or a fraction of a trace is near to the chance.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.emulator.interface import NoiseState
from nengo_loihi.inputs import SpikeInput

CASES = 30
N_SRC, N_DST, STEPS = 5, 4, 40
BITS = {8: 7, 6: 6, 5: 5}  # a weight's bits, and the register's code for it
NOISES = [(7, 0, True), (9, 3, False), (14, 7, True), (20, 1, False)]  # exponent, offset, on v
NOISY = 2000


class Chance:
    """RandomState.rand in one number; and whether something was too near to it."""

    def __init__(self, value):
        self.value = value

    def rand(self, *shape):
        return np.full(shape, self.value)

    def randint(self, lo, hi, size, dtype):
        return np.zeros(size, dtype)


def block_of(n):
    block, same = LoihiBlock(n), lambda x: np.full(n, x, np.int32)
    k = block.compartment
    k.decay_u, k.decay_v, k.vth = same(4095), same(4096), same((2**17 - 1) << 6)
    k.bias, k.refract_delay, k.scale_u, k.scale_v = same(0), same(1), False, False
    k.vmin, k.vmax = -(2**23) + 1, 2**23 - 1
    return block


def pes(about, weights, spikes, errors):
    """-> (steps, N_SRC N_DST mantissas and N_SRC traces) after each step."""
    block, synapse, axon = block_of(N_DST), Synapse(N_SRC), Axon(N_SRC)
    exponent = 6 + about["weight_exp"]
    synapse.weights = [(row << exponent).astype(np.int32)[None] for row in weights]
    synapse.indices = [np.arange(N_DST, dtype=np.int32)[None]] * N_SRC
    synapse.set_learning(tracing_tau=1, tracing_mag=about["x1_impulse"], wgt_exp=4)
    synapse.tracing_tau = about["x1_tau"] or 1e-3
    synapse.train_epoch = synapse.learn_epoch = 1
    synapse._lr_int, synapse._lr_exp = about["m"], about["e"]
    synapse.format(
        compression=3, idx_bits=synapse.idx_bits(), fanout_type=1, n_synapses=63,
        weight_bits=BITS[about["bits"]], weight_exp=about["weight_exp"],
    )  # fmt: skip
    block.add_synapse(synapse)
    axon.target = synapse
    inputs = SpikeInput(N_SRC)
    inputs.add_axon(axon)
    for t, row in enumerate(spikes):  # step 2 + t of the emulator has those of step 1 + t
        inputs.add_spikes(t + 1, np.flatnonzero(row), permanent=True)
    model = SimpleNamespace(blocks=[block], inputs=[inputs], probes=[], dt=0.001)
    rows = []
    with EmulatorInterface(model, seed=0) as emulator:
        emulator.rng = Chance(about["chance"])
        emulator.step()
        (synapse,) = emulator.synapses.traces
        for error in errors:
            emulator.synapses.pes_errors[synapse][:] = error
            emulator.step()
            w = np.concatenate([x.ravel() for x in synapse.weights]) >> exponent
            rows.append(np.concatenate([w, emulator.synapses.traces[synapse]]))
    return np.array(rows)


def clear(about, weights, rows, errors):
    """Whether rounding had a clear answer, and no sum left 16 bits."""
    w, x = np.split(np.vstack([np.append(weights, np.zeros(N_SRC)), rows]), [N_SRC * N_DST], 1)
    grid = 128 * 2 ** (9 - about["bits"])
    for t, error in enumerate(errors):
        both = np.concatenate([-error, error])
        part = np.outer(x[t + 1], both).ravel() / 4 * about["m"] * 2.0 ** (about["e"] + 7)
        total = w[t] * 128 + part
        share = np.abs(total) % grid / grid
        if np.abs(total).max() >= 2**15 - grid or np.abs(part).max() >= 2**15 or (part % 1).any():
            return False
        if (share == 0.5).any():
            return False
    if not about["fixed"]:
        share = np.exp(-1 / about["x1_tau"]) * x % 1
        return not (np.abs(share - about["chance"]) < 1e-3).any()
    return True


def random_case(rng, fixed):
    return dict(
        x1_impulse=int(rng.choice([1, 7, 20])), m=int(rng.choice([1, 2, 3])),
        x1_tau=float(rng.choice([0, 1e15] if fixed else [2, 7, 30])),
        bits=int(rng.choice([8, 6, 5])),
        e=int(rng.integers(-7, -3)), weight_exp=int(rng.choice([0, 0, 1])), fixed=fixed,
        chance=0.5 if fixed else float(rng.choice([0.35, 0.6, 0.8])),
    )  # fmt: skip


def noise(exponent, offset, on_v):
    """How often each value of it comes: [(value, count)]."""
    block = block_of(NOISY)
    k = block.compartment
    k.enable_noise[:] = True
    k.noise_exp, k.noise_offset, k.noise_at_membrane = exponent, offset, on_v
    model = SimpleNamespace(blocks=[block], inputs=[], probes=[], dt=0.001)
    with EmulatorInterface(model, seed=0) as emulator:
        state = NoiseState(emulator.block_info)
        seen = [state.sample(emulator.rng) for _ in range(20)]
    return np.stack(np.unique(seen, return_counts=True))


def record(path):
    rng, cases = np.random.default_rng(19), []
    while len(cases) < CASES:
        about = random_case(rng, fixed=len(cases) % 2 == 0)
        grid = 2 ** (9 - about["bits"])
        weights = rng.integers(-100 // grid, 100 // grid, (N_SRC, N_DST)) * grid
        spikes = rng.random((STEPS, N_SRC)) < rng.choice([0.05, 0.3])
        errors = 8 * rng.integers(-7, 8, (STEPS, N_DST // 2))
        rows = pes(about, weights, spikes, errors)
        if clear(about, weights, rows, errors) and (rows[-1, : weights.size] != weights.flat).any():
            arrays = dict(weights=weights, spikes=spikes, errors=errors, rows=rows)
            cases.append((about, {k: a.astype(np.int16) for k, a in arrays.items()}))
    arrays = {f"{k}_{i}": a for i, (_, own) in enumerate(cases) for k, a in own.items()}
    arrays |= {f"noise_{i}": noise(*how) for i, how in enumerate(NOISES)}
    about = json.dumps(dict(pes=[about for about, _ in cases], noise=NOISES))
    np.savez_compressed(path, about=about, **arrays)


if __name__ == "__main__":
    record(sys.argv[1])

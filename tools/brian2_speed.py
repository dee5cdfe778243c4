# SPDX-License-Identifier: Apache-2.0
"""P1's simulator beside Brian2 on the same network, in one run: CPU seconds and the states' largest
difference. Brian2 wants an older NumPy than we do, so it has an environment of its own:

python3 -m venv brian && brian/bin/pip install brian2 cython 'numpy<2.4' setuptools
python tools/brian2_speed.py brian/bin/python
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a core each: threads that wait would count as work

import numpy as np  # noqa: E402

UNITS, LAYERS, STEPS = 51, 4, 20_000
UPDATE = """
error *= 1 - spiked
current = keep_in * current + (1 - keep_in) * (forward + back)
s = keep_s * s + (1 - keep_s) * i_in * spiked
error = keep_e * error + gain * (1 - keep_e) * clip(current - s, 0, inf)
spiked = int(error > delta)
"""


def ours(path: Path) -> None:
    """Draws the network, runs it, leaves it for Brian2. Currents in nA there."""
    from edge_lp_papers.spiker import rnn
    from edge_lp_papers.spiker.neuron import Neuron, retention

    rng = np.random.default_rng(0)
    w, inputs = rnn.weights(rng, UNITS, LAYERS), rnn.signals(rnn.coins(rng), 1e-9)[:STEPS]
    p = Neuron()
    network = rnn.Network(w, [p] * LAYERS)
    begin = time.process_time()
    for at in range(0, STEPS, rnn.CHUNK):  # as the experiments do
        states = network.run(inputs[at : at + rnn.CHUNK])
    seconds = time.process_time() - begin
    constants = {
        "keep_in": retention(p.tau_in, p.step),
        "keep_s": retention(p.tau_w, p.step),
        "keep_e": retention(p.tau_mem, p.step),
        "gain": p.gain,
        "delta": p.delta * 1e9,
        "i_in": p.i_in * 1e9,
    }
    last = np.stack([s[-1] for s in states[1::2]]) * 1e9
    found = {"s": last, "seconds": seconds, "drive": inputs @ w[0].T * 1e9}
    matrices = {f"w{k}": m for k, m in enumerate(w)}
    np.savez(path, **found, **matrices, **constants)


def brian(path: Path, target: str) -> None:
    """Brian2's turn: the same equations; the last state of all layers is compared."""
    import brian2 as b

    given = dict(np.load(path))
    b.prefs.codegen.target = target
    b.defaultclock.dt = 1 * b.us
    names = ("keep_in", "keep_s", "keep_e", "gain", "delta", "i_in")
    constants = {name: float(given[name]) for name in names}
    constants["drive"] = b.TimedArray(given["drive"], dt=1 * b.us)
    state = "forward : 1\nback : 1\ncurrent : 1\ns : 1\nerror : 1\nspiked : 1"
    groups, parts = [], []
    for k in range(LAYERS):
        group = b.NeuronGroup(UNITS, state, namespace=constants)
        first = "forward = drive(t, i)\n" if k == 0 else ""
        update = group.run_regularly(first + UPDATE, when="groups", order=10 * k + 5)
        sources = [("back", group, 2 * k + 1)]
        if k:
            sources.append(("forward", groups[-1], 2 * k))
        for name, source, matrix in sources:
            wires = b.Synapses(source, group, f"w : 1\n{name}_post = w * s_pre : 1 (summed)")
            wires.connect()
            wires.w = given[f"w{matrix}"].T.ravel()
            wires.summed_updaters[f"{name}_post"].when = "groups"
            wires.summed_updaters[f"{name}_post"].order = 10 * k
            parts.append(wires)
        groups.append(group)
        parts.append(update)
    network = b.Network(groups, parts)
    network.store()
    network.run(10 * b.us)  # compiles
    network.restore()
    begin = time.process_time()
    network.run(STEPS * b.us)
    seconds = time.process_time() - begin
    off = max(np.abs(g.s[:] - s).max() for g, s in zip(groups, given["s"], strict=True))
    print(json.dumps({"target": target, "seconds": seconds, "difference_nA": float(off)}))


def main() -> None:
    if len(sys.argv) == 4:
        return brian(Path(sys.argv[2]), sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        ours(path)
        mine = float(np.load(path)["seconds"])
        print(
            f"edge-lp: {mine:.3f} s of CPU for {STEPS:,} steps of {LAYERS} x {UNITS} neurons",
            flush=True,
        )
        for target in ("numpy", "cython"):
            command = [sys.argv[1], __file__, "brian", str(path), target]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"Brian2, {target}: {found['seconds']:.2f} s of CPU, "
                f"{found['seconds'] / mine:.0f} times; states differ by at most "
                f"{found['difference_nA']:.1e} nA",
                flush=True,
            )


if __name__ == "__main__":
    main()

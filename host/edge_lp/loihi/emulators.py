# SPDX-License-Identifier: Apache-2.0
"""A program for other interpreters: one emulator of Loihi-1 on a network that peers.py wrote.

    python emulators.py NAME NETWORK.npz SPIKES.npy

prints {"engine", "steps_per_s"}, steps per CPU second with all spikes recorded, and writes the
spikes (steps, compartments). It needs NumPy and the emulator, nothing of edge-lp.

Arrays of the network: sizes, du, dv, vth (of each group); steps, axon (input spikes), n_inputs, T;
ends (source, target of each connection, -1: the inputs), bits, exponent; source_k, target_k,
mantissa_k. Mixed signs, no delays, no biases, no refractory periods.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np

RUNS = 5


def median(run: Any, clock: Any = time.process_time) -> float:
    """Seconds of a run, by clock, of RUNS behind a first one that is not counted."""
    times = []
    for _ in range(RUNS + 1):
        start = clock()
        run()
        times.append(clock() - start)
    return statistics.median(times[1:])


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def connections(c: Any) -> Any:
    for k, (src, dst) in enumerate(c["ends"]):
        lists = (c[f"{what}_{k}"].astype(int) for what in ("source", "target", "mantissa"))
        yield int(src), int(dst), int(c["bits"][k]), int(c["exponent"][k]), *lists


def brian2(c: Any) -> tuple[str, float, np.ndarray]:
    """brian2-loihi in Brian2's C++ standalone mode: the compiled program, its start and the writing
    of its results included, as there is no other way to run it."""
    import brian2_loihi as b
    from brian2 import BrianLogger, device, set_device

    BrianLogger.log_level_error()
    folder = tempfile.mkdtemp()
    set_device("cpp_standalone", build_on_run=False, directory=folder)
    groups = [
        b.LoihiNeuronGroup(int(n), refractory=1, threshold_v_mant=int(vth), decay_v=int(dv),
                           decay_I=int(du), name=f"group{i}")
        for i, (n, du, dv, vth) in enumerate(zip(c["sizes"], c["du"], c["dv"], c["vth"]))
    ]  # fmt: skip
    steps, keep = int(c["T"]), c["steps"] + 1 < c["T"]  # its generator acts in its own step
    inputs = b.LoihiSpikeGeneratorGroup(
        int(c["n_inputs"]), c["axon"][keep].astype(int), c["steps"][keep].astype(int) + 1
    )
    parts = [*groups, inputs]
    for src, dst, bits, exponent, i, j, m in connections(c):
        y = b.LoihiSynapses(inputs if src < 0 else groups[src], groups[dst], delay=0,
                            w_exp=exponent, sign_mode=1, num_weight_bits=bits)  # fmt: skip
        y.connect(i=i, j=j)
        y.w = m
        parts.append(y)
    monitors = [b.LoihiSpikeMonitor(g) for g in groups]
    net = b.LoihiNetwork(*parts, *monitors)
    net.run(steps)
    with open(os.devnull, "w") as quiet:
        stdout = os.dup(1)
        os.dup2(quiet.fileno(), 1)  # make's words
        device.build(compile=True, run=True, directory=folder)
        os.dup2(stdout, 1)
    seconds = median(
        lambda: subprocess.run(["./main"], cwd=folder, check=True, stdout=subprocess.DEVNULL),
        children,
    )
    spikes = np.zeros((steps, c["sizes"].sum()), bool)
    for m, first in zip(monitors, np.cumsum(c["sizes"]) - c["sizes"]):
        spikes[np.rint(np.asarray(m.t_) * 1000).astype(int), np.asarray(m.i) + first] = True
    engine = f"brian2-loihi {version('brian2-loihi')}, brian2 {version('brian2')}, C++ standalone"
    return engine, seconds, spikes


def nengo(c: Any) -> tuple[str, float, np.ndarray]:
    """nengo-loihi's emulator behind its own interface, on blocks made by hand."""
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.emulator import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput
    from nengo_loihi.probe import LoihiProbe

    steps = int(c["T"])
    spent: list[float] = []
    kept: list[np.ndarray] = []

    def run() -> None:
        blocks = [LoihiBlock(int(n)) for n in c["sizes"]]
        for block, du, dv, vth in zip(blocks, c["du"], c["dv"], c["vth"]):
            k, n = block.compartment, block.n_neurons

            def shared(x: Any, n: int = n) -> np.ndarray:
                return np.full(n, x, np.int32)

            k.decay_u, k.decay_v = shared(du - 1), shared(dv)
            k.vth, k.bias, k.refract_delay = shared(vth << 6), shared(0), shared(1)
            k.scale_u = k.scale_v = False
            k.vmin, k.vmax = -(2**23) + 1, 2**23 - 1
        inputs = SpikeInput(int(c["n_inputs"]))
        for src, dst, _, exponent, i, j, m in connections(c):
            n = inputs.n_neurons if src < 0 else blocks[src].n_neurons
            weights = m * 2.0**exponent * 64
            y = Synapse(n)
            y.weights = [weights[i == k].astype(np.int32)[None] for k in range(n)]
            y.indices = [j[i == k].astype(np.int32)[None] for k in range(n)]
            y.format(compression=3, idx_bits=y.idx_bits(), fanout_type=1, n_synapses=63,
                     weight_bits=7, weight_exp=exponent)  # fmt: skip
            blocks[dst].add_synapse(y)
            axon = Axon(n)
            axon.target = y
            (inputs if src < 0 else blocks[src]).add_axon(axon)
        for t in np.unique(c["steps"]):
            inputs.add_spikes(int(t) + 1, c["axon"][c["steps"] == t].astype(int), permanent=True)
        probes = [LoihiProbe(target=b, key="spiked") for b in blocks]
        model = SimpleNamespace(blocks=blocks, inputs=[inputs], probes=probes, dt=0.001)
        with EmulatorInterface(model, seed=0) as emulator:
            start = time.process_time()
            emulator.run_steps(steps)
            spent.append(time.process_time() - start)
            kept[:] = [np.asarray(emulator.collect_probe_output(p)) for p in probes]

    for _ in range(RUNS + 1):
        run()
    engine = f"nengo-loihi {version('nengo-loihi')}, nengo {version('nengo')}"
    return engine, statistics.median(spent[1:]), np.concatenate(kept, 1) > 0


def lava(c: Any) -> tuple[str, float, np.ndarray]:
    """Lava's bit-accurate models on the CPU: CPU time of its processes for all steps, less that for
    one step, which is their start."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi1SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF

    def run(steps: int) -> np.ndarray:
        stimulus = np.zeros((int(c["n_inputs"]), steps), int)
        now = c["steps"] < steps
        stimulus[c["axon"][now], c["steps"][now]] = 1
        groups = [
            LIF(shape=(int(n),), du=int(du) - 1, dv=int(dv), vth=int(vth))
            for n, du, dv, vth in zip(c["sizes"], c["du"], c["dv"], c["vth"])
        ]
        sinks = [Sink(shape=g.proc_params["shape"], buffer=steps) for g in groups]
        source = Source(data=stimulus)
        for g, sink in zip(groups, sinks):
            g.s_out.connect(sink.a_in)
        for src, dst, _, exponent, i, j, m in connections(c):
            matrix = np.zeros((c["sizes"][dst], c["n_inputs"] if src < 0 else c["sizes"][src]), int)
            matrix[j, i] = m
            y = Dense(weights=matrix, weight_exp=exponent)
            (source if src < 0 else groups[src]).s_out.connect(y.s_in)
            y.a_out.connect(groups[dst].a_in)
        groups[0].run(RunSteps(steps), Loihi1SimCfg(select_tag="fixed_pt"))
        spikes = np.concatenate([s.data.get() for s in sinks]).T
        groups[0].stop()
        return spikes > 0

    def cost(steps: int) -> tuple[float, np.ndarray]:
        start = children() + time.process_time()
        spikes = run(steps)
        return children() + time.process_time() - start, spikes

    steps = int(c["T"])
    start, _ = cost(1)
    seconds, spikes = cost(steps)
    return f"lava-nc {version('lava-nc')}, bit-accurate", (seconds - start), spikes


def main(name: str, network: str, out: str) -> None:
    c = dict(np.load(network))
    engine, seconds, spikes = {"brian2-loihi": brian2, "nengo-loihi": nengo, "lava-nc": lava}[name](
        c
    )
    np.save(out, spikes)
    print(json.dumps({"engine": engine, "steps_per_s": round(int(c["T"]) / seconds)}))


if __name__ == "__main__":
    main(*sys.argv[1:])

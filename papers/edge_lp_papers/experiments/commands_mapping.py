# SPDX-License-Identifier: Apache-2.0
"""P1, Fig. G.4: a trained net of two lpRNN layers on spoken commands, mapped to analog neurons,
without mismatch and with c_v .2 (the code's form, and the Gaussian of eq. 8).

The paper's weights are not to be had: the net is the float one of the shipped model (40 log-mels,
2 x 128 units, 12 labels). An activation of I_in = 6 is a current of 40 nA; a frame of 10 ms lasts
as long here as the same alpha asks of the neurons' 1.4773 ms. Frames are held. The ANN has the two
sub-steps a frame that it was trained with. Two more comparisons, without mismatch, tell apart where
the rest comes from: with the same ANN in steps of 1 us, for the share of that coarseness; and with
what the neuron does beyond eq. 6, and without spikes, as `followed` has it.

The clips are the first ones of each word in speech_commands/testing of --data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.audio.files import read_file
from edge_lp.errors import EdgeLpError
from edge_lp.model.find import float_weights
from edge_lp.model.reference import ReferenceNet
from edge_lp.model.spec import I_IN, INPUT_SCALE
from edge_lp.runtime import Frontend

from edge_lp_papers.experiment import CODE_ONLY, NOT_REPRODUCED, Experiment, Row, Verdict
from edge_lp_papers.experiments import overlay
from edge_lp_papers.rests import fingerprint
from edge_lp_papers.spiker.layer import Layer
from edge_lp_papers.spiker.neuron import ANN, FAST, Neuron, gaussian, one_sided, retention
from edge_lp_papers.spiker.rnn import Score
from edge_lp_papers.work import Work

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
WAYS = (
    ("c_v 0", one_sided, 0.0),
    ("c_v .2, code", one_sided, 0.2),
    ("c_v .2, eq. 8", gaussian, 0.2),
)
MORE = ("c_v 0, ANN of 1 us", "c_v 0, units that follow")
LAYERS = ("recurrent layer 1", "recurrent layer 2", "logits")
SHOWN = 3
COARSE = 4  # steps of the neurons for one of `followed`: a frame has 328
AMPERE = Neuron().i_in / I_IN  # of an activation of 1


def shipped() -> ReferenceNet:
    return ReferenceNet.from_npz(float_weights("commands12"))


def states(net: ReferenceNet, drive: np.ndarray, neurons: list[Neuron]) -> list[np.ndarray]:
    """drive (steps, 40): features -> s of both layers and the logits, (steps, n)."""
    found: list[np.ndarray] = []
    x = drive @ net.layers[0][0]
    following = [net.layers[1][0], net.output[0]]
    biases = [net.layers[0][2], net.layers[1][2]]
    for (_, u, _), after, bias, neuron in zip(net.layers, following, biases, neurons, strict=True):
        assert u is not None
        s, _, x = Layer(neuron, u.T, after.T).run((x + bias) * AMPERE)
        x = x / AMPERE
        found.append(s / AMPERE)
    return [*found, x + net.output[1]]


def followed(net: ReferenceNet, drive: np.ndarray, step: float) -> list[np.ndarray]:
    """As `states`, of units that do what eqs. 1-3 ask of a neuron whose feedback is perfect: the
    current is filtered first, and s follows it where it can. A neuron that does not spike lets s
    decay with tau, one that spikes in every step brings it towards I_in with tau: so

        i <- k i + (1 - k) z,   s <- clip(i, k s, k s + (1 - k) I_in)

    where eq. 6 has s <- k s + (1 - k) clip(z, 0, I_in). Both are the same where z is slow against
    tau; where it jumps far below 0 or above I_in, i is late, and s once more."""
    k = float(retention(FAST, step))
    found: list[np.ndarray] = []
    x = drive @ net.layers[0][0]
    for (_, u, bias), after in zip(net.layers, (net.layers[1][0], net.output[0]), strict=True):
        assert u is not None
        i, y = np.zeros(len(bias)), np.zeros(len(bias))
        s = np.empty((len(x), len(bias)))
        for t in range(len(x)):
            i = k * i + (1 - k) * (x[t] + bias + y @ u)
            s[t] = y = np.clip(i, k * y, k * y + (1 - k) * I_IN)
        found.append(s)
        x = s @ after
    return [*found, x + net.output[1]]


def one_clip(path: str, seed: int, curves: bool) -> dict[str, Any]:
    """NMSE of each layer's median unit, for each of WAYS, and of the first of them against the ANN
    in fine steps and against `followed`; whether the decision is the ANN's."""
    net = shipped()
    frames = Frontend().push(read_file(path)).astype(float) * INPUT_SCALE
    keep = float(net.a) ** net.sub_steps
    frame = net.sub_steps * round(-FAST * np.log(keep) * 1e6 / net.sub_steps)  # steps of 1 us
    part = frame // net.sub_steps
    ann = replace(Neuron(), kind=ANN, step=part * 1e-6)
    reference = states(net, np.repeat(frames, net.sub_steps, 0), [ann, ann])
    reference = [r[net.sub_steps - 1 :: net.sub_steps] for r in reference]
    held = np.repeat(frames, frame, 0)
    fine = states(net, held, [replace(Neuron(), kind=ANN)] * 2)
    rng = np.random.default_rng([seed, 3])
    nmse, same, shown = [], [], [reference]
    for _, form, c_v in WAYS:
        neurons = [form(Neuron(), c_v, len(b), rng) for _, _, b in net.layers]
        found = [s[frame - 1 :: frame] for s in states(net, held, neurons)]
        nmse.append([_nmse(r, y) for r, y in zip(reference, found, strict=True)])
        same.append(bool(found[2].mean(0).argmax() == reference[2].mean(0).argmax()))
        shown.append(found)
    nmse.append([_nmse(r[frame - 1 :: frame], y) for r, y in zip(fine, shown[1], strict=True)])
    model = followed(net, held[::COARSE], COARSE * 1e-6)
    last = frame // COARSE - 1, frame // COARSE
    nmse.append([_nmse(r[last[0] :: last[1]], y) for r, y in zip(model, shown[1], strict=True)])
    most = [np.argsort(-r.var(0))[:SHOWN] for r in reference]
    kept = [
        [np.round(s[:, units].T, 3).tolist() for s, units in zip(found, most, strict=True)]
        for found in shown
    ]
    return {"nmse": nmse, "same": same, "curves": kept if curves else None}


def _nmse(reference: np.ndarray, y: np.ndarray) -> float:
    score = Score(1)
    score.add(reference, y)
    return float(np.median(score.units(1e-6)))


def measure(work: Work, clips: int) -> dict[str, Any]:
    folder = work.find("speech_commands") / "testing"
    paths = [p for word in WORDS for p in sorted((folder / word).glob("*.*"))[:clips]]
    if not paths:
        raise EdgeLpError(f"{folder}: no recordings of {', '.join(WORDS)}; expected WORD/*.wav")
    parts = [{"path": str(p), "seed": work.seed, "curves": i == 0} for i, p in enumerate(paths)]
    found = work.map("clips", one_clip, parts)
    return {
        "nmse": [r["nmse"] for r in found],
        "same": [r["same"] for r in found],
        "curves": found[0]["curves"],
    }


def inputs(data: Path | None) -> dict[str, str]:
    """The shipped weights, and the recordings where they can be seen."""
    found = {"commands12.npz": fingerprint(float_weights("commands12"))}
    folder = data and data / "speech_commands" / "testing"
    return {**found, "testing": fingerprint(folder)} if folder and folder.is_dir() else found


def compare(data: dict[str, Any]) -> list[Row]:
    same, nmse = np.mean(data["same"], 0), np.median(data["nmse"], 0)
    names = [name for name, *_ in WAYS]
    rows = [
        Row(f"{name}, NMSE, {layer}", None, float(v))
        for name, values in zip([*names, *MORE], nmse, strict=True)
        for layer, v in zip(LAYERS, values, strict=True)
    ]
    return rows + [
        Row(f"{name}, decision as the ANN's", None, f"{100 * share:.0f} %")
        for name, share in zip(names, same, strict=True)
    ]


def judge(data: dict[str, Any]) -> Verdict:
    nmse = np.median(data["nmse"], 0)
    plain, code, eq_8, fine, model = (" ".join(f"{v:.2f}" for v in values) for values in nmse)
    same = [f"{100 * share:.0f} %" for share in np.mean(data["same"], 0)]
    return Verdict(
        CODE_ONLY if (nmse[0] >= 0.9).all() else NOT_REPRODUCED,
        f"Another net than the paper's, on {len(data['same'])} clips. Median NMSE of layers 1 and "
        f"2 and of the logits: {plain} without mismatch, {code} with c_v .2 in the code's form, "
        f"{eq_8} in that of eq. 8; the decision is the ANN's on {same[0]}, {same[1]} and {same[2]} "
        "of the clips. The picture of the paper, where ANN and SNN coincide, does not come out; "
        f"not for the ANN's coarse steps: against the same ANN in steps of 1 us it is {fine}. The "
        "cause is what the neuron of eqs. 1-3 does beyond eq. 6: it filters its current before it "
        "bounds it, and its output rises and falls no faster than tau. Units that do just this, "
        f"without spikes, have the SNN's states: {model}. With a current that is slow against tau "
        "this is eq. 6; here a frame lasts a fifth of tau, and speech drives units far below 0 and "
        "above I_in, from where the filtered current comes back late.",
    )


def draw(figure: Any, data: dict[str, Any]) -> None:
    """The first clip: per form and layer the most varied units."""
    ann, *snns = data["curves"]
    t = 0.01 * np.arange(len(ann[0][0]))
    shown = list(zip(WAYS, snns, data["nmse"][0], strict=False))  # not that in fine steps
    titles = [
        [f"{layer}, {name}: NMSE {x:.2f}" for layer, x in zip(LAYERS, nmse, strict=True)]
        for (name, *_), _, nmse in shown
    ]
    overlay.draw(figure, t, ann, [snn for _, snn, _ in shown], titles, "s of speech")


EXPERIMENT = Experiment(
    name="commands-mapping",
    paper="P1",
    figure="Fig. G.4",
    title="A trained net on spoken commands, mapped to analog neurons",
    default={"clips": 1},
    full={"clips": 20},
    times=("10 s", "3 min"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=draw,
    inches=(12.0, 9.0),
    inputs=inputs,
)

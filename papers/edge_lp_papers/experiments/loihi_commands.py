# SPDX-License-Identifier: Apache-2.0
"""P2 on spoken commands: lpFF 128, 2 x lpRNN 512 and a linear layer, trained in float and then in
three bits (eighths), whose codes are the core's weights as they are, and run on the core.

Accuracy of the three on the test clips of speakers that were not trained on, with 95 % intervals
(Wilson); each layer's NMSE against the ANN of the same weights; spikes, synaptic operations, cores
and an energy estimate; the four read-outs; and the decays 64, 256 and 384 of 4096 a step.

Data: speech_commands/{training,validation,testing}/WORD of --data, and if they are there
background_noise and speech_commands_rebuilt. The trained net is kept in the user's cache; beside
the result lies loihi-commands.lpb, which evaluate and listen run like any other model."""

from __future__ import annotations

from typing import Any

from edge_lp.files import write_file
from edge_lp.measure.splits import TESTING, split_clips

from edge_lp_papers.experiment import Experiment
from edge_lp_papers.experiments import loihi_net, loihi_result
from edge_lp_papers.work import Work


def measure(
    work: Work, epochs: list[int], per_epoch: int, clips: int, decays: list[int]
) -> dict[str, Any]:
    """epochs: coarse, float in all, 3-bit; clips: test clips a word for all but the accuracy."""
    root = work.find("speech_commands")
    training = [c for c in split_clips(root).clips if c.split != TESTING]
    run = loihi_net.train_once(work, "commands", training, loihi_net.WORDS, epochs, per_epoch)
    write_file(work.beside("loihi-commands.lpb"), (run / "model.lpb").read_bytes())
    return loihi_result.measured(work, run, root / "testing", clips, decays)


EXPERIMENT = Experiment(
    name="loihi-commands",
    paper="P2",
    figure="Speech Commands",
    title="2 x 512 lpRNN on spoken commands: float, 3 bits, spiking",
    default={"epochs": [10, 12, 4], "per_epoch": 6400, "clips": 5, "decays": [64, 256, 384]},
    full={"epochs": [35, 50, 30], "per_epoch": 12800, "clips": 1000, "decays": [64, 256, 384]},
    times=("25 min", "4 h"),
    measure=measure,
    compare=loihi_result.compare,
    judge=loihi_result.judge,
    draw=loihi_result.draw,
    inches=(12.0, 9.0),
)

# SPDX-License-Identifier: Apache-2.0
"""P2 on the Heidelberg Digits: the net and the measurements of loihi-commands, for twenty words, at
the decays 64, 128, 256 and 512: tau of 64, 32, 16 and 8 steps, with a feedback weight of 8 tau.

Data: hd_audio/ of --data, as the data set's authors have packed it. Without it the net is that of
loihi-commands, on speech_commands/, and a line says so: what is measured is the same, but the
accuracy is not that of digits."""

from __future__ import annotations

from typing import Any

from edge_lp.measure.splits import TESTING, split_clips
from edge_lp.text import notice

from edge_lp_papers.experiment import Experiment, Row, Verdict
from edge_lp_papers.experiments import heidelberg, loihi_net, loihi_result
from edge_lp_papers.work import Work

HD, COMMANDS = "hd_audio", "speech_commands"


def measure(
    work: Work, epochs: list[int], per_epoch: int, clips: int, decays: list[int]
) -> dict[str, Any]:
    """As loihi_commands.measure."""
    folder = work.find(HD, COMMANDS)
    digits = folder.name == HD
    if digits:
        found = heidelberg.recordings(folder)
    else:
        found = split_clips(folder).clips
        notice(
            f"note: loihi-digits: no {folder.with_name(HD)} (the Heidelberg Digits as they are "
            f"unpacked: audio/*.flac and two lists); {COMMANDS} in its place"
        )
    words = heidelberg.WORDS if digits else loihi_net.WORDS
    held_out = [c for c in found if c.split == TESTING]
    training = [c for c in found if c.split != TESTING]
    name = "digits" if digits else "commands"
    run = loihi_net.train_once(work, name, training, words, epochs, per_epoch)
    if digits:
        testing = loihi_net.view(held_out, run.with_name(run.name + "-data")) / TESTING
    else:
        testing = folder / TESTING
    measured = loihi_result.measured(work, run, testing, clips, decays)
    return measured | {"digits": digits}


def compare(data: dict[str, Any]) -> list[Row]:
    return loihi_result.compare(data)


def judge(data: dict[str, Any]) -> Verdict:
    verdict = loihi_result.judge(data)
    on = (
        "On the Heidelberg Digits. "
        if data["digits"]
        else "The Heidelberg Digits (hd_audio/ of --data) were not there: these are the ten "
        "commands of Speech Commands, on the net of loihi-commands, whose training counts in the "
        "time of both. "
    )
    return Verdict(verdict.state, on + verdict.text)


EXPERIMENT = Experiment(
    name="loihi-digits",
    paper="P2",
    figure="Heidelberg Digits",
    title="2 x 512 lpRNN on spoken digits: the same, at four time constants",
    default={"epochs": [10, 12, 4], "per_epoch": 6400, "clips": 5, "decays": [64, 128, 256, 512]},
    full={"epochs": [35, 50, 30], "per_epoch": 12800, "clips": 1000, "decays": [64, 128, 256, 512]},
    times=("25 min", "4 h"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=loihi_result.draw,
    inches=(12.0, 9.0),
)

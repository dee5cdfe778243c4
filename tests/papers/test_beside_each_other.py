# SPDX-License-Identifier: Apache-2.0
"""Trainings in processes of their own: what they return, say and raise, that none outlives its
command, and that a run of full size goes on as if it had not been interrupted."""

import json
import multiprocessing
import os
import subprocess
import sys
import time

import pytest
from edge_lp.errors import EdgeLpError
from edge_lp.files import write_file
from edge_lp_papers import run, work
from edge_lp_papers.experiment import REPRODUCED, Experiment, Verdict
from edge_lp_papers.work import Work


def square(x, part):
    """0: a fault of the user's; 1: one of ours; 2: a process that dies."""
    part.say(f"{os.getpid()}", x, 9)
    if x == 0:
        raise EdgeLpError("no data; give some")
    if x == 1:
        raise ZeroDivisionError("by nought")
    if x == 2:
        os._exit(9)
    return x * x, os.environ["TF_NUM_INTRAOP_THREADS"]


def test_each_part_has_a_process_and_a_bar(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "CORES", 5)
    told = []
    monkeypatch.setattr(work.Bars, "tell", lambda self, *what: told.append(what))
    found = Work(tmp_path).train("squares", square, [{"x": x} for x in (5, 4)])
    assert found == [[25, "2"], [16, "2"]], "in order; five cores for two: two threads each"
    assert sorted((i, done, of) for i, _, done, of in told) == [(0, 5, 9), (1, 4, 9)]
    pids = {int(text) for _, text, _, _ in told}
    assert len(pids) == 2 and os.getpid() not in pids
    assert Work(tmp_path).train("squares", square, [{"x": 4}]) == [[16, "2"]] and len(told) == 2


@pytest.mark.parametrize(
    "x, error, says",
    [
        (0, EdgeLpError, "^no data; give some$"),
        (1, RuntimeError, "ZeroDivisionError: by nought"),
        (2, EdgeLpError, r"ended by itself \(exit code 9;.*the same command goes on"),
    ],
)
def test_what_fails_in_a_process_is_told_by_its_parent(tmp_path, x, error, says):
    with pytest.raises(error, match=says):
        Work(tmp_path).train("squares", square, [{"x": x}, {"x": 7}])
    assert not multiprocessing.active_children()


def forever(x):
    print("up", flush=True)
    while True:
        time.sleep(1)


def test_no_process_outlives_a_command_that_is_killed(tmp_path):
    """Whoever holds the pipe's other end lives."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from pathlib import Path; from test_beside_each_other import *\n"
        f"Work(Path({str(tmp_path)!r})).train('x', forever, [{{'x': 1}}])"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as command:
        assert command.stdout.readline() == b"up\n"
        command.kill()
        assert command.stdout.read() == b""


def walk(net, epochs, part):
    """A training: each epoch's numbers come of the state that the one before has kept."""
    kept = part.path("state.json")
    found = json.loads(kept.read_text()) if kept.exists() else [net]
    while len(found) <= epochs:
        found.append(found[-1] * 1103515245 % 2147483647)
        part.say(f"net {net}", len(found) - 1, epochs)
        write_file(kept, json.dumps(found).encode())  # whole, or not there
    return found


def measure(work, epochs):
    return {"nets": work.train("nets", walk, [{"net": n, "epochs": epochs} for n in (3, 5, 7)])}


def interrupted(self, i, text, done, of):
    if done == 3:  # its second epoch is kept
        raise KeyboardInterrupt


def test_a_run_of_full_size_goes_on_as_if_it_had_not_been_interrupted(tmp_path, monkeypatch):
    """Stopped in the midst of one net, when another may be anywhere in its own. That each net's
    training goes on with the same numbers: test_learning.py."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: edge-lp[papers]")
    monkeypatch.setattr(work, "CORES", 2)
    experiment = Experiment(
        name="walks",
        paper="P0",
        figure="Fig. 9",
        title="Walks",
        default={"epochs": 1},
        full={"epochs": 6},
        times=("1 s", "2 s"),
        measure=measure,
        compare=lambda d: [],
        judge=lambda d: Verdict(REPRODUCED, "All walked."),
        draw=lambda figure, d: figure.subplots().plot(d["nets"][0]),
    )
    whole = run.run(experiment, tmp_path / "whole", full=True)
    with monkeypatch.context() as m:
        m.setattr(work.Bars, "tell", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.run(experiment, tmp_path / "out", full=True)
    assert not multiprocessing.active_children()
    assert not (tmp_path / "out" / "walks.json").exists()
    assert list((tmp_path / "out" / "parts" / "walks").rglob("*-state.json")), "nothing was kept"
    again = run.run(experiment, tmp_path / "out", full=True)
    assert again["data"] == whole["data"] and again["size"] == "full"
    assert [len(found) for found in again["data"]["nets"]] == [7, 7, 7]
    assert not (tmp_path / "out" / "parts").exists()

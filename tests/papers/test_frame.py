# SPDX-License-Identifier: Apache-2.0
"""The frame of `edge-lp reproduce`: parts are kept, results are files, the page says what they say,
and one experiment that cannot run does not stop the others."""

import json

import pytest
from click.testing import CliRunner
from edge_lp.cli import main
from edge_lp.errors import EdgeLpError
from edge_lp_papers import page, registry, run
from edge_lp_papers.experiment import REPRODUCED, Experiment, Row, Verdict
from edge_lp_papers.work import Work

pytest.importorskip("matplotlib", reason="matplotlib is not installed (pip install '.[papers]')")
CALLS = []


def square(x, seed):
    CALLS.append(x)
    if x == 13:
        raise KeyboardInterrupt
    return x * x


def measure(work, numbers, needs=None):
    if needs:
        work.find(needs)
    parts = [{"x": x, "seed": work.seed} for x in numbers]
    return {"squares": work.map("squares", square, parts, threads=1)}


def experiment(name="squares", **size):
    return Experiment(
        name=name,
        paper="P0",
        figure="Fig. 9",
        title="Squares",
        default={"numbers": [1, 2, 3], **size},
        full={"numbers": [1, 2, 3, 4], **size},
        times=("1 s", "2 s"),
        measure=measure,
        compare=lambda d: [Row("3", 9.0, float(d["squares"][2])), Row("4", None, 0.5)],
        judge=lambda d: Verdict(REPRODUCED, "All are squares."),
        draw=lambda figure, d: figure.subplots().plot(d["squares"]),
    )


@pytest.fixture(autouse=True)
def calls():
    CALLS.clear()


def test_a_result_is_files_and_is_not_made_twice(tmp_path):
    e = experiment()
    assert run.state(e, tmp_path) == "not run"
    made = run.run(e, tmp_path)
    assert made == json.loads((tmp_path / "squares.json").read_text())
    assert made["rows"][0] == {"what": "3", "published": 9.0, "ours": 9.0}
    assert made["verdict"] == {"state": REPRODUCED, "text": "All are squares."}
    assert made["data"] == {"squares": [1, 4, 9]} and made["seed"] == 0
    assert (tmp_path / "squares.png").read_bytes().startswith(b"\x89PNG")
    assert run.run(e, tmp_path) == made and CALLS == [1, 2, 3]
    assert not list((tmp_path / "parts").iterdir()), "parts of a finished one are removed"
    assert run.run(e, tmp_path, full=True)["size"] == "full" and CALLS[3:] == [1, 2, 3, 4]
    run.run(e, tmp_path, full=True, seed=1)
    assert len(CALLS) == 11 and "full size" in run.state(e, tmp_path)


def test_a_stopped_run_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run.run(experiment(numbers=[1, 2, 13]), tmp_path)
    assert not (tmp_path / "squares.json").exists()
    assert run.state(experiment(), tmp_path) == "stopped, 2 parts done"
    CALLS.clear()
    run.run(experiment(), tmp_path)
    assert CALLS == [3]


def test_data_are_asked_for_by_name(tmp_path):
    with pytest.raises(EdgeLpError, match="--data DIR.*speech/"):
        run.run(experiment(needs="speech"), tmp_path)
    (tmp_path / "speech").mkdir()
    work = Work(tmp_path / "parts", data=tmp_path)
    assert work.find("speech") == tmp_path / "speech"
    with pytest.raises(EdgeLpError, match="no folder"):
        work.find("text")


def test_the_page_says_what_the_results_say(tmp_path):
    e, other = experiment(), experiment("cubes")
    run.run(e, tmp_path / "out")
    page.write_page([e, other], tmp_path / "out", tmp_path / "README.md")
    text = (tmp_path / "README.md").read_text()
    assert "| [squares](#squares) | P0 Fig. 9 | reproduced | default |" in text
    assert "| cubes | P0 Fig. 9 | not run |" in text
    assert "![Squares](out/squares.png)" in text and "**Reproduced.** All are squares." in text
    assert "| 3 | 9 | 9 |" in text and "| 4 |  | 0.5 |" in text


def test_a_file_that_is_no_result(tmp_path):
    (tmp_path / "squares.json").write_text("{}")
    with pytest.raises(EdgeLpError, match="not a result"):
        run.run(experiment(), tmp_path)


def test_the_command(tmp_path, monkeypatch):
    found = {e.name: e for e in (experiment(), experiment("cubes", needs="speech"))}
    monkeypatch.setattr(registry, "experiments", lambda: found)
    reproduce = ["reproduce", "--out", str(tmp_path / "out")]
    listed = CliRunner().invoke(main, reproduce)
    assert listed.exit_code == 0 and "squares" in listed.stdout and "not run" in listed.stdout
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(main, [*reproduce, "all"])
    assert (
        done.exit_code == 2 and done.stderr.count("\n") == 1 and "cubes needs data" in done.stderr
    )
    assert done.stdout == "squares: reproduced. All are squares.\n"
    assert (tmp_path / "out" / "REPRODUCTION.md").is_file()
    wrong = CliRunner().invoke(main, [*reproduce, "circles"])
    assert wrong.exit_code == 2 and "there are squares, cubes, and all" in wrong.stderr


def test_every_experiment_is_complete():
    for name, e in registry.experiments().items():
        assert name == e.name and e.title and e.paper in ("P1", "P2") and len(e.times) == 2
        assert json.loads(json.dumps(e.size(True))) == e.size(True), "JSON's terms"
        assert set(e.default) == set(e.full)

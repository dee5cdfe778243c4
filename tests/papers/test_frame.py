# SPDX-License-Identifier: Apache-2.0
"""The frame of `edge-lp reproduce`: parts are kept, results are files, the page says what they say,
and one experiment that cannot run does not stop the others."""

import json
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from edge_lp.cli import main
from edge_lp.errors import EdgeLpError
from edge_lp_papers import page, registry, rests, run
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
    return {"squares": work.map("squares", square, parts, alone=True)}


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
    assert not (tmp_path / "parts").exists(), "parts of a finished one are removed"
    assert run.run(e, tmp_path, full=True)["size"] == "full" and CALLS[3:] == [1, 2, 3, 4]
    run.run(e, tmp_path, full=True, seed=1)
    assert len(CALLS) == 11 and "full size" in run.state(e, tmp_path)


def test_a_file_that_stays_lies_beside_the_result(tmp_path):
    def measure_and_keep(work, numbers):
        work.beside("squares.txt").write_text("1 4 9")
        return measure(work, numbers)

    run.run(replace(experiment(), measure=measure_and_keep), tmp_path)
    assert sorted(p.name for p in tmp_path.glob("squares.*")) == [
        "squares.json", "squares.png", "squares.txt",
    ]  # fmt: skip


def test_a_stopped_run_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run.run(experiment(numbers=[1, 2, 13]), tmp_path)
    assert not (tmp_path / "squares.json").exists()
    assert run.state(experiment(), tmp_path) == "stopped, 2 parts done"
    CALLS.clear()
    run.run(experiment(), tmp_path)
    assert CALLS == [3]


def test_what_a_result_rests_on_makes_it_anew_where_it_changes(tmp_path):
    """Inputs, parameters and the measuring code; what cannot be seen now counts as unchanged."""
    model, seen = tmp_path / "model", {}
    model.write_bytes(b"one")

    def inputs(data):
        return {"model": rests.fingerprint(model), **seen}

    e = replace(experiment(), inputs=inputs)
    made = run.run(e, tmp_path)
    assert made["inputs"] == {"model": rests.fingerprint(model)}
    assert run.run(e, tmp_path) == made and CALLS == [1, 2, 3]
    model.write_bytes(b"two")
    run.run(e, tmp_path)
    assert CALLS == 2 * [1, 2, 3], "another model"
    seen["speech"] = "a"
    run.run(e, tmp_path)
    assert CALLS == 3 * [1, 2, 3], "data that the result was made without"
    del seen["speech"]
    run.run(e, tmp_path)
    assert CALLS == 3 * [1, 2, 3], "no --data now"
    run.run(replace(e, measure=partial(measure, needs=None)), tmp_path)
    assert CALLS == 3 * [1, 2, 3], "the same function"


def test_a_verdict_of_other_words_needs_no_other_measurement(tmp_path):
    e = experiment()
    run.run(e, tmp_path)
    path = tmp_path / "squares.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "looks": "older", "verdict": {"state": "", "text": ""}}))
    again = run.run(e, tmp_path)
    assert CALLS == [1, 2, 3] and again == kept == json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "code": "older"}))
    assert "of older code" in run.state(e, tmp_path)
    run.run(e, tmp_path)
    assert CALLS == 2 * [1, 2, 3]


def test_a_result_of_an_older_version_is_made_anew(tmp_path):
    run.run(experiment(), tmp_path)
    path = tmp_path / "squares.json"
    kept = json.loads(path.read_text())
    del kept["code"], kept["looks"], kept["inputs"]
    path.write_text(json.dumps(kept))
    run.run(experiment(), tmp_path)
    assert CALLS == 2 * [1, 2, 3]


def test_parts_of_other_code_are_not_gone_on_with(tmp_path):
    """A stopped run of another version of the experiment, or with another model, is of no use; one
    of the other size stays."""
    stopped = experiment(numbers=[1, 2, 13])
    for full in (False, True):
        with pytest.raises(KeyboardInterrupt):
            run.run(replace(stopped, full=stopped.default), tmp_path, full)
    found = sorted((tmp_path / "parts" / "squares").iterdir())
    assert [p.name.split("-")[0] for p in found] == ["default", "full"]
    CALLS.clear()
    run.run(replace(experiment(), inputs=lambda data: {"model": "another"}), tmp_path)
    assert CALLS == [1, 2, 3] and not found[0].exists() and found[1].exists()


def slow(x, part):
    """A part that is stopped once, behind its checkpoint."""
    kept = part.path("state.txt")
    part.say("under way", 1, 2)
    if not kept.exists():
        kept.write_text(str(x * x))
        raise KeyboardInterrupt
    return int(kept.read_text())


def test_a_part_has_files_of_its_own(tmp_path):
    work = Work(tmp_path / "parts" / "a")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            work.map("parts", slow, [{"x": 3}, {"x": 4}], alone=True)
    assert work.map("parts", slow, [{"x": 3}, {"x": 4}], alone=True) == [9, 16]
    work.clear()
    assert not (tmp_path / "parts").exists()


def test_the_code_of_an_experiment_is_what_it_measures_with(tmp_path, monkeypatch):
    """Its own module and those it imports, lazily too; comments and the frame are no part of it."""
    e = registry.experiments()["adding"]
    before = rests.digests(e)
    assert before == rests.digests(e) != rests.digests(registry.experiments()["copying"])
    texts = {}
    monkeypatch.setattr(Path, "read_text", lambda p, encoding=None: texts.get(p.name) or read(p))
    read = lambda p: p.read_bytes().decode()  # noqa: E731
    source = {p.name: read(p) for p in Path(rests.__file__).parent.rglob("*.py")}

    def changed(name, old, new):
        texts.clear()
        assert old in source[name]
        texts[name] = source[name].replace(old, new)
        after = rests.digests(e)
        return after[0] != before[0], after[1] != before[1]

    assert changed("adding.py", "\ndef", "\n\n# a comment\ndef") == (False, False)
    assert changed("adding.py", "P1, Fig", "P2, Fig") == (False, False), "docstrings"
    assert changed("adding.py", "momentum=0.9", "momentum=0.8") == (True, True)
    assert changed("curriculum.py", '"alpha": 0.0', '"alpha": 0.1') == (True, True)
    assert changed("adding.py", "epochs are over", "epochs have gone") == (False, True), "judge"
    assert changed("work.py", "def find", "def found") == (False, False), "the frame"
    train = Path(import_module("edge_lp_train").__file__).parent
    source["lowpass.py"] = read(train / "lowpass.py")
    assert changed("lowpass.py", "1.0 - a", "0.9 - a") == (True, True)
    e = registry.experiments()["mapping-51"]
    before = rests.digests(e)
    assert changed("twin.py", "def run", "def ran") == (True, True), "stands for the C"


def test_data_are_asked_for_by_name(tmp_path):
    with pytest.raises(EdgeLpError, match="needs data, no --data DIR.*speech/"):
        run.run(experiment(needs="speech"), tmp_path)
    (tmp_path / "speech").mkdir()
    work = Work(tmp_path / "parts", data=tmp_path)
    assert work.find("speech") == tmp_path / "speech"
    with pytest.raises(EdgeLpError, match="there is no folder"):
        work.find("text")


def test_the_page_says_what_the_results_say(tmp_path):
    e, other = experiment(), experiment("cubes")
    run.run(e, tmp_path / "out")
    page.write_page([e, other], tmp_path / "out", tmp_path / "README.md")
    text = (tmp_path / "README.md").read_text()
    assert "| [squares](#squares) | P0 Fig. 9 | reproduced | default |" in text
    assert "| cubes | P0 Fig. 9 | not run |" in text
    assert "![Squares](out/squares.png)" in text and "**Reproduced.** All are squares." in text
    assert "| 3 | 9 | 9 |" in text and "| 4 | not at hand | 0.5 |" in text


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
        done.exit_code == 2
        and done.stderr.count("\n") == 1
        and "cubes: it needs data" in done.stderr
    )
    assert done.stdout == "squares: reproduced. All are squares.\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "REPRODUCTION.md", "squares.json", "squares.png",
    ]  # fmt: skip
    wrong = CliRunner().invoke(main, ["reproduce", "--out", str(tmp_path / "no"), "circles"])
    assert not (tmp_path / "no").exists(), "a name that is none leaves nothing"
    found["threes"] = experiment("threes", numbers=[1, 13])
    stopped = CliRunner().invoke(main, [*reproduce, "threes"])
    assert stopped.exit_code == 130 and stopped.stderr == (
        "stopped in threes; the same command goes on where it was\n"
    )
    assert wrong.exit_code == 2 and "there are squares, cubes, and all" in wrong.stderr


def test_every_experiment_is_complete():
    for name, e in registry.experiments().items():
        assert name == e.name and e.title and e.paper in ("P1", "P2") and len(e.times) == 2
        assert json.loads(json.dumps(e.size(True))) == e.size(True), "JSON's terms"
        assert set(e.default) == set(e.full)

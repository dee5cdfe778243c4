# SPDX-License-Identifier: Apache-2.0
"""The command line: every command has help, bad input is one line and exit code 2, output goes
where it should."""

import csv
import json
import shutil
import subprocess
import sys

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from edge_lp import plots
from edge_lp.audio import microphone, signals
from edge_lp.board import count, discover
from edge_lp.cli import main
from edge_lp.errors import AudioError, EdgeLpError
from edge_lp.hear import demo
from edge_lp.measure import accuracy, cost, stream, trace
from edge_lp.model import describe
from edge_lp.model.find import write_model
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import SAMPLE_RATE, Frontend, Model, Net, Spotter
from random_model import random_spec
from support import raising

WORDS = ["yes", "no", "stop", "_unknown_", "_silence_"]


def _spec(**changes):
    return random_spec(5, sizes=(32, 32), n_labels=5, n_keywords=3, labels=WORDS, **changes)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_model(tmp_path_factory.mktemp("model") / "m.lpb", pack(_spec())))


def run(*args, **kwargs):
    return CliRunner().invoke(main, [str(a) for a in args], **kwargs)


def bad(*args, says):
    """One line on stderr that says it, nothing on stdout, exit code 2."""
    result = run(*args)
    assert (
        result.exit_code == 2
        and result.stdout == ""
        and result.stderr.count("\n") == 1
        and says in result.stderr
    ), result.output
    return result


def _commands(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))


@pytest.mark.parametrize("path, command", list(_commands(main)))
def test_every_command_and_option_has_help(path, command):
    result = run(*path, "--help")
    assert (
        result.exit_code == 0
        and command.help
        and all(p.help for p in command.params if isinstance(p, click.Option))
    )


MOST = "tensorflow keras scipy sounddevice soundfile soxr matplotlib serial nir edge_lp_train"
MOST += " subprocess tempfile zipfile importlib.resources importlib.metadata multiprocessing"
MOST += " asyncio concurrent.futures email ssl json edge_lp.board.emulate"
ALL = f"{MOST} numpy rich edge_lp._runtime edge_lp.files pathlib urllib.parse hashlib secrets"
HEAR = "numpy.random hashlib secrets edge_lp.loihi edge_lp.hear.command edge_lp.hear.view rich"


@pytest.mark.parametrize(
    "arguments, heavy, says",
    [
        ("--help", ALL, "Commands:"),
        ("inspect commands12", f"{MOST} edge_lp.loihi.network edge_lp.model.cores", "labels"),
        ("listen --device -", f"{MOST} {HEAR}", "0.1 s heard"),
    ],
)
def test_start_loads_nothing_heavy(arguments, heavy, says):
    """Issue 9, start-up: what takes the time is what is imported. What NumPy loads by itself, which
    depends on its version, is not ours."""
    code = (
        f"import sys, runpy; sys.argv = ['edge-lp', *{arguments.split()}]\n"
        f"{'pass' if 'numpy' in heavy.split() else 'import numpy'}; theirs = set(sys.modules)\n"
        "try: runpy.run_module('edge_lp', run_name='__main__')\n"
        f"finally: print('HEAVY', [m for m in {heavy.split()} if m in {{*sys.modules}} - theirs])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, input="\0" * 3200
    )
    assert says in result.stdout + result.stderr and "HEAVY []" in result.stdout


def test_no_arguments_show_help():
    result = run()
    assert result.exit_code == 2 and "Usage:" in result.output


@pytest.mark.parametrize(
    "args, says",
    [
        (("sing",), "No such command 'sing'"),
        (("listen", "--loud"), "No such option"),
        (("listen", "--speed", "fast"), "'fast'"),
        (("evaluate",), "Missing argument"),
        (("export", "x"), "Missing option"),
        (("listen", "extra"), "extra"),
    ],
)
def test_usage_errors(args, says):
    bad(*args, says=says)


@pytest.mark.parametrize(
    "name, says",
    [
        ("none", "no model 'none'"),
        ("text", "not an .lpb model"),
        ("folder", "directory without a model.lpb"),
        ("cut", "cut off"),
    ],
)
def test_bad_models(tmp_path, model, name, says):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()
    with open(model, "rb") as f:
        (tmp_path / "cut").write_bytes(f.read()[:500])
    bad("inspect", tmp_path / name if name != "none" else name, says=says)
    bad("bench", "--model", tmp_path / name if name != "none" else name, says=says)
    bad(
        "listen", "--device", "-", "--model", tmp_path / name if name != "none" else name, says=says
    )


@pytest.mark.parametrize(
    "error, code, says",
    [
        (EdgeLpError("it is broken"), 2, "edge-lp: it is broken\n"),
        (KeyboardInterrupt(), 130, ""),
        (PermissionError(13, "Permission denied", "/x/y"), 2, "edge-lp: /x/y: Permission denied\n"),
    ],
)
def test_how_errors_end(monkeypatch, model, error, code, says):
    monkeypatch.setattr(describe, "describe", raising(error))
    result = run("inspect", model)
    assert (
        result.exit_code == code and result.stderr.strip() == says.strip() and result.stdout == ""
    )


def test_a_bug_is_not_hidden(monkeypatch, model):
    monkeypatch.setattr(describe, "describe", lambda data: 1 // 0)
    assert isinstance(run("inspect", model).exception, ZeroDivisionError)


# --------------------------------------------------------------------------------------- inspect --


def test_inspect_adds_up(model):
    out, spec = json.loads(run("inspect", model, "--json").stdout), _spec()
    with open(model, "rb") as f:
        data = f.read()
    parts = {**out["bytes"]}
    assert parts.pop("total") == sum(parts.values()) == len(data) and min(parts.values()) > 0
    assert out["synapses"] == 40 * 32 + 32 * 32 * 3 + 32 * 5
    codes = [m.codes for layer in spec.layers for m in (layer.w, layer.u) if m]
    assert out["nonzero"] == sum(np.count_nonzero(c) for c in codes)
    assert (
        out["labels"] == WORDS
        and out["keywords"] == WORDS[:3]
        and out["provenance"] == spec.provenance
    )
    assert (
        out["operating_point"]["tau_steps"] == 64 and out["operating_point"]["steps_per_s"] == 1400
    )
    assert out["ram"]["spotter"] >= out["ram"]["network"] + out["ram"]["detector"]
    text = run("inspect", model).stdout
    assert "1,400 steps/s" in text and "yes, no, stop" in text and f"{len(data):,}" in text


def test_sparse_codings_are_named(tmp_path):
    sparse = random_spec(1, sizes=(64, 64), density=0.05)
    found = describe.describe(pack(sparse))
    assert {
        m["coding"]
        for x in found["layers"]
        for m in (x["input_weights"], x["recurrent_weights"])
        if m
    } >= {"sparse"}


def test_chip_bias():
    """13-bit mantissas times 2^0 .. 2^7, by trying all of them."""
    values = np.array(
        [
            0,
            1,
            -1,
            4095,
            4096,
            4097,
            -4096,
            -4097,
            8190,
            8191,
            4095 << 7,
            (4095 << 7) + 1,
            -4096 << 7,
            (-4096 << 7) - 1,
        ]
    )
    low, high = -4096, 4095
    held = {m << e for m in range(low, high + 1) for e in range(8)}
    exact = sum(int(v) in held for v in values)
    beyond = sum(not (low << 7) <= v <= (high << 7) for v in values)
    assert (
        describe.chip_bias(values)
        == {"values": 14, "exact": exact, "rounded": 14 - exact - beyond, "beyond": beyond}
        and beyond == 2
    )


# --------------------------------------------------------------------------- evaluate and export --


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    for i, word in enumerate(("yes", "house", "_silence_")):
        (root / word).mkdir()
        soundfile.write(root / word / "a.wav", signals.babble(1, seed=i), 16000)
    return root


def test_evaluate_prints_and_writes(model, clips, tmp_path):
    for backend in ("snn", "ann"):
        out = tmp_path / f"{backend}.json"
        text = run("evaluate", model, clips, "--backend", backend, "-o", out).stdout
        written = json.loads(out.read_text())
        assert written["backend"] == backend and written["n"] == 3
        assert (
            f"{written['accuracy']:.2f} % of 3 clips" in text
            and "95 % interval" in text
            and "_unknown_" in text
        )
        assert ("synaptic operations" in text and "estimate" in text) == (backend == "snn")
        for options in (["--json"], ["-o", "-"]):
            only = run("evaluate", model, clips, "--backend", backend, *options)
            assert only.stdout == out.read_text() and only.stderr == ""


def test_unwritable_output_is_found_before_the_work(model, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy, "evaluate", lambda *a: pytest.fail("it began to work"))
    bad(
        "evaluate",
        model,
        clips,
        "-o",
        tmp_path / "no such folder" / "x.json",
        says="no directory",
    )
    bad("evaluate", model, clips, "-o", tmp_path, says="is a directory")


def test_evaluate_without_clips(model, tmp_path):
    bad("evaluate", model, tmp_path, says="no recordings found")
    bad("evaluate", model, tmp_path / "x", says="no such folder")


def test_export(model, tmp_path):
    with open(model, "rb") as f:
        data = f.read()
    assert (
        run("export", model, "-o", tmp_path / "m.lpb").exit_code == 0
        and (tmp_path / "m.lpb").read_bytes() == data
    )
    assert (
        run("export", model, "--format", "c", "-o", tmp_path / "m.c").exit_code == 0
        and f"[{len(data)}]" in (tmp_path / "m.c").read_text()
    )
    bad("export", model, "-o", tmp_path / "none" / "m.lpb", says="cannot write")
    bad("export", "none", "-o", tmp_path / "m2.lpb", says="no model")
    assert not (tmp_path / "m2.lpb").exists()


# -------------------------------------------------------------------------------- bench, devices --


def test_bench_beside_peers(model, tmp_path):
    script = tmp_path / "peers.py"
    script.write_text(
        'import sys\nassert sys.argv[1] == \'cost\'\nprint(\'{"engine": "a peer", "features_ms": '
        '0.25, "net_ms": 0.5}\')\n'
    )
    out = json.loads(run("bench", "--model", model, "--peers", script, "--json").stdout)
    assert all(
        out[k] > 0
        for k in (
            "front_end_ms",
            "network_ms",
            "detector_ms",
            "total_ms",
            "spikes_per_s",
            "synaptic_ops_per_s",
        )
    )
    assert out["peers"] == [{"engine": "a peer", "features_ms": 0.25, "net_ms": 0.5}]
    text = _text(*cost.tables(out, out["peers"]))
    assert "a peer" in text and "0.750" in text and f"{out['total_ms']:.3f}" in text
    bad("bench", "--model", model, "--peers", tmp_path / "none.py", says="no such file")


def _text(*renderables):
    from rich.console import Console

    console = Console(width=140)
    with console.capture() as capture:
        console.print(*renderables)
    return capture.get()


def test_bench_counts_and_keeps_a_history(model, tmp_path, monkeypatch):
    """Issue 9: bench appends to the history file; a file that is none is left alone."""
    monkeypatch.setattr(cost, "_median_ms", lambda *_: 0.125)
    monkeypatch.setattr(count, "host_instructions", lambda _: 1_500_000)
    path = tmp_path / "h.csv"
    for _ in range(2):
        out = run("bench", "--model", model, "--instructions", "--history", path)
    assert "1.50 million instructions (valgrind)" in out.stdout
    rows = list(csv.DictReader(path.open(newline="")))
    assert [(r["total_ms"], r["instructions_per_s"]) for r in rows] == [("0.125", "1500000")] * 2
    path.write_text("something else\n")
    bad("bench", "--model", model, "--history", path, says="not a history of bench")
    assert path.read_text() == "something else\n"


def test_instructions_on_this_machine(model):
    """The C chain under valgrind: the same count in every run."""
    if not shutil.which("valgrind"):
        pytest.skip("needs valgrind")
    with open(model, "rb") as f:
        found = count.host_instructions(f.read())
    assert 1e6 < found < 1e8


def test_peers_that_are_not_installed_are_a_note(tmp_path, capsys):
    (tmp_path / "peers.py").write_text(
        'print(\'{"engine": "first"}\')\nimport no_such_package_here\n'
    )
    assert cost.peers(tmp_path / "peers.py") == [{"engine": "first"}]
    assert "no_such_package_here" in capsys.readouterr().err


def test_babble_makes_the_net_work():
    pcm = signals.babble(2)
    assert np.array_equal(pcm, signals.babble(2)) and not np.array_equal(
        pcm, signals.babble(2, seed=1)
    )
    assert 1000 < np.abs(pcm.astype(int)).max() <= 32767


def test_devices(monkeypatch):

    monkeypatch.setattr(discover, "find_boards", lambda: [])
    monkeypatch.setattr(
        microphone, "microphones", lambda: [microphone.Microphone(3, "USB Mic", 1, 44100, True)]
    )
    assert "mic:3" in (text := run("devices").stdout) and "44100 Hz, default" in text
    monkeypatch.setattr(microphone, "microphones", list)
    assert run("devices").stdout == "no microphones\n"
    assert json.loads(run("devices", "--json").stdout) == []
    monkeypatch.setattr(microphone, "microphones", raising(AudioError("install something")))
    bad("devices", says="install something")


# ------------------------------------------------------------------------------------------ demo --


def test_trace_is_what_listen_does():
    """Step by step it spikes as often, decides the same, and detects the same as the runtime frame
    by frame."""
    detector = DetectorConfig((20,), (0.3,), 40, 10)
    data, pcm = pack(random_spec(3, sizes=(32, 32), detector=detector)), signals.babble(2)
    found, model = trace.trace(data, pcm), Model(data)
    net = Net(model)
    net.push(Frontend().push(pcm))
    assert (
        found.spikes.shape == (len(found.features), 64)
        and found.spikes.sum() == net.counts().spikes > 0
    )
    assert found.events == Spotter(model).push(pcm) != []
    assert found.posteriors.shape == (len(found.features), 12) and np.allclose(
        found.posteriors.sum(axis=1), 1, atol=0.001
    )


def _said(word, middle, keyword=True):
    return stream.Said(word, middle - 0.2, middle + 0.2, "a voice", keyword)


def test_words_meet_detections():
    said = [_said("yes", 1.0), _said("house", 2.0, False), _said("no", 3.0), _said("stop", 4.0)]
    heard = [("yes", 1.3), ("stop", 2.1), ("no", 3.6), ("no", 4.0)]
    rows = stream.match(said, [stream.Detection(t, word, 0.9) for word, t in heard])
    assert [(r.said and r.said.word, r.heard and r.heard.keyword) for r in rows] == [
        ("yes", "yes"),
        ("house", "stop"),
        ("no", None),
        (None, "no"),
        ("stop", "no"),
    ]
    text = _text(*demo.table(rows))
    assert "1 of 3 keywords" in text and "3 false detections" in text and text.count("missed") == 2


def test_demo(model, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "OTHERS", ("house",))
    pytest.importorskip(
        "espeakng_loader", reason="espeakng-loader is not installed (pip install 'edge-lp[demo]')"
    )
    pytest.importorskip(
        "matplotlib", reason="matplotlib is not installed (pip install 'edge-lp[demo]')"
    )
    result = run("demo", "--model", model, "--out", tmp_path / "out")
    assert result.exit_code == 0 and "of 3 keywords detected" in result.stdout
    pcm, rate = soundfile.read(tmp_path / "out" / "demo.wav", dtype="int16")
    expected, said = demo.compose(WORDS[:3])
    assert rate == SAMPLE_RATE and np.array_equal(pcm, expected)
    assert sorted(s.word for s in said if s.keyword) == sorted(WORDS[:3]) and sum(
        not s.keyword for s in said
    ) == len(demo.OTHERS)
    assert all(a.end + 0.5 < b.start for a, b in zip(said, said[1:]))
    assert _png(tmp_path / "out" / "demo.png") > (1000, 800)


def test_a_folder_that_cannot_be_made(model, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    out, wav = file / "below", tmp_path / "a.wav"
    soundfile.write(wav, np.zeros(8000, np.int16), SAMPLE_RATE)
    says = f"cannot make the folder {out}"
    bad("demo", "--model", model, "--out", out, says=says)
    bad("reproduce", "jitter", "--out", out, says=says)
    bad("record", "word", "--device", wav, "--out", out, says=says)


def _png(path):
    from matplotlib import image

    return image.imread(path).shape[1::-1]


def test_pictures_of_training(tmp_path):
    pytest.importorskip(
        "matplotlib", reason="matplotlib is not installed (pip install 'edge-lp[plot]')"
    )
    history = [
        {
            "stage": stage,
            "epoch": i + 1.0,
            "loss": 1 / (i + 1),
            "accuracy": 0.5,
            "validation": 0.6,
            "balanced": 0.55,
        }
        for stage in ("float", "3-bit")
        for i in range(3)
    ]
    assert _png(plots.learning_curve(history, tmp_path / "curve.png")) > (500, 300)
    assert _png(
        plots.confusion(np.array([[3, 1], [0, 0]]), ["a", "b"], tmp_path / "confusion.png")
    ) > (300, 200)


# ----------------------------------------------------------------------------------------- train --


def test_train_says_what_is_missing(monkeypatch, tmp_path):
    bad("train", says="--data DIR is missing")
    bad("train", "--data", tmp_path, "--hidden", "128,x", says="not a list of numbers")
    # as where TensorFlow is not installed
    monkeypatch.setitem(sys.modules, "edge_lp_train.fit", None)
    bad("train", "--data", tmp_path, says="pip install 'edge-lp[train]'")


def test_unpack_reads_what_export_wrote(model, tmp_path):
    run("export", model, "-o", tmp_path / "m.lpb")
    assert unpack((tmp_path / "m.lpb").read_bytes()).labels == WORDS

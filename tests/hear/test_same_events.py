# SPDX-License-Identifier: Apache-2.0
"""One table: whatever the samples come through, the events are those of the runtime for these
samples. Each way gives back what was heard, and the events that it told, as JSON has them."""

import json
import shutil
import subprocess

import pytest
import soundfile
from edge_lp.audio.signals import babble
from edge_lp.board.emulate import Emulator
from listener import CLI, Listener, expected, with_tail
from paths import ROOT

PCM = babble(3)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def listened(model, *options, stdin=None):
    named = [] if model is None else ["--model", str(model)]
    run = subprocess.run(
        [*CLI, "listen", "--json", *named, *options], input=stdin, capture_output=True, check=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def by_file(model, folder, request):
    return PCM, listened(model, "--device", str(folder / "a.wav"))


def by_stdin(model, folder, request):
    return PCM, listened(model, "--device", "-", stdin=PCM.astype("<i2").tobytes())


def by_microphone(model, folder, request):
    """What a server played; what arrived of it is in the recording."""
    server, wav = request.getfixturevalue("server"), folder / "heard.wav"
    with Listener(server, model, "--record", str(wav)) as p:
        p.play(folder / "a.wav")
        p.stop()
    return soundfile.read(wav, dtype="int16")[0], p.events


def by_board(model, folder, request):
    """A Cortex-M4 in QEMU that is sent the samples."""
    need("qemu-system-arm", "arm-none-eabi-gcc", "make")
    with Emulator("m4", model.read_bytes()) as e:
        source = ("--source", str(folder / "a.wav"))
        return PCM, listened(None, "--device", f"serial:{e.port}", *source)


def by_wasm(model, folder, request):
    """The web page's own JavaScript and WebAssembly, in node; in browsers: tests/web."""
    need("clang", "wasm-ld", "node")
    web, wasm, raw = ROOT / "host" / "web", folder / "edge_lp.wasm", folder / "a.raw"
    subprocess.run([web / "wasm.sh", wasm, web / "glue.c"], check=True)
    raw.write_bytes(with_tail(model, PCM).astype("<i2").tobytes())
    code = (
        "import { readFileSync } from 'node:fs';"
        f"const {{ Spotter }} = await import({json.dumps((web / 'spotter.js').as_uri())});"
        f"const [wasm, model, raw] = {json.dumps([str(wasm), str(model), str(raw)])}"
        ".map((name) => readFileSync(name));"
        "const pcm = new Int16Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));"
        "console.log(JSON.stringify("
        "new Spotter(await WebAssembly.compile(wasm), model).push(pcm)));"
    )
    done = subprocess.run(
        ["node", "--no-warnings", "--input-type=module", "-e", code],
        capture_output=True,
        check=True,
    )
    return PCM, [e | {"score": round(e["score"], 4)} for e in json.loads(done.stdout)]


def by_wyoming(model, folder, request):
    """The protocol tells no scores."""
    pytest.importorskip("wyoming", reason="wyoming is not installed: pip install 'edge-lp[serve]'")
    from edge_lp.hear.wyoming import Service
    from edge_lp.runtime import Model
    from wyoming_client import chunks, found, on, running

    opened = Model(model.read_bytes())
    with running(Service(opened, opened.detector, "m.lpb")) as (port, _):
        told = found(on(port, *chunks(PCM)))
    return PCM, [{"t": ms / 1000, "keyword": word} for word, ms in told]


@pytest.mark.parametrize("way", [by_file, by_stdin, by_microphone, by_board, by_wasm, by_wyoming])
def test_the_same_events_from_the_same_samples(model, tmp_path, request, way):
    soundfile.write(tmp_path / "a.wav", PCM, 16000)
    heard, events = way(model, tmp_path, request)
    told = expected(model, heard)[: len(events) if way is by_microphone else None]
    assert len(events) > 1
    assert events == [{name: e[name] for name in events[0]} for e in told]

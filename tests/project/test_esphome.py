# SPDX-License-Identifier: Apache-2.0
"""ESPHome's own tool and C++ with our component (docs/board-esp32.md). ESPHome is from PyPI, in an
environment of its own (tools/esphome-packages.txt): it wants other versions than the rest. For an
ESP32-S3 it checks the configuration and generates the program. For this machine it does so too, and
that program, with a recording for a microphone, is built and run. ESP-IDF is not to be had here."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from edge_lp.audio.signals import babble
from edge_lp.model.format import pack
from edge_lp.runtime import Detector, Frontend, Model, Net
from paths import ROOT
from random_model import random_spec

ESPHOME = ROOT / "build" / "esphome"
PAGE = (ROOT / "docs" / "board-esp32.md").read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)

pytestmark = pytest.mark.skipif(
    not (ESPHOME / "packages.txt").exists(),
    reason="ESPHome is not installed (tools/esphome.sh; it needs Python 3.11)",
)


def esphome(folder, config, *command):
    (folder / "x.yaml").write_text(config)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [ESPHOME / "bin" / "esphome", *command, "x.yaml"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path):
    """Where the page's configurations are, with this repository beside them."""
    (tmp_path / "edge-lp").symlink_to(ROOT)
    return tmp_path


def test_the_page_is_valid_and_generates_a_program(folder):
    code, said = esphome(folder, YAML[0], "compile", "--only-generate")
    assert code == 0, said
    (build,) = (folder / ".esphome" / "build").iterdir()
    text = (build / "src" / "main.cpp").read_text()
    model = (ROOT / "host/edge_lp/models/computer.lpb").read_bytes()
    flash = re.search(r"uint8_t \w+\[\] PROGMEM = \{(.*?)\};", text)[1]
    assert bytes(int(x, 16) for x in flash.split(", ")) == model
    for call in (
        f"set_model(uint8_t_id, {len(model)})",
        "set_microphone_source(",
        "set_stop_after_detection(false)",
        "Automation<std::string>(spotter->get_wake_word_detected_trigger())",
        "edge_lp::StartAction<>",
    ):
        assert call in text, call
    manifest = (build / "src" / "idf_component.yml").read_text()
    path = re.search(r"edge_lp:\n    path: (.*)", manifest)[1]
    component = ROOT / "esp-idf" / "edge_lp"  # what stands there is the runtime
    assert Path(path).resolve() == component
    (included,) = re.findall(
        r'^include\("\$\{CMAKE_CURRENT_LIST_DIR\}/(.*)"\)',
        (component / "CMakeLists.txt").read_text(),
        re.M,
    )
    assert (component / included).resolve() == ROOT / "CMakeLists.txt"


@pytest.mark.parametrize("page", range(1, len(YAML)))
def test_the_other_pieces_of_the_page_are_valid(folder, page):
    """Each takes the place of the first one's edge_lp, and may bring what else it needs."""
    kept = [part for part in re.split(r"(?m)^(?=\w)", YAML[0]) if not part.startswith("edge_lp:")]
    code, said = esphome(folder, "".join(kept) + YAML[page], "config")
    assert code == 0, said


@pytest.fixture(scope="module")
def model():
    """A model that hears keywords in babble."""
    spec = random_spec(1)
    detector = replace(spec.detector, windows=(20,), thresholds=(0.2,), refractory=20)
    return pack(replace(spec, detector=detector))


def broken(model, folder):
    (folder / "text.lpb").write_bytes(b"no model at all, but long enough")
    (folder / "short.lpb").write_bytes(model[:100])
    (folder / "flip.lpb").write_bytes(model[:60] + bytes([model[60] ^ 1]) + model[61:])
    (folder / "new.lpb").write_bytes(model[:4] + bytes([2]) + model[5:])


@pytest.mark.parametrize(
    "key, value, what",
    [
        ("model", "text.lpb", "is no edge-lp model"),
        ("model", "short.lpb", "is damaged"),
        ("model", "flip.lpb", "is damaged"),
        ("model", "new.lpb", "is of format 2"),
        ("model", "nowhere.lpb", "Or name a shipped one: commands12"),
        ("probability_cutoff", "2", "probability_cutoff"),
        ("sample_rate", "48000", "requires a 16000 sample rate"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_built(folder, model, key, value, what):
    broken(model, folder)
    text = YAML[0]
    if key == "sample_rate":
        text = text.replace("    channel: left", "    channel: left\n    sample_rate: 48000")
    elif key == "model":
        text = text.replace("model: computer", f"model: {value}")
    else:
        text = text.replace("model: computer", f"model: computer\n  {key}: {value}")
    code, said = esphome(folder, text, "config")
    assert code != 0 and what in " ".join(said.split()), said


# A microphone that plays a recording, as many samples a turn of the main loop as are asked for.
RECORDING = """
#pragma once
#include "esphome/components/microphone/microphone.h"
#include "esphome/core/component.h"
#include <cstdio>
#include <cstdlib>
namespace esphome::recording {
class Recording : public Component, public microphone::Microphone {
public:
    void open(const char *path, size_t n)
    {
        this->file_ = fopen(path, "rb");
        this->n_ = n;
        this->audio_stream_info_ = audio::AudioStreamInfo(32, 1, 16000);
    }
    void start() override
    {
        this->state_ = microphone::STATE_RUNNING;
        this->started_ = true;
    }
    void stop() override { this->state_ = microphone::STATE_STOPPED; }
    void loop() override
    {
        std::vector<uint8_t> data(this->is_running() ? 4 * this->n_ : 0);
        data.resize(fread(data.data(), 1, data.size(), this->file_));
        if (!data.empty()) this->data_callbacks_.call(data);
        else if (this->started_ && ++this->silent_ == 100) exit(0); // stopped, or at its end
    }
private:
    FILE *file_{nullptr};
    size_t n_{0};
    bool started_{false};
    int silent_{0};
};
}
"""
PLATFORM = """
import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components import audio, microphone
from esphome.const import CONF_ID
Recording = cg.esphome_ns.namespace("recording").class_(
    "Recording", microphone.Microphone, cg.Component)
def limits(config):
    audio.set_stream_limits(32, 32, 1, 1, 16000, 16000)(config)
    return config
CONFIG_SCHEMA = cv.All(microphone.MICROPHONE_SCHEMA.extend({
    cv.GenerateID(): cv.declare_id(Recording), cv.Required("file"): cv.string,
    cv.Required("samples"): cv.int_}), limits)
async def to_code(config):
    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    await microphone.register_microphone(var, config)
    cg.add(var.open(config["file"], config["samples"]))
"""
# ESPHome's audio component, which is otherwise the same, downloads decoders for an ESP32.
AUDIO = """
import importlib.util
from pathlib import Path
import esphome
import esphome.config_validation as cv
real = importlib.util.spec_from_file_location(
    __name__ + "_real", Path(esphome.__file__).parent / "components" / "audio" / "__init__.py")
module = importlib.util.module_from_spec(real)
real.loader.exec_module(module)
globals().update({k: v for k, v in vars(module).items() if not k.startswith("__")})
AUTO_LOAD = []
CONFIG_SCHEMA = cv.Schema({})
async def to_code(config):
    pass
"""
HOST = """
esphome:
  name: here
  on_boot:
    priority: -100
    then:
      - lambda: App.set_loop_interval(1);
      - edge_lp.start:
host:
logger:
external_components:
  - source: {type: local, path: parts}
  - source: {type: local, path: COMPONENTS}
microphone:
  - platform: recording
    id: mic
    file: FILE
    samples: SAMPLES
edge_lp:
  id: spotter
  microphone: mic
  model: m.lpb
  OPTIONS
  on_wake_word_detected:
    - logger.log:
        format: "<%s>"
        args: [wake_word.c_str()]
    - if:
        condition: {edge_lp.is_running: spotter}
        then:
          - logger.log: "<runs>"
"""


class Here:
    """ESPHome's program for this machine: its core, its microphone source, our component, and a
    microphone that plays a recording."""

    def __init__(self, folder, model):
        self.folder = folder
        parts, installed = folder / "parts", next(ESPHOME.glob("lib/*/site-packages/esphome"))
        (parts / "recording").mkdir(parents=True)
        (parts / "audio").mkdir()
        (parts / "recording" / "__init__.py").write_text("")
        (parts / "recording" / "microphone.py").write_text(PLATFORM)
        (parts / "recording" / "recording.h").write_text(RECORDING)
        (parts / "audio" / "__init__.py").write_text(AUDIO)
        for name in ("audio.cpp", "audio.h"):
            shutil.copy(installed / "components" / "audio" / name, parts / "audio")
        (folder / "m.lpb").write_bytes(model)
        self.built = {}  # source: its text, when it was last compiled
        for source in (ROOT / "runtime").glob("*.c"):
            self.object(source, "gcc", "-O2")

    def object(self, source, *compiler):
        """Compiles a source whose text has changed -> its object."""
        made = self.folder / ("_".join(source.parts[-3:]) + ".o")
        if self.built.get(made) != source.read_text():
            self.run(*compiler, "-c", source, "-o", made)
            self.built[made] = source.read_text()
        return made

    def run(self, *command):
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def hears(self, pcm, samples=1280, options="stop_after_detection: false"):
        """pcm through the microphone, as the upper of 32 bits, `samples` a turn of the main loop ->
        what ESPHome's log says."""
        (self.folder / "pcm").write_bytes((pcm.astype("<i4") << 16).tobytes())
        config = HOST.replace("COMPONENTS", str(ROOT / "esphome" / "components"))
        config = config.replace("FILE", str(self.folder / "pcm")).replace("OPTIONS", options)
        config = config.replace("SAMPLES", str(samples))
        code, said = esphome(self.folder, config, "compile", "--only-generate")
        assert code == 0, said
        build = self.folder / ".esphome" / "build" / "here" / "src"
        flags = ["-std=gnu++20", "-DUSE_HOST", "-fno-exceptions", "-I", build]
        flags += ["-DESPHOME_LOG_LEVEL=ESPHOME_LOG_LEVEL_DEBUG", "-I", ROOT / "runtime"]
        for source in sorted(build.rglob("*.cpp")):
            ours = ["-Wall", "-Wextra", "-Werror"] if source.parent.name == "edge_lp" else []
            self.object(source, "g++", *flags, *ours)
        self.run("g++", *self.built, "-lpthread", "-o", self.folder / "here")
        return re.sub(r"\x1b\[[0-9;]*m", "", self.run(self.folder / "here"))


@pytest.fixture(scope="module")
def here(tmp_path_factory, model):
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    return Here(tmp_path_factory.mktemp("here"), model)


def expected(model, pcm):
    opened = Model(model)
    detector = Detector(len(opened.labels), opened.n_keywords, opened.detector)
    events = detector.push(Net(opened).push(Frontend().push(pcm)))[0]
    return [opened.labels[e.label] for e in events], events


def heard(said):
    return [word for word in re.findall(r"<(.*?)>", said) if word != "runs"]


def test_the_automation_runs_for_the_hosts_events(here, model):
    """The same words as edge-lp hears, at the same times and with the same probabilities."""
    pcm = babble(3, seed=1)
    said = here.hears(pcm)
    words, events = expected(model, pcm)
    assert len(words) > 3 and heard(said) == words and said.count("<runs>") == len(words)
    told = re.findall(r"Detected '.*' with probability (\S+), (\d+) ms from the start", said)
    assert told == [(f"{e.score:.2f}", str(10 * e.middle)) for e in events]
    assert "sound lost" not in said


def test_it_stops_after_a_detection(here, model):
    """As micro_wake_word does, unless it is told otherwise."""
    pcm = babble(3, seed=1)
    said = here.hears(pcm, options="")
    assert heard(said) == expected(model, pcm)[0][:1]
    assert said.count("<runs>") == 1 and "Stopping" in said


def test_a_cutoff_takes_the_place_of_the_models(here, model):
    pcm = babble(3, seed=1)
    options = "stop_after_detection: false\n  probability_cutoff: 60%"
    said = here.hears(pcm, options=options)
    spec = random_spec(1)
    detector = replace(spec.detector, windows=(20,), thresholds=(0.6,), refractory=20)
    words = expected(pack(replace(spec, detector=detector)), pcm)[0]
    assert heard(said) == words != expected(model, pcm)[0]


def test_what_comes_too_fast_is_told(here, model):
    """Three seconds in one turn: what has room is heard, the rest is counted."""
    pcm = babble(3, seed=1)
    said = here.hears(pcm, samples=len(pcm))
    room = 8192
    assert f"{(len(pcm) - room) // 16} ms of sound lost" in said
    assert heard(said) == expected(model, pcm[:room])[0]

# SPDX-License-Identifier: Apache-2.0
"""ESP-IDF's example, esp-idf/i2s_microphone, and the project that `new-project --board esp32` makes
of it, with stand-ins for the driver, the system and the build: ESP-IDF and Espressif's compiler are
not to be had here. docs/board-esp32.md says what was compiled by hand against its own headers."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from edge_lp.audio.signals import babble
from edge_lp.board.project import new_project
from edge_lp.model.format import pack
from edge_lp.runtime import Detector, Frontend, Model, Net
from paths import ROOT, load
from random_model import random_spec
from test_ecosystems import SOURCES, level, need, run

EXAMPLE = ROOT / "esp-idf" / "i2s_microphone"
SOURCE = EXAMPLE / "main" / "main.c"
FLAGS = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-sign-compare"]
FLAGS += ["-I", ROOT / "runtime"]  # as ESP-IDF compiles
# What the example calls of ESP-IDF 5.0 and later.
DRIVER = """
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef int esp_err_t;
enum { ESP_OK };
typedef struct i2s_channel *i2s_chan_handle_t;
typedef struct { void *data; } i2s_event_data_t;
typedef struct {
    bool (*on_recv_q_ovf)(i2s_chan_handle_t, i2s_event_data_t *, void *);
} i2s_event_callbacks_t;
typedef struct { int id, role; uint32_t dma_desc_num, dma_frame_num; } i2s_chan_config_t;
typedef struct { uint32_t sample_rate_hz; } i2s_std_clk_config_t;
typedef struct { int data_bit_width, slot_mode; } i2s_std_slot_config_t;
typedef struct { int mclk, bclk, ws, dout, din; } i2s_std_gpio_config_t;
typedef struct {
    i2s_std_clk_config_t clk_cfg; i2s_std_slot_config_t slot_cfg; i2s_std_gpio_config_t gpio_cfg;
} i2s_std_config_t;
enum { I2S_NUM_AUTO, I2S_ROLE_MASTER, I2S_GPIO_UNUSED = -1 };
enum { I2S_DATA_BIT_WIDTH_32BIT = 32, I2S_SLOT_MODE_MONO = 1 };
#define I2S_CHANNEL_DEFAULT_CONFIG(id, role) {id, role, 6, 240}
#define I2S_STD_CLK_DEFAULT_CONFIG(rate) {rate}
#define I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(width, mode) {width, mode}
esp_err_t i2s_new_channel(const i2s_chan_config_t *, i2s_chan_handle_t *, i2s_chan_handle_t *);
esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t, const i2s_std_config_t *);
esp_err_t i2s_channel_register_event_callback(i2s_chan_handle_t, const i2s_event_callbacks_t *,
                                              void *);
esp_err_t i2s_channel_enable(i2s_chan_handle_t);
esp_err_t i2s_channel_read(i2s_chan_handle_t, void *, size_t, size_t *, uint32_t);
const char *esp_err_to_name(esp_err_t);
"""
HEADERS = {
    "driver/i2s_std.h": DRIVER,
    "esp_attr.h": "#define IRAM_ATTR\n",
    "esp_heap_caps.h": "#include <stddef.h>\n#include <stdint.h>\n"
    "enum { MALLOC_CAP_INTERNAL = 1, MALLOC_CAP_8BIT = 2 };\n"
    "void *heap_caps_aligned_alloc(size_t, size_t, uint32_t);\n",
    "esp_log.h": "void said(char, const char *, const char *, ...);\n"
    + "".join(f"#define ESP_LOG{c}(...) said('{c}', __VA_ARGS__)\n" for c in "EWI"),
}
# A driver that plays a recording, 24 bits in 32, in blocks of changing length; at 1 s it loses two
# buffers, and behind the end nothing comes any more.
PLAYER = """
#include "driver/i2s_std.h"
#include "esp_heap_caps.h"
#include "esp_log.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
static FILE *in;
static i2s_event_callbacks_t calls;
static int reads, enabled;
esp_err_t i2s_new_channel(const i2s_chan_config_t *c, i2s_chan_handle_t *tx, i2s_chan_handle_t *rx)
{
    *rx = (i2s_chan_handle_t)&in;
    in = fopen("pcm", "rb");
    return tx || c->role != I2S_ROLE_MASTER || c->dma_desc_num * c->dma_frame_num < 1000;
}
esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t c, const i2s_std_config_t *s)
{
    const int pins[] = {s->gpio_cfg.bclk, s->gpio_cfg.ws, s->gpio_cfg.din};
    return pins[0] != 4 || pins[1] != 5 || pins[2] != 6 || s->clk_cfg.sample_rate_hz != 16000 ||
           s->slot_cfg.data_bit_width != 32 || s->slot_cfg.slot_mode != I2S_SLOT_MODE_MONO;
}
esp_err_t i2s_channel_register_event_callback(i2s_chan_handle_t c, const i2s_event_callbacks_t *e,
                                              void *context)
{
    calls = *e;
    return enabled;
}
esp_err_t i2s_channel_enable(i2s_chan_handle_t c) { return enabled++; }
esp_err_t i2s_channel_read(i2s_chan_handle_t c, void *to, size_t bytes, size_t *got, uint32_t ms)
{
    if (++reads % 7 == 0) bytes = bytes / 12 * 4;
    for (int i = 0; reads == 100 && i < 2; i++) calls.on_recv_q_ovf(c, NULL, NULL);
    *got = fread(to, 1, bytes, in);
    return *got ? ESP_OK : 263;
}
const char *esp_err_to_name(esp_err_t e) { return e == 263 ? "ESP_ERR_TIMEOUT" : "?"; }
void *heap_caps_aligned_alloc(size_t to, size_t n, uint32_t caps)
{
    return caps == 3 ? aligned_alloc(to, (n + to - 1) / to * to) : NULL;
}
void said(char level, const char *tag, const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    printf("%c %s: ", level, tag);
    vprintf(format, rest);
    puts("");
}
void app_main(void);
int main(void) { app_main(); }
"""
MODEL = """
.section .rodata
.global _binary_model_lpb_start, _binary_model_lpb_end
_binary_model_lpb_start: .incbin "model.lpb"
_binary_model_lpb_end:
.section .note.GNU-stack
"""


# The parts of ESP-IDF's CMake that the project calls: its components and one beside it, in a
# program with the player.
CMAKE = """
set(ESP_PLATFORM TRUE)
macro(project name)
  _project(${name} C ASM)
  add_compile_options(-Og)
  include_directories($ENV{IDF_PATH})
  file(GLOB components "${CMAKE_CURRENT_LIST_DIR}/components/*")
  foreach(folder $ENV{BESIDE} ${components} "${CMAKE_CURRENT_LIST_DIR}/main")
    get_filename_component(COMPONENT_NAME "${folder}" NAME)
    add_subdirectory("${folder}" ${COMPONENT_NAME})
  endforeach()
  add_executable(t $ENV{IDF_PATH}/player.c $ENV{IDF_PATH}/model.S)
  set_source_files_properties($ENV{IDF_PATH}/model.S
    PROPERTIES COMPILE_OPTIONS "-I${CMAKE_CURRENT_LIST_DIR}/main")
  target_link_libraries(main PRIVATE edge_lp)
  target_link_libraries(t PRIVATE main)
endmacro()
function(idf_component_register)
  cmake_parse_arguments(its "" "" "SRCS;INCLUDE_DIRS;EMBED_FILES" ${ARGN})
  add_library(${COMPONENT_NAME} STATIC ${its_SRCS})
  target_include_directories(${COMPONENT_NAME} PUBLIC ${its_INCLUDE_DIRS})
  set_property(GLOBAL APPEND PROPERTY EMBEDDED ${its_EMBED_FILES})
endfunction()
"""


@pytest.fixture
def stand_ins(tmp_path):
    for name, text in HEADERS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("#pragma once\n" + text)
    return tmp_path


@pytest.fixture(scope="module")
def model():
    """A model that hears keywords in babble."""
    spec = random_spec(1)
    return pack(replace(spec, detector=replace(spec.detector, thresholds=(0.2,), refractory=20)))


def example(folder, model):
    """The tree's example with another model, as its README says, and the component beside it."""
    shutil.copytree(EXAMPLE, folder)
    (folder / "main" / "model.lpb").write_bytes(model)
    return str(ROOT / "esp-idf" / "edge_lp")


def project(folder, model):
    """What `new-project` writes, which needs nothing beside it."""
    new_project("esp32", folder, model)
    return ""


@pytest.mark.parametrize("write", [example, project])
def test_it_hears_what_the_host_hears(stand_ins, model, write):
    """Built by its own CMake files and run here: the host's events of the samples, in whatever
    pieces they come, as its README says; a gap and the end are told."""
    need("cmake", "gcc")
    folder, pcm = stand_ins, babble(3, seed=1)
    (folder / "player.c").write_text(PLAYER)
    (folder / "model.S").write_text(MODEL)
    (folder / "tools/cmake").mkdir(parents=True)
    (folder / "tools/cmake/project.cmake").write_text(CMAKE)
    # the example makes it 8 times as loud
    (folder / "pcm").write_bytes(((pcm.astype("<i4") // 8) << 16).tobytes())
    environment = {"IDF_PATH": str(folder), "BESIDE": write(folder / "words", model)}
    options = {"env": os.environ | environment, "cwd": folder}
    run("cmake", "-S", "words", "-B", "b", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", **options)
    run("cmake", "--build", "b", **options)
    commands = json.loads((folder / "b/compile_commands.json").read_text())
    commands = {Path(c["file"]).name: c["command"].split() for c in commands}
    assert {*commands} == {*SOURCES, "main.c", "player.c", "model.S"}
    assert level(commands["lp_core.c"]) == "-O3" and level(commands["lp_image.c"]) == "-Og"
    opened = Model(model)
    detector = Detector(len(opened.labels), opened.n_keywords, opened.detector)
    events = detector.push(Net(opened).push(Frontend().push(pcm // 8 * 8)))[0]
    said = run(folder / "b/t", cwd=folder).splitlines()
    first = f"edge_lp: listening for {opened.n_keywords} keywords"
    readme = (folder / "words/README.md").read_text()
    assert said.pop(0) == f"I {first}" and re.sub(r"\d+ key", "10 key", first) in readme
    assert said.pop() == "E edge_lp: the microphone: ESP_ERR_TIMEOUT"
    said.remove("W edge_lp: 20 ms lost")
    assert said and said == [f"{opened.labels[e.label]} at {10 * e.middle} ms" for e in events]
    assert re.search(r"^    \w+ at \d+0 ms$", readme, re.M)


def test_a_project_is_the_example_with_the_component_in_it(tmp_path, model):
    """One source; its manifests are such that ESP-IDF's component manager reads, and name nothing
    that is only in edge-lp's tree."""
    project(tmp_path / "words", model)
    made = {str(p.relative_to(tmp_path / "words")): p for p in (tmp_path / "words").rglob("*.*")}
    for path in EXAMPLE.rglob("*.*"):
        name = str(path.relative_to(EXAMPLE))
        if name not in ("main/idf_component.yml", "main/model.lpb"):
            assert made[name].read_bytes() == path.read_bytes()
    assert made["main/model.lpb"].read_bytes() == model
    assert "components/edge_lp/runtime/edge_lp.h" in made
    manifest = made["main/idf_component.yml"].read_text()
    assert "idf:" in manifest and "path" not in manifest and "edge_lp" not in manifest


@pytest.mark.parametrize(
    "machine",
    [
        "riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32",
        "xtensa-lx106-elf-gcc -mabi=windowed -mlongcalls",  # an ESP32's and an S3's
    ],
)
def test_its_stack(stand_ins, machine):
    """The deepest path of the main task, and 2 KB for printf, are within what sdkconfig.defaults
    gives it."""
    command = machine.split()
    need(command[0])
    (stand_ins / "stdio.h").write_text("int printf(const char *, ...);\n")
    run(*command, *FLAGS, "-Og", "-ffreestanding", "-fcallgraph-info=su", "-I", ".", "-S", SOURCE,
        *(ROOT / "runtime").glob("*.c"), cwd=stand_ins)  # fmt: skip
    report = load(ROOT / "firmware/tools/report.py")
    bound = report.deepest("app_main", *report.call_graph(stand_ins.glob("*.ci")))
    given = re.search(r"MAIN_TASK_STACK_SIZE=(\d+)", (EXAMPLE / "sdkconfig.defaults").read_text())
    assert 300 < bound and bound + 2048 <= int(given[1])
